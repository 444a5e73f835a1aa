"""CTGAN (Xu et al. 2019, "Modeling Tabular Data using Conditional GAN"): rows of a table whose columns differ in kind.

A row is a vector of pairs (alpha, beta) for numbers and of one-hots for categories (``leyden.data.mixed.encoding``).
The generator is given noise and a condition, one category of one column, and D judges ten rows at once (PacGAN, Lin et
al. 2018), so that it sees a lack of variety:

    h0 = z + cond                          z ~ N(0, I) of 128; + joins vectors
    h1 = h0 + ReLU(BN(W1 h0))              256 more
    h2 = h1 + ReLU(BN(W2 h1))              256 more
    alpha = tanh(W h2),  beta = gumbel_0.2(W h2),  categories = gumbel_0.2(W h2)

    c1 = drop(leaky_0.2(V1 (r_1 + .. + r_10 + cond_1 + .. + cond_10)))     256, then c2 likewise, then D = V c2

    D:  E D(fake) - E D(real) + 10 E (|grad D|_2 - 1)^2     the gradient of a whole pac, one mixing weight for each
    G:  -E D(fake) + cross entropy of the column that the condition is about

Conditions are drawn as ``leyden.data.batches.gan.mixed_rows.TrainingRows`` says, and the real rows have what they ask,
in another order than the generated ones.

Where we depart: both networks step on the same generated rows (one pass of G in place of two); rows are sampled with
the batch norms' running statistics, where the authors' program takes those of the batch; and conditions of samples
follow the categories' own frequencies, so that rare ones come out as rare as they are (there: by their logarithm).
"""

from typing import Unpack

import torch
from torch import Tensor, nn

from leyden.core.technique import Predictions
from leyden.data.columns import EncodedRows
from leyden.data.mixed.encoding import RowEncoding
from leyden.data.specs import FittedColumnSpec
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.tabular.activation import TAU, Activation
from leyden.gan.tabular.evaluation import TableEvaluation
from leyden.gan.tabular.options import TabularKwargs, TabularOptions
from leyden.gan.tabular.sampler import TableSampler, csv_file


class Residual(nn.Module):
    """Vectors (N, inputs) to (N, inputs + width): themselves beside ReLU(BN(W h))."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU())

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, inputs + width) of (N, inputs)."""
        return torch.cat([self.layers(inputs), inputs], 1)


class Generator(nn.Sequential):
    """Noise joined with conditions (N, inputs) to raw outputs (N, width)."""

    def __init__(self, inputs: int, hidden: int, width: int) -> None:
        super().__init__(
            Residual(inputs, hidden), Residual(inputs + hidden, hidden), nn.Linear(inputs + 2 * hidden, width)
        )


class Discriminator(nn.Sequential):
    """Pacs of rows with their conditions (P, inputs) to logits (P,)."""

    def __init__(self, inputs: int, hidden: int, dropout: float) -> None:
        def layer(inputs: int) -> list[nn.Module]:
            return [nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Dropout(dropout)]

        super().__init__(*layer(inputs), *layer(hidden), nn.Linear(hidden, 1), nn.Flatten(0))


class CTGAN(AdversarialTask):
    """Trains the two networks on the rows of a table; ``val/distance`` chooses the best checkpoint.

    Args:
        columns: given by the data.
        label: name of the column with the classes, given by the data; None: there are none.
        latent_dim: length of the noise vector.
        hidden: width of each hidden layer of both networks.
        pac: rows that D judges together; what is left of a batch is not used.
        dropout: share of D's hidden units that are switched off.
        tau: temperature of the Gumbel-softmax.
        options: see ``TabularOptions``.

    Raises:
        ValueError: ``pac`` is below 1, or an option does not fit.
    """

    options_type = TabularOptions
    options: TabularOptions

    def __init__(
        self,
        columns: list[FittedColumnSpec],
        label: str | None = None,
        latent_dim: int = 128,
        hidden: int = 256,
        pac: int = 10,
        dropout: float = 0.5,
        tau: float = TAU,
        **options: Unpack[TabularKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        if pac < 1:
            raise ValueError(f"model.pac={pac} counts rows, from 1")
        self.pac, self.latent_dim = pac, latent_dim
        encoding = RowEncoding(columns)
        self.activation = Activation(encoding.spans, encoding.width, tau)
        self.sampler = TableSampler(self.generate, encoding, label)
        self.evaluation = TableEvaluation(self.sampler, self.options.eval_samples, self.options.tstr)
        self.generator = Generator(latent_dim + self.sampler.categories, hidden, encoding.width)
        self.discriminator = Discriminator(pac * (encoding.width + self.sampler.categories), hidden, dropout)
        self.criterion.constrain(self.discriminator)
        decay = self.options.weight_decay
        self.set_players(
            discriminator=Player(
                self.discriminator, self.discriminator_loss, self.options.lr_discriminator, weight_decay=decay
            ),
            generator=Player(
                self.generator,
                self.generator_loss,
                self.options.lr_generator,
                self.options.n_critic,
                weight_decay=decay,
            ),
        )

    def prepare(self, batch: EncodedRows) -> tuple[Tensor, ...]:
        """Pacs (P, pac * D) of real and generated rows with their conditions, and of the latter what G's loss takes.

        Besides: G's raw outputs (N, width), the conditions (N, categories) and the columns (N,) that these are about.
        """
        count = len(batch.rows) // self.pac * self.pac
        if count == 0:
            raise ValueError(
                f"a batch of {len(batch.rows)} rows has no pac of {self.pac}: raise data.batch_size, or lower model.pac"
            )
        real = torch.cat([batch.matching, batch.conditions], 1)[:count]
        order = torch.randperm(count, device=real.device)
        conditions, asked = batch.conditions[order], batch.asked[order]
        noise = torch.randn(count, self.latent_dim, device=real.device)
        with self.graph_for("generator"):
            raw = self.generator(torch.cat([noise, conditions], 1)).float()
            fake = torch.cat([self.activation(raw), conditions], 1)
        return self.packed(real), self.packed(fake), raw, conditions, asked

    def packed(self, rows: Tensor) -> Tensor:
        """Rows (N, D) as pacs (N / pac, pac * D)."""
        return rows.reshape(len(rows) // self.pac, -1)

    def critic(self, pacs: Tensor) -> Tensor:
        """D's float32 logits (P,) of pacs (P, pac * D)."""
        return self.discriminator(pacs).float()

    def discriminator_loss(self, real: Tensor, fake: Tensor, *_: Tensor) -> Tensor:
        """E D(fake) - E D(real) + 10 E (|grad D|_2 - 1)^2, or as ``loss`` says, () with a graph to D."""
        return self.criterion.discriminator_loss(self.critic, real, fake.detach(), self.watch)

    def generator_loss(self, real: Tensor, fake: Tensor, raw: Tensor, conditions: Tensor, asked: Tensor) -> Tensor:
        """-E D(fake), or as ``loss`` says, and the cross entropy of what was asked for, () with a graph to G."""
        adversarial = self.criterion.generator_loss(self.critic, real, fake)
        return adversarial + self.activation.condition_loss(raw, conditions, asked)

    def generate(self, conditions: Tensor, generator: torch.Generator) -> Tensor:
        """Encoded rows (N, width) of the averaged generator for conditions (N, categories), drawn on the CPU."""
        noise = torch.randn(len(conditions), self.latent_dim, generator=generator).to(conditions.device)
        return self.activation(self.ema(torch.cat([noise, conditions], 1)).float(), generator)

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row of the table for each of ``count`` samples; see ``leyden.core.technique.Samples``."""
        return self.sampler.sample(count, label, seed)

    def prediction_files(self, rows: list[dict[str, object]]) -> dict[str, str]:
        """``rows.csv``, the rows in the form of the training file."""
        return csv_file(self.sampler.encoding.columns, rows)
