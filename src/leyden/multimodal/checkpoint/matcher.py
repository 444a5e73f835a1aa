"""What a trained network of images and text can do, whoever published it."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from torch import Tensor, nn


class MatcherSpec(TypedDict):
    """What a matcher is made of again, without its weights; plain values, so a checkpoint carries it."""

    kind: Literal["leyden", "transformers", "open_clip"]
    content: str
    """JSON."""


class Matcher(nn.Module):
    """Base: images of any size and texts to embeddings of length 1 in one space.

    Attributes:
        spec: see ``MatcherSpec``.
        name: for messages.
    """

    spec: MatcherSpec
    name: str

    def embed_images(self, images: Sequence[Tensor]) -> Tensor:
        """uint8 images (C, H, W) of any sizes, prepared as the network's authors did, to (N, D) of length 1."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it sees images")

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Texts to (N, D) of length 1; what is longer than the network reads loses its end."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it reads")

    @property
    def scale(self) -> Tensor:
        """() what similarities are multiplied by before the softmax."""
        raise NotImplementedError(f"{type(self).__name__} has no temperature")


def escaped(json_text: str) -> str:
    """JSON in which ``${`` is written otherwise, because configs take it for a reference."""
    return json_text.replace("${", r"\u0024{")
