from pathlib import Path

import pytest
import torch
from torch import nn

from leyden.data.examples import InMemory
from leyden.data.loader import Loader
from leyden.nets.residual import ResidualNet
from leyden.transfer.pretraining import cosine_fall, normalise, pretrain, read_weights


def net() -> ResidualNet:
    return ResidualNet(1, [4, 8], [1, 2])


def test_normalised_images_lie_in_minus_one_to_one() -> None:
    assert normalise(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1, 1]


def test_cosine_falls_from_one_to_zero() -> None:
    assert [cosine_fall(p) for p in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])


def test_pretraining_learns_and_depends_on_its_batches_alone() -> None:
    labels = torch.arange(64) % 2
    images = (labels * 200)[:, None, None, None].expand(64, 1, 8, 8).to(torch.uint8)
    results = []
    for noise in (1, 2):
        torch.manual_seed(0)
        body, head = net(), nn.Linear(8, 2)
        torch.manual_seed(noise)
        accuracy = pretrain(body, head, Loader(InMemory(images, labels), 16, train=True, seed=0), 4, 1e-2, 0.0)
        results.append((accuracy, body.state_dict()))
    assert results[0][0] == 1
    assert all(torch.equal(value, results[1][1][key]) for key, value in results[0][1].items())


def test_weights_of_a_net_or_of_a_checkpoint(tmp_path: Path) -> None:
    state = net().state_dict()
    torch.save(state, tmp_path / "net.pth")
    checkpoint = {"state_dict": {f"backbone.{k}": v for k, v in state.items()} | {"head.weight": torch.zeros(2)}}
    torch.save(checkpoint, tmp_path / "run.ckpt")
    for name in ("net.pth", "run.ckpt"):
        read = read_weights(str(tmp_path / name), net())
        assert all(torch.equal(read[key], value) for key, value in state.items())


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    state = ResidualNet(1, [4, 9], [1, 2]).state_dict()
    del state["stem.0.weight"]
    state["extra"] = torch.zeros(1)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(
        ValueError, match=r"missing stem.0.weight; unknown extra; .*wanted \(8, 4, 3, 3\).* and \d+ more"
    ):
        read_weights(str(tmp_path / "w.pth"), net())


def test_missing_file() -> None:
    with pytest.raises(FileNotFoundError, match=r"no file 'nowhere.pth'; .* model.weights=source_task"):
        read_weights("nowhere.pth", net())


def test_files_with_code_are_refused(tmp_path: Path) -> None:
    torch.save({"net": net()}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth is no file of weights"):
        read_weights(str(tmp_path / "w.pth"), net())
