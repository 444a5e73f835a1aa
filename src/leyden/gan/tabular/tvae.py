"""TVAE (Xu et al. 2019, sec. 4.5): a variational autoencoder of rows, on CTGAN's encoding.

    encoder   h = ReLU(W ReLU(W r)), 128 each;  mu, ln sigma^2 = W h                 q(z | r) = N(mu, sigma^2), z of 128
    decoder   h = ReLU(W ReLU(W z)), 128 each;  per column alpha' = tanh(W h), logits of beta and of categories
    loss      factor * (- E ln p(r | z)) + KL(q(z | r) | N(0, I)), a mean over rows, factor 2

with alpha ~ N(alpha', delta^2), delta learnt for each column, and one-hots by their logits. Adam, rate 1e-3, weight
decay 1e-5, as in the authors' program.

Where we depart: a row is sampled with one-hots drawn by their logits and alpha from N(alpha', delta^2), which is what
the model says; the authors' program takes the most likely one-hot. Rows of a class are those of many that have it: the
model has no conditions.
"""

from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from leyden.core.technique import Predictions
from leyden.data.columns import EncodedRows
from leyden.data.mixed.encoding import RowEncoding
from leyden.data.specs import FittedColumnSpec
from leyden.gan.tabular.activation import Activation
from leyden.gan.tabular.evaluation import TableEvaluation
from leyden.gan.tabular.sampler import TableSampler, csv_file


def layers(inputs: int, hidden: int) -> nn.Sequential:
    """Two layers with ReLU: (N, inputs) to (N, hidden)."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, e^log_variance) | N(0, I)) () in nats, summed over dimensions of (N, D), the mean over rows."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()


class TVAE(LightningModule):
    """Trains an autoencoder on the rows of a table; ``val/distance`` chooses the best checkpoint.

    Args:
        columns: given by the data.
        label: name of the column with the classes, given by the data; None: there are none.
        latent_dim: length of the latent vector.
        hidden: width of each hidden layer.
        loss_factor: of the reconstruction beside the divergence.
        lr: Adam's rate.
        weight_decay: Adam's, added to the gradient.
        eval_samples: at most so many rows are compared with as many real ones.
        tstr: train classifiers on synthetic rows, test them on real ones.
    """

    def __init__(
        self,
        columns: list[FittedColumnSpec],
        label: str | None = None,
        latent_dim: int = 128,
        hidden: int = 128,
        loss_factor: float = 2.0,
        lr: float = 1e-3,
        weight_decay: float = 1e-5,
        eval_samples: int = 5000,
        tstr: bool = True,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.loss_factor, self.latent_dim = loss_factor, latent_dim
        self.spans = (encoding := RowEncoding(columns)).spans
        self.activation = Activation(encoding.spans, encoding.width, tau=1.0)
        self.sampler = TableSampler(self.generate, encoding, label, conditional=False)
        self.evaluation = TableEvaluation(self.sampler, eval_samples, tstr)
        self.monitor, self.mode = self.evaluation.monitor, self.evaluation.mode
        self.main_image = self.evaluation.main_image
        self.encoder = layers(encoding.width, hidden)
        self.mean, self.log_variance = nn.Linear(hidden, latent_dim), nn.Linear(hidden, latent_dim)
        self.decoder = layers(latent_dim, hidden).append(nn.Linear(hidden, encoding.width))
        numbers = sum(span.scalar is not None for span in self.spans)
        self.deviation = nn.Parameter(torch.full((numbers,), 0.1))

    def reconstruction(self, raw: Tensor, rows: Tensor) -> Tensor:
        """- ln p(rows | z) () up to a constant, summed over columns, the mean over rows; both (N, width)."""
        deviation = self.deviation.clamp(0.01, 1.0)
        places = [span.scalar for span in self.spans if span.scalar is not None]
        off = (rows[:, places] - raw[:, places].tanh()) / deviation
        total = (off.square() / 2 + deviation.log()).sum(1).mean()
        for _, _, start, stop in self.spans:
            total = total + cross_entropy(raw[:, start:stop], rows[:, start:stop].argmax(1))
        return total

    def training_step(self, batch: EncodedRows, batch_index: int) -> Tensor:
        """The loss () of a batch."""
        hidden = self.encoder(batch.rows)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        latent = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        error, apart = self.reconstruction(self.decoder(latent).float(), batch.rows), divergence(mean, log_variance)
        loss = self.loss_factor * error + apart
        self.log_dict({"train/loss": loss, "train/reconstruction": error, "train/divergence": apart})
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam on all weights."""
        return torch.optim.Adam(
            self.parameters(), self.hparams["lr"], weight_decay=self.hparams["weight_decay"], fused=True
        )

    def validation_step(self, batch: Any, batch_index: int) -> None:
        """Nothing: whole splits are looked at at the end."""

    def on_validation_epoch_end(self) -> None:
        """Logs scores and charts."""
        self.evaluation.end(self, "val")

    def test_step(self, batch: Any, batch_index: int) -> None:
        """Nothing: whole splits are looked at at the end."""

    def on_test_epoch_end(self) -> None:
        """Logs scores and charts."""
        self.evaluation.end(self, "test")

    def generate(self, conditions: Tensor, generator: torch.Generator) -> Tensor:
        """Encoded rows (N, width) for conditions (N, categories), of which their number alone counts."""
        latent = torch.randn(len(conditions), self.latent_dim, generator=generator).to(conditions.device)
        rows = self.activation(self.decoder(latent).float(), generator)
        places = [span.scalar for span in self.spans if span.scalar is not None]
        noise = torch.randn(len(rows), len(places), generator=generator).to(rows.device)
        rows[:, places] += noise * self.deviation.clamp(0.01, 1.0)
        return rows

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row of the table for each of ``count`` samples; see ``leyden.core.technique.Samples``."""
        return self.sampler.sample(count, label, seed)

    def prediction_files(self, rows: list[dict[str, object]]) -> dict[str, str]:
        """``rows.csv``, the rows in the form of the training file."""
        return csv_file(self.sampler.encoding.columns, rows)
