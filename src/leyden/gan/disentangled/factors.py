"""How far latents hold one known factor each: MIG and DCI beside their floors, and traversals."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from leyden.core.attached import attached_data
from leyden.data.columns import collate
from leyden.data.images import ImageDataModule
from leyden.data.source.targets import HasTargets
from leyden.data.splits import InMemory, Split, Stage, labels_of
from leyden.gan.disentangled.losses import divergences
from leyden.gan.disentangled.traversals import draw_traversals
from leyden.visualization.logging import log_image

if TYPE_CHECKING:
    from leyden.gan.disentangled.beta_vae import BetaVAE

ACTIVE = 0.1
"""Nats from which a latent counts as used."""
BATCH = 256
Factors = dict[str, Tensor]


class FactorEvaluation:
    """Scores codes against the factors that the source knows (``leyden.data.source.targets.HasTargets``), or its class.

    Nothing is trained or chosen by them. In the test, on at most ``limit`` images: ``mig`` and ``mig_FACTOR``; DCI as
    ``disentanglement``, ``completeness`` and ``informativeness``, whose forests are fitted on the validation split; and
    ``active_latents``, those above 0.1 nats. Floors of the same run: ``..._random_encoder``, the same network with
    weights as they are drawn; ``..._pca``, as many principal components of the training pixels; ``mig_shuffled``, codes
    of other images, so what the estimate makes of nothing.

    Args:
        new_encoder: makes the encoder with new weights.
        class_names: of the data.
        latent_dim: latents.
        limit: at most so many images of a split are encoded.
    """

    def __init__(
        self, new_encoder: Callable[[], nn.Module], class_names: list[str], latent_dim: int, limit: int
    ) -> None:
        self.new_encoder, self.class_names = new_encoder, class_names
        self.latent_dim, self.limit = latent_dim, limit

    def end(self, task: "BetaVAE", stage: Literal["val", "test"]) -> None:
        """Logs scores and traversals at the end of a validation or of the test."""
        data = attached_data(task.trainer, ImageDataModule)
        if data is None or task.trainer.sanity_checking:
            return
        images = images_of(data.split(stage), self.limit)
        means, nats = encoded(task, images)
        factors, known = factors_of(data, stage, self.limit, self.class_names)
        if factors:
            scores = self.scores(task, data, means[known], factors, stage)
            task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        if stage == "test":
            task.log("test/active_latents", float((nats > ACTIVE).sum()), sync_dist=True)
        self.draw(task, images, means, nats, factors, known)

    def scores(
        self, task: "BetaVAE", data: ImageDataModule, codes: Tensor, factors: Factors, stage: Stage
    ) -> dict[str, float]:
        """Of a validation the gap alone; of the test all scores and floors."""
        from leyden.metrics.disentanglement import mutual_information_gap  # here: scikit-learn takes a second to import

        gaps = mutual_information_gap(codes, factors)
        scores = {"mig": gaps.mean().item()}
        if stage != "test":
            return scores
        scores |= {f"mig_{name}": gap for name, gap in zip(factors, gaps.tolist(), strict=True)}
        order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(0))
        scores["mig_shuffled"] = mutual_information_gap(codes[order], factors).mean().item()
        return scores | self._all_scores(task, data)

    def _all_scores(self, task: "BetaVAE", data: ImageDataModule) -> dict[str, float]:
        """DCI of the encoder, and both scores of the floors."""
        from leyden.metrics.disentanglement import dci, mutual_information_gap

        images = {stage: images_of(data.split(stage), self.limit) for stage in ("val", "test")}
        of = {stage: factors_of(data, stage, self.limit, self.class_names) for stage in ("val", "test")}
        names = [name for name in of["test"][0] if name in of["val"][0]]
        scores: dict[str, float] = {}
        for suffix, encode in self._encoders(task, data).items():
            codes = {stage: encode(images[stage])[of[stage][1]] for stage in ("val", "test")}
            found = {stage: {name: of[stage][0][name] for name in names} for stage in ("val", "test")}
            whole = dci(codes["val"], found["val"], codes["test"], found["test"])
            scores |= {f"{name}{suffix}": v for name, v in whole._asdict().items() if isinstance(v, float)}
            if suffix:
                scores[f"mig{suffix}"] = mutual_information_gap(codes["test"], found["test"]).mean().item()
        return scores

    def _encoders(self, task: "BetaVAE", data: ImageDataModule) -> dict[str, Callable[[Tensor], Tensor]]:
        """By what the names of their scores end in: images to codes (N, D)."""
        from sklearn.decomposition import PCA

        train = images_of(data.split("train"), self.limit).flatten(1).float().cpu()
        pca = PCA(min(self.latent_dim, *train.shape), svd_solver="randomized", random_state=0).fit(train.numpy())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            untrained = self.new_encoder().to(task.device)
        return {
            "": lambda images: encoded(task, images)[0],
            "_random_encoder": lambda images: encoded(task, images, untrained)[0],
            "_pca": lambda images: torch.from_numpy(pca.transform(images.flatten(1).float().cpu().numpy())),
        }

    def draw(
        self, task: "BetaVAE", images: Tensor, means: Tensor, nats: Tensor, factors: Factors, known: Tensor
    ) -> None:
        """Logs traversals of the image whose latents are nearest to 0, each with the factor that it is best at."""
        labels = [f"z{place}  {value:.2f} nats" for place, value in enumerate(nats.tolist())]
        if factors:
            from leyden.metrics.disentanglement import mutual_information

            best = best_factors(mutual_information(means[known], factors))
            labels = [
                f"{label}\n{list(factors)[k]}" if nats[d] > ACTIVE else label
                for d, (label, k) in enumerate(zip(labels, best, strict=True))
            ]
        middle = means[means.norm(dim=1).argmin()].to(task.device)
        title = f"step {task.global_step:,}, beta {task.beta:g}: one latent from left to right"
        with torch.no_grad():
            log_image(task, "traversals", draw_traversals(task.decode, middle, labels, nats, title=title))


def best_factors(information: Tensor) -> list[int]:
    """The factor that each latent is best at, of nats (D, K): beside the latent that says most of a factor, as factors
    of few values have little to say; one of which all latents say next to nothing is none's."""
    return (information / information.max(0).values.clamp(min=ACTIVE)).max(1).indices.tolist()


def chosen(split: Split, limit: int) -> Tensor:
    """Places (N,) of at most ``limit`` examples of a split, in one fixed random order: data may be sorted by class."""
    return torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:limit]


def images_of(split: Split, limit: int) -> Tensor:
    """The images (N, C, H, W) uint8 of ``chosen`` examples."""
    places = chosen(split, limit)
    if isinstance(split, InMemory):
        return split.take(places.to(split.device)).images
    return collate([split[place] for place in places.tolist()]).images


def factors_of(data: ImageDataModule, stage: Stage, limit: int, class_names: list[str]) -> tuple[Factors, Tensor]:
    """What varies among the factors of the ``chosen`` examples of a stage, and which of these know all of them.

    Returns:
        by name (M,) classes or numbers of the M examples that know all; and (N,) bool, which these are.
    """
    places = chosen(data.split(stage), limit)
    if isinstance(data.source, HasTargets):
        targets = {name: target.values[places] for name, target in data.source.targets(stage).items()}
        each = [target.known[places] for target in data.source.targets(stage).values()]
    elif len(class_names) > 1:
        targets = {"class": labels_of(data.split(stage)).cpu()[places]}
        each = [targets["class"] >= 0]
    else:
        return {}, torch.ones(0, dtype=torch.bool)
    known = torch.stack(each).all(0)
    return {name: values[known] for name, values in targets.items() if len(values[known].unique()) > 1}, known


@torch.no_grad()
def encoded(task: "BetaVAE", images: Tensor, encoder: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """mu (N, D) on the CPU, by the task's encoder or another, and the mean divergence (D,) of each latent in nats."""
    network = encoder or task.encoder
    parts = [network(part.to(task.device) / 255).float().cpu() for part in images.split(BATCH)]
    mean, log_variance = torch.cat(parts).chunk(2, dim=1)
    return mean, divergences(mean, log_variance).mean(0)
