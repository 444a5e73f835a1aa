from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from leyden.nets.strategies.computed import compute, key_of


class Counting:
    """Doubles, and counts its calls."""

    calls = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.calls += 1
        return images.double() * 2


def batches(sizes: tuple[int, ...] = (2, 2, 1)) -> Iterator[Tensor]:
    yield from torch.arange(10, dtype=torch.uint8).reshape(5, 2).split(list(sizes))


DOUBLED = torch.arange(10).reshape(5, 2).float() * 2


def norm(change: Callable[[nn.BatchNorm1d], object] = lambda net: None) -> nn.Module:
    torch.manual_seed(0)
    net = nn.BatchNorm1d(2)
    change(net)
    return net


def test_the_key_is_that_of_weights_and_facts_whatever_their_order() -> None:
    assert key_of(norm(), data=["a", 1], precision="32") == key_of(norm(), precision="32", data=["a", 1])


@pytest.mark.parametrize(
    "other",
    [
        lambda: key_of(norm(lambda net: net.weight.data.mul_(1.0001)), data=["a", 1]),
        lambda: key_of(norm(lambda net: net.running_mean.add_(1e-6)), data=["a", 1]),  # buffers decide as well
        lambda: key_of(nn.Sequential(norm()), data=["a", 1]),
        lambda: key_of(norm(), data=["a", 2]),
        lambda: key_of(norm(), data=["a", 1], precision="bf16-mixed"),
    ],
)
def test_the_key_changes_with_whatever_decides_features(other: Callable[[], str]) -> None:
    assert other() != key_of(norm(), data=["a", 1])


def test_in_memory(tmp_path: Path) -> None:
    features = compute(Counting(), batches(), 5, None)
    assert features.dtype == torch.float32
    assert torch.equal(features, DOUBLED)


def test_a_file_is_written_once_and_read_from_then_on(tmp_path: Path) -> None:
    network, file = Counting(), tmp_path / "new" / "folder" / "f.npy"
    for _ in range(2):
        features = compute(network, batches(), 5, file)
        assert features.dtype == torch.float32
        assert torch.equal(features, DOUBLED)
    assert network.calls == 3
    assert [path.name for path in file.parent.iterdir()] == ["f.npy"]
    features.zero_()  # what is mapped may be written to, but not the file
    assert torch.equal(compute(network, batches(), 5, file), DOUBLED)


def test_no_gradients_are_kept() -> None:
    weight = torch.ones(2, requires_grad=True)
    assert not compute(lambda images: images * weight, batches(), 5, None).requires_grad


def test_a_run_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def breaks(images: Tensor) -> Tensor:
        if len(images) == 1:
            raise KeyboardInterrupt
        return images.float()

    with pytest.raises(KeyboardInterrupt):
        compute(breaks, batches(), 5, tmp_path / "f.npy")
    assert list(tmp_path.iterdir()) == []
    assert torch.equal(compute(Counting(), batches(), 5, tmp_path / "f.npy"), DOUBLED)


def test_what_a_killed_run_left_is_not_taken_for_features(tmp_path: Path) -> None:
    (tmp_path / ".123.f.npy").write_bytes(b"half")
    assert torch.equal(compute(Counting(), batches(), 5, tmp_path / "f.npy"), DOUBLED)
