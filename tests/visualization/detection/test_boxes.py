import pytest
import torch

from leyden.visualization.detection.boxes import (
    FALSE_ALARM,
    HIT,
    IGNORED,
    LEGEND,
    MISS,
    PREDICTED,
    TARGET,
    Mark,
    draw_boxes,
    draw_evaluated,
    draw_marks,
    draw_scenes,
    draw_tiles,
)

BLACK = torch.zeros(3, 64, 64, dtype=torch.uint8)
OBJECT = {"boxes": torch.tensor([[10.0, 20, 30, 50]]), "labels": torch.tensor([1])}
ANSWERED = {"boxes": torch.tensor([[12.0, 22, 32, 52]]), "labels": torch.tensor([0]), "scores": torch.tensor([0.9])}
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long(), "scores": torch.zeros(0)}


def coloured(image: torch.Tensor, colour: tuple[int, int, int]) -> torch.Tensor:
    return (image == torch.tensor(colour)[:, None, None]).all(0)


def colours(image: torch.Tensor) -> set[tuple[int, int, int]]:
    return {colour for colour in (HIT, FALSE_ALARM, MISS, IGNORED) if coloured(image, colour).any()}


def test_boxes_lie_where_they_should_at_the_enlarged_size():
    image = draw_boxes(BLACK, NOTHING, ["a", "b"], OBJECT, side=256)
    assert image.shape == (3, 256, 256)
    y, x = coloured(image, TARGET).nonzero(as_tuple=True)
    assert [x.min(), y.min(), x.max(), y.max()] == [40, 80, 120, 200]
    assert not coloured(image, PREDICTED).any()


def test_targets_and_detections_have_own_colours():
    image = draw_boxes(BLACK, ANSWERED, ["a", "b"], OBJECT, side=256)
    assert coloured(image, TARGET).any()
    assert coloured(image, (255, 255, 255)).any()
    y, _ = coloured(image, PREDICTED).nonzero(as_tuple=True)
    assert y.min() < 22 * 4


def test_grey_images_and_empty_answers():
    assert draw_boxes(BLACK[:1], NOTHING, ["a"]).shape[0] == 3


@pytest.mark.parametrize(
    ("prediction", "found", "expected"),
    [
        (ANSWERED, [0], {HIT}),
        (ANSWERED, [-1], {FALSE_ALARM, MISS}),
        (NOTHING, [], {MISS}),
        (ANSWERED, [-2], {IGNORED, MISS}),
    ],
)
def test_each_verdict_has_its_colour(prediction: dict, found: list[int], expected: set):
    assert (
        colours(draw_evaluated(BLACK, prediction, OBJECT, torch.tensor(found).long(), ["a", "b"], side=256)) == expected
    )


@pytest.mark.parametrize("kind", ["difficult", "crowd"])
def test_ignored_objects_are_grey(kind: str):
    target = {**OBJECT, kind: torch.tensor([True])}
    assert colours(draw_evaluated(BLACK, NOTHING, target, torch.zeros(0).long(), ["a", "b"])) == {IGNORED}


def test_missed_object_is_dashed_in_place():
    low = {"boxes": torch.tensor([[10.0, 30, 50, 60]]), "labels": torch.tensor([1])}
    image = draw_evaluated(BLACK, NOTHING, low, torch.zeros(0).long(), ["a", "b"], side=256)
    edge = coloured(image, MISS)[240, 40:201]  # the lower one
    assert 0.3 < edge.float().mean() < 0.8
    y, x = coloured(image, MISS).nonzero(as_tuple=True)
    assert (abs(x.min() - 40) <= 2, abs(x.max() - 200) <= 2, abs(y.max() - 240) <= 2) == (True, True, True)


def test_boxes_without_area_or_outside_are_drawn():
    odd = {"boxes": torch.tensor([[5.0, 5, 5, 5], [-20.0, -20, 90, 90]]), "labels": torch.tensor([0, 0])}
    detections = {**odd, "scores": torch.ones(2)}
    assert draw_evaluated(BLACK, detections, odd, torch.tensor([-1, 0]), ["a"]).shape == (3, 320, 320)


def test_scenes_are_laid_out_in_rows_below_a_legend():
    images = BLACK[None].expand(5, -1, -1, -1)
    found = [torch.tensor([i % 2 - 1]) for i in range(5)]
    image = draw_scenes(images, [ANSWERED] * 5, [OBJECT] * 5, found, ["a", "b"])
    assert image.shape == (3, 2 * 326 + 36, 4 * 326 + 6)
    assert all(coloured(image[:, :30], colour).sum() >= 13 * 13 for colour in LEGEND.values())


def test_a_sheet_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs images"):
        draw_tiles([], LEGEND)


@pytest.mark.parametrize("box", [[40.0, 60, 200, 160], [0.0, 0, 255, 255], [10.0, 0, 250, 90], [20.0, 150, 240, 255]])
def test_labels_of_one_place_do_not_overlap(box: list[float]) -> None:
    black = torch.zeros(3, 256, 256, dtype=torch.uint8)
    alone = int(coloured(draw_marks(black, [Mark(box, HIT, "cat: 90%", thin=True)], 256), HIT).sum())
    twice = draw_marks(black, [Mark(box, MISS, "cat: 90%", thin=True), Mark(box, HIT, "cat: 90%", thin=True)], 256)
    assert coloured(twice, HIT).sum() > 0.9 * alone  # the other may hide a part of its outline
    plate = int(coloured(twice, MISS).sum())  # the outline below is covered by the other
    outline = int(coloured(draw_marks(black, [Mark(box, HIT, thin=True)], 256), HIT).sum())
    assert plate > 0.8 * (alone - outline)
