"""How well hidden tokens are guessed, beside what their frequencies alone would tell."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import MeanMetric


def masked_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy, nats, of logits (S, V) for tokens (S,); exactly 0 for S = 0, so that the step still runs."""
    return F.cross_entropy(logits, targets, reduction="sum") / max(len(targets), 1)


def unigram_nats(counts: Tensor, ordinary: Tensor) -> Tensor:
    """-ln p of each token where only frequencies are known: p = (count + 1) / (all + ordinary tokens).

    A model whose loss lies above the mean of these over what is asked for has learnt less than the frequencies.

    Args:
        counts: (V,) int64, of the training texts.
        ordinary: (R,) int64, the numbers of tokens that are no special ones.

    Returns:
        (V,) float32; infinite for special tokens.
    """
    weights = torch.zeros(len(counts), dtype=torch.float64)
    weights[ordinary] = counts[ordinary].double() + 1
    return -(weights / weights.sum()).log().float()


class MaskedScores(nn.Module):
    """Means over the tokens of a split that are asked for, on all devices together.

    A tenth of them can be read as they are, and a network soon learns to repeat what it reads: that alone takes half a
    nat off the loss. What is told from the context shows where a mask stands, so that accuracy, perplexity and the
    floor count these places only.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loss, self.masked, self.accuracy, self.floor, self.pairs = (MeanMetric() for _ in range(5))

    def update(self, logits: Tensor, targets: Tensor, masked: Tensor, nats: Tensor | None) -> None:
        """Takes a batch in.

        Args:
            logits: (S, V).
            targets: (S,) the tokens that are asked for; S may be 0.
            masked: (S,) bool, whether a mask stands there.
            nats: (V,) of ``unigram_nats``, if the data are known.
        """
        if not len(targets):
            return
        self.loss.update(masked_loss(logits, targets), len(targets))
        logits, targets = logits[masked], targets[masked]
        if not len(targets):
            return
        self.masked.update(masked_loss(logits, targets), len(targets))
        self.accuracy.update((logits.argmax(-1) == targets).float().mean(), len(targets))
        if nats is not None:
            self.floor.update(nats.to(targets.device)[targets].mean(), len(targets))

    def update_pairs(self, logits: Tensor, follows: Tensor) -> None:
        """Takes in whether second texts follow: logits (B, 2) and classes (B,)."""
        self.pairs.update((logits.argmax(-1) == follows).float().mean(), len(follows))

    def take(self) -> dict[str, float]:
        """The scores of what was taken in, which is then forgotten.

        Returns:
            ``loss`` in nats per token that is asked for, which training minimises; at masks ``loss_masked``,
            ``perplexity``, ``masked_accuracy`` and, if the data are known, ``loss_unigram``; of pairs
            ``next_sentence_accuracy``; nothing where no token was asked for.
        """
        names = {
            "loss": self.loss, "loss_masked": self.masked, "masked_accuracy": self.accuracy,
            "loss_unigram": self.floor, "next_sentence_accuracy": self.pairs,
        }  # fmt: skip
        found = {name: float(metric.compute()) for name, metric in names.items() if metric.update_called}
        for metric in names.values():
            metric.reset()
        if "loss_masked" in found:
            found["perplexity"] = math.exp(min(found["loss_masked"], 700.0))
        return found
