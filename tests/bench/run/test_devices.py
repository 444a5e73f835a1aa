from pathlib import Path

import pytest
import torch
from commands import FAST

from leyden.bench.config.validate import compose_and_check
from leyden.bench.run import devices
from leyden.bench.run.devices import computes_bf16, precision_here
from leyden.bench.run.record import Record
from leyden.bench.run.run import run

MIXED = ["experiment=transfer_fonts", "trainer.precision=bf16-mixed", *FAST]


@pytest.fixture
def arithmetic(monkeypatch: pytest.MonkeyPatch):
    """Says whether this machine computes in bfloat16."""
    return lambda there: monkeypatch.setattr(devices, "computes_bf16", lambda accelerator: there)


@pytest.mark.parametrize(
    ("asked", "there", "taken"),
    [
        ("bf16-mixed", True, "bf16-mixed"),
        ("bf16-mixed", False, "32-true"),
        ("bf16-true", False, "32-true"),
        ("16-mixed", False, "16-mixed"),
        ("64-true", False, "64-true"),
        (32, False, 32),  # Lightning takes numbers, too
    ],
)
def test_bf16_needs_the_devices_arithmetic(arithmetic, asked, there: bool, taken) -> None:
    arithmetic(there)
    assert precision_here({"precision": asked, "accelerator": "cpu"}) == taken


@pytest.mark.skipif(
    not hasattr(torch.cpu, "get_capabilities") or torch.cpu.get_capabilities()["architecture"] != "x86_64",
    reason="this torch does not say what the CPU can",
)
def test_a_cpu_is_asked_for_its_instructions() -> None:
    assert computes_bf16("cpu") == torch.cpu.get_capabilities()["avx512_bf16"]


def test_resumed_run_keeps_its_precision(tmp_path: Path, arithmetic, caplog) -> None:
    caplog.set_level("INFO", logger="leyden")
    arithmetic(False)
    record = Record.create(compose_and_check([*MIXED, f"paths.outputs={tmp_path}"]))
    run(record)
    assert record.environment["devices"]["precision"] == "32-true"
    assert "no arithmetic for bfloat16" in (record.folder / "run.log").read_text()
    assert record.config["trainer"]["precision"] == "bf16-mixed"  # what was asked for; elsewhere it can be had
    arithmetic(True)
    assert devices.as_begun(record)["trainer"]["precision"] == "32-true"  # resumed or evaluated there, it stays


def test_new_run_takes_the_configs_precision(tmp_path: Path) -> None:
    record = Record.create(compose_and_check([*MIXED, f"paths.outputs={tmp_path}"]))
    assert devices.as_begun(record)["trainer"]["precision"] == "bf16-mixed"
