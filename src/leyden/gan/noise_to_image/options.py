"""The options of techniques that make images out of noise, as ``conf/model/gan/_sampling.yaml`` lists them."""

from dataclasses import dataclass
from typing import Literal, get_args

from leyden.gan.options import AdversarialKwargs, AdversarialOptions

Score = Literal["fid", "precision", "recall", "density", "coverage"]
"""Of a validation, what can choose the best checkpoint."""


class SamplingKwargs(AdversarialKwargs, total=False):
    """The keyword arguments of techniques that are passed on to ``SamplingOptions``, whose fields explain them."""

    choose_by: Score
    eval_samples: int
    eval_draws: int
    eval_cache: str | None
    extractor: str
    extractor_weights: str | None


@dataclass(frozen=True)
class SamplingOptions(AdversarialOptions):
    """How a generator is trained, and how its samples are evaluated.

    Raises:
        ValueError: there is no such score, no draw, or as in ``AdversarialOptions``.
    """

    choose_by: Score = "fid"
    """Score of a validation whose best value marks ``best.ckpt``; "precision" and "density" are blind to what is
    missing, "recall" and "coverage" to what is wrong."""
    eval_samples: int = 5000
    """At most so many samples are compared with as many real images."""
    eval_draws: int = 1
    """The test's scores are means over so many draws of samples; with a few hundred samples, one draw's Frechet
    distance is off by a sixth."""
    eval_cache: str | None = None
    """Folder where the evaluator's classifier is kept for other runs on the same data; None keeps it nowhere."""
    extractor: str = "classifier"
    """Features that the scores are computed on: "classifier" is one trained on the training split; a network of
    ``leyden.nets.zoo`` adds scores under its own name."""
    extractor_weights: str | None = None
    """Of that network: "imagenet" or a file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.choose_by not in get_args(Score):
            raise ValueError(f"model.choose_by={self.choose_by}: one of {', '.join(get_args(Score))}")
        if self.eval_draws < 1:
            raise ValueError(f"model.eval_draws={self.eval_draws} counts draws, from 1")
