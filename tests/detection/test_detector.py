import json
from collections.abc import Callable
from typing import Any

import lightning
import pytest
import torch
from detections import random_scenes
from detections import target as truth
from torch import Tensor, nn

from leyden.core.technique import PredictOptions
from leyden.data.columns import Scenes
from leyden.data.loader import Loader
from leyden.data.splits import InMemory
from leyden.detection import detector
from leyden.detection.detector import Detector
from leyden.detection.evaluation import evaluator, timing
from leyden.detection.evaluation.evaluator import Examples
from leyden.detection.evaluation.predictions import coco_json
from leyden.detection.rcnn import RCNN
from leyden.detection.ssd import SSD
from leyden.detection.yolox import YOLOX
from leyden.metrics.detection.errors import KINDS
from leyden.metrics.detection.scores import detection_scores
from leyden.visualization.detection.feature_maps import draw_feature_maps

NAMES = ["cat", "dog", "cow"]


class Oracle(Detector):
    """Has its detections given beforehand, by the number that is in each image's first pixel."""

    def __init__(self, given: list[dict[str, Tensor]], names: list[str] = NAMES, cost: Callable | None = None) -> None:
        super().__init__(names, 3, 400, display_threshold=0.5)
        self.given = given
        self.cost = cost or (lambda *spent: None)
        self.layer = nn.Linear(1, 1)

    def outputs(self, images: Tensor, **more: Any) -> Tensor:
        self.cost("network", len(images))
        return images[:, 0, 0, 0].long()

    def postprocess(self, outputs: Tensor) -> list[dict[str, Tensor]]:
        self.cost("answers", len(outputs))
        return [{key: value.clone() for key, value in self.given[number].items()} for number in outputs.tolist()]

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        return self.layer(torch.ones(1, 1)).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class ImageList(lightning.pytorch.loggers.logger.DummyLogger):
    """Keeps the names of pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, Tensor] = {}

    def log_image(self, key: str, images: list[Tensor], step: int | None = None) -> None:
        self.shown[key] = images[0]


def images(count: int) -> Tensor:
    made = torch.zeros(count, 3, 400, 400, dtype=torch.uint8)
    made[:, 0, 0, 0] = torch.arange(count)
    return made


def run(
    model: Detector, targets: list[dict[str, Tensor]], batch_size: int = 4, stage: str = "test", **more: Any
) -> dict:
    trainer = lightning.Trainer(
        accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
        **{"logger": False, **more},
    )  # fmt: skip
    loader = Loader(InMemory(Scenes(images(len(targets)), targets)), batch_size)
    return getattr(trainer, "test" if stage == "test" else "validate")(model, loader, verbose=False)[0]


def test_test_logs_scores_of_whole_set():
    detections, targets = random_scenes(1, images=10)
    logged = run(Oracle(detections), targets)
    expected = detection_scores(detections, targets, 3)
    for name in ("ap", "ap50", "ap75", "ap_medium", "ap_large", "ar1", "ar10", "ar100", "voc_ap50", "voc07_ap50"):
        assert logged[f"test/{name}"] == pytest.approx(float(expected[name]), abs=1e-6), name
    for name, value in zip(NAMES, expected["ap50_class"].tolist(), strict=True):
        assert logged[f"test/ap50_{name}"] == pytest.approx(value, abs=1e-6)
    assert {f"test/error_{kind}" for kind in KINDS} <= set(logged)


def test_validation_logs_the_headlines_only():
    detections, targets = random_scenes(1, images=10)
    model = Oracle(detections)
    logged = run(model, targets, stage="val")
    assert set(logged) == {"val/ap", "val/ap50", "val/ap75", "val/voc_ap50", "val/voc07_ap50"}
    assert model.monitor in logged
    assert run(model, targets, stage="val") == logged  # nothing is left of the first time


def test_absent_sizes_and_classes_have_no_score():
    box = [10.0, 10, 30, 30]
    said = [{**truth(box), "scores": torch.tensor([0.9])}]
    logged = run(Oracle(said, ["cat"]), [truth(box)])
    assert logged["test/ap_small"] == logged["test/ap50_cat"] == pytest.approx(1)
    assert "test/ap_large" not in logged
    assert "test/ap50_dog" not in run(Oracle(said), [truth(box)])
    nothing = run(Oracle(said), [truth()], logger=ImageList())
    assert nothing["test/ap"] != nothing["test/ap"]  # not a number


def test_milliseconds_exclude_loading_and_first_batch(monkeypatch):
    clock = {"now": 100.0}
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock["now"])
    passes = {"network": 0, "answers": 0}

    def spend(part: str, count: int) -> None:
        passes[part] += 1
        first = 50.0 if passes[part] == 1 else 0.0  # what is paid once
        clock["now"] += first + count * {"network": 0.004, "answers": 0.001}[part]

    class Slow(Oracle):
        def inputs(self, images: Tensor, targets: list) -> tuple[Tensor]:
            clock["now"] += 7.0  # loading, proposals
            return (images,)

    detections, targets = random_scenes(1, images=10)
    logged = run(Slow(detections, cost=spend), targets)
    assert logged["test/ms_per_image"] == pytest.approx(5)
    assert logged["test/ms_per_image_network"] == pytest.approx(4)
    assert passes == {"network": 4, "answers": 4}  # three batches, and the first once before


def test_a_test_shows_what_was_right_and_wrong():
    detections, targets = random_scenes(1, images=10)
    pictures = ImageList()
    run(Oracle(detections), targets, logger=pictures)
    assert set(pictures.shown) == {"test_predictions", "precision_recall", "class_ap50", "confusion", "errors"}
    assert all(picture.dtype == torch.uint8 and len(picture) == 3 for picture in pictures.shown.values())


@pytest.mark.parametrize(("kind", "strides"), [(SSD, [8, 16, 32, 64]), (YOLOX, [8, 16, 32]), (RCNN, [])])
def test_only_test_draws_feature_maps(monkeypatch, kind, strides):
    model = kind(["a"], 3, 64, widths=[8] * 5, blocks=[0] * 5).eval()
    pixels = images(6)[..., :64, :64].contiguous()
    maps, found = model.feature_maps(pixels)
    assert list(found) == strides
    assert [tuple(x.shape) for x in maps] == [
        (6, x.shape[1], 64 // stride, 64 // stride) for x, stride in zip(maps, strides, strict=True)
    ]
    shown = {}
    for module in (detector, evaluator):
        monkeypatch.setattr(module, "log_image", lambda _, tag, picture: shown.update({tag: picture}))
    nothing = [{**truth(), "scores": torch.zeros(0)}] * 6
    model.evaluator.examples = Examples(pixels, nothing, nothing)
    Detector.log_examples(model, "val", model.evaluator.examples)
    assert set(shown) == {"predictions"}
    Detector.log_examples(model, "test", model.evaluator.examples)
    assert ("feature_maps" in shown) == bool(strides)
    if strides:
        expected = draw_feature_maps(pixels[:4], [x[:4] for x in maps], strides)
        assert torch.equal(shown["feature_maps"], expected)


def test_predictions_in_pixels_of_each_image():
    box = [100.0, 200, 300, 400]  # of 400 x 400
    said = {**truth(box, box, labels=[1, 2]), "scores": torch.tensor([0.9, 0.3])}
    model = Oracle([said])
    pictures = [torch.zeros(3, 40, 80, dtype=torch.uint8), torch.zeros(1, 400, 400, dtype=torch.uint8)]
    rows, drawn, _ = model.predict(pictures)
    assert rows[0] == {"width": 80, "height": 40, "classes": ["dog"], "scores": [0.9], "boxes": [[20, 20, 60, 40]]}
    assert rows[1]["boxes"] == [box]
    assert [len(picture) for picture in drawn] == [3, 3]
    assert [len(row["scores"]) for row in model.predict(pictures, PredictOptions(threshold=0.2))[0]] == [2, 2]
    assert model.predict(pictures, PredictOptions(threshold=0.95))[0][0]["boxes"] == []
    many, _, _ = model.predict(pictures[:1] * (detector.AT_ONCE + 3))
    assert len(many) == detector.AT_ONCE + 3
    with pytest.raises(ValueError, match=r"--threshold 1.5: a score from 0 to 1"):
        model.predict(pictures, PredictOptions(threshold=1.5))


def test_pycocotools_reads_the_predictions(tmp_path):
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    said = {**truth([10.0, 20, 110, 220], [50.0, 50, 90, 80], labels=[1, 2]), "scores": torch.tensor([0.9, 0.8])}
    nothing = {key: value[:0] for key, value in said.items()}
    model = Oracle([said, nothing])
    rows, _, _ = model.predict(list(images(2)))
    rows = [{"path": f"{i}.png", **row} for i, row in enumerate(rows)]
    [(name, content)] = model.prediction_files(rows).items()
    assert json.loads(content) == coco_json(rows, NAMES)
    (tmp_path / name).write_text(content)
    written = coco.COCO(str(tmp_path / name))
    assert [written.imgs[i]["file_name"] for i in (1, 2)] == ["0.png", "1.png"]
    assert (written.imgs[1]["width"], written.imgs[1]["height"]) == (400, 400)
    assert written.loadCats(written.anns[1]["category_id"])[0]["name"] == "dog"
    assert written.anns[1]["bbox"] == [10, 20, 100, 200]
    evaluation = cocoeval.COCOeval(written, written.loadRes(written.dataset["annotations"]), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    assert evaluation.stats[0] == pytest.approx(1)
