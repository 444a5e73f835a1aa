"""What all generative adversarial techniques share: alternating descent, an averaged generator, pictures and scores."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from leyden.data.module import ImageData
from leyden.gan.ema import Average
from leyden.gan.judge import Judge
from leyden.pictures.grid import beside, grid, upscale
from leyden.pictures.record import Predictions, log_picture


class Adversarial(LightningModule):
    """A technique that samples uint8 images by ``sample`` from ``fixed_noise``, and descends by ``descend``.

    One G step and one D step together count as one optimizer step, so ``trainer.max_steps`` and every x axis mean what
    a person counts. Pictures and scores come from ``sample``, at the end of each validation and of the test; they need
    the images as a DataModule: ``trainer.fit(model, datamodule=data)``.

    Args:
        class_names: one per class of the data; the judge needs them, unconditional techniques do not.
        judge_samples: at most so many samples are held against as many real images.
    """

    monitor: ClassVar[str] = "val/fid"
    mode: ClassVar[Literal["min", "max"]] = "min"
    takes_images: ClassVar[bool] = False
    fixed_noise: Tensor
    """(64, ...) the noise of every sample grid; a buffer, so it travels in the checkpoint."""

    def __init__(self, class_names: list[str], judge_samples: int) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.class_names = class_names
        self.judge_samples = judge_samples
        self._judge: Judge | None = None

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draws ``count`` inputs of the generator, on the CPU if ``generator`` is given."""
        raise NotImplementedError

    def sample(self, noise: Tensor) -> Tensor:
        """Generates uint8 images (N, C, H, W) from ``noise``; nothing of the training state changes."""
        raise NotImplementedError

    def descend(self, optimizer: LightningOptimizer, loss: Callable[[], Tensor], counted: bool = True) -> Tensor:
        """One step of ``optimizer`` down ``loss``, in which no other network's gradients are computed.

        DistributedDataParallel expects every parameter in every backward pass, which two adversaries never give it.
        So its synchronisation is switched off and the gradients are averaged here, in one message.

        Args:
            optimizer: from ``self.optimizers()``.
            loss: computes the () loss; called once.
            counted: whether ``trainer.global_step`` counts this step; exactly one of a batch's steps must.

        Returns:
            () the loss, detached.
        """
        value = torch.zeros(())

        def closure() -> None:
            nonlocal value
            optimizer.zero_grad()
            value = loss()
            self.manual_backward(value)
            self._average_over_ranks([p.grad for group in optimizer.param_groups for p in group["params"]])

        with optimizer.toggle_model(sync_grad=False):
            if counted:
                optimizer.step(closure)
            else:
                # What `optimizer.step` calls too, below the counter; so precision plugins and hooks act as usual.
                self.trainer.strategy.optimizer_step(optimizer.optimizer, closure, model=self)
        return value.detach()

    def follow(self, average: Average, network: nn.Module) -> None:
        """Moves ``average`` towards ``network``, to the same place on all ranks; called after the counted step."""
        average.update(network, self.global_step)
        # Parameters agree already; batch statistics are each rank's own.
        self._average_over_ranks([buffer for buffer in average.buffers() if buffer.is_floating_point()])

    def log_now(self) -> bool:
        """Whether Lightning hands this step's values to the loggers; asked before the optimizers step."""
        every: int = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # a connector sets it
        return every > 0 and (self.global_step + 1) % every == 0

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing: the judge looks at whole splits, in ``on_validation_epoch_end``."""

    def on_validation_epoch_end(self) -> None:
        """Logs sample grids, and scores against the training split (see ``Judge.validation``)."""
        if self.trainer.sanity_checking:
            return
        self._log_scores("val", self.judge.validation(self._samples))
        log_picture(self, "samples", upscale(grid(self.sample(self.fixed_noise))))
        log_picture(self, "interpolation", upscale(grid(self.sample(interpolate(self.fixed_noise[:16])), columns=8)))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing: the judge looks at whole splits, in ``on_test_epoch_end``."""

    def on_test_epoch_end(self) -> None:
        """Logs all scores against the test split, real images beside samples, and samples' nearest real images."""
        self._log_scores("test", self.judge.test(self._samples))
        samples = self.sample(self.fixed_noise)
        real = self.judge.test_images[: len(samples)]
        pair = {"real": upscale(grid(real)), "generated": upscale(grid(samples))}
        log_picture(self, "real_and_samples", beside(pair))
        few = samples[:8]
        near = torch.cat([few.unsqueeze(1), self.judge.nearest(few, 7)], dim=1).flatten(0, 1)
        log_picture(self, "neighbours", beside({"generated, then its nearest in training": upscale(grid(near))}))

    @torch.no_grad()
    def predict(self, images: list[Tensor] | None, count: int = 16) -> Predictions:
        """Samples ``count`` images.

        Args:
            images: None; this technique makes images from noise alone.
            count: how many.

        Raises:
            ValueError: images are given.
        """
        if images is not None:
            raise ValueError(f"{type(self).__name__} makes images from noise: give a count and no input images")
        samples = self.sample(self.noise(count)).cpu()
        rows = [{"sample": i} for i in range(count)]
        return Predictions(rows, [upscale(image.expand(3, -1, -1), 128) for image in samples])

    @property
    def judge(self) -> Judge:
        """Trained when it is first asked for: it is the same for every run on the same data."""
        if self._judge is None:
            data = getattr(self.trainer, "datamodule", None)
            if not isinstance(data, ImageData):
                raise ValueError("scores need all images: hand over a DataModule, trainer.fit(model, datamodule=data)")
            train, test = data.split("train"), data.split("test")
            self._judge = Judge(train, test, len(self.class_names), self.judge_samples, self.device)
        return self._judge

    @torch.no_grad()
    def _samples(self, count: int) -> Tensor:
        """The same ``count`` noise vectors whenever it is called, so that scores of two epochs or runs compare."""
        noise = self.noise(count, torch.Generator().manual_seed(count)).to(self.device)
        return torch.cat([self.sample(part) for part in noise.split(256)])

    def _log_scores(self, stage: str, scores: dict[str, float]) -> None:
        # All ranks hold the same generator, sample the same noise and so find the same scores.
        self.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)

    def _average_over_ranks(self, tensors: list[Tensor]) -> None:
        if self.trainer.world_size == 1:
            return
        flat = self.trainer.strategy.reduce(torch.cat([t.flatten() for t in tensors]), reduce_op="mean")
        for tensor, part in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))


def to_signed(images: Tensor) -> Tensor:
    """uint8 0..255 as float32 -1..1, the range of tanh."""
    return images.float() / 127.5 - 1


def to_uint8(signed: Tensor) -> Tensor:
    """Float -1..1 as uint8 0..255, rounded: the inverse of ``to_signed``."""
    return ((signed.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def interpolate(noise: Tensor, steps: int = 8) -> Tensor:
    """Walks from noise vector 0 to 1, from 2 to 3 and so on, along great circles.

    The straight line between two Gaussian vectors passes through norms that the generator never saw; spherical
    interpolation keeps them (White 2016): sin((1-t)w)/sin(w) a + sin(tw)/sin(w) b, w the angle between a and b.

    Args:
        noise: (2N, D) end points.
        steps: vectors per walk, the end points included.

    Returns:
        (N * steps, D), walk after walk.
    """
    start, end = noise[0::2].unsqueeze(1), noise[1::2].unsqueeze(1)
    angle = torch.acos(nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1 + 1e-6, 1 - 1e-6)).unsqueeze(-1)
    t = torch.linspace(0, 1, steps, device=noise.device).view(1, -1, 1)
    walk = (((1 - t) * angle).sin() * start + (t * angle).sin() * end) / angle.sin()
    return walk.flatten(0, 1)
