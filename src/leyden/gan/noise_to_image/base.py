"""What techniques share that make images out of noise: sample grids, walks between samples, a judge, a verdict."""

import logging
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Tensor, nn

from leyden.core.seeding import mix
from leyden.core.technique import Predictions
from leyden.data.images import ImageDataModule
from leyden.data.splits import labels_of
from leyden.gan.adversarial import AdversarialModule, Game
from leyden.gan.evaluation.sample_evaluator import Generated, Judge
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image, log_text

log = logging.getLogger(__name__)


Score = Literal["fid", "precision", "recall", "density", "coverage"]
"""Of a validation, what can choose the best checkpoint."""


class Judged(Game, total=False):
    """What every technique takes that samples from noise; ``NoiseToImage`` says what each means."""

    choose_by: Score
    eval_samples: int
    eval_draws: int
    eval_cache: str | None
    extractor: str
    extractor_weights: str | None


class NoiseToImage(AdversarialModule):
    """A technique that samples uint8 images from noise (N, ``latent_dim``), of asked classes or of none.

    Pictures and scores come from ``generate``, at the end of each validation and of the test; they need the images as a
    DataModule: ``trainer.fit(model, datamodule=data)``.

    Args:
        class_names: one per class of the data; the judge needs them, unconditional techniques do not.
        latent_dim: length of the noise vector.
        conditional: whether samples are made for a class.
        choose_by: score of a validation whose best value marks ``best.ckpt``; "precision" and "density" are blind to
            what is missing, "recall" and "coverage" to what is wrong.
        eval_samples: at most so many samples are held against as many real images.
        eval_draws: the test's scores are means over so many draws of samples; with a few hundred samples, one draw's
            Frechet distance is off by a sixth.
        eval_cache: folder where the judge's classifier is kept for other runs on the same data; None keeps it nowhere.
        extractor: features that the scores are computed on: "classifier" is one trained on the training split; a
            network of ``leyden.nets.zoo`` adds scores under its own name.
        extractor_weights: of that network: "imagenet" or a file.
        game: see ``AdversarialModule``.

    Raises:
        ValueError: ``conditional``, and the data have fewer than two classes; there is no such score, or no draw.
    """

    fixed_noise: Tensor
    """(64, latent_dim) the noise of every sample grid; a buffer, so it travels in the checkpoint."""

    def __init__(
        self,
        class_names: list[str],
        latent_dim: int,
        conditional: bool = False,
        choose_by: Score = "fid",
        eval_samples: int = 5000,
        eval_draws: int = 1,
        eval_cache: str | None = None,
        extractor: str = "classifier",
        extractor_weights: str | None = None,
        **game: Unpack[Game],
    ) -> None:
        super().__init__(**game)
        if conditional and len(class_names) < 2:
            raise ValueError("these data have no classes to ask for: choose another data/source or a model without")
        if choose_by not in get_args(Score):
            raise ValueError(f"model.choose_by={choose_by}: one of {', '.join(get_args(Score))}")
        if eval_draws < 1:
            raise ValueError(f"model.eval_draws={eval_draws} counts draws, from 1")
        self.eval_draws = eval_draws
        self.monitor, self.mode = f"val/{choose_by}", "min" if choose_by == "fid" else "max"
        self.class_names = class_names
        self.latent_dim = latent_dim
        self.conditional = conditional
        self._new_judge = partial(
            Judge,
            limit=eval_samples,
            cache=Path(eval_cache) if eval_cache else None,
            extractor=extractor,
            weights=extractor_weights,
        )
        self._judge: Judge | None = None
        self.register_buffer("fixed_noise", self.noise(64, torch.Generator().manual_seed(0)))

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` vectors (N, latent_dim) from N(0, I), on the CPU if ``generator`` is given."""
        device = generator.device if generator else self.device
        return torch.randn(count, self.latent_dim, generator=generator, device=device)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Generates uint8 images (N, C, H, W) from ``noise``; nothing of the training state changes.

        Args:
            noise: (N, latent_dim).
            labels: (N,) int64 classes, for conditional techniques.
        """
        raise NotImplementedError

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing: the judge looks at whole splits, in ``on_validation_epoch_end``."""

    def on_validation_epoch_end(self) -> None:
        """Logs sample grids, and scores against the training split (see ``Judge.validation``)."""
        if self.trainer.sanity_checking:
            return
        scores = self.judge.validation(self._generated)
        self.health.scored(self.global_step, scores)
        self._log_scores("val", scores)
        log_image(self, "samples", self.sheet())
        walk = interpolate(self.fixed_noise[:16])
        classes = self._cycle(8)
        labels = None if classes is None else classes.repeat_interleave(8)  # a walk stays in its class
        log_image(self, "interpolation", upscale(grid(self.generate(walk, labels), columns=8)))

    def on_train_end(self) -> None:
        """Says in words how the game stands."""
        name, words = self.health.verdict(len(self.class_names))
        log.info("verdict: %s. %s", name, words)
        log_text(self, "verdict", f"**{name}**: {words}")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Nothing: the judge looks at whole splits, in ``on_test_epoch_end``."""

    def on_test_epoch_end(self) -> None:
        """Logs all scores against the test split, real images beside samples, and samples' nearest real images."""
        self._log_scores("test", self._tested())
        samples = self.generate(self.fixed_noise, self._cycle(64))
        real = self.judge.test_images[: len(samples)]
        pair = {"real": upscale(grid(real)), "generated": upscale(grid(samples))}
        log_image(self, "real_and_samples", side_by_side(pair))
        few = samples[:8]
        near = torch.cat([few.unsqueeze(1), self.judge.nearest(few, 7)], dim=1).flatten(0, 1)
        log_image(self, "neighbours", side_by_side({"generated, then its nearest in training": upscale(grid(near))}))

    @torch.no_grad()
    def sheet(self) -> Tensor:
        """Samples of the fixed noise (3, H, W) uint8; of classes that can be asked for a row each, a noise a column."""
        if not self.conditional:
            return upscale(grid(self.generate(self.fixed_noise)))
        classes = len(self.class_names)
        labels = torch.arange(classes, device=self.device).repeat_interleave(8)
        return upscale(grid(self.generate(self.fixed_noise[:8].repeat(classes, 1), labels)))

    @torch.no_grad()
    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """Samples ``count`` images.

        Args:
            count: how many.
            label: a class by its name or number, for conditional techniques; None takes all in turn.
            seed: of the noise; None draws another each time.

        Raises:
            ValueError: the technique is not conditional, or there is no such class.
        """
        labels = self._cycle(count) if label is None else self._class(label).expand(count)
        noise = self.noise(count, None if seed is None else torch.Generator().manual_seed(seed)).to(self.device)
        samples = self._in_parts(noise, labels).cpu()
        rows: list[dict[str, Any]] = [{"sample": i} for i in range(count)]
        if labels is not None:
            names = [self.class_names[number] for number in labels.tolist()]
            rows = [row | {"class": name} for row, name in zip(rows, names, strict=True)]
        return Predictions(rows, [upscale(image.expand(3, -1, -1), 128) for image in samples])

    @property
    def judge(self) -> Judge:
        """Trained when it is first asked for: it is the same for every run on the same data."""
        if self._judge is None:
            data = getattr(self.trainer, "datamodule", None)
            if not isinstance(data, ImageDataModule):
                raise ValueError("scores need all images: hand over a DataModule, trainer.fit(model, datamodule=data)")
            train, test = data.split("train"), data.split("test")
            self._judge = self._new_judge(train, test, len(self.class_names), device=self.device)
            log.info("judge: %s", self._judge.about)
        return self._judge

    def _tested(self) -> dict[str, float]:
        """Scores against the test split (see ``Judge.test``), means over the draws."""
        draws = [self.judge.test(partial(self._generated, draw=draw)) for draw in range(self.eval_draws)]
        return {name: fmean(scores[name] for scores in draws) for name in draws[0]}

    @torch.no_grad()
    def _generated(self, count: int, draw: int = 0) -> Generated:
        """The same ``count`` noise vectors for a draw whenever, so that scores of two epochs or runs compare."""
        generator = torch.Generator().manual_seed(mix(count, draw) if draw else count)
        noise = self.noise(count, generator).to(self.device)
        labels = None
        if self.conditional:  # as often as the data has them
            known = labels_of(self.trainer.datamodule.split("train")).cpu()  # type: ignore[attr-defined]
            labels = known[torch.randint(len(known), (count,), generator=generator)].to(self.device)
        return Generated(self._in_parts(noise, labels), labels)

    def _in_parts(self, noise: Tensor, labels: Tensor | None, size: int = 256) -> Tensor:
        """``generate``, so many at a time."""
        parts = [slice(start, start + size) for start in range(0, len(noise), size)]
        return torch.cat([self.generate(noise[part], labels if labels is None else labels[part]) for part in parts])

    def _cycle(self, count: int) -> Tensor | None:
        """Classes (count,) in turn, for conditional techniques."""
        return torch.arange(count, device=self.device) % len(self.class_names) if self.conditional else None

    def _class(self, label: str) -> Tensor:
        if not self.conditional:
            raise ValueError(f"{type(self).__name__} was not told the classes: leave the class out")
        if label in self.class_names:
            return torch.tensor(self.class_names.index(label), device=self.device)
        if label.isdecimal() and int(label) < len(self.class_names):
            return torch.tensor(int(label), device=self.device)
        raise ValueError(f"no class {label!r}: the data have {', '.join(self.class_names)}")

    def _log_scores(self, stage: str, scores: dict[str, float]) -> None:
        # All ranks hold the same generator, sample the same noise and so find the same scores.
        self.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)


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
