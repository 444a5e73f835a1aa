"""What a run leaves, but for how long things took: equal for one that was killed and resumed and one left alone."""

from pathlib import Path

import torch
from commands import read_json

SMALL = {
    "transfer_fonts": ["data/source=digits", "data.image_size=null", "model.strategy=full", "model.source_epochs=2"],
    "tour_gan": ["data.image_size=16", "model.base_channels=8", "model.eval_samples=100"],
    "tour_detection": ["data.source.train=80", "data.source.val=8", "data.source.test=8"],
}
"""Each family's tour lab, cut down to seconds, and all of its network trained."""

Outcome = tuple[dict[str, torch.Tensor], dict[str, float], list[str], dict[str, bytes]]
"""Weights, metrics, curves and pictures."""


def outcome(folder: Path) -> Outcome:
    """Of a record."""
    weights = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    found = read_json(folder / "metrics.json")
    metrics = {name: value for name, value in found.items() if "ms_per_image" not in name and name != "train_seconds"}
    curves = [line for line in (folder / "metrics.csv").read_text().splitlines() if "ms_per_image" not in line]
    pictures = {file.name: file.read_bytes() for file in [*folder.glob("images/*"), *folder.glob("*.gif")]}
    return weights, metrics, curves, pictures


def assert_same(folder: Path, undisturbed: Path, history: str) -> None:
    """Bit for bit."""
    weights, *rest = outcome(folder)
    expected_weights, *expected = outcome(undisturbed)
    assert weights.keys() == expected_weights.keys()
    for name, tensor in expected_weights.items():
        assert torch.equal(weights[name], tensor), f"{name} differs after {history}"
    assert rest == expected, history
