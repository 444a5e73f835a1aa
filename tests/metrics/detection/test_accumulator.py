from pathlib import Path

import pytest
import torch
from detections import prediction, random_scenes, target
from ranks import run_two_ranks
from typist import Typist

from leyden.metrics.detection.accumulator import DetectionAccumulator, ignored
from leyden.metrics.detection.scores import detection_scores

A, FAR = [0.0, 0, 100, 100], [300.0, 300, 400, 400]


def test_the_score_is_that_of_all_batches_together():
    predictions, targets = random_scenes(5)
    gathered = DetectionAccumulator()
    for start in range(0, 20, 6):
        gathered.add(predictions[start : start + 6], targets[start : start + 6])
    found = detection_scores(*gathered.whole(), 3)
    torch.testing.assert_close(found, detection_scores(predictions, targets, 3), equal_nan=True)
    batches = [detection_scores(predictions[i : i + 6], targets[i : i + 6], 3)["ap50"] for i in range(0, 20, 6)]
    assert abs(torch.stack(batches).mean() - found["ap50"]) > 1e-3  # why it is computed once
    gathered.clear()
    assert gathered.whole() == ([], [])


def test_images_that_come_twice_count_once():
    gathered = DetectionAccumulator()
    first = target(A, image_id=7)
    gathered.add([prediction((A, 0.9)), prediction((A, 0.8))], [first, target(FAR, image_id=8)])
    gathered.add([prediction((A, 0.9)), prediction((A, 0.8))], [first, target(A)])  # of the last nobody knows who it is
    predictions, targets = gathered.whole()
    assert [t["boxes"].tolist() for t in targets] == [[A], [FAR], [A]]
    assert len(predictions) == 3
    assert all("image_id" not in t for t in targets)


def test_sizes_are_those_of_the_sources_images():
    # An image of 200 x 100 squeezed into 50 x 50: what is 10 x 20 here was 40 x 40 there, a medium one.
    here = target([10.0, 10, 20, 30], scale=[0.25, 0.5])
    gathered = DetectionAccumulator()
    gathered.add([prediction(([10.0, 10, 20, 30], 0.9))], [here])
    predictions, targets = gathered.whole()
    assert predictions[0]["boxes"].tolist() == targets[0]["boxes"].tolist() == [[40, 20, 80, 60]]
    found = detection_scores(predictions, targets, 1)
    assert found["ap_medium"].item() == pytest.approx(1)
    assert found["ap_small"].isnan()


def test_what_is_ignored():
    assert ignored(target(A, FAR)).tolist() == [False, False]
    both = target(A, FAR, A, difficult=[True, False, False], crowd=[False, True, False])
    assert ignored(both).tolist() == [True, True, False]


def test_as_many_answers_as_truths():
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        DetectionAccumulator().add([prediction(), prediction()], [target()])


RANK = """
import sys, torch
import torch.distributed as dist
from leyden.metrics.detection.accumulator import DetectionAccumulator

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
gathered = {}
for name, (answers, truths, shares) in torch.load(f"{folder}/cases.pt", weights_only=True).items():
    part = DetectionAccumulator()
    for i in shares[rank]:
        part.add([answers[i]], [truths[i]])
    gathered[name] = part.whole()
torch.save(gathered, f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""


def test_ranks_gather_the_order_of_one(typist: Typist, tmp_path: Path) -> None:
    predictions, targets = random_scenes(6, images=7)
    numbered = [{**t, "image_id": torch.tensor(100 + i)} for i, t in enumerate(targets)]
    cases = {
        "unequal load": (predictions, targets, [[0, 2, 4, 6], [1, 3, 5]]),
        "padded, as Lightning's sampler does it": (predictions, numbered, [[0, 2, 4, 6], [1, 3, 5, 0]]),
        "nothing for the second rank": (predictions[:1], targets[:1], [[0], []]),
    }
    torch.save(cases, tmp_path / "cases.pt")
    for gathered in run_two_ranks(typist, RANK, tmp_path):
        assert set(gathered) == set(cases)
        for detections, objects in gathered.values():
            torch.testing.assert_close(detections, predictions[: len(detections)])
            torch.testing.assert_close(objects, targets[: len(detections)])
        assert [len(detections) for detections, _ in gathered.values()] == [7, 7, 1]
