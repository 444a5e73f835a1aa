"""CLIP's image encoder with the embeddings of some texts built in: a classifier that can leave PyTorch."""

import json
from collections.abc import Sequence

from torch import Tensor, nn

from leyden.core.technique import Exportable


class ImageMatcher(nn.Module):
    """uint8 images (N, C, S, S) to logits (N, texts).

    Args:
        encoder: images to embeddings (N, D) of length 1.
        texts: (texts, D) embeddings, multiplied by 1 / tau.
    """

    texts: Tensor

    def __init__(self, encoder: nn.Module, texts: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("texts", texts.detach())

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (N, C, S, S) to logits (N, texts)."""
        return self.encoder(images) @ self.texts.T


def exported(matcher: ImageMatcher, channels: int, image_size: int, class_names: Sequence[str]) -> Exportable:
    """What ``leyden export`` takes of it."""
    metadata = {"class_names": json.dumps(list(class_names)), "crop": "null"}
    return Exportable(matcher.eval(), channels, image_size, ("logits",), metadata)
