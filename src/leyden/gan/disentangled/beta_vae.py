"""beta-VAE (Higgins et al. 2017, "beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework").

An encoder turns an image x into q(z | x) = N(mu, sigma^2), a decoder turns z into p(x | z). Each step lowers

    - E_q ln p(x | z) + beta KL(q(z | x) | N(0, I))                                    (equation 4)

beta = 1 is the variational autoencoder. Above 1 a latent must earn its nats: what stays open lies along the axes of q,
so latents tend to hold one independent factor each. Burgess et al. 2018 ("Understanding disentangling in beta-VAE",
equation 8) let the divergence grow to a ``capacity`` instead, so that in the end images are not blurred:

    - E_q ln p(x | z) + beta |KL(q(z | x) | N(0, I)) - C|,    C from 0 to ``capacity`` in ``capacity_steps``

Reductions decide what a beta means. Here ln p is the SUM over pixels and channels, KL the SUM over latents, both the
MEAN over the batch; ``beta_norm`` = beta latents / (pixels channels) (section 3) compares settings, and is logged.

Networks as in Burgess et al., appendix A.1: convolutions of 4x4 with stride 2 and 32 channels down to 4x4, two hidden
layers of 256, and the same backwards; p(x | z) is a Bernoulli variable per pixel and channel, or a Gaussian of variance
1.

Where we depart: the side is 16, 32, 64 or 128 pixels (64 in the papers), and so is the number of convolutions.
"""

import logging
from collections.abc import Sequence
from typing import Any, ClassVar, get_args

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.core.optim import SCHEDULES, Schedule, scheduled
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.columns import LabelledImages
from leyden.data.splits import fit_image
from leyden.gan.disentangled.factors import ACTIVE, FactorEvaluation
from leyden.gan.disentangled.losses import Likelihood, divergences, reconstruction_loss
from leyden.gan.disentangled.nets import SIZES, Decoder, Encoder
from leyden.gan.disentangled.traversals import draw_traversals
from leyden.visualization.grid import upscale

log = logging.getLogger(__name__)


class BetaVAE(LightningModule):
    """Trains both networks on uint8 images; the lowest ``val/loss``, which needs no factor, chooses the checkpoint.

    Args:
        class_names: of the data; classes are a factor of the evaluation where the source knows no others.
        channels: 1 for grey, 3 for RGB.
        image_size: side of the images in pixels: 16, 32, 64 or 128.
        latent_dim: latents.
        beta: weight of the divergence, or, with a capacity, of its distance from that.
        capacity: nats that the divergence is led to in the end; None is Higgins's loss without one.
        capacity_steps: in which it grows from 0, evenly.
        likelihood: "bernoulli" or "gaussian", of a pixel given the latents.
        base_channels: of each convolution.
        hidden: width of the two hidden layers.
        lr: Adam's rate.
        schedule: of the rate over the run: "constant", "linear", "late_linear", "cosine" or "step".
        eval_samples: at most so many images of a split are encoded for MIG and DCI.

    Raises:
        ValueError: a size, a likelihood or a schedule that there is not, or a number out of its range.
    """

    monitor, mode, main_image = "val/loss", "min", "traversals"
    input_type: ClassVar[str] = "images"

    def __init__(
        self,
        class_names: list[str],
        channels: int,
        image_size: int,
        latent_dim: int = 10,
        beta: float = 4.0,
        capacity: float | None = None,
        capacity_steps: int = 100000,
        likelihood: Likelihood = "bernoulli",
        base_channels: int = 32,
        hidden: int = 256,
        lr: float = 5e-4,
        schedule: Schedule = "constant",
        eval_samples: int = 5000,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        if image_size not in SIZES:
            raise ValueError(f"data.image_size={image_size}: beta_vae takes {', '.join(map(str, SIZES))}")
        if likelihood not in get_args(Likelihood):
            raise ValueError(f"model.likelihood={likelihood!r}: one of {', '.join(get_args(Likelihood))}")
        if schedule not in SCHEDULES:
            raise ValueError(f"model.schedule={schedule!r}: one of {', '.join(SCHEDULES)}")
        if beta < 0 or latent_dim < 1 or capacity_steps < 1 or (capacity is not None and capacity < 0):
            raise ValueError(
                f"set model.beta >= 0, latent_dim >= 1, capacity >= 0 or null and capacity_steps >= 1; got {beta}, "
                f"{latent_dim}, {capacity}, {capacity_steps}"
            )
        self.channels, self.image_size, self.latent_dim = channels, image_size, latent_dim
        self.beta, self.capacity, self.capacity_steps = beta, capacity, capacity_steps
        self.likelihood: Likelihood = likelihood
        size = channels, image_size, latent_dim, base_channels, hidden
        self.encoder, self.decoder = Encoder(*size), Decoder(*size)
        self.evaluation = FactorEvaluation(lambda: Encoder(*size), class_names, latent_dim, eval_samples)

    @property
    def beta_norm(self) -> float:
        """beta latents / (pixels channels): the weight that compares settings (Higgins et al. 2017, section 3)."""
        return self.beta * self.latent_dim / (self.channels * self.image_size**2)

    def on_fit_start(self) -> None:
        """Says what beta comes to."""
        size = f"{self.beta:g} * {self.latent_dim} latents / {self.channels * self.image_size**2} pixels and channels"
        log.info("beta_norm = %s = %.3g; sums over pixels and latents, means over the batch", size, self.beta_norm)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """mu and ln sigma^2 (N, D), float32, of q(z | x) for uint8 images (N, C, S, S)."""
        mean, log_variance = self.encoder(images / 255).float().chunk(2, dim=1)
        return mean, log_variance

    def decode(self, latents: Tensor) -> Tensor:
        """uint8 images (N, C, S, S), the means of p(x | z), of latents (N, D)."""
        raw = self.decoder(latents).float()
        means = raw.sigmoid() if self.likelihood == "bernoulli" else raw.clamp(0, 1)
        return (means * 255).round().to(torch.uint8)

    def losses(self, images: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """ "loss", "reconstruction" and "divergence", () each, of uint8 images (N, C, S, S) and noise (N, D)."""
        mean, log_variance = self.encode(images)
        raw = self.decoder(mean + (log_variance / 2).exp() * noise).float()
        error = reconstruction_loss(raw, images / 255, self.likelihood)
        divergence = divergences(mean, log_variance).sum(1).mean()
        if self.capacity is None:
            weighted = self.beta * divergence
        else:
            reached = self.capacity * min(1.0, self.global_step / self.capacity_steps)
            weighted = self.beta * (divergence - reached).abs()
        return {"loss": error + weighted, "reconstruction": error, "divergence": divergence}

    def training_step(self, batch: LabelledImages, batch_index: int) -> Tensor:
        """The loss () of a batch."""
        noise = torch.randn(len(batch.images), self.latent_dim, device=self.device)
        found = self.losses(batch.images, noise)
        self.log_dict({f"train/{name}": value for name, value in found.items()})
        return found["loss"]

    def configure_optimizers(self) -> Any:
        """Adam on both networks, its rate by ``schedule``."""
        optimizer = torch.optim.Adam(self.parameters(), self.hparams["lr"], fused=True)
        factor = SCHEDULES[self.hparams["schedule"]]
        scheduler = scheduled(optimizer, factor, self.trainer.estimated_stepping_batches)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _evaluate(self, stage: str, images: Tensor, number: int) -> None:
        generator = torch.Generator().manual_seed(number)  # the same noise in each validation
        noise = torch.randn(len(images), self.latent_dim, generator=generator).to(images.device)
        found = {f"{stage}/{name}": value for name, value in self.losses(images, noise).items()}
        self.log_dict(found, batch_size=len(images), sync_dist=True)

    def validation_step(self, batch: LabelledImages, batch_index: int) -> None:
        """Logs the losses of a batch."""
        self._evaluate("val", batch.images, batch_index)

    def test_step(self, batch: LabelledImages, batch_index: int) -> None:
        """Logs the losses of a batch."""
        self._evaluate("test", batch.images, batch_index)

    def on_validation_epoch_end(self) -> None:
        """Logs the gap of known factors, and traversals."""
        self.evaluation.end(self, "val")

    def on_test_epoch_end(self) -> None:
        """Logs MIG and DCI beside their floors, and traversals."""
        self.evaluation.end(self, "test")

    @torch.no_grad()
    def predict(self, inputs: Sequence[Tensor], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """What each latent changes in images.

        Args:
            inputs: uint8 (C, H, W) of any sizes, grey or RGB; each is squeezed into the training images' square.
            options: none has a meaning.

        Returns:
            for each ``active_latents``, how many are above 0.1 nats, its ``latents`` (mu), their ``divergence`` in
            nats, and an image: the input, what the decoder makes
            of its latents, and a row for each latent along which it alone goes from -2 to 2.
        """
        options.only(self)
        rows, drawn = [], []
        for image in inputs:
            fitted = fit_image(image, self.image_size, self.channels).to(self.device)
            mean, log_variance = self.encode(fitted[None])
            nats = divergences(mean, log_variance)[0]
            used = int((nats > ACTIVE).sum())
            rows.append({"active_latents": used, "latents": _rounded(mean[0]), "divergence": _rounded(nats)})
            labels = [f"z{place}  {value:.2f} nats" for place, value in enumerate(nats.tolist())]
            drawn.append(draw_traversals(self.decode, mean[0], labels, nats, fitted))
        return Predictions(rows, drawn)

    @torch.no_grad()
    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image for each of ``count`` draws from N(0, I); see ``leyden.core.technique.Samples``.

        Raises:
            ValueError: a class is asked for, which a VAE knows nothing of.
        """
        if label is not None:
            raise ValueError("a beta-VAE knows no classes: leave the class out")
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        latents = torch.randn(count, self.latent_dim, generator=generator)
        images = self.decode(latents.to(self.device)).cpu()
        rows = [{"sample": place, "latents": _rounded(values)} for place, values in enumerate(latents)]
        return Predictions(rows, [upscale(image.expand(3, -1, -1), 128) for image in images])


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]
