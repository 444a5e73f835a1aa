"""Adapters for transformers (Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", figure 2).

In each block, behind the attention's last matrix and behind that of the linear layers, before the shortcut is added,

    y = h + W_up gelu(W_down h + b_down) + b_up,      W_up and b_up begin at 0,

so that training begins with the network itself. Besides adapters the layer norms learn, as in the paper: 2 m d + d + m
parameters for each adapter of m channels in a layer of d. Departures: the paper draws W_up from N(0, 0.01^2); dropout,
where there is any, comes behind the adapter.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from leyden.nets.strategies.lora import replace_module
from leyden.nets.transformer import Block


class AdaptedLinear(nn.Linear):
    """A frozen linear layer with an adapter behind it; its own names stay as they were.

    Args:
        linear: whose weight and bias it takes over.
        narrow: m, channels of the adapter.
    """

    def __init__(self, linear: nn.Linear, narrow: int) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.weight.requires_grad_(False)
        self.bias.requires_grad_(False)
        self.down = nn.Linear(linear.out_features, narrow, device=linear.weight.device)
        self.up = nn.Linear(narrow, linear.out_features, device=linear.weight.device)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, input: Tensor) -> Tensor:
        """(..., d_in) to (..., d)."""
        h = super().forward(input)
        return h + self.up(F.gelu(self.down(h)))


def add_adapters(blocks: nn.Module, reduction: int) -> None:
    """Puts two adapters into each ``Block`` of ``blocks``, and lets its norms learn.

    Args:
        blocks: frozen.
        reduction: by which an adapter is narrower than its layer; 4 channels are left at least.

    Raises:
        ValueError: a reduction below 1, or no ``Block``.
    """
    if reduction < 1:
        raise ValueError(f"model.adapter.reduction={reduction}: should be 1 or more")
    found = [module for module in blocks.modules() if isinstance(module, Block)]
    if not found:
        raise ValueError("adapters go into our own transformers; for one of the library's set model.strategy=lora")
    for block in found:
        for name in ("attention.out", "mlp.2"):
            linear = block.get_submodule(name)
            assert isinstance(linear, nn.Linear)
            replace_module(block, name, AdaptedLinear(linear, max(4, linear.out_features // reduction)))
        block.norm_1.requires_grad_(True)
        block.norm_2.requires_grad_(True)


def adapter_size(width: int, narrow: int) -> int:
    """Parameters of one adapter: 2 m d + d + m (section 2.1)."""
    return 2 * width * narrow + width + narrow
