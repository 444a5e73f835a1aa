"""ADDA: the target gets an encoder of its own, which learns to look like the source's to a discriminator.

Tzeng et al. 2017, "Adversarial Discriminative Domain Adaptation" (eq. 9). Two phases in one run:

    1. source encoder M_s and classifier C:    min CE(C(M_s(x_s)), y_s)
    2. M_t starts as M_s; M_s and C are fixed. Discriminator D and M_t play the game of a GAN with inverted labels:
       min_D    -log D(M_s(x_s)) - log(1 - D(M_t(x_t)))
       min_M_t  -log D(M_t(x_t))

The target is classified by C(M_t(x)). Unlike DANN's, M_t is not held by any label: what it becomes is decided by the
discriminator alone, so it may map a class onto another, and a low rate and a few hundred steps are safer than many.

Departures: D and M_t step at the same time, each on the other's last weights (the paper takes turns); the rates are
annealed within each phase (the paper's are constant). Adam as in the paper: rate 2e-4, beta_1 = 0.5.
"""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim import Adam
from torch.optim.lr_scheduler import LambdaLR

from leyden.data.batches.domains import Domains
from leyden.transfer.classifier import Classifier
from leyden.transfer.domain.deep.base import DomainTask, annealed
from leyden.transfer.domain.deep.dann import domain_cross_entropy
from leyden.transfer.domain.deep.options import DomainOptions


@dataclass(frozen=True)
class ADDAOptions(DomainOptions):
    """As all, with Adam's rates.

    Raises:
        ValueError: a phase without steps.
    """

    lr: float = 1e-3
    """Adam's rate in the first phase, at its start."""
    momentum: float = 0.5
    """Adam's beta_1: the decay of the gradients' mean."""
    adversarial_lr: float = 2e-4
    """Adam's rate in the second phase, at its start."""
    source_part: float = 0.5
    """The part of the run that is the first phase, above 0 and below 1; all of it with ``domain_weight`` 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.source_part < 1:
            raise ValueError(f"model.source_part={self.source_part}: should be above 0 and below 1")


class ADDA(DomainTask):
    """Adversarial discriminative domain adaptation.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data.
        image_size: side of the square images in pixels; given by the data.
        hidden: units of each of the discriminator's two hidden layers.
        options: the fields of ``ADDAOptions``; ``domain_weight`` above 0 has a second phase.

    Raises:
        ValueError: an unknown backbone, images that it cannot take, or an option out of its range.
    """

    options_type: ClassVar[type[DomainOptions]] = ADDAOptions
    options: ADDAOptions

    def __init__(
        self, class_names: list[str], channels: int, image_size: int, hidden: int = 100, **options: Any
    ) -> None:
        super().__init__(class_names, channels, image_size, **options)
        self.save_hyperparameters(logger=False)
        self.of_source = self.net
        self.net = Classifier(copy.deepcopy(self.of_source.backbone), self.of_source.head)
        features = self.net.backbone.num_features
        self.discriminator = nn.Sequential(
            nn.Linear(features, hidden), nn.LeakyReLU(), nn.Linear(hidden, hidden), nn.LeakyReLU(), nn.Linear(hidden, 1)
        )
        for module in (self.net.backbone, self.discriminator):
            module.requires_grad_(self.options.domain_weight > 0)

    @property
    def source_net(self) -> Classifier:
        """The source's encoder with the classifier that both share."""
        return self.of_source

    @property
    def adapts(self) -> bool:
        """Whether the second phase has begun."""
        return self.options.domain_weight > 0 and self.progress >= self.options.source_part

    def training_step(self, batch: Domains, batch_index: int) -> Tensor:
        """Cross-entropy on the source in the first phase, discriminator against target encoder in the second."""
        if not self.adapts:
            loss = F.cross_entropy(self.of_source(batch.source.images), batch.source.labels)
        else:
            if self.adaptation_begins():
                self.start_target()
            self.of_source.eval()
            with torch.no_grad():
                source = self.of_source.features(batch.source.images)
            loss = self.options.domain_weight * self.domain_loss(source, self.net.features(batch.target.images))
        self.log_loss(loss)
        return loss if self.trainer.world_size == 1 else loss + self.zero_of_idle()

    def domain_loss(self, source: Tensor, target: Tensor) -> Tensor:
        """The discriminator's loss plus that of the target encoder, each with a gradient to its own weights alone.

        Args:
            source: (Bs, F) features of M_s, constants.
            target: (Bt, F) features of M_t.
        """
        logits = self.discriminator(torch.cat([source, target.detach()])).flatten()
        of_discriminator = domain_cross_entropy(self, logits, len(source))
        fixed = {name: weight.detach() for name, weight in self.discriminator.named_parameters()}
        fooled = functional_call(self.discriminator, fixed, (target,)).flatten()
        return of_discriminator + F.binary_cross_entropy_with_logits(fooled, torch.ones_like(fooled))

    def adaptation_begins(self) -> bool:
        """Whether this is the first step of the second phase."""
        steps = self.trainer.estimated_stepping_batches
        return (self.global_step - 1) / steps < self.options.source_part

    @torch.no_grad()
    def start_target(self) -> None:
        """Gives the target's encoder the weights and statistics of the source's."""
        self.net.backbone.load_state_dict(self.of_source.backbone.state_dict())

    def on_validation_epoch_start(self) -> None:
        """In the first phase the target is seen through the source's encoder."""
        if not self.adapts or self.adaptation_begins():
            self.start_target()

    def zero_of_idle(self) -> Tensor:
        """() 0 with a graph to all that has no gradient in this phase, where DistributedDataParallel waits for it."""
        return 0 * sum((p.sum() for p in self.idle()), torch.zeros((), device=self.device))

    def idle(self) -> list[nn.Parameter]:
        """The parameters that do not learn in this phase."""
        of_source = [*self.of_source.parameters()]
        of_target = [*self.net.backbone.parameters(), *self.discriminator.parameters()]
        return [p for p in (of_source if self.adapts else of_target) if p.requires_grad]

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Drops the gradients of what does not learn: Adam would move it, on the mean of earlier ones."""
        for parameter in self.idle():
            parameter.grad = None

    def configure_optimizers(self) -> Any:
        """Adam, with a group for each phase, whose rates are annealed over it."""
        o, steps = self.options, self.trainer.estimated_stepping_batches
        part = o.source_part if o.domain_weight else 1.0
        groups = [
            {"params": [*self.of_source.parameters()], "lr": o.lr},
            {"params": [*self.net.backbone.parameters(), *self.discriminator.parameters()], "lr": o.adversarial_lr},
        ]
        optimizer = Adam(groups, betas=(o.momentum, 0.999), weight_decay=o.weight_decay, fused=True)
        factors = [
            lambda step: annealed(min(1.0, step / steps / part)),
            lambda step: annealed(max(0.0, step / steps - part) / (1 - part)) if part < 1 else 0.0,
        ]
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factors), "interval": "step"}}
