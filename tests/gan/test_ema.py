import pytest
import torch
from torch import nn

from leyden.gan.ema import EMA


def test_ramps_up_then_follows_the_recursion() -> None:
    network = nn.Linear(1, 1, bias=False)
    network.weight.data.fill_(0)
    average, expected = EMA(network, decay=0.5), 0.0
    for step in range(1, 20):
        network.weight.data.fill_(step)
        average.update(network, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
        assert average.network.weight.item() == pytest.approx(expected, rel=1e-5)


def test_batch_statistics_follow_and_sampling_keeps_them() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2))
    average = EMA(network, decay=0.0)
    network(torch.randn(8, 2) + 3)
    average.update(network, 1)
    torch.testing.assert_close(average.network.state_dict(), network.state_dict())
    average.train()
    before = average.network[0].running_mean.clone()
    average(torch.randn(8, 2))
    assert torch.equal(average.network[0].running_mean, before)


def test_the_average_is_never_trained() -> None:
    assert not any(p.requires_grad for p in EMA(nn.Linear(2, 2), 0.9).parameters())


def test_refuses_a_decay_of_one() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\), got 1"):
        EMA(nn.Linear(1, 1), 1.0)
