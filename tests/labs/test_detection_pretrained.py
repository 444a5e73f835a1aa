from pathlib import Path

import pytest
import torch

from leyden.bench.config.validate import compose_and_check
from leyden.bench.run.record import Record
from leyden.bench.run.run import run

FEW = ["data.source.train=16", "data.source.val=8", "data.source.test=8", "logger=none"]


def a_run(outputs: Path, *words: str) -> Record:
    record = Record.create(compose_and_check([*words, *FEW, f"paths.outputs={outputs}"]))
    run(record)
    return record


def state(record: Record) -> dict[str, torch.Tensor]:
    return torch.load(record.checkpoint("best"), weights_only=True)["state_dict"]


def test_pretrained_weights_evaluated_with_other_options(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no record with checkpoints/best\.ckpt; run that lab first"):
        a_run(tmp_path, "experiment=detection_nms")
    learnt = a_run(tmp_path, "experiment=detection_ssd", "debug=smoke")
    same = a_run(tmp_path, "experiment=detection_nms")
    torch.testing.assert_close(state(same), state(learnt), rtol=0, atol=0)
    assert same.metrics["steps"] == 0
    assert same.status["status"] == "done"
    for name in ("ap", "ap50", "ar100", "error_missed"):
        assert same.metrics[f"test/{name}"] == pytest.approx(learnt.metrics[f"test/{name}"], nan_ok=True)
    with pytest.raises(ValueError, match=r"is of leyden\.detection\.ssd\.SSD: choose the model of that run"):
        a_run(tmp_path, "experiment=detection_nms", "model=detection/yolo")
    with pytest.raises(ValueError, match=r"does not fit, choose model and data as that run had them: .*is .*, wanted"):
        a_run(tmp_path, "experiment=detection_nms", "model.widths=[8,16,16,16,16]")
