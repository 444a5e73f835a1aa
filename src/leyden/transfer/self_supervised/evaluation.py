"""What features are worth: nearest neighbours, linear probes with few and all labels, each beside what it must beat."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from lightning import LightningModule
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from leyden.core.seeding import mix
from leyden.core.splits import few_per_class
from leyden.data.batches.views import ViewImages
from leyden.data.loader import Loader
from leyden.data.splits import Split
from leyden.nets.backbone import Backbone
from leyden.transfer.self_supervised.neighbours import draw_neighbours, nearest
from leyden.transfer.self_supervised.options import SelfSupervisedOptions
from leyden.transfer.self_supervised.supervised import Task, supervised_accuracy
from leyden.visualization.charts import Curve, draw_curves
from leyden.visualization.embedding import embed
from leyden.visualization.labelled import draw_sheet
from leyden.visualization.logging import log_embedding, log_image
from leyden.visualization.scatter import draw_points

PIXELS = 16
"""Side that images are shrunk to for the row of plain pixels; a probe on more would take longer than all else."""
TEMPERATURE = 0.1
"""Of the votes exp(cosine / 0.1) of neighbours (Wu et al. 2018, "Instance Discrimination", sec. 3.4)."""
QUERIES = 8
"""Test images whose neighbours are drawn."""
LEAST = 5
"""Images that can be placed on a plane."""

Encoder = Callable[[Tensor], Tensor]
"""uint8 images (B, C, S, S) to features (B, F)."""
ROWS = {"features": "", "before": "before_", "pixels": "pixels_"}
"""By kind of features: how its metrics begin."""


class Features(NamedTuple):
    """What encoders make of the images of a split."""

    by_kind: dict[str, Tensor]
    """(N, F) float32 on the CPU each."""
    labels: Tensor
    """(N,) int64; -1 where there are no classes."""


def log_evaluation(
    task: LightningModule, backbone: Backbone, before: Backbone, data: ViewImages, options: SelfSupervisedOptions
) -> None:
    """Logs ``test/probe_5`` and its like, and draws embeddings, neighbours, views and accuracies by labels.

    Metrics, where there are classes: ``test/knn``, ``test/probe_K`` with K labels per class (mean of several draws),
    ``test/probe_all``; the same with ``before_`` of the network before training and with ``pixels_``; and
    ``test/supervised_K`` of the same network trained on the labels of the first draw alone.

    Args:
        task: in a test, behind its last batch.
        backbone: that was trained, in evaluation mode.
        before: the same before training.
        data: views and labelled images.
        options: of the technique.
    """
    encoders: dict[str, Encoder] = {"features": backbone, "before": before, "pixels": few_pixels}
    named = len(data.class_names) > 1  # a single class has nothing to be told from
    names = data.class_names if named else []
    train, test = (data.labelled(stage) if named else data.split(stage) for stage in ("train", "test"))
    trained, tested = (features_of(encoders, data.in_order(split), task.device) for split in (train, test))
    if named:
        scores = probe_scores(trained, tested, data.class_names, options, data.seed)
        if options.supervised_steps:
            few = few_counts(trained.labels, options.labels, len(names))
            known = Task(train, trained.labels, test, tested.labels, data, options.supervised_steps)
            scores |= {f"supervised_{count}": supervised_accuracy(before, known, count) for count in few}
        task.log_dict({f"test/{name}": value for name, value in scores.items()}, sync_dist=True)
        if task.trainer.is_global_zero:
            per_class = len(trained.labels) / len(data.class_names)
            log_image(task, "labels", draw_scores(scores, per_class))
    if task.trainer.is_global_zero:
        log_planes(task, tested, names, options.embedding)
        log_neighbours(task, train, test, trained, tested, names)
        log_views(task, data)


@torch.no_grad()
def features_of(encoders: Mapping[str, Encoder], loader: Loader, device: torch.device) -> Features:
    """The features of all images of a loader, by each encoder, in one pass."""
    found: dict[str, list[Tensor]] = {kind: [] for kind in encoders}
    labels = []
    for batch in loader:
        images = batch.images.to(device)
        for kind, encoder in encoders.items():
            found[kind].append(encoder(images).float().cpu())
        labels.append(batch.labels.cpu() if "labels" in batch._fields else torch.full((len(images),), -1))
    return Features({kind: torch.cat(parts) for kind, parts in found.items()}, torch.cat(labels))


def few_pixels(images: Tensor) -> Tensor:
    """uint8 images (B, C, S, S) to their pixels (B, F) in [0, 1], shrunk to 16 to a side at most."""
    return F.adaptive_avg_pool2d(images.float() / 255, min(PIXELS, images.shape[-1])).flatten(1)


def few_counts(labels: Tensor, counts: Sequence[int], classes: int) -> list[int]:
    """Those of ``counts`` of which each of so many ``classes`` has as many examples in ``labels`` (N,)."""
    least = int(labels.bincount(minlength=classes).min())
    return [count for count in counts if count <= least]


def probe_scores(
    train: Features, test: Features, names: Sequence[str], options: SelfSupervisedOptions, seed: int
) -> dict[str, float]:
    """Accuracies by nearest neighbours and linear probes of each kind of features, by metric without ``test/``."""
    counts = few_counts(train.labels, options.labels, len(names))
    draws = {
        count: [few_per_class(train.labels, count, mix(seed, 7, i), names) for i in range(options.draws)]
        for count in counts
    }
    found: dict[str, float] = {}
    for kind, start in ROWS.items():
        scale = StandardScaler().fit(train.by_kind[kind].numpy())  # by all images: that needs no label
        x, x_test = (torch.from_numpy(scale.transform(part.by_kind[kind].numpy())) for part in (train, test))
        for count, chosen in draws.items():
            each = [linear_probe(x[few], train.labels[few], x_test, test.labels) for few in chosen]
            found[f"{start}probe_{count}"] = float(np.mean(each))
        found[f"{start}probe_all"] = linear_probe(x, train.labels, x_test, test.labels)
        found[f"{start}knn"] = knn_accuracy(
            train.by_kind[kind], train.labels, test.by_kind[kind], test.labels, options.knn
        )
    return found


def linear_probe(x: Tensor, y: Tensor, x_test: Tensor, y_test: Tensor) -> float:
    """Accuracy of logistic regression (L2, C = 1) on features (N, F) with labels (N,), on others."""
    return float(LogisticRegression(max_iter=300).fit(x.numpy(), y.numpy()).score(x_test.numpy(), y_test.numpy()))


def knn_accuracy(x: Tensor, y: Tensor, x_test: Tensor, y_test: Tensor, count: int) -> float:
    """Accuracy of the ``count`` nearest by cosine, voting with exp(cosine / 0.1), of features (N, F) for others."""
    votes = KNeighborsClassifier(
        min(count, len(x)), metric="cosine", weights=lambda distance: np.exp((1 - distance) / TEMPERATURE)
    )
    return float(votes.fit(x.numpy(), y.numpy()).score(x_test.numpy(), y_test.numpy()))


def draw_scores(scores: Mapping[str, float], per_class: float) -> Tensor:
    """Accuracies over labels per class, a curve for each kind of features and one for training on labels alone.

    Args:
        scores: by metric without ``test/``.
        per_class: labels per class where a metric says "all".
    """
    starts = {"linear probe": "probe_", "of the network before": "before_probe_", "of pixels": "pixels_probe_",
              "trained on the labels alone": "supervised_"}  # fmt: skip
    curves: dict[str, Curve] = {}
    for name, start in starts.items():
        own = {key.removeprefix(start): value for key, value in scores.items() if key.startswith(start)}
        points = sorted((per_class if key == "all" else float(key), value) for key, value in own.items())
        if points:
            curves[name] = ([place for place, _ in points], [value for _, value in points], None)
    return draw_curves(curves, "labels per class", "test accuracy", "What the features are worth", log_x=True)


def log_planes(task: LightningModule, test: Features, names: Sequence[str], most: int) -> None:
    """Draws test images by their features before and after training, and hands these to the projector."""
    chosen = torch.arange(min(most, len(test.labels))) * len(test.labels) // max(1, min(most, len(test.labels)))
    if len(chosen) < LEAST:
        return
    panels = {title: embed(test.by_kind[kind][chosen]) for title, kind in (("before", "before"), ("after", "features"))}
    labels = test.labels[chosen].clamp(min=0)
    known = list(names) or ["image"]
    log_image(
        task, "embedding", draw_points(panels, labels, known, "Features by t-SNE: only neighbourhoods mean something")
    )
    log_embedding(task, "features", test.by_kind["features"][chosen], [known[label] for label in labels.tolist()])


def log_neighbours(
    task: LightningModule, train: Split, test: Split, trained: Features, tested: Features, names: Sequence[str]
) -> None:
    """Draws some test images with the training images that are nearest by features, and by pixels."""
    count = min(QUERIES, len(tested.labels))
    chosen = torch.arange(count) * len(tested.labels) // count

    def name(labels: Tensor, place: int) -> str:
        return names[int(labels[place])] if names else str(place)

    found = {}
    for kind in ("features", "pixels"):
        _, places = nearest(tested.by_kind[kind][chosen], trained.by_kind[kind], 4)
        found[kind] = [
            ([train[i].images.cpu() for i in near], [name(trained.labels, i) for i in near]) for near in places.tolist()
        ]
    queries = [test[i].images.cpu() for i in chosen.tolist()]
    log_image(task, "neighbours", draw_neighbours(queries, [name(tested.labels, i) for i in chosen.tolist()], found))


def log_views(task: LightningModule, data: ViewImages) -> None:
    """Draws some test images, each with views of it as training sees them."""
    split = data.split("test")
    chosen = [i * len(split) // QUERIES for i in range(min(QUERIES, len(split)))]
    images = torch.stack([split[i].images.cpu() for i in chosen])
    u = torch.rand(5, len(images), data.view.draws, generator=torch.Generator().manual_seed(0))
    views = [data.view(images, each) for each in u]
    shown = [image for i in range(len(images)) for image in (images[i], *(view[i] for view in views))]
    captions = ["image", *["view"] * 5] * len(images)
    log_image(task, "views", draw_sheet(shown, captions, "there is no image", 6, 84, "Views as the network gets them"))
