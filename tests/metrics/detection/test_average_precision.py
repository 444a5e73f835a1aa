import json
from pathlib import Path

import numpy as np
import pytest
import torch
from detections import Boxes, prediction, random_scenes, target

from leyden.metrics.detection.average_precision import average_precision
from leyden.metrics.detection.coco_ap import STATS, coco_ap
from leyden.metrics.detection.scores import detection_scores
from leyden.metrics.detection.voc_ap import voc_ap

A, B, FAR = [0.0, 0, 100, 100], [30.0, 0, 130, 100], [300.0, 300, 400, 400]

# Predictions, targets; VOC with all points and with 11; COCO's AP, AP50, AP75.
CASES = {
    "doublet": ([prediction(([0.0, 0, 100, 61], 0.9), ([0.0, 0, 100, 91], 0.8))], [target(A)], (1, 1, 0.6, 1, 0.5)),
    "false first": ([prediction((FAR, 0.9), (A, 0.8))], [target(A)], (0.5, 0.5, 0.5, 0.5, 0.5)),
    "one of two": ([prediction((A, 0.9))], [target(A, FAR)], (0.5, 6 / 11, 51 / 101, 51 / 101, 51 / 101)),
    "on an empty one": ([prediction((A, 0.8)), prediction((A, 0.9))], [target(A), target()], (0.5, 0.5, 0.5, 0.5, 0.5)),
    "VOC's matching is not COCO's": (
        [prediction((A, 0.9), ([14.0, 0, 114, 100], 0.8))], [target(A, B)],
        (0.5, 6 / 11, (5 * 1 + 5 * 51 / 101) / 10, 1, 51 / 101),
    ),
    "nothing predicted": ([prediction()], [target(A)], (0, 0, 0, 0, 0)),
    "perfect": ([prediction((A, 0.9), (FAR, 0.1))], [target(A, FAR)], (1, 1, 1, 1, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_small_cases_by_hand(name: str):
    predictions, targets, (all_points, eleven, ap, ap50, ap75) = CASES[name]
    found = detection_scores(predictions, targets, 1)
    assert found["voc_ap50"].item() == pytest.approx(all_points, abs=1e-6)
    assert found["voc07_ap50"].item() == pytest.approx(eleven, abs=1e-6)
    assert [found[key].item() for key in ("ap", "ap50", "ap75")] == pytest.approx([ap, ap50, ap75], abs=1e-6)


def test_three_ways_to_read_one_curve():
    correct = np.array([True, False, True, False])
    # Precision 1, 1/2, 2/3, 1/2 at recall 1/3, 1/3, 2/3, 2/3; monotonous 1, 2/3, 2/3, 1/2.
    assert average_precision(correct, 3) == pytest.approx(1 / 3 + 2 / 9)
    assert average_precision(correct, 3, 11) == pytest.approx((4 + 3 * 2 / 3) / 11)
    assert average_precision(correct, 3, 101) == pytest.approx((34 + 33 * 2 / 3) / 101)
    assert average_precision(np.zeros(0, bool), 3) == average_precision(np.zeros(0, bool), 3, 11) == 0


def test_overlap_of_one_half_counts_for_coco_only():
    predictions, targets = [prediction(([0.0, 0, 100, 50], 0.9))], [target(A)]
    assert voc_ap(predictions, targets, 1).item() == 0
    assert coco_ap(predictions, targets, 1)["ap50"].item() == pytest.approx(1)


def test_difficult_objects_are_neither_hits_nor_misses():
    targets = [target(A, FAR, difficult=[False, True])]
    for detections in (prediction((FAR, 0.9), (A, 0.8)), prediction((A, 0.8))):
        found = detection_scores([detections], targets, 1)
        assert found["voc_ap50"] == found["voc07_ap50"] == 1
        assert found["ap"].item() == pytest.approx(1)
    twice = [prediction((FAR, 0.9), (FAR, 0.85), (A, 0.8))]
    assert voc_ap(twice, targets, 1).item() == 1
    # To COCO's rule a difficult object is a single thing: the second detection is one too many.
    assert coco_ap(twice, targets, 1)["ap50"].item() == pytest.approx(0.5)


def test_detections_in_crowds():
    inside = [0.0, 0, 40, 40]  # 16 % of A
    predictions = [prediction((inside, 0.9), (inside, 0.85), (FAR, 0.8))]
    crowd = [target(A, FAR, crowd=[True, False])]
    assert coco_ap(predictions, crowd, 1)["ap50"].item() == pytest.approx(1)
    assert coco_ap(predictions, [target(A, FAR, difficult=[True, False])], 1)["ap50"].item() == pytest.approx(1 / 3)
    assert voc_ap(predictions, crowd, 1).item() == pytest.approx(1 / 3)


def test_classes_without_objects_are_no_number():
    predictions, targets = [prediction((A, 0.9))], [target(A)]
    assert voc_ap(predictions, targets, 3).isnan().tolist() == [False, True, True]
    found = coco_ap(predictions, targets, 3)
    assert found["ap50_class"].isnan().tolist() == [False, True, True]
    assert found["precision50"].shape == (3, 101)
    assert found["ap"].item() == pytest.approx(1)
    assert found["ap_small"].isnan()
    assert found["ap_large"].item() == pytest.approx(1)


def test_a_set_without_objects_has_no_precision():
    for targets in ([target(), target()], [target(A, crowd=[True]), target(A, difficult=[True])]):
        found = detection_scores([prediction((A, 0.9)), prediction()], targets, 2)
        assert all(found[name].isnan() for name in ("ap", "ap50", "ar100", "voc_ap50", "voc07_ap50"))
    assert detection_scores([], [], 1)["ap"].isnan()


def pycocotools(predictions: list[Boxes], targets: list[Boxes], classes: int) -> list[float]:
    """The twelve numbers of the reference code."""
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    annotations, results = [], []
    for i, (detections, objects) in enumerate(zip(predictions, targets, strict=True)):
        for j, (x1, y1, x2, y2) in enumerate(objects["boxes"].tolist()):
            crowd, difficult = bool(objects["crowd"][j]), bool(objects["difficult"][j])
            area = float(objects["area"][j]) if "area" in objects else (x2 - x1) * (y2 - y1)
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": i, "category_id": int(objects["labels"][j]),
                    "bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": int(crowd),
                    # pycocotools ignores what is out of every range of areas; another way to spare an object it lacks.
                    "area": 1e12 if difficult and not crowd else area,
                }
            )  # fmt: skip
        for box, label, score in zip(*(detections[key].tolist() for key in ("boxes", "labels", "scores")), strict=True):
            x1, y1, x2, y2 = box
            bbox = [x1, y1, x2 - x1, y2 - y1]
            results.append({"image_id": i, "category_id": label, "bbox": bbox, "score": score})
    truth_api = coco.COCO()
    truth_api.dataset = {
        "images": [{"id": i} for i in range(len(targets))],
        "annotations": annotations,
        "categories": [{"id": label} for label in range(classes)],
    }
    truth_api.createIndex()
    evaluation = cocoeval.COCOeval(truth_api, truth_api.loadRes(results), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats.tolist()


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("spared", [0.0, 0.15])
def test_coco_ap_equals_pycocotools(whole: bool, spared: float):
    for seed in range(60):
        predictions, targets = random_scenes(seed, images=6, shake=8, whole=whole, spared=spared)
        wanted = pycocotools(predictions, targets, 3)
        found = coco_ap(predictions, targets, 3)
        got = [-1 if found[name].isnan() else found[name].item() for name in STATS]
        assert got == pytest.approx(wanted, abs=1e-6), f"seed {seed}"
        torch.testing.assert_close(found["ap_class"].nanmean(), found["ap"], atol=1e-6, rtol=0, equal_nan=True)
        torch.testing.assert_close(
            found["precision50"].mean(1).nanmean(), found["ap50"], atol=1e-6, rtol=0, equal_nan=True
        )


def voc_by_the_book(predictions: list[Boxes], targets: list[Boxes], label: int, iou: float, eleven: bool) -> float:
    """The development kit's loop over detections, in plain Python, with its widths x2 - x1 + 1.

    It is given corners as the kit has them: the first and the last pixel.
    """

    def overlap(a: list[float], b: list[float]) -> float:
        width = min(a[2], b[2]) - max(a[0], b[0]) + 1
        height = min(a[3], b[3]) - max(a[1], b[1]) + 1
        if width <= 0 or height <= 0:
            return 0.0
        areas = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
        return width * height / (sum(areas) - width * height)

    by_image, objects = [], 0
    for t in targets:
        rows = zip(t["boxes"].tolist(), t["labels"].tolist(), t["difficult"].tolist(), strict=True)
        by_image.append([[box, hard, False] for box, of, hard in rows if of == label])
        objects += sum(not hard for _, hard, _ in by_image[-1])
    if objects == 0:
        return float("nan")
    detections = [
        (float(score), i, box)
        for i, a in enumerate(predictions)
        for box, of, score in zip(a["boxes"].tolist(), a["labels"], a["scores"], strict=True)
        if of == label
    ]
    detections.sort(key=lambda row: -row[0])
    precisions, recalls, correct, wrong = [], [], 0, 0
    for _, i, box in detections:
        best, chosen = -1.0, None
        for candidate in by_image[i]:
            value = overlap(box, candidate[0])
            if value > best:
                best, chosen = value, candidate
        if best > iou:
            if chosen[1]:
                continue
            correct, wrong = (correct + 1, wrong) if not chosen[2] else (correct, wrong + 1)
            chosen[2] = True
        else:
            wrong += 1
        precisions.append(correct / (correct + wrong))
        recalls.append(correct / objects)
    if eleven:
        reached = [[p for p, r in zip(precisions, recalls, strict=True) if r >= k / 10 - 1e-12] for k in range(11)]
        return sum(max(values, default=0.0) for values in reached) / 11
    area, before = 0.0, 0.0
    for k, recall in enumerate(recalls):
        area += (recall - before) * max(precisions[k:])
        before = recall
    return area


def last_pixel_inside(boxes: list[Boxes]) -> list[Boxes]:
    """Corners that are pixels, first and last, as continuous ones."""
    return [{**b, "boxes": b["boxes"] + torch.tensor([0, 0, 1, 1])} for b in boxes]


@pytest.mark.parametrize("whole", [False, True])
def test_voc_ap_equals_the_kits_loop(whole: bool):
    for seed in range(100):
        predictions, targets = random_scenes(seed, images=6, shake=12, whole=whole)
        for one in targets:
            one["difficult"] = torch.arange(len(one["labels"])) % 4 == 3
        for points in (None, 11):
            found = voc_ap(last_pixel_inside(predictions), last_pixel_inside(targets), 3, points=points)
            wanted = [voc_by_the_book(predictions, targets, label, 0.5, points == 11) for label in range(3)]
            assert found.tolist() == pytest.approx(wanted, abs=1e-6, nan_ok=True), f"seed {seed}"


def of_text_files(folder: Path) -> list[dict[str, list]]:
    """Lines of a name, perhaps a score, x, y, width, height; one file per image."""
    return [[line.split() for line in file.read_text().splitlines()] for file in sorted(folder.glob("*.txt"))]


@pytest.mark.parametrize(
    ("iou", "wider", "all_points", "eleven"),
    [(0.3, 1, 0.2456866804, 0.2683982684), (0.3, 0, 0.2253968254, 0.2683982684), (0.5, 1, 0.0222222222, 0.0303030303)],
)
def test_known_example_with_inclusive_pixels(dev_data, iou, wider, all_points, eleven):
    folder = dev_data / "detection_metrics_sample"

    def boxes(rows: list[list[str]]) -> torch.Tensor:
        x, y, width, height = torch.tensor([[float(word) for word in row[-4:]] for row in rows]).T
        return torch.stack([x, y, x + width + wider, y + height + wider], 1)

    targets = [target(*boxes(rows).tolist()) for rows in of_text_files(folder / "groundtruths")]
    predictions = [
        prediction(*zip(boxes(rows).tolist(), [float(row[1]) for row in rows], strict=True))
        for rows in of_text_files(folder / "detections")
    ]
    assert (sum(len(t["labels"]) for t in targets), sum(len(a["labels"]) for a in predictions)) == (15, 24)
    assert voc_ap(predictions, targets, 1, iou).item() == pytest.approx(all_points, abs=1e-6)
    assert voc_ap(predictions, targets, 1, iou, points=11).item() == pytest.approx(eleven, abs=1e-6)


# The facts' numbers, to ten places (the file with the data has four).
OFFICIAL = [0.5045806987, 0.6969727247, 0.5729816670, 0.5856257209, 0.5193996948, 0.5013978986]
OFFICIAL += [0.3868127796, 0.5936795763, 0.5953529829, 0.6398109626, 0.5664205979, 0.5642905983]


def test_official_results_get_official_numbers(dev_data):
    folder = dev_data / "coco_eval"
    dataset = json.loads((folder / "instances_val2014_100.json").read_text())
    results = json.loads((folder / "instances_val2014_fakebbox100_results.json").read_text())
    published = json.loads((folder / "expected_pycocotools.json").read_text())["bbox"]
    categories = {category["id"]: i for i, category in enumerate(dataset["categories"])}

    def gather(rows: list[dict]) -> dict[str, torch.Tensor]:
        boxes = torch.tensor([row["bbox"] for row in rows], dtype=torch.float64).reshape(-1, 4)
        return {
            "boxes": torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1),
            "labels": torch.tensor([categories[row["category_id"]] for row in rows], dtype=torch.int64),
        }

    predictions, targets = [], []
    for image in sorted({row["id"] for row in dataset["images"]}):
        objects = [row for row in dataset["annotations"] if row["image_id"] == image]
        detections = [row for row in results if row["image_id"] == image]
        area = torch.tensor([row["area"] for row in objects])
        crowd = torch.tensor([bool(row["iscrowd"]) for row in objects], dtype=torch.bool)
        targets.append(gather(objects) | {"area": area, "crowd": crowd})
        predictions.append(gather(detections) | {"scores": torch.tensor([row["score"] for row in detections])})
    assert (len(targets), sum(len(t["labels"]) for t in targets), sum(int(t["crowd"].sum()) for t in targets)) == (
        100, 839, 9,
    )  # fmt: skip
    found = coco_ap(predictions, targets, len(categories))
    assert [found[name].item() for name in STATS] == pytest.approx(OFFICIAL, abs=1e-6)
    assert [found[name].item() for name in STATS] == pytest.approx(published, abs=6e-5)


@pytest.mark.parametrize("seed", range(20))
def test_targets_as_predictions_are_perfect(seed: int):
    _, targets = random_scenes(seed, images=8)
    predictions = [{**t, "scores": torch.rand(len(t["labels"]), generator=torch.Generator().manual_seed(seed))}
               for t in targets]  # fmt: skip
    names = ("ap", "ap50", "ap75", "ar100", "voc_ap50", "voc07_ap50")
    perfect = detection_scores(predictions, targets, 3)
    assert [perfect[name].item() for name in names] == pytest.approx([1] * 6)
    false = prediction((FAR, -1.0))
    more = [{key: torch.cat([a[key], false[key]]) for key in ("boxes", "labels", "scores")} for a in predictions]
    worse = detection_scores(more, targets, 3)
    assert [worse[name].item() for name in names] == pytest.approx([1] * 6)


def test_the_evaluator_is_silent(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture) -> None:
    with caplog.at_level("INFO"):
        coco_ap([prediction((A, 0.9))], [target(A)], 1)
    assert (caplog.text, *capsys.readouterr()) == ("", "", "")
