"""The options that every adversarial technique has, as ``conf/model/gan/_adversarial.yaml`` lists them."""

from dataclasses import dataclass
from typing import TypedDict, get_args

from leyden.core.optim import SCHEDULES, Schedule
from leyden.gan.losses import SMOOTHED, LossName
from leyden.nets.memory_format import MemoryFormat


class AdversarialKwargs(TypedDict, total=False):
    """The keyword arguments of techniques that are passed on to ``AdversarialOptions``, whose fields explain them."""

    loss: LossName
    label_smoothing: float
    n_critic: int
    gradient_penalty: float | None
    r1: float
    spectral_norm: bool
    color_jitter: float
    translation: float
    cutout: float
    lr_generator: float
    lr_discriminator: float
    schedule: Schedule
    beta1: float
    beta2: float
    clip: float
    ema_decay: float
    memory_format: MemoryFormat


@dataclass(frozen=True)
class AdversarialOptions:
    """How two sides are trained against each other; a technique whose paper has other values overrides the defaults.

    Raises:
        ValueError: a value is outside its range, or the loss has no use for it.
    """

    loss: LossName = "non_saturating"
    """What both sides minimise, a name in ``leyden.gan.losses``."""
    label_smoothing: float = 0.0
    """How far below 1 the discriminator's target for real images is; for losses that have a target."""
    n_critic: int = 1
    """Batches on which D steps for each on which G does; 5 in the Wasserstein papers."""
    gradient_penalty: float | None = None
    """Weight of ``leyden.gan.penalties.gradient_penalty``; None is 10 for the Wasserstein loss without spectral
    normalisation, 0 otherwise."""
    r1: float = 0.0
    """Gamma of ``leyden.gan.penalties.r1``; 0 leaves it out."""
    spectral_norm: bool = False
    """Divides every weight of D by its largest singular value (Miyato et al. 2018)."""
    color_jitter: float = 0.0
    """Differentiable augmentation of what D sees, real and generated: how much of the paper's change of brightness,
    saturation and contrast (``leyden.gan.augment``); 1 is the paper's, 0 leaves it out."""
    translation: float = 0.0
    """Differentiable augmentation: shifts by up to this fraction of the side; 1/8 in the paper."""
    cutout: float = 0.0
    """Differentiable augmentation: blanks a square of this fraction of the side; 1/2 in the paper."""
    lr_generator: float = 2e-4
    """Adam's rate."""
    lr_discriminator: float = 2e-4
    """Adam's rate."""
    schedule: Schedule = "constant"
    """Of all rates over the run: "constant"; down to 0 along a line ("linear"), one that begins at half time
    ("late_linear") or half a "cosine"; or a "step" to a tenth at half time."""
    beta1: float = 0.5
    """Adam's decay of the gradients' mean; with the usual 0.9 adversaries oscillate."""
    beta2: float = 0.999
    """Adam's decay of the gradients' square."""
    clip: float = 0.0
    """Greatest norm of each player's gradient; 0 leaves it as it is."""
    ema_decay: float = 0.995
    """Of the averaged generator that is sampled and evaluated; 0 takes the trained one itself."""
    memory_format: MemoryFormat = "contiguous"
    """Order of the weights and maps in memory: "contiguous" or "channels_last"."""

    def __post_init__(self) -> None:
        if self.loss not in get_args(LossName):
            raise ValueError(f"model.loss must be one of {', '.join(get_args(LossName))}, got {self.loss!r}")
        if self.label_smoothing and self.loss not in SMOOTHED:
            raise ValueError(f"loss {self.loss!r} has no target to smooth: set model.label_smoothing=0")
        if self.n_critic < 1:
            raise ValueError(f"model.n_critic counts batches, from 1; got {self.n_critic}")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"model.schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}")

    @property
    def betas(self) -> tuple[float, float]:
        """Adam's two decays."""
        return self.beta1, self.beta2

    @property
    def penalty_weight(self) -> float:
        """The gradient penalty's weight, None resolved."""
        if self.gradient_penalty is not None:
            return self.gradient_penalty
        return 10.0 if self.loss == "wasserstein" and not self.spectral_norm else 0.0
