"""A plan says of each stage of a backbone whether it takes over weights, when it is trained, and at what rate.

The lecture calls layers that keep their weights frozen and those that are retrained modifiable: "the more you want to
inherit, the more you freeze". The strategies (``strategies.py``) make plans; the networks that are
fine-tuned carry them out.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn


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


def frozen_at(plan: Plan, epoch: int) -> list[str]:
    """The stages that epoch ``epoch`` (from 0) does not change."""
    return [name for name, stage in plan.items() if stage.trained_from is None or epoch < stage.trained_from]


def frozen_stages(plan: Plan) -> int:
    """How many leading stages are frozen for ever, so that what they give can be computed once."""
    fates = [stage.trained_from for stage in plan.values()]
    return next((i for i, joins in enumerate(fates) if joins is not None), len(fates))


def by_rate(
    plan: Plan, stages: Mapping[str, nn.Module], parameters: Iterable[nn.Parameter]
) -> dict[float, list[nn.Parameter]]:
    """What learns, by its factor on the learning rate; what belongs to no stage is new and has 1.

    Args:
        plan: of the stages.
        stages: modules by their names in the plan.
        parameters: of the whole network; those that require no gradient are left out.
    """
    of_stage = {id(p): plan[name].rate for name in plan for p in stages[name].parameters()}
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter in parameters:
        if parameter.requires_grad:
            groups.setdefault(of_stage.get(id(parameter), 1.0), []).append(parameter)
    return groups


def drop_gradients(plan: Plan, stages: Mapping[str, nn.Module], epoch: int) -> None:
    """For stages that join later: without a gradient an optimizer neither moves nor decays a weight."""
    for name, stage in plan.items():
        if stage.trained_from is not None and epoch < stage.trained_from:
            for parameter in stages[name].parameters():
                parameter.grad = None


def l2_sp_penalty(
    inherited: Iterable[Tensor], anchors: Iterable[Tensor], alpha: float, new: Iterable[Tensor], beta: float
) -> Tensor:
    """The penalty of L2-SP (Li et al. 2018, eq. 3): alpha / 2 ||w - w0||^2 + beta / 2 ||v||^2.

    Departure: whatever the inherited stages learn is pulled, scale and shift of batch norms too, and the head's bias
    decays as well; the paper's w are the layers' weights.

    Args:
        inherited: w, all parameters of the inherited stages.
        anchors: w0, where they started, in the same order.
        alpha: pull towards there.
        new: v, the tensors of the head.
        beta: its weight decay.

    Returns:
        () the penalty, to be added to the loss.

    Raises:
        ValueError: another number of anchors than of inherited tensors.
    """
    away = sum((w - w0).square().sum() for w, w0 in zip(inherited, anchors, strict=True))
    return torch.as_tensor(alpha / 2 * away + beta / 2 * sum(v.square().sum() for v in new))


def draw_plan(
    plan: Plan, stages: Mapping[str, nn.Module], head: nn.Module, only_norms: bool = False, source: str = "image"
) -> str:
    """The network as the lecture draws it: frozen layers below, modifiable ones above, a line each.

    Args:
        plan: of the stages.
        stages: modules by their names in the plan.
        head: what is new on top.
        only_norms: of the stages only batch norms learn.
        source: what the network reads.
    """
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
    return "\n".join([source, *lines, "classes"])
