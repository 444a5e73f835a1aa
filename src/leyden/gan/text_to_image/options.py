"""The options of techniques that draw what a text describes, as ``conf/model/gan/text_to_image.yaml`` lists them."""

from dataclasses import dataclass

from leyden.gan.options import AdversarialKwargs, AdversarialOptions


class DescriptionKwargs(AdversarialKwargs, total=False):
    """The keyword arguments of techniques that are passed on to ``DescriptionOptions``, whose fields explain them."""

    eval_samples: int
    eval_cache: str | None


@dataclass(frozen=True)
class DescriptionOptions(AdversarialOptions):
    """How two networks that are given descriptions are trained, and how samples are evaluated.

    Raises:
        ValueError: fewer than ten samples, or as in ``AdversarialOptions``.
    """

    eval_samples: int = 2000
    """At most so many samples are evaluated, one for each image of the split."""
    eval_cache: str | None = None
    """Folder where the classifier of factors is kept for other runs on the same data; None keeps it nowhere."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eval_samples < 10:
            raise ValueError(f"model.eval_samples={self.eval_samples}: ten or more, so that captions can be ranked")
