"""What InfoGAN's codes came to mean: the category beside the classes, continuous codes beside slant and width."""

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.data.images import ImageDataModule
from leyden.data.splits import labels_of
from leyden.gan.base import AdversarialTask
from leyden.gan.disentangled.factors import chosen, images_of
from leyden.gan.evaluation.sample_evaluator import SampleEvaluator
from leyden.gan.noise_to_image.evaluation import SamplingEvaluation
from leyden.gan.noise_to_image.options import SamplingOptions
from leyden.visualization.generated.rows_of_images import draw_rows
from leyden.visualization.grid import side_by_side
from leyden.visualization.logging import log_image

if TYPE_CHECKING:
    from leyden.gan.disentangled.infogan import InfoGAN

MEASURED = 2000
"""Samples whose slant and width are measured."""
STEPS = 9
"""Images in a row of the sheet."""


class CodeEvaluation:
    """All scores of ``SamplingEvaluation``, and what the codes mean; labels train nothing and choose nothing.

    ``code_accuracy``: Q names the category of each test image; each category stands for the class that most of its
    training images have, each class once (the best permutation); the share of test images whose class that is.
    ``code_accuracy_kmeans``: the same of as many clusters of the pixels, the floor. ``sample_accuracy``: the share of
    samples that the evaluator's classifier names as the class of the category they were drawn for.

    ``slant_correlation`` and ``width_correlation``: |correlation| of a continuous code with the slant and the width
    of samples (``leyden.metrics.generated.strokes``), differences between categories taken out, each measure with a
    code of its own, those that fit best; ``..._shuffled``: with the codes of other samples.

    Args:
        model: the technique, with its sampler.
        options: see ``SamplingOptions``.
    """

    main_image = "codes"

    def __init__(self, model: "InfoGAN", options: SamplingOptions) -> None:
        self.model = model
        self.samples = SamplingEvaluation(model.sampler, options)
        self.monitor, self.mode = self.samples.monitor, self.samples.mode
        self.limit = options.eval_samples

    def stepped(self, task: AdversarialTask) -> None:
        """Logs the samples of the same noise in some steps."""
        self.samples.stepped(task)

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Nothing: whole splits are looked at in ``end``."""

    def end_training(self, task: AdversarialTask) -> None:
        """Says whether the training was balanced."""
        self.samples.end_training(task)

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs the samples' scores, the codes' and their sheet."""
        self.samples.end(task, stage)
        data = attached_data(task.trainer, ImageDataModule)
        if data is None or task.trainer.sanity_checking:
            return
        scores: dict[str, float] = {}
        if len(self.samples.sampler.class_names) > 1:
            scores |= self.class_scores(data, stage)
        if stage == "test":
            scores |= stroke_scores(self.model)
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        log_image(task, "codes", draw_codes(self.model))

    def class_scores(self, data: ImageDataModule, stage: Literal["val", "test"]) -> dict[str, float]:
        """How well categories tell classes apart, and in the test the floor and the samples."""
        from leyden.metrics.disentanglement import best_assignment  # here: scikit-learn takes a second to import

        task = self.model
        classes = len(self.samples.sampler.class_names)
        train, asked = data.split("train"), data.split(stage)
        images, labels = images_of(train, self.limit).to(task.device), labels_of(train).cpu()[chosen(train, self.limit)]
        others, other_labels = (
            images_of(asked, self.limit).to(task.device),
            labels_of(asked).cpu()[chosen(asked, self.limit)],
        )
        assigned = best_assignment(task.categories_of(images).cpu(), labels, task.categories, classes)
        task.code_classes.copy_(torch.tensor(assigned))
        named = task.code_classes[task.categories_of(others)].cpu()
        scores = {"code_accuracy": (named == other_labels).double().mean().item()}
        if stage == "test":
            scores["code_accuracy_kmeans"] = clustered(images, labels, others, other_labels, task.categories, classes)
            scores |= self._sample_scores(self.samples.evaluator(task))
        return scores

    def _sample_scores(self, evaluator: SampleEvaluator) -> dict[str, float]:
        task = self.model
        normal = self.samples.sampler.noise(MEASURED, torch.Generator().manual_seed(0))
        category = torch.arange(MEASURED, device=normal.device) % task.categories
        named = evaluator.features.classify(self.samples.sampler.images(normal, category))
        if named is None:
            return {}
        return {"sample_accuracy": (named == task.code_classes[category]).double().mean().item()}


def clustered(images: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor, count: int, classes: int) -> float:
    """Share of other images in a cluster of their class: k-means of the pixels, fitted and assigned on ``images``."""
    from sklearn.cluster import KMeans

    from leyden.metrics.disentanglement import best_assignment

    pixels, other_pixels = (x.flatten(1).float().cpu().numpy() / 255 for x in (images, others))
    if len(pixels) < count:
        return float("nan")
    found = KMeans(count, n_init=4, random_state=0).fit(pixels)
    clusters = torch.from_numpy(found.labels_).long()
    assigned = torch.tensor(best_assignment(clusters, labels, count, classes))
    named = assigned[torch.from_numpy(found.predict(other_pixels)).long()]
    return (named == other_labels).double().mean().item()


@torch.no_grad()
def stroke_scores(task: "InfoGAN") -> dict[str, float]:
    """Correlations of continuous codes with slant and width of samples, and of shuffled ones."""
    from scipy.optimize import linear_sum_assignment

    from leyden.metrics.generated.strokes import slant_and_width

    if not task.continuous:
        return {}
    generator = torch.Generator().manual_seed(0)
    normal = task.sampler.noise(MEASURED, generator)
    codes = task.codes_of(normal)
    measures = torch.stack(slant_and_width(task.sampler.images(normal, None)), 1)
    ok = measures.isfinite().all(1)
    if ok.sum() < 3:
        return {}
    category, continuous = codes.category.cpu()[ok], codes.continuous.double().cpu()[ok]
    measures = within(measures[ok], category, task.categories)
    shuffled = continuous[torch.randperm(len(continuous), generator=generator)]
    scores: dict[str, float] = {}
    for suffix, values in {"": continuous, "_shuffled": shuffled}.items():
        table = correlations(within(values, category, task.categories), measures).abs().nan_to_num()
        rows, columns = linear_sum_assignment(table.numpy(), maximize=True)
        found = dict(zip(columns.tolist(), table[rows, columns].tolist(), strict=True))
        scores |= {f"{name}_correlation{suffix}": found.get(k, 0.0) for k, name in enumerate(("slant", "width"))}
    return scores


def within(values: Tensor, groups: Tensor, count: int) -> Tensor:
    """Values (N, D) less the mean of their group (N,), 0 .. count - 1."""
    sums = values.new_zeros(count, values.shape[1]).index_add_(0, groups, values)
    return values - (sums / torch.bincount(groups, minlength=count).clamp(min=1)[:, None])[groups]


def correlations(x: Tensor, y: Tensor) -> Tensor:
    """Pearson's of all columns of (N, D) with all of (N, K): (D, K), NaN where one does not vary."""
    return torch.corrcoef(torch.cat([x, y], 1).T)[: x.shape[1], x.shape[1] :]


@torch.no_grad()
def draw_codes(task: "InfoGAN") -> Tensor:
    """Rows are categories, columns go along a continuous code, a block for each; the noise is the same for all."""
    names = task.sampler.class_names
    labels = []
    for category, found in enumerate(task.code_classes.tolist()):
        labels.append(f"code {category}" + (f": {names[found]}" if found >= 0 else ""))
    noise = task.sampler.fixed_noise[:1].repeat(STEPS, 1)
    blocks = {}
    for place in range(max(1, task.continuous)):
        continuous = torch.zeros(STEPS, task.continuous, device=noise.device)
        if task.continuous:
            continuous[:, place] = torch.linspace(-1, 1, STEPS)
        rows = {}
        for category, label in enumerate(labels):
            codes = task.codes_of(noise)._replace(
                category=torch.full((STEPS,), category, device=noise.device), continuous=continuous
            )
            rows[label] = task.draw(noise, codes).cpu()
        blocks[f"step {task.global_step:,}, c{place} from -1 to 1"] = draw_rows(rows, side=32)
    return side_by_side(blocks)
