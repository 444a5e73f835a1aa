import json
import subprocess
import sys

import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from leyden.metrics.average_precision import DetectionAP
from leyden.metrics.coco_ap import STATS, coco_ap
from leyden.metrics.voc_ap import voc_ap

A, B, FAR = [0.0, 0, 100, 100], [30.0, 0, 130, 100], [300.0, 300, 400, 400]


def truth(*boxes: list[float], **extra: list[bool]) -> dict[str, torch.Tensor]:
    found = {"boxes": torch.tensor(boxes).reshape(-1, 4), "labels": torch.zeros(len(boxes), dtype=torch.int64)}
    return found | {key: torch.tensor(value) for key, value in extra.items()}


def answer(*rows: tuple[list[float], float]) -> dict[str, torch.Tensor]:
    return truth(*[box for box, _ in rows]) | {"scores": torch.tensor([score for _, score in rows])}


# What is answered, what is there; VOC with all points and with 11; COCO's AP, AP50, AP75.
CASES = {
    "doublet": ([answer(([0.0, 0, 100, 61], 0.9), ([0.0, 0, 100, 91], 0.8))], [truth(A)], (1, 1, 0.6, 1, 0.5)),
    "false first": ([answer((FAR, 0.9), (A, 0.8))], [truth(A)], (0.5, 0.5, 0.5, 0.5, 0.5)),
    "one of two": ([answer((A, 0.9))], [truth(A, FAR)], (0.5, 6 / 11, 51 / 101, 51 / 101, 51 / 101)),
    "on an empty image": ([answer((A, 0.8)), answer((A, 0.9))], [truth(A), truth()], (0.5, 0.5, 0.5, 0.5, 0.5)),
    "VOC's matching is not COCO's": (
        [answer((A, 0.9), ([14.0, 0, 114, 100], 0.8))], [truth(A, B)], (0.5, 6 / 11, 0.7525, 1, 0.505)
    ),
    "nothing answered": ([answer()], [truth(A)], (0, 0, 0, 0, 0)),
    "perfect": ([answer((A, 0.9), (FAR, 0.1))], [truth(A, FAR)], (1, 1, 1, 1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_small_cases_by_hand(name: str):
    answers, truths, (all_points, eleven, ap, ap50, ap75) = CASES[name]
    assert voc_ap(answers, truths, 1).item() == pytest.approx(all_points, abs=1e-4)
    assert voc_ap(answers, truths, 1, points=11).item() == pytest.approx(eleven, abs=1e-4)
    found = coco_ap(answers, truths, 1)
    assert [found[key].item() for key in ("ap", "ap50", "ap75")] == pytest.approx([ap, ap50, ap75], abs=1e-3)


def test_an_overlap_of_exactly_one_half_counts_for_coco_but_not_for_voc():
    answers, truths = [answer(([0.0, 0, 100, 50], 0.9))], [truth(A)]
    assert voc_ap(answers, truths, 1).item() == 0
    assert coco_ap(answers, truths, 1)["ap50"].item() == pytest.approx(1)


def test_difficult_objects_are_neither_hits_nor_misses():
    truths = [truth(A, FAR, difficult=[False, True])]
    assert voc_ap([answer((FAR, 0.9), (A, 0.8))], truths, 1).item() == 1
    assert voc_ap([answer((FAR, 0.9), (FAR, 0.85), (A, 0.8))], truths, 1).item() == 1
    assert voc_ap([answer((A, 0.8))], truths, 1).item() == 1


def test_crowds_and_difficult_objects_differ():
    inside = [0.0, 0, 40, 40]
    answers = [answer((inside, 0.9), (FAR, 0.8))]
    assert voc_ap(answers, [truth(A, FAR, difficult=[True, False])], 1).item() == 0.5
    assert coco_ap(answers, [truth(A, FAR, crowd=[True, False])], 1)["ap50"].item() == pytest.approx(1)


def test_classes_without_objects_are_no_number():
    answers, truths = [answer((A, 0.9))], [truth(A)]
    assert voc_ap(answers, truths, 3).isnan().tolist() == [False, True, True]
    assert coco_ap(answers, truths, 3)["ap50_class"].isnan().tolist() == [False, True, True]
    assert coco_ap(answers, truths, 3)["ap"].item() == pytest.approx(1)


def random_scenes(seed: int, images: int = 20, classes: int = 3) -> tuple[list[dict], list[dict]]:
    """Some objects, found with shaken boxes, found twice, missed, or taken for others."""
    generator = torch.Generator().manual_seed(seed)
    answers, truths = [], []
    for _ in range(images):
        count = int(torch.randint(0, 6, (), generator=generator))
        low = torch.rand(count, 2, generator=generator) * 200
        boxes = torch.cat([low, low + 10 + torch.rand(count, 2, generator=generator) * 120], 1)
        labels = torch.randint(classes, (count,), generator=generator)
        truths.append({"boxes": boxes, "labels": labels})
        shaken = boxes.repeat(2, 1) + torch.randn(2 * count, 4, generator=generator) * 4
        other = torch.randint(classes, (2 * count,), generator=generator)
        labels = torch.where(torch.rand(2 * count, generator=generator) < 0.8, labels.repeat(2), other)
        kept = torch.rand(2 * count, generator=generator) < 0.7
        scores = torch.rand(2 * count, generator=generator)
        answers.append({"boxes": shaken[kept], "labels": labels[kept], "scores": scores[kept]})
    return answers, truths


def pycocotools(dataset: dict, results: list[dict]) -> list[float]:
    truths = COCO()
    truths.dataset = dataset
    truths.createIndex()
    evaluation = COCOeval(truths, truths.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_pycocotools_says_the_same(seed: int):
    answers, truths = random_scenes(seed)
    annotations, results = [], []
    for i, (a, t) in enumerate(zip(answers, truths, strict=True)):
        for (x1, y1, x2, y2), label in zip(t["boxes"].tolist(), t["labels"].tolist(), strict=True):
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, "image_id": i, "category_id": label, **box})
        rows = zip(a["boxes"].tolist(), a["labels"].tolist(), a["scores"].tolist(), strict=True)
        for (x1, y1, x2, y2), label, score in rows:
            box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": score}
            results.append({"image_id": i, "category_id": label, **box})
    dataset = {
        "images": [{"id": i} for i in range(len(truths))],
        "annotations": annotations,
        "categories": [{"id": label} for label in range(3)],
    }
    wanted = pycocotools(dataset, results)
    found = coco_ap(answers, truths, 3)
    assert [found[name].item() for name in STATS] == pytest.approx(wanted, abs=1e-5)
    torch.testing.assert_close(found["ap_class"].mean(), found["ap"], atol=1e-5, rtol=0)
    torch.testing.assert_close(found["ap50_class"].mean(), found["ap50"], atol=1e-5, rtol=0)


def test_the_official_fake_results_get_the_official_numbers(dev_data):
    folder = dev_data / "coco_eval"
    dataset = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    wanted = json.loads((folder / "expected_pycocotools.json").read_text())["bbox"]
    categories = {category["id"]: i for i, category in enumerate(dataset["categories"])}

    def gather(rows: list[dict]) -> dict[str, torch.Tensor]:
        boxes = torch.tensor([row["bbox"] for row in rows], dtype=torch.float64).reshape(-1, 4)
        return {
            "boxes": torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1),
            "labels": torch.tensor([categories[row["category_id"]] for row in rows], dtype=torch.int64),
        }

    answers, truths = [], []
    for image in sorted({row["id"] for row in dataset["images"]}):
        there = [row for row in dataset["annotations"] if row["image_id"] == image]
        said = [row for row in results if row["image_id"] == image]
        area = torch.tensor([row["area"] for row in there])
        crowd = torch.tensor([bool(row["iscrowd"]) for row in there], dtype=torch.bool)
        truths.append(gather(there) | {"area": area, "crowd": crowd})
        answers.append(gather(said) | {"scores": torch.tensor([row["score"] for row in said])})
    found = coco_ap(answers, truths, len(categories))
    assert [found[name].item() for name in STATS] == pytest.approx(wanted, abs=6e-5)


def test_the_metric_is_that_of_all_batches_together():
    answers, truths = random_scenes(5)
    metric = DetectionAP(3)
    for start in range(0, 20, 6):
        metric.update(answers[start : start + 6], truths[start : start + 6])
    found = metric.compute()
    assert found["ap"] == coco_ap(answers, truths, 3)["ap"]
    assert found["ap50_voc"] == voc_ap(answers, truths, 3).nanmean()
    assert found["ap50_voc07"] == voc_ap(answers, truths, 3, points=11).nanmean()


def test_ignored_truth_is_a_crowd_and_difficult():
    metric = DetectionAP(1)
    metric.update([answer((A, 0.9), (FAR, 0.8))], [truth(A, FAR, ignored=[True, False])])
    found = metric.compute()
    assert found["ap50"] == found["ap50_voc"] == 1


RANK = """
import sys, torch
import torch.distributed as dist
from leyden.metrics.average_precision import DetectionAP

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
answers, truths = torch.load(f"{folder}/scenes.pt", weights_only=True)
metric = DetectionAP(3)
for i in range(6) if rank == 0 else range(6, 7):
    metric.update([answers[i]], [truths[i]])
torch.save(metric.compute(), f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""


def test_two_ranks_of_unequal_load_get_the_whole_splits_number(tmp_path):
    answers, truths = random_scenes(6, images=7)
    # The second rank has one image, without any answer.
    answers[6] = {key: value[:0] for key, value in answers[6].items()}
    torch.save((answers, truths), tmp_path / "scenes.pt")
    ranks = [subprocess.Popen([sys.executable, "-c", RANK, str(rank), str(tmp_path)]) for rank in range(2)]
    assert [process.wait(60) for process in ranks] == [0, 0]
    metric = DetectionAP(3)
    metric.update(answers, truths)
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), metric.compute(), equal_nan=True)
