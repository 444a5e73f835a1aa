"""Frozen features: each image goes through the network once."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from leyden.transfer.domain.features import FrozenFeatures


def images(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8, generator=generator)


def counted(features: FrozenFeatures, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images go through the network, call by call."""
    seen: list[int] = []
    compute = features.computed

    def computed(batch: Tensor) -> Tensor:
        seen.append(len(batch))
        return compute(batch)

    monkeypatch.setattr(features, "computed", computed)
    return seen


@pytest.mark.parametrize("kept", [True, False])
def test_each_image_is_computed_once(kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = str(tmp_path) if kept else "memory"
    torch.manual_seed(0)
    features = FrozenFeatures(1, 8, "resnet", cache)
    seen, some = counted(features, monkeypatch), images(6)
    found = features(some)
    assert torch.equal(features(some[[4, 1, 1]]), found[[4, 1, 1]])
    features(torch.cat([some[2:], images(2, seed=1)]))
    assert seen == [6, 2]
    torch.manual_seed(0)
    again = FrozenFeatures(1, 8, "resnet", cache)
    seen = counted(again, monkeypatch)
    assert torch.equal(again(some), found)
    assert seen == ([] if kept else [6])


def test_other_weights_have_other_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    features = FrozenFeatures(1, 8, "resnet", str(tmp_path))
    seen, some = counted(features, monkeypatch), images(3)
    before = features(some)
    assert features.backbone is not None
    with torch.no_grad():
        next(features.backbone.parameters()).add_(0.1)
    assert not torch.equal(features(some), before)
    assert seen == [3, 3]


def test_without_a_cache_they_are_the_same() -> None:
    torch.manual_seed(0)
    kept = FrozenFeatures(1, 8, "resnet")
    torch.manual_seed(0)
    assert torch.equal(FrozenFeatures(1, 8, "resnet", None)(images(3)), kept(images(3)))
