"""Model-agnostic meta-learning (Finn, Abbeel, Levine 2017): weights from which a few steps learn a new task.

In each episode all weights take some steps of gradient descent on the support set (eq. 1); the loss of the queries
after them is the loss of the weights before them (eq. 1 of sec. 2.2, algorithm 2). ``trainer.accumulate_grad_batches``
is the number of episodes in an outer step, the paper's meta-batch.

What batch norms do decides what a figure means, so it is an option, ``batch_norm``:

- "episode": each batch is normalised by its own statistics, in the test as well, as in the paper's code. The queries
  are then classified together (transductive): a query's prediction depends on the other queries.
- "running": the support by its own statistics, queries in evaluation by running averages over training's queries. A
  query is classified by itself (inductive).

Under "episode" the test also logs ``test/accuracy_inductive``: queries normalised by the support's statistics, which is
what ``predict`` and ``leyden export`` do, as they get one image at a time.

Departures from the paper: three steps at a rate of 0.1, as many in the test as in training (the paper's Omniglot: one
at 0.4, then three in the test); all classes start from one learnt vector in the last layer (Ye and Chao 2022, "How to
train your MAML to excel in few-shot classification"), so that episodes may have any number of classes, in any order;
``ways`` gives each its own start, as in the paper. Blocks pool where the paper's Omniglot network has strides. The
outer rate falls along half a cosine.
"""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torchmetrics import MeanMetric

from leyden.core.optim import Schedule
from leyden.core.technique import Exportable
from leyden.data.batches.episodes import Episode
from leyden.data.columns import LabelledImages
from leyden.transfer.few_shot.adaptation import Parameters, adaptation
from leyden.transfer.few_shot.base import FewShotTask
from leyden.transfer.few_shot.scores import MeanCurve, accuracy
from leyden.visualization.charts import draw_curves
from leyden.visualization.logging import log_image

BatchNorms = Literal["episode", "running"]


class MAML(FewShotTask):
    """MAML on Conv4 and a linear layer; the base evaluates and predicts.

    Args:
        channels: of the images; given by the data.
        image_size: side of the square images in pixels, 16 or more; given by the data.
        width: channels of each of the four blocks.
        inner_lr: alpha, of the steps on the support set.
        inner_steps: so many of them in training.
        eval_steps: so many in validation, test and prediction.
        second_order: whether the outer gradient goes through the inner ones; false: first-order MAML.
        batch_norm: "episode" or "running", see the module.
        ways: null: all classes start alike; a number: each of so many has its own start, and episodes have so many.
        lr: beta, Adam's outer rate at the start.
        schedule: how it falls: "constant", "linear", "cosine" or "step".
    """

    main_image: str = "adaptation"

    def __init__(
        self,
        channels: int,
        image_size: int,
        width: int = 64,
        inner_lr: float = 0.1,
        inner_steps: int = 3,
        eval_steps: int = 3,
        second_order: bool = True,
        batch_norm: BatchNorms = "episode",
        ways: int | None = None,
        lr: float = 3e-3,
        schedule: Schedule = "cosine",
    ) -> None:
        super().__init__(channels, image_size, width, lr, schedule)
        self.save_hyperparameters()
        self.inner_lr, self.inner_steps, self.eval_steps = inner_lr, inner_steps, eval_steps
        self.second_order, self.batch_norm, self.ways = second_order, batch_norm, ways
        self.start = nn.Linear(self.embedding.features, ways or 1, bias=ways is not None)
        """Of the last layer; one row for all classes, or one for each."""
        if batch_norm == "episode":
            for module in self.embedding.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = 1.0  # what a pass leaves behind are its own statistics, see _statistics
        self.on_queries, self.on_examples = MeanCurve(eval_steps + 1), MeanCurve(eval_steps + 1)
        self.inductive = MeanMetric()

    def initial(self, classes: int) -> Parameters:
        """The weights from which an episode of so many classes starts.

        Raises:
            ValueError: ``ways`` is another number.
        """
        if self.ways not in (None, classes):
            raise ValueError(
                f"model.ways={self.ways} gives so many classes a start each, here are {classes}: take as many "
                "everywhere (data.ways, data.train_ways), or train with model.ways=null, which takes any number"
            )
        weight, bias = self.start.weight, self.start.bias
        return {
            **dict(self.embedding.named_parameters()),
            "weight": weight if self.ways else weight.expand(classes, -1),
            "bias": bias if self.ways else weight.new_zeros(classes).requires_grad_(),
        }

    def classify(self, parameters: Parameters, images: Tensor, statistics: Parameters, own: bool) -> Tensor:
        """Logits (B, N) of uint8 images (B, C, S, S) by given weights.

        Args:
            parameters: of ``initial``, adapted or not.
            images: two or more, if their own statistics count.
            statistics: buffers of the batch norms.
            own: images are normalised by their own statistics, which are averaged into the buffers; otherwise by these.
        """
        self.embedding.train(own)
        weights = {name: value for name, value in parameters.items() if name not in ("weight", "bias")}
        features = functional_call(self.embedding, {**weights, **statistics}, (images,))
        return F.linear(features, parameters["weight"], parameters["bias"])

    def trajectory(self, support: LabelledImages, steps: int, second_order: bool) -> list[Parameters]:
        """The weights before and after each of some steps on a support set."""

        def loss(parameters: Parameters) -> Tensor:
            return F.cross_entropy(self.classify(parameters, support.images, self._fresh(), True), support.labels)

        start = self.initial(int(support.labels.max()) + 1)
        return list(adaptation(start, loss, steps, self.inner_lr, second_order))

    def logits(self, episode: Episode) -> Tensor:
        """(N Q, N) logits of an episode's queries by the adapted weights."""
        with differentiable():
            support = LabelledImages(episode.support_images.clone(), episode.support_labels.clone())
            steps = self.inner_steps if self.training else self.eval_steps
            adapted = self.trajectory(support, steps, self.second_order and self.training)[-1]
            return self._of_queries(adapted, episode.query_images.clone())

    def _of_queries(self, parameters: Parameters, queries: Tensor) -> Tensor:
        if self.batch_norm == "episode":
            return self.classify(parameters, queries, self._fresh(), own=True)
        return self.classify(parameters, queries, dict(self.embedding.named_buffers()), own=self.training)

    def _fresh(self) -> Parameters:
        """Buffers that nobody reads, or that hold the statistics of one batch afterwards."""
        return {name: torch.zeros_like(buffer) for name, buffer in self.embedding.named_buffers()}

    def _statistics(self, parameters: Parameters, support: LabelledImages) -> Parameters:
        """By what an image that comes alone is normalised."""
        if self.batch_norm == "running":
            return dict(self.embedding.named_buffers())
        statistics = self._fresh()
        self.classify(parameters, support.images, statistics, own=True)
        return statistics

    def test_step(self, batch: Episode, batch_index: int) -> None:
        """Updates the test's means by an episode, those after each step among them."""
        super().test_step(batch, batch_index)
        with differentiable():
            support = LabelledImages(batch.support_images.clone(), batch.support_labels.clone())
            adapted = self.trajectory(support, self.eval_steps, second_order=False)
            queries = batch.query_images.clone()
        with torch.no_grad():
            asked = [accuracy(self._of_queries(each, queries), batch.query_labels) for each in adapted]
            seen = [self.classify(each, support.images, self._fresh(), own=True) for each in adapted]
            alone = self.classify(adapted[-1], queries, self._statistics(adapted[-1], support), own=False)
        self.on_queries.update(torch.stack(asked))
        self.on_examples.update(torch.stack([accuracy(logits, support.labels) for logits in seen]))
        self.inductive.update(accuracy(alone, batch.query_labels))

    def on_test_epoch_end(self) -> None:
        """Logs the means over all episodes, and draws the accuracy before and after each step."""
        super().on_test_epoch_end()
        means = {"queries": self.on_queries, "examples": self.on_examples}
        heights = {part: mean.compute().tolist() for part, mean in means.items()}
        self.log("test/accuracy_before", heights["queries"][0])
        if self.batch_norm == "episode":
            self.log("test/accuracy_inductive", self.inductive.compute())
        for metric in (*means.values(), self.inductive):
            metric.reset()
        steps = list(range(self.eval_steps + 1))
        title = f"A new task in {self.eval_steps} steps; queries are normalised by "
        title += "one another" if self.batch_norm == "episode" else "running averages"
        drawn = draw_curves({part: (steps, ys, None) for part, ys in heights.items()}, "steps", "accuracy", title)
        log_image(self, "adaptation", drawn)

    def classifier(self, support: LabelledImages) -> Callable[[Tensor], Tensor]:
        """What classifies images (B, C, S, S) by weights that were adapted to a support set: logits (B, N)."""
        parameters, statistics = self._adapted(support)
        return lambda images: self.classify(parameters, images, statistics, own=False)

    def _adapted(self, support: LabelledImages) -> tuple[Parameters, Parameters]:
        with differentiable():
            support = LabelledImages(support.images.clone(), support.labels.clone())
            adapted = self.trajectory(support, self.eval_steps, second_order=False)[-1]
        with torch.no_grad():
            parameters = {name: value.detach() for name, value in adapted.items()}
            return parameters, self._statistics(parameters, support)

    def export_network(self) -> Exportable:
        """Logits (N, classes) by weights that were adapted to the support set that the record keeps."""
        parameters, statistics = self._adapted(self.kept_support())
        network = nn.Sequential(
            copy.deepcopy(self.embedding), nn.Linear(self.embedding.features, len(self.class_names))
        )
        network.load_state_dict(
            {("1." if name in ("weight", "bias") else "0.") + name: value for name, value in parameters.items()}
            | {f"0.{name}": value for name, value in statistics.items()}
        )
        metadata = {"class_names": json.dumps(self.class_names)}
        return Exportable(network.eval(), self.channels, self.image_size, ("logits",), metadata)


@contextmanager
def differentiable() -> Iterator[None]:
    """Gradients within a ``with`` block, also inside Lightning's evaluation, which is in inference mode."""
    with torch.inference_mode(False), torch.enable_grad():
        yield
