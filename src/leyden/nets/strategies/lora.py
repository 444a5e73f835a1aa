"""LoRA (Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models"): a frozen matrix learns a low-rank sum.

    h = W0 x + (alpha / r) B A x          (eq. 3),   A (r, d_in) drawn, B (d_out, r) zero

so that training begins with W0 itself; afterwards W0 + (alpha / r) B A is one matrix again, and costs nothing more.
A is drawn as the library peft draws it, which is also where the numbers of the tests come from.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LoRALinear(nn.Linear):
    """A linear layer whose weight and bias are frozen and which learns a sum of low rank; names stay as they were.

    Args:
        linear: whose weight and bias it takes over.
        rank: r.
        alpha: the sum is scaled by alpha / r.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.scale = alpha / rank
        self.lora_a = nn.Parameter(torch.empty(rank, linear.in_features, device=linear.weight.device))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank, device=linear.weight.device))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))
        self.weight.requires_grad_(False)
        if linear.bias is not None:
            self.bias.requires_grad_(False)

    def forward(self, input: Tensor) -> Tensor:
        """(..., d_in) to (..., d_out)."""
        return super().forward(input) + self.scale * F.linear(F.linear(input, self.lora_a), self.lora_b)

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """One linear layer that gives the same, with new weights."""
        linear = nn.Linear(self.in_features, self.out_features, self.bias is not None, device=self.weight.device)
        linear.weight.copy_(self.weight + self.scale * self.lora_b @ self.lora_a)
        if self.bias is not None:
            linear.bias.copy_(self.bias)
        return linear


def add_lora(network: nn.Module, targets: Sequence[str] | None, rank: int, alpha: float) -> None:
    """Makes ``LoRALinear`` of linear layers.

    Args:
        network: changed in place.
        targets: what the layers' names end in, such as ``attention.qkv``; None: all linear layers.
        rank: r.
        alpha: see ``LoRALinear``.

    Raises:
        ValueError: a rank below 1, or no such layer.
    """
    if rank < 1:
        raise ValueError(f"model.lora.rank={rank}: should be 1 or more")
    ends = None if targets is None else tuple(f".{target}" for target in targets)
    linear = {f".{name}": module for name, module in network.named_modules() if isinstance(module, nn.Linear)}
    found = [name for name in linear if ends is None or name.endswith(ends)]
    if not found:
        raise ValueError(f"LoRA finds no linear layer {', '.join(targets or ())}: set model.strategy to another")
    for name in found:
        replace_module(network, name[1:], LoRALinear(linear[name], rank, alpha))


def merge_lora(network: nn.Module) -> nn.Module:
    """The same network, changed in place, with plain linear layers again."""
    for name in [n for n, m in network.named_modules() if isinstance(m, LoRALinear)]:
        replace_module(network, name, network.get_submodule(name).merged())  # type: ignore[operator]
    return network


def replace_module(network: nn.Module, name: str, module: nn.Module) -> None:
    """Puts a module in the place of the one called ``name``, as ``named_modules`` calls it."""
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, module)
