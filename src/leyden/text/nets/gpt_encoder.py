"""A GPT as an encoder of text: what it knows of each token before it names the next one."""

from typing import TYPE_CHECKING, Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.text.nets.encoder import OwnEncoder

if TYPE_CHECKING:  # a GPT may take its weights by ``leyden.text.checkpoints``, which imports this file
    from leyden.text.gpt import GPTNet

Gelu = Literal["none", "tanh"]
"""The exact one, or GPT-2's approximation."""


class GPTEncoder(OwnEncoder):
    """Tokens (B, T) to what a GPT's last norm gives, (B, T, D); of a text the last token knows most.

    Args:
        net: it works on this very network; its head is not used.
    """

    def __init__(self, net: "GPTNet") -> None:
        vocabulary_size, width = net.token.weight.shape
        first: Any = net.blocks[0]
        sizes = {"layers": len(net.blocks), "heads": first.attention.heads, "width": width, "gelu": net.gelu}
        super().__init__(
            "gpt", {"vocabulary_size": vocabulary_size, "context": len(net.place.weight), **sizes}, causal=True
        )
        self.net = net

    @classmethod
    def of_sizes(
        cls,
        vocabulary_size: int,
        context: int,
        layers: int,
        heads: int,
        width: int,
        dropout: float,
        gelu: Gelu = "tanh",
    ) -> Self:
        """One with random weights; arguments as ``GPTNet``'s."""
        from leyden.text.gpt import GPTNet

        return cls(GPTNet(vocabulary_size, context, layers, heads, width, dropout, gelu))

    @property
    def stages(self) -> dict[str, nn.Module]:
        """``embeddings``, then the blocks; the last norm belongs to the last one."""
        net = self.net
        blocks: dict[str, nn.Module] = {f"block{i}": block for i, block in enumerate(net.blocks, 1)}
        return {
            "embeddings": nn.ModuleList([net.token, net.place]),
            **blocks,
            f"block{len(blocks)}": nn.ModuleList([net.blocks[-1], net.norm]),
        }

    def run(self, x: Tensor, real: Tensor | None = None, start: int = 0, stop: int | None = None) -> Tensor:
        """See ``Encoder``; padding lies behind the text, where no token of it looks."""
        net, count = self.net, len(self.net.blocks) + 1
        first, last = range(count)[start:stop].start, range(count)[start:stop].stop
        if first == 0 and last > 0:
            places = torch.arange(x.shape[1], device=x.device)
            x = F.dropout(net.token(x) + net.place(places), net.dropout, self.training)  # (B, T, D)
        for block in net.blocks[max(first - 1, 0) : max(last - 1, 0)]:
            x, _ = block(x)
        return net.norm(x) if last == count > first else x
