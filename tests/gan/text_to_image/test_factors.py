from pathlib import Path

import pytest
import torch

from leyden.gan.text_to_image import factors
from leyden.gan.text_to_image.factors import exchange_channels, factor_table, is_colour, learn_factors, what_is_new

FACTORS = {"shape": ["ball", "cube"], "colour": ["red", "blue"], "place": ["sea", "sky"]}
NAMES = [f"A {c} {s} in the {p}" for s in FACTORS["shape"] for c in FACTORS["colour"] for p in FACTORS["place"]]


def test_factors_are_read_from_descriptions() -> None:
    table = factor_table(NAMES, FACTORS)
    assert table.tolist() == [[i // 4, i // 2 % 2, i % 2] for i in range(8)]
    assert factor_table(NAMES, {}).shape == (8, 0)


@pytest.mark.parametrize("name", ["a red ball", "a red and blue ball in the sky"])
def test_a_description_has_one_word_of_each(name: str) -> None:
    with pytest.raises(ValueError, match=r"has [02] words of (place|colour)"):
        factor_table([name], FACTORS)


def test_what_is_new_in_unseen_descriptions() -> None:
    table = factor_table(NAMES, FACTORS)
    assert what_is_new(table, []) == ()
    assert what_is_new(table, [0, 1]) == (0, 1)  # no red ball anywhere
    assert what_is_new(table, [0]) == (0, 1, 2)  # red balls in the sky, and red cubes in the sea, were seen
    assert what_is_new(table, [0, 1, 2, 3]) == (0,)  # no ball at all


def test_a_classifier_learns_factors_and_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factors, "STEPS", 60)
    values = torch.tensor([[i % 2, i // 2 % 2] for i in range(32)])
    images = torch.zeros(32, 3, 16, 16, dtype=torch.uint8)
    images[:, 0] = (values[:, 0] * 200)[:, None, None].to(torch.uint8)
    images[:, :, 4:12, 4:12] += (values[:, 1] * 50)[:, None, None, None].to(torch.uint8)
    two, state = {"ground": ["black", "red"], "square": ["no", "yes"]}, torch.random.get_rng_state()
    first, again = (learn_factors(images, values, two, torch.device("cpu"), tmp_path) for _ in range(2))
    assert torch.equal(state, torch.random.get_rng_state())
    assert len(list(tmp_path.glob("factors_*.pt"))) == 1
    for k, chances in enumerate(first.log_probabilities(images)):
        assert (chances.argmax(1) == values[:, k]).all()
        assert torch.equal(chances, again.log_probabilities(images)[k])
    assert first.features(images).shape == (32, 64)


def test_channels_are_exchanged_image_by_image() -> None:
    torch.manual_seed(0)
    images = torch.arange(180).view(60, 3, 1, 1).byte()
    exchanged = exchange_channels(images)
    assert torch.equal(exchanged.sort(1).values, images)
    assert len({tuple((row - row.min()).flatten().tolist()) for row in exchanged}) == 6
    assert is_colour(["red", "magenta"])
    assert not is_colour(["red", "seven"])


def test_a_colour_is_no_sign_of_a_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    """Red squares and blue stripes are seen, red stripes are not."""
    monkeypatch.setattr(factors, "STEPS", 60)
    words = {"shape": ["square", "stripes"], "colour": ["red", "blue"]}
    values = torch.tensor([[i % 2, i % 2] for i in range(64)])
    ink = torch.zeros(2, 16, 16)
    ink[0, 4:12, 4:12], ink[1, ::4] = 1, 1

    def painted(values: torch.Tensor) -> torch.Tensor:
        images = torch.randint(0, 40, (len(values), 3, 16, 16)).float()
        images[torch.arange(len(values)), 2 * values[:, 1]] += 200 * ink[values[:, 0]]
        return images.byte()

    torch.manual_seed(0)
    classifier = learn_factors(painted(values), values, words, torch.device("cpu"))
    new = torch.stack([values[:, 0], 1 - values[:, 1]], 1)
    assert (classifier.log_probabilities(painted(new))[0].argmax(1) == new[:, 0]).float().mean() > 0.9
