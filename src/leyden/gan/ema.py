"""An exponential moving average of a network: the generator that is looked at and judged."""

import copy

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """A copy of a network whose weights and buffers follow the original's slowly.

    A generator circles around its equilibrium; the average of its path lies nearer to it (Yazici et al. 2019). The
    decay ramps up as min(decay, (1 + t) / (10 + t)) with the step t: with a constant 0.995 the average would still
    hold a good part of the untrained weights after hundreds of steps.

    Args:
        network: what is averaged; copied once, never trained.
        decay: share of the average that stays at each step, in [0, 1); 0 makes it a plain copy.

    Raises:
        ValueError: ``decay`` is outside [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"the decay of the moving average must be in [0, 1), got {decay}")
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The averaged network's output, in eval mode always: sampling must not change batch statistics."""
        return self.network.eval()(*inputs)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Moves the average towards ``network``.

        Args:
            network: the one under training.
            step: how many steps it has made, from 1.
        """
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        floating: tuple[list[Tensor], list[Tensor]] = ([], [])
        for average, current in zip(_tensors(self.network), _tensors(network), strict=True):
            if average.is_floating_point():
                floating[0].append(average)
                floating[1].append(current)
            else:
                average.copy_(current)
        torch._foreach_lerp_(*floating, weight)  # all in one call: on a GPU that is one kernel


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
