"""ROUGE (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries") by Google's package ``rouge-score``.

Figures of different programs do not compare; where these are shown, it is named what they are:

- flavour: ``rouge-score``, which lowers all letters and takes words of letters a-z and digits alone; not ROUGE-1.5.5;
- stemming: by default, of words of more than three letters, with Porter's stemmer;
- ``rouge_l`` takes a summary as one sentence; ``rouge_lsum`` takes the union of the longest common subsequences of its
  sentences, which are split by ``leyden.data.text.splitting`` or, with ``split="lines"``, stand in lines of their own;
- of precision and recall the harmonic mean (F1), averaged over examples; no bootstrap.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torchmetrics import Metric

from leyden.data.text.splitting import sentences_of

KINDS = {"rouge_1": "rouge1", "rouge_2": "rouge2", "rouge_l": "rougeL", "rouge_lsum": "rougeLsum"}
"""Our names and the package's."""
Split = Literal["punctuation", "lines"]


class Rouge(NamedTuple):
    """Of one kind, 0 to 1."""

    precision: float
    """Of the words (or pairs of them) of the prediction, which part the reference has."""
    recall: float
    """Of those of the reference, which part the prediction has."""
    f1: float


def require_rouge() -> None:
    """Raises ImportError unless ``rouge-score`` is installed; the message says how to install it."""
    if find_spec("rouge_score") is None:
        raise ImportError("ROUGE needs the package rouge-score: pip install 'leyden[text]'")


def rouge(prediction: str, reference: str, stem: bool = True, split: Split = "punctuation") -> dict[str, Rouge]:
    """ROUGE of one summary, by the names of ``KINDS``; all 0 where one side has no words.

    Args:
        prediction: a summary.
        reference: what it should say.
        stem: whether "returns" and "return" are one word.
        split: how ``rouge_lsum`` finds sentences: at punctuation, or "lines".

    Raises:
        ImportError: the package is not installed.
        ValueError: another word for the split.
    """
    if split not in get_args(Split):
        raise ValueError(f"split={split!r}: there are {', '.join(get_args(Split))}")
    sides = (prediction, reference)
    if split == "punctuation":
        sides = tuple("\n".join(sentences_of(side)) for side in sides)  # type: ignore[assignment]
    found = _scorer(stem).score(sides[1], sides[0])
    return {own: Rouge(*found[kind]) for own, kind in KINDS.items()}


@cache
def _scorer(stem: bool) -> Any:
    require_rouge()
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(list(KINDS.values()), use_stemmer=stem)


class RougeScore(Metric):
    """The mean F1 of each kind over examples, in percent, as papers write it; summed up over all ranks.

    Args:
        stem: see ``rouge``.
        split: see ``rouge``.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, stem: bool = True, split: Split = "punctuation") -> None:
        super().__init__()
        self.stem, self.split = stem, split
        self.add_state("total", torch.zeros(len(KINDS), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, predictions: Sequence[str], references: Sequence[str]) -> None:
        """Adds examples; one prediction for each reference."""
        for prediction, reference in zip(predictions, references, strict=True):
            found = rouge(prediction, reference, self.stem, self.split)
            self.total += torch.tensor(
                [found[kind].f1 for kind in KINDS], dtype=torch.float64, device=self.total.device
            )
            self.count += 1

    def compute(self) -> Mapping[str, Tensor]:
        """By the names of ``KINDS``; 0 without examples."""
        return dict(zip(KINDS, 100 * self.total / self.count.clamp(min=1), strict=True))
