import json
from dataclasses import replace

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from leyden.bench.commands import export as module
from leyden.bench.commands.export import export
from leyden.bench.run.record import Record
from leyden.detection.boxes.nms import NMSOptions, non_max_suppression
from leyden.detection.detector import Detector
from leyden.detection.ssd import SSD
from leyden.detection.yolo import YOLO
from leyden.detection.yolox import YOLOX

SHAPE = {"class_names": ["a", "b"], "channels": 3, "image_size": 64}


LIGHT = {"widths": [8, 16, 16, 16, 16], "blocks": [0] * 5}


def model(kind: type[Detector]) -> Detector:
    """With heads that are sure of themselves: nearly equal scores would fall out in any order."""
    torch.manual_seed(0)
    made = kind(**SHAPE, **LIGHT, score_threshold=0.3).eval()
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.normal_(layer.weight, std=0.3)
    return made


def images(count: int) -> Tensor:
    return torch.randint(256, (count, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(count))


@pytest.fixture(scope="module", params=[SSD, YOLO, YOLOX])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Detector, onnxruntime.InferenceSession]:
    folder, detector = tmp_path_factory.mktemp("record"), model(request.param)
    (folder / "config.yaml").write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_best", lambda _: detector)
        patch.setattr(module, "technique_of", lambda _: "any")
        export(Record(folder), folder / "model.onnx")
    return detector, onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("many", [0, 1, 30])
def test_exported_file_and_nms_give_pytorchs_detections(exported, batch: int, many: int) -> None:
    """Also where nothing, one thing or much is found: the least score is set between the ranks."""
    detector, session = exported
    assert [output.name for output in session.get_outputs()] == ["boxes", "scores"]
    spec = session.get_modelmeta().custom_metadata_map
    rule = json.loads(spec["nms"])
    own = {"score_threshold": 0.3, "nms_iou": 0.45, "max_detections": 200, "nms": "hard", "nms_sigma": 0.5}
    assert rule == own
    pixels = images(batch)
    boxes, scores = (torch.from_numpy(found) for found in session.run(None, {"images": pixels.numpy()}))
    ranked = scores[0].flatten().sort(descending=True).values
    threshold = float((ranked[many] + ranked[max(0, many - 1)]) / 2) if many else 1.0
    detector.options = replace(detector.options, score_threshold=threshold)
    with torch.no_grad():
        answers = detector(pixels)
    assert len(answers) == batch
    assert (len(answers[0]["scores"]) > 0) == (many > 0)
    for own, b, s in zip(answers, boxes, scores, strict=True):
        options = NMSOptions(**rule | {"score_threshold": threshold})
        found = non_max_suppression(b, s, options, 2 * options.max_detections)
        torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-3)
