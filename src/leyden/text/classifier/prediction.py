"""What ``leyden predict`` and ``leyden export`` get of a classifier."""

import copy
import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from leyden.core.technique import ExportableText, Predictions
from leyden.data.ragged import padded
from leyden.data.text.sentences import frame
from leyden.data.text.tokenizer import Tokenizer
from leyden.nets.strategies.lora import merge_lora
from leyden.text.classifier.adapters import AdaptedLinear
from leyden.text.classifier.drawing import ColouredText, draw_tokens
from leyden.text.classifier.evaluation import attributions, pieces
from leyden.text.classifier.network import TextNet
from leyden.text.nets.encoder import Encoder

AT_ONCE = 64
"""Texts of a batch."""
STEPS = 4
"""Of integrated gradients."""


@torch.no_grad()
def predict_texts(
    net: TextNet, tokenizer: Tokenizer, context: int, class_names: Sequence[str], texts: Sequence[str]
) -> Predictions:
    """The class of each text, and an image of what it rests on where the encoder can be looked into.

    Args:
        net: in evaluation mode.
        tokenizer: of its tokens.
        context: tokens of a text at most; what is longer loses its end, and its row says so.
        class_names: in the order of the logits.
        texts: N.
    """
    rows: list[dict[str, Any]] = []
    images: list[Tensor] = []
    device = next(net.parameters()).device
    for first in range(0, len(texts), AT_ONCE):
        framed, cut = frame(tokenizer.encode_all(texts[first : first + AT_ONCE]), tokenizer, context)
        probabilities = net(*padded(framed, tokenizer.pad, device)).softmax(1)
        found = [_row(own, class_names) for own in probabilities]
        for place in cut:
            found[place]["cut_to_tokens"] = context
        rows += found
        if net.explains:
            values = attributions(net, tokenizer, framed, probabilities.argmax(1).tolist(), STEPS)
            for row, text, own in zip(found, framed, values, strict=True):
                caption = f"{row['label']}, {row['probability']:.0%}"
                images.append(draw_tokens([ColouredText(caption, pieces(tokenizer, text), own)]))
    return Predictions(rows, images)


def _row(probabilities: Tensor, class_names: Sequence[str]) -> dict[str, Any]:
    probability, predicted = probabilities.max(0)
    by_class = dict(zip(class_names, probabilities.tolist(), strict=True))
    return {
        "label": class_names[int(predicted)], "probability": round(float(probability), 4), "probabilities": by_class
    }  # fmt: skip


def plain_encoder(net: TextNet) -> Encoder:
    """An encoder without what a strategy put into it: the network's own, or with LoRA a copy in which it is merged.

    Raises:
        ValueError: adapters stand between its layers, and cannot be left out.
    """
    if not net.adapted:
        return net.encoder
    encoder = copy.deepcopy(net.encoder)
    merge_lora(encoder)
    if any(isinstance(module, AdaptedLinear) for module in encoder.modules()):
        raise ValueError("this record has adapters between its layers: give model.weights one of another strategy")
    return encoder


def exportable(net: TextNet, tokenizer: Tokenizer, context: int, class_names: Sequence[str]) -> ExportableText:
    """Logits (N, C) of tokens (N, T) and lengths (N,); LoRA's sums are merged into the matrices."""
    network = copy.deepcopy(net).cpu().eval()
    merge_lora(network)
    special = {"start": tokenizer.start, "end": tokenizer.end, "pad": tokenizer.pad}
    metadata = {
        "class_names": json.dumps(class_names),
        "tokenizer": tokenizer.spec["content"],
        "special_tokens": json.dumps(special),
    }
    return ExportableText(network, tokenizer.size, context, ("logits",), metadata)
