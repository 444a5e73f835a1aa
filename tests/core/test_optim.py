import pytest
import torch
from torch import nn

from leyden.core.optim import SCHEDULES, cosine, parameter_groups, scheduled, warmup_cosine


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", (1, 1, 1)),
        ("linear", (1, 0.5, 0)),
        ("late_linear", (1, 1, 0)),
        ("cosine", (1, 0.5, 0)),
        ("step", (1, 0.1, 0.1)),
    ],
)
def test_schedules_at_start_middle_and_end(name, expected):
    assert [SCHEDULES[name](t) for t in (0.0, 0.5, 1.0)] == pytest.approx(expected, abs=1e-12)


def test_cosine_is_that_of_torch():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for step in range(20):
        assert theirs.get_last_lr()[0] == pytest.approx(cosine(step / 20))
        optimizer.step()
        theirs.step()


def test_warmup_rises_then_falls_to_zero():
    rates = [warmup_cosine(step / 100, 0.1) for step in range(101)]
    assert max(rates) == rates[10] == 1
    assert 0 < rates[0] < 0.02
    assert rates[100] == pytest.approx(0)
    assert warmup_cosine(0.0, 0.0) == 1


def test_schedule_multiplies_every_groups_rate():
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "lr": 2.0}, {"params": [torch.zeros(1)], "lr": 1.0}])
    schedule = scheduled(optimizer, SCHEDULES["linear"], 4)
    rates = []
    for _ in range(6):
        rates.append(schedule.get_last_lr())
        optimizer.step()
        schedule.step()
    assert rates == [[2, 1], [1.5, 0.75], [1, 0.5], [0.5, 0.25], [0, 0], [0, 0]]


def test_groups_decay_weights_slow_backbone_skip_frozen():
    net = nn.ModuleDict({"below": nn.Linear(2, 2), "above": nn.Linear(2, 2), "frozen": nn.Linear(2, 2)})
    net["frozen"].requires_grad_(False)
    groups = parameter_groups(net.parameters(), 0.1, 0.01, net["below"].parameters(), 0.5)
    found = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    expected = {
        "below.weight": (0.05, 0.01),
        "below.bias": (0.05, 0.0),
        "above.weight": (0.1, 0.01),
        "above.bias": (0.1, 0.0),
    }
    assert found == {id(p): expected[key] for key, p in net.named_parameters() if key in expected}
    assert sum(len(group["params"]) for group in groups) == 4
