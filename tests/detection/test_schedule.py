import pytest
import torch
from torch import nn

from leyden.detection.schedule import optimize, warm_cosine


def test_the_rate_rises_and_falls_to_zero():
    rates = [warm_cosine(step / 100, 0.1) for step in range(101)]
    assert max(rates) == rates[10] == 1
    assert 0 < rates[0] < 0.02
    assert rates[100] == pytest.approx(0)
    assert warm_cosine(0.0, 0.0) == 1


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weights_are_decayed_a_backbone_is_slower_and_what_is_frozen_left_out(name: str):
    net = nn.ModuleDict({"below": nn.Linear(2, 2), "above": nn.Linear(2, 2), "frozen": nn.Linear(2, 2)})
    net["frozen"].requires_grad_(False)
    made = optimize(net, 10, name, 0.1, 0.01, 0.0, net["below"].parameters(), 0.5)["optimizer"]
    found = {
        id(p): (group["initial_lr"], group["weight_decay"]) for group in made.param_groups for p in group["params"]
    }
    expected = {
        "below.weight": (0.05, 0.01),
        "below.bias": (0.05, 0.0),
        "above.weight": (0.1, 0.01),
        "above.bias": (0.1, 0.0),
    }
    assert found == {id(p): expected[key] for key, p in net.named_parameters() if key in expected}


def test_every_parameter_moves_once_a_step():
    net = nn.Linear(2, 2)
    made = optimize(net, 10, "sgd", 0.1, 0.0, 0.0)["optimizer"]
    assert sum(len(group["params"]) for group in made.param_groups) == 2
    before = [p.detach().clone() for p in net.parameters()]
    net(torch.ones(1, 2)).sum().backward()
    made.step()
    for old, p in zip(before, net.parameters(), strict=True):
        torch.testing.assert_close(p, old - 0.1 * p.grad)
