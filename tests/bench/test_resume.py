"""A run that is killed at any step and resumed ends as one that was left alone, bit for bit, pictures included."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from commands import read_json

EVERY_EPOCH = ["trainer.check_val_every_n_epoch=1", "trainer.max_epochs=4"]
SMALL = {
    "tour_transfer": ["model.source_epochs=2"],
    "tour_gan": ["data.image_size=16", "model.base_channels=8", "model.judge_samples=100"],
    "tour_detection": ["data.source.train=80", "data.source.val=8", "data.source.test=8"],
}
"""Each family's tour lab, cut down to seconds: no word but sizes and lengths."""
ALWAYS = ["+callbacks.killer._target_=killer.Killer", "checkpoint.every_n_steps=3", "trainer.log_every_n_steps=1"]


def outcome(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, float], list[str]]:
    """Weights, metrics and curves, but for how long things took."""
    weights = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    found = read_json(folder / "metrics.json")
    metrics = {name: value for name, value in found.items() if "ms_per_image" not in name and name != "train_seconds"}
    curves = [line for line in (folder / "metrics.csv").read_text().splitlines() if "ms_per_image" not in line]
    return weights, metrics, curves


def pictures(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in [*folder.glob("pictures/*"), *folder.glob("*.gif")]}


@pytest.mark.parametrize("experiment", SMALL)
def test_killed_and_resumed_equals_undisturbed(experiment: str, leyden: Callable, records: Callable) -> None:
    words = ["run", f"experiment={experiment}", *SMALL[experiment], *EVERY_EPOCH, *ALWAYS]
    done = leyden(*words)
    assert done.returncode == 0, done.stderr
    [whole] = records()

    steps = read_json(whole / "metrics.json")["steps"]
    generator = torch.Generator().manual_seed(len(experiment))
    # Before the first checkpoint, in mid-epoch and between epochs.
    kills = sorted({2, *torch.randperm(steps - 1, generator=generator)[:3].add(1).tolist()})
    killed = leyden(*words, LEYDEN_KILL_AT_STEP=str(kills[0]))
    assert killed.returncode == -9
    folder = next(folder for folder in records() if folder != whole)
    assert read_json(folder / "status.json")["status"] == "running"
    for step in kills[1:]:
        assert leyden("resume", str(folder), LEYDEN_KILL_AT_STEP=str(step)).returncode == -9
    done = leyden("resume", str(folder))
    assert done.returncode == 0, done.stderr
    assert "going on from" in done.stderr

    (weights, metrics, curves), (expected_weights, expected_metrics, expected_curves) = outcome(folder), outcome(whole)
    assert weights.keys() == expected_weights.keys()
    for name, tensor in expected_weights.items():
        assert torch.equal(weights[name], tensor), f"{name} differs after kills at {kills}"
    assert metrics == expected_metrics
    assert curves == expected_curves
    assert ("training.gif" in pictures(whole)) == (experiment == "tour_gan")
    assert pictures(folder).keys() == pictures(whole).keys()
    assert pictures(folder) == pictures(whole)
