"""Shallow DANN: one hidden layer on rows, from which a domain classifier is misled.

Ganin et al. 2016, "Domain-Adversarial Training of Neural Networks", sections 3 and 5.1, algorithm 1:

    h = sigm(W x + b),   f = softmax(V h + c),   o = sigm(u^T h + d)
    E = mean CE(f(x_s), y_s) - lambda (mean BCE(o(x_s), source) + mean BCE(o(x_t), target))
    W, b, V, c go down E, u and d go up: the gradient is reversed between the domain classifier and h.

lambda is constant, and scales the domain classifier's steps, too, as in algorithm 1 (the deep DANN ramps it, and only
for the reversed gradient). ``domain_weight=0`` is the paper's NN.

Departures: batches with momentum, where algorithm 1 steps on one source and one target example at a time. Features
are the rows as they are, of TF-IDF or of the paper's files.

Several tasks (``data=transfer/domain_pairs``) have a network each and learn side by side: the sum of their losses has
each network's own gradient, so that it is as if each learnt alone.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD
from torchmetrics.classification import MulticlassAccuracy

from leyden.core.attached import attached_data
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data.batches.domain_pair import HasPairs
from leyden.data.batches.domain_rows import RowDomains
from leyden.data.columns import LabelledRows
from leyden.data.splits import InMemory
from leyden.transfer.domain.classifiers import named_rows
from leyden.transfer.domain.deep.dann import ReverseGradient
from leyden.transfer.domain.features import evenly
from leyden.transfer.domain.figures import TaskFigures, log_clouds
from leyden.transfer.domain.inputs import stacked_rows, with_texts
from leyden.transfer.domain.words import log_words
from leyden.visualization.charts import draw_bars
from leyden.visualization.logging import log_image, logs_now


class ShallowNet(nn.Module):
    """The three layers of algorithm 1.

    Args:
        features: D, columns of the rows.
        classes: C.
        hidden: units of h.
    """

    def __init__(self, features: int, classes: int, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(features, hidden)
        self.classifier = nn.Linear(hidden, classes)
        self.domain = nn.Linear(hidden, 1)

    def codes(self, rows: Tensor) -> Tensor:
        """Rows (N, D) to h (N, hidden)."""
        return torch.sigmoid(self.encoder(rows.to(self.encoder.weight.dtype)))

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (N, D) to logits (N, C)."""
        return self.classifier(self.codes(rows))

    def loss(self, batch: RowDomains, domain_weight: float) -> tuple[Tensor, Tensor]:
        """E of algorithm 1, the gradient of its second part reversed before h, and that part: both ().

        Args:
            batch: rows (B, D) and labels (B,) of the source, rows (B, D) of the target.
            domain_weight: lambda, 0 or more; with 0 the target is not looked at.
        """
        (rows, labels), (target,) = batch
        source = self.codes(rows)
        loss = F.cross_entropy(self.classifier(source), labels)
        if not domain_weight:
            return loss, loss.new_zeros(())
        of_source, of_target = (
            self.domain(ReverseGradient.apply(codes, 1.0)).flatten() for codes in (source, self.codes(target))
        )
        domain = F.binary_cross_entropy_with_logits(of_source, torch.ones_like(of_source))
        domain = domain + F.binary_cross_entropy_with_logits(of_target, torch.zeros_like(of_target))
        return loss + domain_weight * domain, domain


class ShallowDANN(LightningModule):
    """Domain-adversarial training of one hidden layer.

    Args:
        class_names: of both domains; given by the data.
        feature_names: of the rows; given by the data.
        tasks: names of the pairs of domains; given by the data.
        tfidf: how texts become rows; given by data of texts.
        hidden: units of the hidden layer.
        domain_weight: lambda, constant; 0: the source alone, the paper's NN.
        lr: of stochastic gradient descent.
        momentum: of its steps.
        weight_decay: of all weights.
        points: so many test examples of each domain are drawn as points before and after; 0: none.

    Raises:
        ValueError: fewer than one hidden unit, or a negative weight.
    """

    monitor: str = "val/accuracy"
    mode: Literal["min", "max"] = "max"
    main_image: str = "words"

    def __init__(
        self,
        class_names: list[str],
        feature_names: list[str],
        tasks: list[str] | None = None,
        tfidf: dict[str, Any] | None = None,
        hidden: int = 50,
        domain_weight: float = 0.1,
        lr: float = 0.1,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        points: int = 200,
    ) -> None:
        super().__init__()
        if hidden < 1 or min(domain_weight, lr, weight_decay) < 0:
            raise ValueError(
                f"model.hidden={hidden} counts from 1; domain_weight={domain_weight}, lr={lr} and "
                f"weight_decay={weight_decay} are 0 or more"
            )
        self.save_hyperparameters(logger=False)
        self.class_names, self.feature_names, self.tfidf = class_names, feature_names, tfidf
        self.tasks, self.points = list(tasks or ["source to target"]), points
        self.domain_weight = domain_weight
        self.input_type = "text" if tfidf else "rows"
        self.nets = nn.ModuleList(ShallowNet(len(feature_names), len(class_names), hidden) for _ in self.tasks)
        self.val_accuracies, self.test_accuracies = (
            nn.ModuleList(MulticlassAccuracy(len(class_names), average="micro") for _ in self.tasks) for _ in range(2)
        )
        self.figures: TaskFigures | None = None

    @property
    def net(self) -> ShallowNet:
        """The first task's; there is one only, but of ``data=transfer/domain_pairs``."""
        first = self.nets[0]
        assert isinstance(first, ShallowNet)
        return first

    def forward(self, rows: Tensor) -> Tensor:
        """Rows (B, D) of the first task's target to logits (B, classes)."""
        return self.net(rows)

    def training_step(self, batch: RowDomains | Sequence[RowDomains], batch_index: int) -> Tensor:
        """The sum of the tasks' losses on a batch of each."""
        batches = [batch] if isinstance(batch, RowDomains) else batch
        losses = [net.loss(own, self.domain_weight) for net, own in zip(self.nets, batches, strict=True)]  # type: ignore[operator]
        loss = torch.stack([both[0] for both in losses])
        if logs_now(self):
            self.log("train/loss", loss.mean().detach(), prog_bar=True)
            self.log("train/domain_loss", torch.stack([both[1] for both in losses]).mean().detach())
        return loss.sum()

    def configure_optimizers(self) -> SGD:
        """Stochastic gradient descent with a constant rate."""
        h = self.hparams
        return SGD(self.parameters(), lr=h["lr"], momentum=h["momentum"], weight_decay=h["weight_decay"], fused=True)

    def validation_step(self, batch: LabelledRows, batch_index: int, dataloader_idx: int = 0) -> None:
        """Counts on a task's source."""
        self._count(self.val_accuracies, batch, dataloader_idx)

    def on_validation_epoch_end(self) -> None:
        """Logs ``val/accuracy``, of the source, the mean over the tasks."""
        self._log_means(self.val_accuracies, "val")

    def on_test_epoch_start(self) -> None:
        """Begins to collect what is drawn, of a single task."""
        self.figures = TaskFigures(self.class_names) if len(self.tasks) == 1 else None

    def test_step(self, batch: LabelledRows, batch_index: int, dataloader_idx: int = 0) -> None:
        """Counts on a task's target."""
        logits = self._count(self.test_accuracies, batch, dataloader_idx)
        if self.figures is not None:
            self.figures.update(batch.rows, logits.softmax(1), batch.labels)

    def on_test_epoch_end(self) -> None:
        """Logs ``test/accuracy``, the mean over the tasks, and draws."""
        by_task = self._log_means(self.test_accuracies, "test")
        if self.figures is None:
            self.log_dict({f"test/{name}": value for name, value in by_task.items()})
            log_image(self, "tasks", draw_bars(by_task, "accuracy", "Accuracy by task", mean=True))
            return
        self.figures.log(self)
        data = attached_data(self.trainer, LightningDataModule)
        if isinstance(data, HasPairs) and self.trainer.is_global_zero:
            self._draw(data)

    @torch.no_grad()
    def predict(self, inputs: Sequence[Any], options: PredictOptions = NO_OPTIONS) -> Predictions:
        """The class of each row or text of the target domain.

        Args:
            inputs: rows (D,), or, where the training had texts, texts.
            options: none has a meaning here.

        Raises:
            ValueError: an option is given, several tasks were learnt, or an input of another kind.
        """
        options.only(self)
        if len(self.tasks) > 1:
            raise ValueError("predict from a run of one task (data=transfer/domain_rows)")
        logits = self(stacked_rows(inputs, self.feature_names, self.tfidf).to(self.device))
        return Predictions(with_texts(named_rows(logits, self.class_names), inputs), [])

    def _count(self, metrics: nn.ModuleList, batch: LabelledRows, task: int) -> Tensor:
        logits: Tensor = self.nets[task](batch.rows)
        metrics[task].update(logits, batch.labels)  # type: ignore[operator]  # a module that is a metric
        return logits

    def _log_means(self, metrics: nn.ModuleList, stage: str) -> dict[str, float]:
        found = [float(metric.compute()) for metric in metrics]  # type: ignore[operator]
        for metric in metrics:
            metric.reset()  # type: ignore[operator]
        self.log(f"{stage}/accuracy", sum(found) / len(found), prog_bar=stage == "val")
        return dict(zip(self.tasks, found, strict=True))

    def _draw(self, data: HasPairs) -> None:
        """Both domains before and after, and, of texts, the words that decide."""
        pair, test = data.pairs()[0], data.test_splits()[0]
        assert isinstance(pair.source, InMemory)
        assert isinstance(test, InMemory)
        if self.points:
            chosen = [split.take(evenly(len(split), self.points)) for split in (pair.source, test)]
            rows = [part.rows.to(self.device) for part in chosen]
            after = [self.net.codes(part) for part in rows]
            log_clouds(self, rows, after, [part.labels for part in chosen], self.class_names)
        if self.tfidf:
            log_words(self, pair, self.net, 10.0, self.feature_names, self.class_names)
