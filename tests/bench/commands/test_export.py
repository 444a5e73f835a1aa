import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from commands import FAST
from torch import Tensor

from leyden.bench.commands import export as module
from leyden.bench.commands.export import export
from leyden.bench.config.validate import compose_and_check
from leyden.bench.run.checkpoint import load_best
from leyden.bench.run.record import Record
from leyden.bench.run.run import run
from leyden.cli import main
from leyden.detection.detector import Detector
from leyden.gan.noise_to_image.dcgan import DCGAN
from leyden.transfer.finetune.finetune import Finetune


class TwoStage(Detector):
    """Its second part needs the answers of its first."""

    def __init__(self, *shape: Any) -> None:
        super().__init__(*shape)
        self.save_hyperparameters({"image_size": 16, "channels": 3})

    def outputs(self, images: Tensor) -> Tensor:
        return images

    def postprocess(self, outputs: Tensor) -> list[dict[str, Tensor]]:
        return [{} for _ in outputs]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    record = Record.create(compose_and_check([*FAST, f"paths.outputs={tmp_path_factory.mktemp('runs')}"]))
    run(record)
    return record


def test_file_computes_what_pytorch_does(record: Record, capfd: pytest.CaptureFixture) -> None:
    assert main(["export", str(record.folder)]) == 0
    said = capfd.readouterr()
    assert said.out.startswith(f"{record.folder / 'model.onnx'}: ")
    assert (said.out.count("\n"), said.err) == (1, "")  # the exporter's chatter stays away
    assert not list(record.folder.glob(".model.onnx*"))

    session = onnxruntime.InferenceSession(record.folder / "model.onnx", providers=["CPUExecutionProvider"])
    model = load_best(record)
    spec = session.get_modelmeta().custom_metadata_map
    assert json.loads(spec["class_names"]) == model.class_names
    assert (spec["image_size"], spec["channels"]) == (str(model.image_size), str(model.channels))
    assert spec["record"] == str(record.folder)
    assert "uint8" in spec["normalisation"]
    [images], [logits] = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, logits.name) == ("images", "tensor(uint8)", "logits")
    for batch in (3, 1):
        pixels = torch.randint(0, 256, (batch, model.channels, model.image_size, model.image_size), dtype=torch.uint8)
        [answers] = session.run(None, {"images": pixels.numpy()})
        torch.testing.assert_close(torch.from_numpy(answers), model(pixels).detach(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [2.0, 1.001, float("nan")])
def test_file_with_other_outputs_is_refused(
    factor: float, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Finetune.forward

    def two_faced(self: Finetune, images: Tensor) -> Tensor:
        return honest(self, images) * (factor if torch.compiler.is_exporting() else 1)

    monkeypatch.setattr(Finetune, "forward", two_faced)
    (tmp_path / "model.onnx").write_text("an earlier one")
    with pytest.raises(ValueError, match=r"refused: for 1 images .* differ from PyTorch's"):
        export(record, tmp_path / "model.onnx")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["an earlier one"]


def test_every_batch_size_is_looked_at(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Finetune.forward

    def odd_for_many(self: Finetune, images: Tensor) -> Tensor:
        return honest(self, images) + (0 if torch.compiler.is_exporting() or len(images) < 5 else 1)

    monkeypatch.setattr(Finetune, "forward", odd_for_many)
    with pytest.raises(ValueError, match="refused: for 5 images"):
        export(record, tmp_path / "model.onnx")


def test_untraceable_forward_is_one_error(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Finetune.forward

    def branching(self: Finetune, images: Tensor) -> Tensor:
        logits = honest(self, images)
        return logits if logits.max() > 0 else -logits

    monkeypatch.setattr(Finetune, "forward", branching)
    with pytest.raises(ValueError, match=r"PyTorch cannot export Finetune: .*data-dependent"):
        export(record, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: DCGAN(["a", "b"], channels=1, image_size=16, base_channels=8),
            "DCGAN has no network that can leave PyTorch",
        ),
        (lambda: TwoStage(["a"], 3, 16), "TwoStage has no network that can leave PyTorch"),
    ],
)
def test_technique_without_export_is_refused(
    make: Callable, message: str, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "load_best", lambda _: make().eval())
    with pytest.raises(ValueError, match=message):
        export(record, tmp_path / "model.onnx")


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_package_names_the_extra(
    package: str, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"{package}.*pip install 'leyden\[export\]'"):
        export(record, tmp_path / "model.onnx")


def test_onnx_is_imported_only_when_needed() -> None:
    code = (
        "import sys, leyden.bench.commands.export; assert not {'onnx', 'onnxruntime', 'onnxscript'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
