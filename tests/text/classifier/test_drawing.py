import torch

from leyden.text.classifier.drawing import AGAINST, FOR, ColouredText, draw_attention, draw_tokens


def colours(image: torch.Tensor) -> torch.Tensor:
    """The most saturated pixel's red less blue, above 0 in red, below in blue."""
    gap = image[0].int() - image[2].int()
    return gap[gap.abs() > 30]


def test_tokens_are_blue_for_and_red_against() -> None:
    assert FOR[2] > FOR[0]
    assert AGAINST[0] > AGAINST[2]
    good, bad, none = (draw_tokens([ColouredText("", ["a", " word"], [0.0, v])]) for v in (1.0, -2.0, 0.0))
    assert good.dtype == torch.uint8
    assert good.shape == bad.shape
    assert (colours(good) < 0).all()
    assert (colours(bad) > 0).all()
    assert len(colours(none)) == 0


def test_the_strongest_token_has_the_full_colour() -> None:
    weak, strong = (draw_tokens([ColouredText("", ["a", " word"], [v, v])]) for v in (1e-6, 5.0))
    assert torch.equal(weak, strong)


def test_long_texts_break_into_lines() -> None:
    short = draw_tokens([ColouredText("", [" word"] * 3, [1.0] * 3)], width=300)
    long = draw_tokens([ColouredText("", [" word"] * 30, [1.0] * 30)], width=300)
    assert (short.shape[2], long.shape[2]) == (300, 300)
    assert long.shape[1] > short.shape[1] + 50
    assert len(colours(long[:, :, 295:])) == 0  # nothing runs over the edge


def test_attention_has_a_panel_per_head() -> None:
    maps = [torch.softmax(torch.randn(4, 5, 5), -1) for _ in range(3)]
    image = draw_attention(maps, ["a"] * 5, "title")
    assert image.dtype == torch.uint8
    more = draw_attention([torch.softmax(torch.randn(12, 5, 5), -1)] * 3, ["a"] * 5)
    assert more.shape == image.shape
    assert not torch.equal(image, draw_attention([own * 0 for own in maps], ["a"] * 5, "title"))
