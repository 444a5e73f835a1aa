import math
from pathlib import Path

import torch
from torch.distributions import Normal, kl_divergence

from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.gan.tabular.tvae import TVAE, divergence
from training import assert_resumed_is_as_if_left_alone, quiet_trainer


def tiny(data: MixedTable, **values) -> TVAE:
    torch.manual_seed(0)
    return TVAE(**data.spec, **{"latent_dim": 8, "hidden": 32, **values})


def test_divergence_is_torch_s() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(divergence(mean, log_variance), expected)
    assert divergence(torch.zeros(2, 3), torch.zeros(2, 3)) == 0


def test_reconstruction_is_a_likelihood(weather: MixedTable) -> None:
    """- ln N(alpha; tanh, 0.1) less its constant ln sqrt(2 pi), and the cross entropies of one-hots."""
    model = tiny(weather)
    rows = next(iter(weather.train_dataloader())).rows
    raw = torch.randn(rows.shape)
    numbers = [span.scalar for span in model.spans if span.scalar is not None]
    expected = -Normal(raw[:, numbers].tanh(), 0.1).log_prob(rows[:, numbers]).sum(1) - len(numbers) * math.log(
        math.sqrt(2 * math.pi)
    )
    for span in model.spans:
        logs = raw[:, span.start : span.stop].log_softmax(1)
        expected = expected - (logs * rows[:, span.start : span.stop]).sum(1)
    torch.testing.assert_close(model.reconstruction(raw, rows), expected.mean())


def test_a_class_that_decides_the_number_is_learnt(weather: MixedTable) -> None:
    model = tiny(weather, lr=1e-2)
    quiet_trainer(max_steps=250, max_epochs=-1).fit(model, weather)
    rows = {label: model.sample(60, label, seed=0).rows for label in ("snow", "rain")}
    assert {row["weather"] for row in rows["snow"]} == {"snow"}
    means = {label: sum(row["degrees"] or 0.0 for row in own) / 60 for label, own in rows.items()}
    assert means["snow"] + 5 < means["rain"]


def test_resumed_at_any_step(weather: MixedTable, tmp_path: Path) -> None:
    def data() -> MixedTable:
        return MixedTable(weather.source, modes=3, batch_size=40)

    assert_resumed_is_as_if_left_alone(lambda: tiny(weather), data, tmp_path, steps=5, stop=2)
