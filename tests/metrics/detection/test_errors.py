import pytest
import torch
from detections import prediction, random_scenes, target

from leyden.metrics.detection.coco_ap import coco_ap
from leyden.metrics.detection.errors import KINDS, detection_errors

A, FAR = [0.0, 0, 100, 100], [300.0, 300, 400, 400]
NEAR = [60.0, 0, 160, 100]  # overlaps A by 1/4
ASIDE = [85.0, 0, 185, 100]  # by 0.08


def counts(detections: dict, objects: dict, classes: int = 2) -> dict[str, int]:
    return {kind: n for kind, n in detection_errors([detections], [objects], classes).counts.items() if n}


@pytest.mark.parametrize(
    ("detections", "objects", "expected"),
    [
        (prediction((A, 0.9)), target(A), {}),
        (prediction((NEAR, 0.9)), target(A), {"localisation": 1}),  # nothing is missed: moved, it would be found
        (prediction((A, 0.9), labels=[1]), target(A), {"class": 1}),
        (prediction((A, 0.9), (A, 0.8)), target(A), {"duplicate": 1}),
        (prediction((ASIDE, 0.9)), target(A), {"background": 1, "missed": 1}),
        (prediction((FAR, 0.9)), target(), {"background": 1}),
        (prediction((NEAR, 0.9), labels=[1]), target(A), {"both": 1, "missed": 1}),
        (prediction(), target(A), {"missed": 1}),
        (prediction((NEAR, 0.9)), target(A, difficult=[True]), {"background": 1}),
        (prediction(([10.0, 10, 30, 30], 0.9)), target(A, crowd=[True]), {}),
        # Near an object that was found already: still a matter of place, but it would mend nothing.
        (prediction((A, 0.9), (NEAR, 0.8)), target(A), {"localisation": 1}),
    ],
)
def test_each_kind_by_hand(detections: dict, objects: dict, expected: dict[str, int]):
    assert counts(detections, objects) == expected


def test_what_each_kind_costs_by_hand():
    # One object in each of two images: the first is found after a false alarm, the second only nearly.
    predictions = [prediction((FAR, 0.9), (A, 0.8)), prediction((NEAR, 0.7))]
    lost = detection_errors(predictions, [target(A), target(A)], 1).lost
    now = 0.5 * 51 / 101
    assert lost["background"] == pytest.approx(1 * 51 / 101 - now)
    assert lost["localisation"] == pytest.approx(2 / 3 - now)  # found at 1/2, then at 2/3: the curve is lifted to 2/3
    assert lost["class"] == lost["duplicate"] == lost["both"] == lost["missed"] == 0
    assert detection_errors([prediction((A, 0.9))], [target(A, FAR)], 1).lost["missed"] == pytest.approx(50 / 101)


# What the authors' package (tidecv 1.0.1, where answers in a crowd are no errors, as in its later versions) gives for
# these scenes: counts and costs in the order of KINDS.
REFERENCE = {
    0: ([36, 2, 4, 6, 4, 12], [0.46444763, 0.02201246, 0.00417743, 0.01185292, 0.00929736, 0.04326744]),
    1: ([31, 2, 4, 6, 8, 6], [0.44196659, 0.0137931, 0.00149977, 0.01727319, 0.05352584, 0.02237934]),
    2: ([34, 1, 4, 3, 2, 3], [0.63981602, 0.0, 0.00208873, 0.00085564, 0.00123309, 0.01922049]),
}


@pytest.mark.parametrize("seed", REFERENCE)
def test_the_authors_package_says_the_same(seed: int):
    predictions, targets = random_scenes(seed, shake=16)
    for objects in targets:
        objects["crowd"] = torch.arange(len(objects["labels"])) == 4
    errors = detection_errors(predictions, targets, 3)
    expected_counts, expected_lost = REFERENCE[seed]
    assert [errors.counts[kind] for kind in KINDS] == expected_counts
    assert [errors.lost[kind] for kind in KINDS] == pytest.approx(expected_lost, abs=1e-7)


def test_every_detection_has_one_kind():
    for seed in range(20):
        predictions, targets = random_scenes(seed, images=8, shake=16, spared=0.1)
        errors = detection_errors(predictions, targets, 3)
        ap50 = coco_ap(predictions, targets, 3)["ap50"].item()
        assert sum(errors.counts.values()) - errors.counts["missed"] <= sum(len(a["labels"]) for a in predictions)
        assert all(0 <= lost <= 1 - ap50 + 0.02 for lost in errors.lost.values())


def test_perfect_detections_have_no_errors():
    _, targets = random_scenes(3)
    predictions = [{**t, "scores": torch.rand(len(t["labels"]))} for t in targets]
    for errors in (detection_errors(predictions, targets, 3), detection_errors([], [], 3)):
        assert set(errors.counts) == set(errors.lost) == set(KINDS)
        assert set(errors.counts.values()) == {0}
        assert set(errors.lost.values()) == {0.0}
