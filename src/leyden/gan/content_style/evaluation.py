"""Whether swapped images show the content of the one and have the style of the other."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from lightning import LightningModule
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.data.batches.gan.unpaired import DOMAINS, Domain, UnpairedImages
from leyden.data.columns import collate
from leyden.data.source.styled.faces import OfStyles
from leyden.data.splits import InMemory, Split, Stage, fit_image, labels_of
from leyden.gan.content_style.likeness import found_again
from leyden.gan.content_style.style_images import ChangesStyle
from leyden.gan.evaluation.domain_evaluator import DomainEvaluator
from leyden.gan.evaluation.sample_evaluator import PATCHES
from leyden.metrics.generated.learned_features import LearnedFeatures, learn_features
from leyden.metrics.generated.sliced_wasserstein import sliced_wasserstein
from leyden.metrics.generated.structure import structure_similarity
from leyden.visualization.grid import grid, side_by_side, upscale
from leyden.visualization.logging import log_image

APART = 7
"""Places from a content to the content of the image that gives the style: never the same one."""
ROWS, COLUMNS = 6, 6
"""Contents and styles of the sheet."""
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of style, in the sheet of strengths."""


class Swaps(NamedTuple):
    """Contents and images of a style, and which belong together; P pairs."""

    contents: Tensor
    """(N, C, S, S) uint8, of domain A."""
    styles: Tensor
    """(M, C, S, S) uint8, of domain B."""
    labels: Tensor
    """(M,) int64: which style each shows."""
    content: Tensor
    """(P,) int64 places in ``contents``."""
    style: Tensor
    """(P,) int64 places in ``styles``."""
    drawn: Tensor | None
    """(styles, N, C, S, S): the contents in each style, where the source knows."""


class SwapEvaluation:
    """Evaluates images with the content of an image of A and the style of one of B.

    For each pair of a content and an image that gives the style:

    - ``identity``: its nearest image of A, by coarse tones (``leyden.gan.content_style.likeness``), is the content.
    - ``likeness``, where the source knows the contents in each style (``OfStyles``): its nearest among them, all drawn
      in the wanted style, is that of its own content.
    - ``style_accuracy``: a classifier of A's and of each of B's styles, trained on the training images, takes it for
      the wanted style. Without classes B is one style.
    - ``kept_and_reached``: ``style_accuracy`` and ``likeness`` (else ``identity``) at once.
    - ``structure``: how far its lights and darks are the content's (``leyden.metrics.generated.structure``).

    ``texture_distance`` compares the swaps in a style with images of that style: the sliced Wasserstein distance of
    their patches, whatever is on them, mean over scales and styles; ``..._floor`` is that of training images of B.

    All of them also of what needs no training: ``..._unchanged`` is the content as it is, ``..._style`` the image that
    gives the style as it is. Contents and styles of a pair never are of the same person where the source knows. On data
    for the adaptation of generators, the test also has the scores of ``DomainEvaluator``.

    Args:
        limit: at most so many images of each split are compared.
    """

    monitor = "val/texture_distance"
    mode: Literal["min", "max"] = "min"
    main_image = "swaps"

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._classifier: LearnedFeatures | None = None
        self._swaps: dict[str, Swaps] = {}

    def stepped(self, task: Any) -> None:
        """Nothing: whole validations are looked at."""

    def batch(self, task: Any, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Nothing: whole splits are looked at in ``end``."""

    def end_training(self, task: Any) -> None:
        """Nothing."""

    def end(self, task: Any, stage: Literal["val", "test"]) -> None:
        """Logs scores and the sheet of swaps."""
        if task.trainer.sanity_checking:
            return
        data = data_of(task)
        swaps = self.swaps(data, stage, task.device)
        made = swap(task, swaps)
        scores = self.of_pairs(data, swaps, made)
        if stage == "test":
            rows = {"unchanged": swaps.contents[swaps.content], "style": swaps.styles[swaps.style]}
            for name, images in rows.items():
                scores |= {f"{key}_{name}": value for key, value in self.of_pairs(data, swaps, images).items()}
            train, labels = (part.to(task.device) for part in self.styled(data, "b"))
            scores["texture_distance_floor"] = texture_distance(swaps, train, labels)
            if isinstance(data, AdaptationImages):
                scores |= self.of_domains(task, data)
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        log_image(task, "swaps", self.sheet(task, swaps))

    def classifier(self, data: UnpairedImages, device: torch.device) -> LearnedFeatures:
        """The classifier of A's style, 0, and of B's, from 1, made when it is first asked for."""
        if self._classifier is None:
            images, labels = zip(*(self.styled(data, domain) for domain in DOMAINS), strict=True)
            classes = 1 + max(1, len(data.target.class_names))
            self._classifier = learn_features(torch.cat(images), torch.cat(labels), classes, device)
        return self._classifier

    def styled(self, data: UnpairedImages, domain: Domain) -> tuple[Tensor, Tensor]:
        """Training images of a domain (N, C, S, S), at most ``limit``, and which style each has, (N,) int64."""
        split = data.domain(domain, "train")
        labels = _styles(split, data, domain)[evaluate_order(split, self.limit)]
        return evaluate_images(data, domain, "train", torch.device("cpu"), self.limit), labels

    def swaps(self, data: UnpairedImages, stage: Stage, device: torch.device) -> Swaps:
        """The pairs of a stage: each content with each style, or without known styles with some image of B."""
        if stage not in self._swaps:
            self._swaps[stage] = pair(data, stage, device, self.limit)
        return self._swaps[stage]

    def of_pairs(self, data: UnpairedImages, swaps: Swaps, made: Tensor) -> dict[str, float]:
        """Scores of images (P, C, S, S) that should have the pairs' contents and styles."""
        named = self.classifier(data, made.device).classify(made)
        assert named is not None
        wanted = swaps.labels[swaps.style]
        found = {"identity": found_again(made, swaps.content, swaps.contents), "style_accuracy": named == wanted}
        kept = found["identity"]
        if swaps.drawn is not None:
            kept = torch.stack([
                found_again(image[None], place, swaps.drawn[style - 1])[0]
                for image, place, style in zip(made, swaps.content, wanted, strict=True)
            ])  # fmt: skip
            found["likeness"] = kept
        found["kept_and_reached"] = kept & found["style_accuracy"]
        found["structure"] = structure_similarity(made, swaps.contents[swaps.content])
        scores = {name: value.float().mean().item() for name, value in found.items()}
        return scores | {"texture_distance": texture_distance(swaps, made, wanted)}

    def of_domains(self, task: Any, data: AdaptationImages) -> dict[str, float]:
        """Scores of A's test images in the styles of training images of B, as of adapted generators."""
        evaluator = DomainEvaluator(data, self.limit, task.device)
        styles = evaluator.shots[torch.arange(len(evaluator.source), device=task.device) % len(evaluator.shots)]
        return evaluator.test(evaluator.source, task.restyle(evaluator.source, task.style_codes(styles)))

    def sheet(self, task: ChangesStyle, swaps: Swaps) -> Tensor:
        """Contents on the left, styles above, their swaps between; beside it, where known, what is right."""
        places = [(swaps.labels == label).nonzero().flatten().tolist() for label in swaps.labels.unique().tolist()]
        first = [each[APART % len(each)] for each in places] if len(places) > 1 else places[0]
        contents, styles = swaps.contents[:ROWS], swaps.styles[first[:COLUMNS]]
        codes = task.style_codes(styles)
        made = task.restyle(contents.repeat_interleave(len(styles), 0), codes.repeat(len(contents), 1))
        found = {"contents on the left, styles above": framed(contents, styles, made)}
        if swaps.drawn is not None:
            right = swaps.drawn[:, : len(contents)].transpose(0, 1).flatten(0, 1)
            found["as drawn by the filters"] = framed(contents, styles, right)
        return side_by_side({title: upscale(image, 640) for title, image in found.items()})

    def log_strengths(self, task: Any, restyle: Callable[..., Tensor]) -> None:
        """Logs some contents, each in a style, from left to right with more of it."""
        swaps = self.swaps(data_of(task), "test", task.device)
        chosen = torch.arange(min(ROWS, len(swaps.contents)), device=task.device)
        places = swaps.style[(chosen * (len(swaps.style) // len(chosen) + 1)) % len(swaps.style)]
        contents, styles = swaps.contents[chosen], swaps.styles[places]
        columns = [contents, *(restyle(contents, task.style_codes(styles), alpha=a) for a in STRENGTHS), styles]
        image = grid(torch.stack(columns, 1).flatten(0, 1), len(columns))
        log_image(task, "strengths", side_by_side({"content; alpha 0, 0.25, 0.5, 0.75, 1; style": upscale(image)}))


def data_of(task: LightningModule) -> UnpairedImages:
    """The trainer's data.

    Raises:
        ValueError: the trainer has no DataModule of two domains.
    """
    data = attached_data(task.trainer, UnpairedImages)
    if data is None:
        raise ValueError("scores need all images: hand over UnpairedImages, trainer.fit(model, datamodule=data)")
    return data


def evaluate_order(split: Split, limit: int) -> Tensor:
    """Places of at most ``limit`` examples of a split, in one fixed random order."""
    return torch.randperm(len(split), generator=torch.Generator().manual_seed(0))[:limit]


def evaluate_images(data: UnpairedImages, domain: Domain, stage: Stage, device: torch.device, limit: int) -> Tensor:
    """At most ``limit`` uint8 images of a domain (N, C, S, S), in one fixed random order."""
    split = data.domain(domain, stage)
    order = evaluate_order(split, limit)
    if isinstance(split, InMemory):
        return split.columns.images[order.to(split.device)].to(device)
    return collate([split[i] for i in order.tolist()]).images.to(device)


def _styles(split: Split, data: UnpairedImages, domain: Domain) -> Tensor:
    """(N,) int64: 0 for A, from 1 for the styles of B."""
    if domain == "a":
        return torch.zeros(len(split), dtype=torch.int64)
    if len(data.target.class_names) > 1:
        return labels_of(split).cpu() + 1
    return torch.ones(len(split), dtype=torch.int64)


def pair(data: UnpairedImages, stage: Stage, device: torch.device, limit: int) -> Swaps:
    """What is swapped with what; see ``SwapEvaluation.swaps``."""
    target = data.target
    if isinstance(target, OfStyles):
        drawn = fit_image(target.drawn(stage).flatten(0, 1), data.image_size, data.channels).to(device)
        drawn = drawn.unflatten(0, (len(target.class_names), -1))
        contents = collate([data.domain("a", stage)[i] for i in range(drawn.shape[1])]).images.to(device)
        count, kinds = len(contents), len(drawn)
        content = torch.arange(count, device=device).repeat_interleave(kinds)
        kind = torch.arange(kinds, device=device).repeat(count)
        labels = torch.arange(1, kinds + 1, device=device).repeat_interleave(count)
        return Swaps(contents, drawn.flatten(0, 1), labels, content, kind * count + (content + APART) % count, drawn)
    contents, styles = (evaluate_images(data, domain, stage, device, limit) for domain in DOMAINS)
    split = data.domain("b", stage)
    labels = _styles(split, data, "b")[evaluate_order(split, limit)].to(device)
    places = torch.arange(max(len(contents), len(styles)), device=device)
    return Swaps(contents, styles, labels, places % len(contents), places % len(styles), None)


def texture_distance(swaps: Swaps, made: Tensor, labels: Tensor) -> float:
    """Sliced Wasserstein distance of patches, mean over scales, and over styles.

    Args:
        swaps: whose images of B are compared with.
        made: (P, C, S, S) uint8.
        labels: (P,) int64: with images of which style each is compared.
    """
    found = []
    for label in swaps.labels.unique():
        some, others = swaps.styles[swaps.labels == label], made[labels == label]
        count = min(len(some), len(others))
        if count:
            levels = sliced_wasserstein(some[:count], others[:count], min(128, -(-PATCHES // count)))
            found.append(sum(levels.values()) / len(levels))
    return sum(found) / len(found)


def swap(task: ChangesStyle, swaps: Swaps) -> Tensor:
    """The contents of all pairs in their styles, uint8 (P, C, S, S)."""
    return task.restyle(swaps.contents[swaps.content], task.style_codes(swaps.styles)[swaps.style])


def framed(left: Tensor, top: Tensor, body: Tensor) -> Tensor:
    """A grid (3, H, W) with images ``left`` (R, ...) of rows, ``top`` (K, ...) of columns, and ``body`` (R K, ...)."""
    first = torch.cat([torch.full_like(top[:1], 255), top])
    rows = torch.cat([left[:, None], body.unflatten(0, (len(left), len(top)))], 1).flatten(0, 1)
    return grid(torch.cat([first, rows]), len(top) + 1)
