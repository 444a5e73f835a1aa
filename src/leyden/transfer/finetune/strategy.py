"""Which layers learn: the strategies, as a plan for each stage of a backbone.

The lecture calls layers that keep their weights frozen and those that are retrained modifiable: "the more you want to
inherit, the more you freeze". A plan says of each stage whether it takes over weights, from which epoch on it is
trained, and at what rate.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

Strategy = Literal[
    "head", "full", "truncate", "scratch", "last_k", "gradual", "discriminative", "l2_sp", "bn_only", "adapter"
]
STRATEGIES: tuple[str, ...] = get_args(Strategy)


class StagePlan(NamedTuple):
    """What happens to one stage."""

    inherited: bool
    """Takes over weights; otherwise it is new."""
    trained_from: int | None
    """The first epoch that changes it; None: frozen for ever."""
    rate: float = 1.0
    """Factor on the learning rate of what is new."""


Plan = Mapping[str, StagePlan]
"""By stage, from the image upwards; a stage that is missing was cut off."""


def make_plan(
    strategy: Strategy,
    stages: Sequence[str],
    rate: float = 1.0,
    cut_after: str | None = None,
    rebuild: bool = True,
    freeze_kept: bool = True,
    last_k: int = 1,
    unfreeze_every: int = 1,
    decay: float = 1.0,
) -> Plan:
    """What a strategy means for a backbone of these stages.

    - ``head``: all inherited, all frozen; only the new head learns. Small target data, similar to the source.
    - ``full``: all inherited, all trained. Large target data.
    - ``truncate``: cut after a stage; what is kept is low-level, what follows is new. Small and different.
    - ``scratch``: nothing inherited: what the others must beat.
    - ``last_k``: all inherited, the last k stages trained.
    - ``gradual``: as full, but stages join from the head downwards, one every so many epochs (Howard and Ruder 2018,
      "Universal Language Model Fine-tuning", sec. 3.3).
    - ``discriminative``: as full, each stage at a lower rate than the one above it (same paper, sec. 3.3).
    - ``l2_sp``: as full, with a pull towards the inherited weights (Li et al. 2018, "Explicit Inductive Bias").
    - ``bn_only``: all inherited; of the stages only scale and shift of batch norms learn (Frankle et al. 2021,
      "Training BatchNorm and Only BatchNorm").
    - ``adapter``: all inherited and frozen, a small new bottleneck behind each stage learns (Rebuffi et al. 2017,
      "Learning multiple visual domains with residual adapters").

    Args:
        strategy: one of those.
        stages: names, from the image upwards.
        rate: factor on the learning rate for inherited stages that are trained.
        cut_after: truncate: the last stage that is kept.
        rebuild: truncate: the stages behind the cut are built anew; otherwise the head sits on the cut.
        freeze_kept: truncate: what is kept is frozen.
        last_k: last_k: so many stages are trained.
        unfreeze_every: gradual: epochs until the next stage joins.
        decay: discriminative: factor from one stage to the one below it.

    Raises:
        ValueError: an unknown strategy or stage, or numbers that make no sense; the message says what there is.
    """
    last = len(stages) - 1
    if strategy not in STRATEGIES:
        raise ValueError(f"model.strategy={strategy!r}: there are {', '.join(STRATEGIES)}")
    if strategy == "truncate":
        if cut_after not in stages:
            raise ValueError(f"model.cut_after={cut_after!r} is no stage of this backbone: {', '.join(stages)}")
        kept = stages.index(cut_after) + 1
        inherited = {name: StagePlan(True, None if freeze_kept else 0, rate) for name in stages[:kept]}
        return inherited | ({name: StagePlan(False, 0) for name in stages[kept:]} if rebuild else {})
    if strategy == "last_k" and not 1 <= last_k <= len(stages):
        raise ValueError(f"model.last_k={last_k}, but there are {len(stages)} stages: {', '.join(stages)}")
    plans = {
        "head": lambda depth: StagePlan(True, None),
        "adapter": lambda depth: StagePlan(True, None),
        "scratch": lambda depth: StagePlan(False, 0),
        "last_k": lambda depth: StagePlan(True, 0 if depth > last - last_k else None, rate),
        "gradual": lambda depth: StagePlan(True, (last - depth + 1) * unfreeze_every, rate),
        "discriminative": lambda depth: StagePlan(True, 0, rate * decay ** (last - depth)),
    }
    of_stage = plans.get(strategy, lambda depth: StagePlan(True, 0, rate))  # full, l2_sp, bn_only
    return {name: of_stage(depth) for depth, name in enumerate(stages)}


def frozen_at(plan: Plan, epoch: int) -> list[str]:
    """The stages that epoch ``epoch`` (from 0) does not change."""
    return [name for name, stage in plan.items() if stage.trained_from is None or epoch < stage.trained_from]


def l2_sp(
    inherited: Iterable[Tensor], anchors: Iterable[Tensor], alpha: float, new: Iterable[Tensor], beta: float
) -> Tensor:
    """What l2_sp adds to the loss (Li et al. 2018, eq. 3): alpha / 2 ||w - w0||^2 + beta / 2 ||v||^2.

    Args:
        inherited: w, all tensors of the inherited stages.
        anchors: w0, where they started, in the same order.
        alpha: pull towards there.
        new: v, the tensors of the head.
        beta: its weight decay.

    Returns:
        () the penalty.
    """
    away = sum((w - w0).square().sum() for w, w0 in zip(inherited, anchors, strict=True))
    return torch.as_tensor(alpha / 2 * away + beta / 2 * sum(v.square().sum() for v in new))


def draw_plan(plan: Plan, stages: Mapping[str, nn.Module], head: nn.Module, only_norms: bool = False) -> str:
    """The network as the lecture draws it: frozen layers below, modifiable ones above, a line each."""
    width = max(len(name) for name in [*plan, "head"])
    lines = []
    for name, stage in plan.items():
        count = sum(p.numel() for p in stages[name].parameters())
        origin = "inherited" if stage.inherited else "new"
        if stage.trained_from is None:
            fate = "░ frozen"
        elif only_norms:
            fate = "▒ batch norms modifiable"
        elif stage.trained_from:
            fate = f"▒ frozen, modifiable from epoch {stage.trained_from}"
        else:
            fate = f"█ modifiable at {stage.rate:.3g} x lr"
        lines.append(f"  {name:{width}}  {count:>12,} parameters  {origin:9}  {fate}")
    count = sum(p.numel() for p in head.parameters())
    lines.append(f"  {'head':{width}}  {count:>12,} parameters  {'new':9}  █ modifiable at 1 x lr")
    return "\n".join(["image", *lines, "classes"])
