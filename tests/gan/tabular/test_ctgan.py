from pathlib import Path

import pytest
import torch
from torch import nn

from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.data.source.mixed_rows.gaussian_mixtures import Rings
from leyden.gan.penalties import gradient_penalty
from leyden.gan.tabular.ctgan import CTGAN, Discriminator, Generator
from training import assert_resumed_is_as_if_left_alone, quiet_trainer


def tiny(data: MixedTable, **values) -> CTGAN:
    torch.manual_seed(0)
    return CTGAN(**data.spec, **{"latent_dim": 8, "hidden": 16, "pac": 4, **values})


def size(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def test_sizes_are_those_of_the_authors() -> None:
    """Of 2 residual layers 256 on noise of 128 and 5 categories, rows of 20; ten of these with conditions for D."""
    joined = 128 + 5
    residuals = (joined * 256 + 256 + 512) + ((joined + 256) * 256 + 256 + 512)
    assert size(Generator(joined, 256, 20)) == residuals + (joined + 512) * 20 + 20
    assert size(Discriminator(10 * 25, 256, 0.5)) == 250 * 256 + 256 + 256 * 256 + 256 + 257


def test_penalty_of_a_unit_linear_critic_of_pacs_is_zero(weather: MixedTable) -> None:
    model = tiny(weather)
    batch = next(iter(weather.train_dataloader()))
    real, fake, *_ = prepared(model, batch)
    direction = torch.randn(real.shape[1])
    direction /= direction.norm()
    assert gradient_penalty(lambda pacs: pacs @ direction, real, fake).item() == pytest.approx(0, abs=1e-12)
    per_row = direction.view(4, -1).norm(dim=1)  # were it row by row, the same critic would be punished
    assert (per_row - 1).abs().min() > 0.1


def prepared(model: CTGAN, batch):
    model.trainer = quiet_trainer(log_every_n_steps=0)
    return model.prepare(batch)


def test_pacs_hold_rows_one_after_the_other(weather: MixedTable) -> None:
    model, batch = tiny(weather), next(iter(weather.train_dataloader()))
    real, fake, raw, conditions, asked = prepared(model, batch)
    rows = torch.cat([batch.matching, batch.conditions], 1)
    assert real.shape == fake.shape == (10, 4 * rows.shape[1])
    assert torch.equal(real[3].view(4, -1), rows[12:16])
    assert torch.equal(fake.view(40, -1)[:, -5:], conditions)
    assert torch.equal(conditions.sum(0), batch.conditions.sum(0))  # the same conditions in another order
    assert not torch.equal(conditions, batch.conditions)
    assert torch.equal(conditions[:, 3:].sum(1), (asked == 1).float())
    assert raw.requires_grad


def test_what_is_left_of_a_batch_is_not_used(weather: MixedTable) -> None:
    batch = next(iter(weather.train_dataloader()))
    assert prepared(tiny(weather, pac=7), batch)[0].shape[0] == 5
    with pytest.raises(ValueError, match="a batch of 40 rows has no pac of 41"):
        prepared(tiny(weather, pac=41), batch)


def test_losses_reach_their_own_networks(weather: MixedTable) -> None:
    model = tiny(weather)
    parts = prepared(model, next(iter(weather.train_dataloader())))
    model.discriminator_loss(*parts).backward()
    assert all(weight.grad is not None for weight in model.discriminator.parameters())
    assert all(weight.grad is None for weight in model.generator.parameters())
    model.generator_loss(*parts).backward()
    assert all(weight.grad is not None for weight in model.generator.parameters())


def test_a_class_that_decides_the_number_is_learnt(weather: MixedTable) -> None:
    """After a little training snow is colder than rain, and nothing is out of the table's range."""
    model = tiny(weather, latent_dim=16, hidden=64, lr_generator=2e-3, lr_discriminator=2e-3, dropout=0.0)
    quiet_trainer(max_steps=400, max_epochs=-1).fit(model, weather)
    cold, warm = ([row["degrees"] for row in model.sample(200, label, seed=0).rows] for label in ("snow", "rain"))
    means = [sum(filter(None, side)) / 200 for side in (cold, warm)]
    assert means[0] + 5 < means[1]


def test_numbers_alone_have_no_conditions() -> None:
    data = MixedTable(Rings(rows=200, labelled=False), modes=3, batch_size=20)
    data.prepare_data()
    model = tiny(data)
    assert model.sampler.categories == 0
    quiet_trainer(max_steps=2, max_epochs=-1).fit(model, data)
    assert model.sample(3, seed=0).rows[0].keys() == {"x", "y"}
    with pytest.raises(ValueError, match="no classes to ask for"):
        model.sample(3, "odd")


def test_resumed_at_any_step(weather: MixedTable, tmp_path: Path) -> None:
    def data() -> MixedTable:
        return MixedTable(weather.source, modes=3, batch_size=40)

    assert_resumed_is_as_if_left_alone(lambda: tiny(weather, ema_decay=0.9), data, tmp_path, steps=5, stop=3)


@pytest.mark.parametrize(("values", "message"), [({"pac": 0}, r"model\.pac=0"), ({"cutout": 0.5}, "no colours")])
def test_options_that_do_not_fit_are_refused(weather: MixedTable, values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(weather, **values)
