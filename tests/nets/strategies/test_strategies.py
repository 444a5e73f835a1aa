from typing import Any, get_args

import pytest
import torch
from torch import nn

from leyden.nets.strategies.plan import StagePlan, draw_plan, frozen_at, l2_sp_penalty
from leyden.nets.strategies.strategies import DEFAULTS, STRATEGIES, Adapters, StrategyName, new_strategy

FROZEN, NEW = (True, None, 1.0), (False, 0, 1.0)
PLANS: dict[str, list[tuple[bool, int | None, float]]] = {
    # of stages a, b, c, with rate .5 and OPTIONS
    "head": [FROZEN, FROZEN, FROZEN],
    "full": [(True, 0, 0.5), (True, 0, 0.5), (True, 0, 0.5)],
    "truncate": [(True, None, 0.5), (True, None, 0.5), NEW],
    "scratch": [NEW, NEW, NEW],
    "last_k": [(True, None, 0.5), (True, 0, 0.5), (True, 0, 0.5)],
    "gradual": [(True, 9, 0.5), (True, 6, 0.5), (True, 3, 0.5)],
    "discriminative": [(True, 0, 0.005), (True, 0, 0.05), (True, 0, 0.5)],
    "l2_sp": [(True, 0, 0.5), (True, 0, 0.5), (True, 0, 0.5)],
    "bn_only": [(True, 0, 0.5), (True, 0, 0.5), (True, 0, 0.5)],
    "adapter": [FROZEN, FROZEN, FROZEN],
}


OPTIONS: dict[str, dict[str, Any]] = {
    "truncate": {"at": "b"}, "last_k": {"k": 2}, "gradual": {"unfreeze_every": 3}, "discriminative": {"decay": 0.1}
}  # fmt: skip


def plan(strategy: Any, **options: Any) -> dict[str, StagePlan]:
    own = OPTIONS.get(strategy, {}) | options
    return dict(new_strategy(strategy, OPTIONS | {strategy: own}).plan(["a", "b", "c"], 0.5))


def test_every_name_has_a_strategy_and_its_defaults() -> None:
    assert tuple(STRATEGIES) == get_args(StrategyName)
    assert DEFAULTS["truncate"] == {"at": "stage2", "rebuild": True, "freeze": True}
    assert DEFAULTS["full"] == {}
    assert new_strategy("adapter", {"adapter": {"reduction": 4}, "last_k": {"k": 3}}) == Adapters(4)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_each_strategy_means(strategy: str) -> None:
    made = plan(strategy)
    assert list(made) == ["a", "b", "c"]
    for stage, (inherited, trained_from, rate) in zip(made.values(), PLANS[strategy], strict=True):
        assert (stage.inherited, stage.trained_from) == (inherited, trained_from)
        if trained_from is not None:  # what is frozen has no rate
            assert stage.rate == pytest.approx(rate)


def test_truncate_may_end_at_the_cut_and_train_what_it_keeps() -> None:
    assert plan("truncate", rebuild=False) == {"a": StagePlan(True, None, 0.5), "b": StagePlan(True, None, 0.5)}
    kept = plan("truncate", freeze=False, at="a")
    assert kept == {"a": StagePlan(True, 0, 0.5), "b": StagePlan(False, 0), "c": StagePlan(False, 0)}


@pytest.mark.parametrize(
    ("strategy", "arguments", "message"),
    [
        ("all", {}, "model.strategy='all': there are head, full, truncate, scratch, last_k, gradual"),
        ("truncate", {"at": "d"}, "model.truncate.at='d' is no stage of this backbone: a, b, c"),
        ("truncate", {"at": None}, "model.truncate.at=None: should be str"),
        ("truncate", {"after": "b"}, "model.truncate.after: no such option, truncate has at, rebuild, freeze"),
        ("full", {"at": "b"}, "model.full.at: no such option, full has no options"),
        ("last_k", {"k": 0}, "model.last_k.k=0, but there are 3 stages: a, b, c"),
        ("last_k", {"k": 4}, "model.last_k.k=4, but there are 3 stages: a, b, c"),
        ("last_k", {"k": 1.5}, "model.last_k.k=1.5: should be int"),
        ("last_k", {"k": True}, "model.last_k.k=True: should be int"),
    ],
)
def test_impossible_plans(strategy: str, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(strategy, **arguments)


def test_stages_thaw_from_the_head_downwards() -> None:
    gradual = plan("gradual", unfreeze_every=2)
    frozen = [frozen_at(gradual, epoch) for epoch in range(8)]
    assert frozen == [["a", "b", "c"]] * 2 + [["a", "b"]] * 2 + [["a"]] * 2 + [[]] * 2
    assert frozen_at(plan("head"), 1000) == ["a", "b", "c"]
    assert frozen_at(plan("scratch"), 0) == []


def test_l2_sp_is_equation_3_and_pulls_along_its_gradient() -> None:
    w, v = torch.tensor([3.0, -1.0], requires_grad=True), torch.tensor([[2.0]], requires_grad=True)
    penalty = l2_sp_penalty([w], [torch.tensor([1.0, 0.0])], 0.5, [v], 0.1)
    assert float(penalty.detach()) == pytest.approx(0.25 * (4 + 1) + 0.05 * 4)
    penalty.backward()
    torch.testing.assert_close(w.grad, torch.tensor([0.5 * 2, 0.5 * -1]))
    torch.testing.assert_close(v.grad, torch.tensor([[0.1 * 2]]))


def test_l2_sp_wants_an_anchor_for_each_tensor() -> None:
    with pytest.raises(ValueError, match="zip"):
        l2_sp_penalty([torch.ones(1), torch.ones(1)], [torch.ones(1)], 1, [], 0)


def test_drawing_tells_the_lectures_words_for_each_layer() -> None:
    stages, head = {name: nn.Linear(2, 3) for name in "abc"}, nn.Linear(3, 2)

    def words(strategy: str, **arguments: Any) -> list[str]:
        top, *lines, bottom = draw_plan(plan(strategy), stages, head, **arguments).splitlines()
        assert (top, bottom) == ("image", "classes")
        assert [line.split()[:2] for line in lines] == [["a", "9"], ["b", "9"], ["c", "9"], ["head", "8"]]
        return [" ".join(line.split()[3:]) for line in lines]

    last = "new █ modifiable at 1 x lr"
    assert words("truncate") == ["inherited ░ frozen"] * 2 + [last] * 2
    assert words("gradual") == [f"inherited ▒ frozen, modifiable from epoch {n}" for n in (9, 6, 3)] + [last]
    assert words("discriminative") == [f"inherited █ modifiable at {r} x lr" for r in ("0.005", "0.05", "0.5")] + [last]
    assert words("bn_only", only_norms=True) == ["inherited ▒ batch norms modifiable"] * 3 + [last]
