"""The options of CTGAN's training, as ``conf/model/gan/ctgan.yaml`` lists them."""

from dataclasses import dataclass

from leyden.gan.losses import LossName
from leyden.gan.options import AdversarialKwargs, AdversarialOptions


class TabularKwargs(AdversarialKwargs, total=False):
    """The keyword arguments that are passed on to ``TabularOptions``, whose fields explain them."""

    weight_decay: float
    eval_samples: int
    tstr: bool


@dataclass(frozen=True)
class TabularOptions(AdversarialOptions):
    """How two networks are trained on rows of a table; the values of the paper's authors.

    Raises:
        ValueError: an option of images, or as in ``AdversarialOptions``.
    """

    loss: LossName = "wasserstein"
    """With the gradient penalty, over a whole pac."""
    beta2: float = 0.9
    """Adam's decay of the gradients' square."""
    ema_decay: float = 0.0
    """Of the averaged generator that is sampled and evaluated; 0 takes the trained one itself."""
    weight_decay: float = 1e-6
    """Adam's, added to the gradients of both networks."""
    eval_samples: int = 5000
    """At most so many rows are compared with as many real ones."""
    tstr: bool = True
    """Train classifiers on synthetic rows, test them on real ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.color_jitter or self.translation or self.cutout:
            raise ValueError("rows have no colours and no sides: leave model.color_jitter, translation and cutout at 0")
