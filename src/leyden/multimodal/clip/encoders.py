"""CLIP's two encoders: each ends in an embedding of length 1, in one space."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.nets.transformer import Block
from leyden.nets.zoo import backbone


class ImageEncoder(nn.Module):
    """Images (B, C, S, S) to embeddings (B, D): a backbone, its spatial mean, a linear map (Radford et al., 2.4).

    Args:
        name: of the backbone, see ``leyden.nets.zoo.backbone``.
        channels: of the images.
        image_size: side of the square images in pixels.
        widths: of the backbone, see there.
        strides: of the backbone.
        blocks: of the backbone.
        embedding: D.

    Raises:
        ValueError: an unknown backbone, or images that it cannot take.
    """

    def __init__(
        self,
        name: str,
        channels: int,
        image_size: int,
        widths: Sequence[int],
        strides: Sequence[int],
        blocks: int,
        embedding: int,
    ) -> None:
        super().__init__()
        self.backbone = backbone(name, channels, image_size, widths, strides, blocks)
        self.projection = nn.Linear(self.backbone.num_features, embedding, bias=False)
        nn.init.normal_(self.projection.weight, std=self.backbone.num_features**-0.5)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to (B, D) of length 1."""
        return F.normalize(self.projection(self.backbone(images)).float())


class TextEncoder(nn.Module):
    """Tokens (B, T) to embeddings (B, D): blocks of attention, the features at the end token, a linear map (2.4).

    Args:
        vocabulary_size: tokens are numbers below it.
        context: largest T.
        layers: blocks.
        heads: of each block's attention; they divide ``width``.
        width: channels.
        dropout: of attention weights and branches.
        causal: a token sees only those before it, as in the paper; else all that are no padding.
        embedding: D.

    Raises:
        ValueError: the heads do not divide the width.
    """

    def __init__(
        self,
        vocabulary_size: int,
        context: int,
        layers: int,
        heads: int,
        width: int,
        dropout: float,
        causal: bool,
        embedding: int,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.token = nn.Embedding(vocabulary_size, width)
        self.place = nn.Parameter(torch.empty(context, width))
        self.blocks = nn.ModuleList(Block(width, heads, causal, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.projection = nn.Linear(width, embedding, bias=False)
        nn.init.normal_(self.token.weight, std=0.02)
        nn.init.normal_(self.place, std=0.01)
        nn.init.normal_(self.projection.weight, std=width**-0.5)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Tokens (B, T) int64 of texts that end at ``lengths`` (B,) int64, at least 1, to (B, D) of length 1."""
        x = self.token(tokens) + self.place[: tokens.shape[1]]
        real = None
        if not self.causal:  # padding lies behind the text, where a causal block looks at nothing anyway
            real = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
        for block in self.blocks:
            x, _ = block(x, real=real)
        last = x[torch.arange(len(x), device=x.device), lengths - 1]
        return F.normalize(self.projection(self.norm(last)).float())
