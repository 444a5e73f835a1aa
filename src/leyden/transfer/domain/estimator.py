"""The task of techniques without gradient descent: fitted to both domains in one step, for one task or for several."""

import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning import LightningDataModule
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy

from leyden.core.attached import attached_data
from leyden.core.estimator import EstimatorTask, register_estimates
from leyden.core.seeding import mix
from leyden.core.technique import NO_OPTIONS, Exportable, Predictions, PredictOptions
from leyden.data.batches.domain_pair import HasPairs, Pair
from leyden.data.columns import Images
from leyden.data.splits import InMemory, decode, fit_image
from leyden.transfer.classifier import predicted_classes
from leyden.transfer.domain.adaptation import Adaptation, Adapted, AdaptedClassifier, check_features, validated
from leyden.transfer.domain.classifiers import named_rows
from leyden.transfer.domain.deep.selection import a_distance
from leyden.transfer.domain.features import FrozenFeatures, drawn, evenly, thinned
from leyden.transfer.domain.figures import TaskFigures, log_clouds, log_components, log_source_confusion, log_weights
from leyden.transfer.domain.inputs import stacked_rows, with_texts
from leyden.transfer.domain.options import EstimatorOptions
from leyden.transfer.domain.shift import MOST, advice, measure
from leyden.transfer.domain.unlabelled import UnlabelledTest
from leyden.transfer.domain.words import log_words
from leyden.visualization.charts import draw_bars
from leyden.visualization.logging import log_image


class DomainEstimator(EstimatorTask):
    """Base: a child names its adaptation.

    With several tasks (``data=transfer/domain_pairs``) each is fitted and tested by itself; ``test/accuracy`` is the
    mean over them.

    Args:
        class_names: of both domains; given by the data.
        channels: of the images; given by the data, None for rows.
        image_size: side of the square images in pixels; given by the data, None for rows.
        feature_names: of the rows; given by the data, None for images.
        tasks: names of the pairs of domains; given by the data, None: one.
        adaptation: makes a new one, for each task.
        options: the fields of ``EstimatorOptions``.

    Raises:
        ValueError: an option that is none, or images that the backbone cannot take.
    """

    monitor: str = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    main_image: str = "embedding"
    options_type: ClassVar[type[EstimatorOptions]] = EstimatorOptions
    """The dataclass that keeps ``**options``, and has their defaults."""

    def __init__(
        self,
        class_names: list[str],
        channels: int | None,
        image_size: int | None,
        feature_names: list[str] | None,
        tasks: Sequence[str] | None,
        adaptation: Callable[[], Adaptation],
        **options: Any,
    ) -> None:
        super().__init__()
        self.options = self.options_type(**options)
        self.class_names, self.channels, self.image_size = class_names, channels, image_size
        self.feature_names, self.tasks = feature_names, list(tasks or ["source to target"])
        self.input_type = "text" if self.options.tfidf else "images" if feature_names is None else "rows"
        self.features = FrozenFeatures(channels, image_size, self.options.backbone, self.options.cache)
        self.nets = nn.ModuleList(self.new_net(adaptation()) for _ in self.tasks)
        self.val_accuracies, self.test_accuracies = (
            nn.ModuleList(MulticlassAccuracy(len(class_names), average="micro") for _ in self.tasks) for _ in range(2)
        )
        register_estimates(self, "shown", "shown_codes", "shown_labels")
        self.figures: TaskFigures | None = None
        self.unlabelled = UnlabelledTest(class_names)

    def new_net(self, adaptation: Adaptation) -> AdaptedClassifier:
        """What is fitted for one task."""
        o = self.options
        return AdaptedClassifier(len(self.class_names), adaptation, o.standardise, o.classifier, o.c, o.svd)

    @property
    def net(self) -> AdaptedClassifier:
        """The first task's; there is one only, but of ``data=transfer/domain_pairs``."""
        first = self.nets[0]
        assert isinstance(first, AdaptedClassifier)
        return first

    def estimate(self, data: Any) -> dict[str, float]:
        """Fits each task to the training examples of both domains and the source's labels.

        Raises:
            ValueError: data of another kind, or domains that cannot be adapted.
        """
        if not isinstance(data, HasPairs):
            raise ValueError(f"{type(self).__name__} learns from data=transfer/domains, domain_rows or domain_pairs")
        self.features.load(self.options.weights)
        figures = [self._fit(net, pair, data) for net, pair in zip(self.nets, data.pairs(), strict=True)]
        names = {name for found in figures for name in found}
        return {name: sum(found[name] for found in figures) / len(figures) for name in sorted(names)}

    def _fit(self, net: Any, pair: Pair, data: HasPairs) -> dict[str, float]:
        source, target = (
            drawn(split, self.options.max_examples, mix(data.seed, number))
            for number, split in enumerate([pair.source, pair.target])
        )
        labels = source.labels.to(self.device)
        xs, xt = (self.features(columns[0].to(self.device)) for columns in (source, target))
        adapted = self.fit_task(net, xs, labels, xt, pair)
        w = adapted.weights
        mean = adapted.source.mean(0) if w is None else w @ adapted.source / w.sum()
        apart = mean - adapted.target.mean(0)
        spread = torch.cat([adapted.source, adapted.target]).var(0, correction=0).sum()
        found = {"train/mmd_ratio": float(apart.square().sum() / spread)}
        if len(self.tasks) == 1 and self.options.points:
            found["train/a_distance_before"] = a_distance(*thinned(xs, xt))
            if not net.adaptation.weighs:
                found["train/a_distance_after"] = a_distance(*thinned(adapted.source, adapted.target))
            place = evenly(len(labels), self.options.points).to(self.device)
            self.shown, self.shown_codes, self.shown_labels = xs[place], adapted.source[place], labels[place]
        if not data.validates:
            found["val/accuracy"] = validated(net.classifier, adapted.source, labels, adapted.weights)
        return found

    def fit_task(self, net: AdaptedClassifier, source: Tensor, labels: Tensor, target: Tensor, pair: Pair) -> Adapted:
        """Fits one task; a child that needs more of ``pair`` than features overrides this.

        Args:
            net: what is fitted.
            source: (Ns, D) float64 features.
            labels: (Ns,) classes.
            target: (Nt, D) float64 features.
            pair: the task.
        """
        return net.fit(source, labels, target)

    def forward(self, inputs: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) or rows (B, D) of the first task's target domain to logits (B, classes)."""
        self.check_fitted()
        return self.net(self.features(inputs))

    def validation_step(self, batch: Any, batch_index: int, dataloader_idx: int = 0) -> None:
        """Updates ``val/accuracy`` on the source's validation split; before the fit, in a sanity check, nothing."""
        if self.fitted:
            self._count(self.val_accuracies, batch, dataloader_idx)

    def on_test_epoch_start(self) -> None:
        """Begins to collect what is drawn, of a single task."""
        self.figures = TaskFigures(self.class_names) if len(self.tasks) == 1 else None
        self.unlabelled = UnlabelledTest(self.class_names)

    def test_step(self, batch: Any, batch_index: int, dataloader_idx: int = 0) -> None:
        """Updates ``test/accuracy`` on a task's target; of images without labels it keeps the predictions."""
        if isinstance(batch, Images):
            self.unlabelled.update(batch.images, self(batch.images).softmax(1))
            return
        logits = self._count(self.test_accuracies, batch, dataloader_idx)
        if self.figures is not None:
            self.figures.update(batch[0], logits.softmax(1), batch[1])

    def _count(self, metrics: nn.ModuleList, batch: Any, task: int) -> Tensor:
        self.check_fitted()
        inputs, labels = batch
        logits = self.nets[task](self.features(inputs))
        metric = metrics[task]
        assert isinstance(metric, MulticlassAccuracy)
        metric.update(logits, labels)
        return logits

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/accuracy``, the mean over the tasks."""
        if self.fitted:
            self._log_means(self.val_accuracies, "val")

    def on_test_epoch_end(self) -> None:
        """Logs ``test/accuracy``, the mean over the tasks, and draws."""
        self.unlabelled.log(self)
        if self.unlabelled.probabilities:
            self._draw_once()
            return
        by_task = self._log_means(self.test_accuracies, "test")
        if self.figures is not None:
            self.figures.log(self)
            self._draw_once()
        else:
            self.log_dict({f"test/{name}": value for name, value in by_task.items()})
            log_image(self, "tasks", draw_bars(by_task, "accuracy", "Accuracy by task", mean=True))

    def _log_means(self, metrics: nn.ModuleList, stage: str) -> dict[str, float]:
        found = [float(metric.compute()) for metric in metrics]  # type: ignore[operator]  # a module that is a metric
        for metric in metrics:
            metric.reset()  # type: ignore[operator]
        self.log(f"{stage}/accuracy", sum(found) / len(found), prog_bar=stage == "val")
        return dict(zip(self.tasks, found, strict=True))

    def _draw_once(self) -> None:
        data = attached_data(self.trainer, LightningDataModule)
        if data is not None and self.trainer.is_global_zero:
            self._draw(data)

    def _draw(self, data: Any) -> None:
        """Both domains, the source's confusion, components and weights, of a single task."""
        if data.validates:
            inputs, labels = drawn(data.split("val"), None, 0)
            log_source_confusion(self, self(inputs.to(self.device)).cpu(), labels.cpu(), self.class_names)
        if self.options.points and len(self.shown):
            split = data.test_splits()[0]
            columns = split if isinstance(split, InMemory) else decode(split)
            chosen = columns.take(evenly(len(split), self.options.points).to(columns.device))
            features = self.features(chosen[0].to(self.device))
            known = not isinstance(chosen, Images)
            labels = chosen.labels if known else self.net(features).argmax(1)
            after = (self.shown_codes, self.net.codes(features))
            log_clouds(self, (self.shown, features), after, (self.shown_labels, labels), self.class_names, known)
        directions = self.net.adaptation.directions()
        if self.options.tfidf and self.feature_names is not None:
            log_words(self, data.pairs()[0], self.net, self.options.c, self.feature_names, self.class_names)
        pixels = self.features.backbone is None and self.options.svd is None
        if directions is not None and self.channels and self.image_size and pixels:
            log_components(self, directions, self.channels, self.image_size)
        if self.net.adaptation.weighs:
            pair, most = data.pairs()[0], self.options.max_examples
            inputs, labels = drawn(pair.source, most, mix(data.seed, 0))
            target = drawn(pair.target, most, mix(data.seed, 1))[0]
            weights = self.net.adaptation.get_buffer("weights")
            log_weights(self, weights, inputs, labels, self.class_names, target)

    def advise(self, data: Any, overrides: list[str]) -> str:
        """Whether the domains differ, by how much, and what to do about it; labels are not used.

        Args:
            data: prepared; at most 500 training examples of each domain are looked at.
            overrides: those of the command, for the one that is advised.

        Raises:
            ValueError: data of another kind.
        """
        if not isinstance(data, HasPairs):
            raise ValueError(f"{type(self).__name__} compares the domains of data=transfer/domains or domain_rows")
        self.features.load(self.options.weights)
        pair = data.pairs()[0]
        splits = enumerate([pair.source, pair.target])
        source, target = (self.features(drawn(split, MOST, mix(data.seed, place))[0]) for place, split in splits)
        check_features(source, target)
        return advice(measure(source, target, data.seed), overrides)

    def export_network(self) -> Exportable:
        """Logits (N, classes) of uint8 images that ``fit_image`` has brought to the network's size.

        Raises:
            ValueError: it was fitted to rows, or to several tasks.
        """
        if self.channels is None or self.image_size is None or len(self.tasks) > 1:
            raise ValueError(
                "export takes what was fitted to the images of one task; of rows, read the checkpoint's tensors"
            )
        metadata = {"class_names": json.dumps(self.class_names), "crop": "null"}
        return Exportable(self, self.channels, self.image_size, ("logits",), metadata)

    @torch.no_grad()
    def predict(self, inputs: Sequence[Any], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of each image, row or text of the target domain.

        Args:
            inputs: uint8 (C, H, W) of any size, or rows (D,), or, where the training had texts, texts.
            options: none has a meaning here.

        Raises:
            ValueError: a threshold is given, several tasks were fitted, or an input of another kind.
        """
        options.only(self)
        if len(self.tasks) > 1:
            raise ValueError(
                f"{len(self.tasks)} tasks were fitted: predict from a run of one, data=transfer/domain_rows"
            )
        if self.feature_names is None:
            assert self.channels is not None
            assert self.image_size is not None
            fitted = [fit_image(image, self.image_size, self.channels) for image in inputs]
            logits = self(torch.stack(fitted).to(self.device))
            return predicted_classes(inputs, logits, self.class_names)
        logits = self(stacked_rows(inputs, self.feature_names, self.options.tfidf).to(self.device))
        return Predictions(with_texts(named_rows(logits, self.class_names), inputs), [])
