"""An exponential moving average of a network: the generator that is sampled and evaluated."""

import copy

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class EMA(nn.Module):
    """A copy of a network whose weights and buffers follow the original's slowly.

    A generator circles around its equilibrium; the average of its path lies nearer to it (Yazici et al. 2019). The
    decay ramps up as min(decay, (1 + t) / (10 + t)) with the step t: with a constant 0.995 the average would still
    hold a good part of the untrained weights after hundreds of steps.

    ``torch.optim.swa_utils.AveragedModel`` does the same with three differences that would change results: its first
    update copies, it averages integer buffers by rounding, and its step count is a tensor, so that a ramp would wait
    for the GPU at each step. Its averaging function is used here.

    Args:
        network: what is averaged; copied once, never trained.
        decay: fraction of the average that stays at each step, in [0, 1); 0 makes it a plain copy.

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
        averages: list[Tensor] = []
        currents: list[Tensor] = []
        for average, current in zip(_tensors(self.network), _tensors(network), strict=True):
            if average.is_floating_point():
                averages.append(average)
                currents.append(current)
            else:
                average.copy_(current)
        decay = min(self.decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(averages, currents, None)  # all in one call: on a GPU that is one kernel


def _tensors(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
