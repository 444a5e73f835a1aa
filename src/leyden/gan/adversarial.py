"""The game of two networks: whose turn it is, what each descends, and what is counted as a step."""

from functools import partial
from typing import Any, TypedDict

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from leyden.gan import penalties
from leyden.gan.augment import color_jitter, cutout, translate
from leyden.gan.descent import SCHEDULES, Descent, Schedule
from leyden.gan.ema import Average
from leyden.gan.evaluation.monitor import Health
from leyden.gan.losses import LOSSES, SMOOTHED, LossName
from leyden.gan.penalties import Critic
from leyden.gan.pixels import to_signed
from leyden.nets.memory_format import MemoryFormat, arrange
from leyden.visualization.logging import logs_now

NORMED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
"""Layers of the discriminator that spectral normalisation acts on."""


class Game(TypedDict, total=False):
    """What every adversarial technique takes beside its networks; ``AdversarialModule`` says what each means."""

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


class AdversarialModule(Descent):
    """Trains ``generator`` against ``discriminator``; a technique is these two networks and what they look at.

    Each batch is one step: D descends, then, on every ``n_critic``-th batch, G. So ``trainer.max_steps``, schedules
    and every x axis count batches, as a person does. G descends on the fakes that D has just seen, which saves a pass;
    real and generated images pass D in separate batches, or its normalisation would tell them apart by statistics.

    A technique calls ``play`` in its constructor and overrides ``fake``, and ``prepare``, ``look`` or the two losses
    where it needs to.

    Args:
        loss: what both descend, a name in ``leyden.gan.losses``.
        label_smoothing: how far below 1 the discriminator's target for real images is; for losses that have a target.
        n_critic: batches on which D descends for each on which G does; 5 in the Wasserstein papers.
        gradient_penalty: weight of ``leyden.gan.penalties.gradient_penalty``; None is 10 for the Wasserstein loss
            without spectral normalisation and 0 for others.
        r1: gamma of ``leyden.gan.penalties.r1``; 0 leaves it out.
        spectral_norm: divides every weight of D by its largest singular value (Miyato et al. 2018).
        color_jitter: before the discriminator sees them, brightness, saturation and contrast of real and generated
            images change, this much of what the paper of ``leyden.gan.augment`` has; 0 leaves it out.
        translation: likewise, they are shifted by up to this share of the side; the paper has 1/8.
        cutout: likewise, a square of this share of the side is blanked; the paper has 1/2.
        lr_generator: Adam's rate.
        lr_discriminator: Adam's rate.
        schedule: of both rates over the run: "constant", down to 0 along a line ("linear") or half a "cosine", or a
            "step" to a tenth at half time.
        beta1: Adam's decay of the gradients' mean; the usual 0.9 makes the game oscillate.
        beta2: Adam's decay of the gradients' square.
        clip: greatest norm of each network's gradient; 0 leaves it as it is.
        ema_decay: of the averaged generator that is sampled and judged; 0 takes the trained one itself.
        memory_format: "contiguous" or "channels_last".

    Raises:
        ValueError: a value is outside its range, or the loss has no use for it.
    """

    generator: nn.Module
    discriminator: nn.Module
    average: Average

    def __init__(
        self,
        loss: LossName = "non_saturating",
        label_smoothing: float = 0.0,
        n_critic: int = 1,
        gradient_penalty: float | None = None,
        r1: float = 0.0,
        spectral_norm: bool = False,
        color_jitter: float = 0.0,
        translation: float = 0.0,
        cutout: float = 0.0,
        lr_generator: float = 2e-4,
        lr_discriminator: float = 2e-4,
        schedule: Schedule = "constant",
        beta1: float = 0.5,
        beta2: float = 0.999,
        clip: float = 0.0,
        ema_decay: float = 0.995,
        memory_format: MemoryFormat = "contiguous",
    ) -> None:
        super().__init__(clip)
        if loss not in LOSSES:
            raise ValueError(f"model.loss must be one of {', '.join(LOSSES)}, got {loss!r}")
        if label_smoothing and loss not in SMOOTHED:
            raise ValueError(f"loss {loss!r} has no target to smooth: set model.label_smoothing=0")
        if n_critic < 1:
            raise ValueError(f"model.n_critic counts batches, from 1; got {n_critic}")
        if gradient_penalty is None:
            gradient_penalty = 10.0 if loss == "wasserstein" and not spectral_norm else 0.0
        self.loss = LOSSES[loss]
        if label_smoothing:
            smoothed: Any = self.loss.discriminator
            self.loss = self.loss._replace(discriminator=partial(smoothed, label_smoothing=label_smoothing))
        self.n_critic = n_critic
        self.weights = {"gradient_penalty": gradient_penalty, "r1": r1}
        self.spectral_norm = spectral_norm
        self.color_jitter, self.translation, self.cutout = color_jitter, translation, cutout
        self.rates, self.betas = (lr_generator, lr_discriminator), (beta1, beta2)
        self.schedule = schedule
        self.ema_decay = ema_decay
        self.memory_format = memory_format
        self.health = Health()

    def play(self, generator: nn.Module, discriminator: nn.Module) -> None:
        """Sets the two opponents, initialised by the technique; called once, at the end of its constructor.

        Raises:
            ValueError: the discriminator normalises over the batch, and a penalty needs a gradient per image.
        """
        batch_norm = any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in discriminator.modules())
        for name, weight in self.weights.items():
            if weight and batch_norm:
                raise ValueError(
                    f"model.{name}={weight:g} needs a gradient per image, which batch normalisation mixes: "
                    "set model.discriminator_norm to layer or none"
                )
        if self.spectral_norm:
            for layer in list(discriminator.modules()):
                if isinstance(layer, NORMED):
                    spectral_norm(layer)
        self.generator, self.discriminator = generator, discriminator
        self.average = Average(generator, self.ema_decay)
        arrange(self, self.memory_format)

    # What a technique says of its networks.

    def prepare(self, batch: Any) -> tuple[Any, Any]:
        """What of a batch is real, in the range of the networks, and what both networks are given beside it."""
        return to_signed(batch.images), None

    def fake(self, real: Any, given: Any) -> Any:
        """As many generated images as ``real`` has, with a graph to the generator where gradients are on."""
        raise NotImplementedError

    def look(self, images: Tensor, given: Any) -> Tensor:
        """Images (N, C, S, S) in -1..1 to the discriminator's float32 logits (N,), through random changes."""
        return self.discriminator(self.change(images)).float()

    def discriminator_loss(self, real: Any, fake: Any, given: Any) -> Tensor:
        """What D descends, () with a graph; ``fake`` has none."""
        return self.tell_apart(partial(self.look, given=given), real, fake)

    def generator_loss(self, real: Any, fake: Any, given: Any) -> Tensor:
        """What G descends, () with a graph."""
        return self.pass_for_real(partial(self.look, given=given), real, fake)

    # What the losses are made of.

    def change(self, images: Tensor) -> Tensor:
        """Images as the discriminator sees them: differentiable augmentation."""
        return cutout(translate(color_jitter(images, self.color_jitter), self.translation), self.cutout)

    def tell_apart(self, critic: Critic, real: Tensor, fake: Tensor, watched: bool = True) -> Tensor:
        """D's loss on images, penalties included; health is watched where it is logged."""
        on_real, on_fake = critic(real), critic(fake)
        return self.on_logits(on_real, on_fake, watched) + self.penalty(critic, real, fake)

    def on_logits(self, on_real: Tensor, on_fake: Tensor, watched: bool = True) -> Tensor:
        """D's loss on its logits (N,), without penalties; of several discriminators one is ``watched``."""
        if watched and logs_now(self):
            seen = self.health.watch(on_real.detach(), on_fake.detach(), self.loss.threshold)
            self.log_dict({f"train/{name}": value for name, value in seen.items()})
        return self.loss.discriminator(on_real, on_fake)

    def penalty(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """The weighted penalties on the critic's gradient, () with a graph."""
        total = torch.zeros((), device=self.device)
        if weight := self.weights["gradient_penalty"]:
            total = total + weight * penalties.gradient_penalty(critic, real, fake)
        if gamma := self.weights["r1"]:
            total = total + gamma * penalties.r1(critic, real)
        return total

    def pass_for_real(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """G's loss on images; the real ones are looked at again only where the loss compares with them."""
        on_fake = critic(fake)
        return self.loss.generator(critic(real) if self.loss.relative else on_fake, on_fake)

    # The loop.

    def adams(self) -> list[Optimizer]:
        """Adam for G and for D."""
        networks = (self.generator, self.discriminator)
        return [
            Adam(network.parameters(), rate, self.betas, fused=True)
            for network, rate in zip(networks, self.rates, strict=True)
        ]

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LRScheduler]]:
        """Adam for G and for D, each with the schedule."""
        optimizers = self.adams()
        if self.schedule == "constant":
            return optimizers, []
        steps = self.trainer.estimated_stepping_batches
        shape = SCHEDULES[self.schedule]
        return optimizers, [LambdaLR(optimizer, lambda step: shape(min(1.0, step / steps))) for optimizer in optimizers]

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """One step of D, then, if it is its turn, one of G."""
        real, given = self.prepare(batch)
        optimizer_g, optimizer_d = self._optimizers()
        logged, turn_of_g = logs_now(self), (self.global_step + 1) % self.n_critic == 0
        with torch.set_grad_enabled(turn_of_g):
            fake = self.fake(real, given)

        def loss_d() -> Tensor:
            return self.discriminator_loss(real, _detached(fake), given)

        def loss_g() -> Tensor:
            return self.generator_loss(real, fake, given)

        losses = {"discriminator": self.descend("discriminator", optimizer_d, loss_d, counted=not turn_of_g)}
        if turn_of_g:
            losses["generator"] = self.descend("generator", optimizer_g, loss_g)
            self.follow()
        for schedule in self._schedules():
            schedule.step()
        loss = torch.stack(list(losses.values())).sum()
        if logged:
            self.log_dict({"train/loss": loss, **{f"train/loss_{name}": value for name, value in losses.items()}})
        return {"loss": loss}

    def follow(self) -> None:
        """Moves the averaged generator towards the trained one, to the same place on all ranks."""
        self.average.update(self.generator, self.global_step // self.n_critic)
        # Parameters agree already; batch statistics are each rank's own.
        self._average_over_ranks([buffer for buffer in self.average.buffers() if buffer.is_floating_point()])


def _detached(fake: Any) -> Any:
    """Fakes, one tensor or several, as constants."""
    return fake.detach() if isinstance(fake, Tensor) else [part.detach() for part in fake]
