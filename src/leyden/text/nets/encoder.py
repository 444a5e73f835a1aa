"""What all encoders of text have in common: tokens in, a vector for each token out, in named stages."""

import json
from typing import Any, Literal, Protocol, TypedDict, runtime_checkable

from torch import Tensor, nn


class EncoderSpec(TypedDict):
    """What an encoder is but for its weights: a plain hyperparameter, so a checkpoint needs no other file."""

    kind: Literal["bert", "gpt", "transformers"]
    content: str
    """JSON: sizes of our own networks, the configuration of one of the library ``transformers``."""


class Encoder(nn.Module):
    """Tokens (B, T) to features (B, T, D); a child says what its stages are.

    Shapes: B texts, T tokens, D channels.

    Args:
        name: of the network, for messages.
        vocabulary_size: tokens are numbers below it.
        context: largest T.
        width: D.
        causal: a token's features know nothing of later ones, so the last token's are those of the text.
    """

    def __init__(self, name: str, vocabulary_size: int, context: int, width: int, causal: bool = False) -> None:
        super().__init__()
        self.name, self.vocabulary_size, self.context = name, vocabulary_size, context
        self.width, self.causal = width, causal

    spec: EncoderSpec
    """What ``leyden.text.checkpoints.build_encoder`` makes the same network of, with random weights."""

    @property
    def stages(self) -> dict[str, nn.Module]:
        """``embeddings``, ``block1`` to ``blockN`` from the tokens upwards: every parameter is in one of them."""
        raise NotImplementedError

    @property
    def stage_names(self) -> list[str]:
        """Names of the stages, from the tokens upwards."""
        return list(self.stages)

    def run(self, x: Tensor, real: Tensor | None = None, start: int = 0, stop: int | None = None) -> Tensor:
        """Runs the stages ``start`` (inclusive) to ``stop`` (exclusive) on the output of the one before ``start``.

        Args:
            x: tokens (B, T) int64 where ``start`` is 0, else features (B, T, D).
            real: (B, T) bool, true where a token is no padding; None: none is.
            start: number of the first stage, from 0.
            stop: number of the stage behind the last; None: all.
        """
        raise NotImplementedError

    def forward(self, tokens: Tensor, real: Tensor | None = None) -> Tensor:
        """Tokens (B, T) int64 to features (B, T, D); of padding (``real`` is false) they mean nothing."""
        return self.run(tokens, real)


class OwnEncoder(Encoder):
    """An encoder of our own network, whose sizes are five numbers.

    Args:
        kind: of the network, see ``EncoderSpec``.
        sizes: vocabulary_size, context, layers, heads, width; of a GPT also gelu.
        causal: see ``Encoder``.
    """

    def __init__(self, kind: Literal["bert", "gpt"], sizes: dict[str, Any], causal: bool = False) -> None:
        super().__init__(kind, sizes["vocabulary_size"], sizes["context"], sizes["width"], causal)
        self.spec = EncoderSpec(kind=kind, content=json.dumps(sizes))


@runtime_checkable
class HasEncoder(Protocol):
    """A technique whose record others can take an encoder of (``model.weights``)."""

    encoder: Encoder
