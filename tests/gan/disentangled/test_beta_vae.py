"""beta-VAE: the divergence's golden value, what is summed and what averaged, capacity, traversals, resume."""

import logging
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from leyden.core.technique import PredictOptions
from leyden.data.batches.gan.images import GanImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.scenes.shapes2d import Shapes2d
from leyden.gan.disentangled.beta_vae import BetaVAE
from leyden.gan.disentangled.factors import best_factors
from leyden.gan.disentangled.losses import divergences, reconstruction_loss
from leyden.gan.disentangled.nets import Decoder, Encoder
from leyden.gan.disentangled.traversals import traverse
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer

FACTS = {"class_names": ["square", "disc", "triangle"], "channels": 3, "image_size": 16}


def tiny(**values) -> BetaVAE:
    torch.manual_seed(0)
    return BetaVAE(**{**FACTS, "base_channels": 8, "hidden": 16, "latent_dim": 3, "lr": 3e-3, **values})


def shapes() -> GanImages:
    return GanImages(Shapes2d(16, train=256, val=64, test=64), image_size=16, batch_size=32)


def test_divergence_golden_value() -> None:
    mean, log_variance = torch.tensor([[[1.0, -0.5]], [[0.0, 0.6]]], dtype=torch.float64)
    each = divergences(mean, log_variance)
    assert each.sum().item() == pytest.approx(0.7360594002, abs=1e-10)
    torch.testing.assert_close(each, kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)))


def test_reconstruction_sums_pixels_and_averages_images() -> None:
    images = torch.rand(4, 3, 16, 16)
    assert reconstruction_loss(torch.zeros(4, 3, 16, 16), images, "bernoulli").item() == pytest.approx(
        math.log(2) * 3 * 16 * 16
    )
    assert reconstruction_loss(images + 0.5, images, "gaussian").item() == pytest.approx(0.125 * 3 * 16 * 16)


def test_the_loss_is_its_parts() -> None:
    images, noise = torch.randint(256, (8, 3, 16, 16), dtype=torch.uint8), torch.randn(8, 3)
    model = tiny(beta=5)
    found = model.losses(images, noise)
    assert found["loss"].item() == pytest.approx((found["reconstruction"] + 5 * found["divergence"]).item())
    mean, log_variance = model.encode(images)
    assert found["divergence"].item() == pytest.approx(divergences(mean, log_variance).sum().item() / 8)
    doubled = model.losses(images.repeat(2, 1, 1, 1), noise.repeat(2, 1))
    torch.testing.assert_close(doubled, found)


def test_capacity_grows_and_holds_the_divergence() -> None:
    images, noise = torch.randint(256, (8, 3, 16, 16), dtype=torch.uint8), torch.randn(8, 3)
    model = tiny(beta=100, capacity=6, capacity_steps=4)
    divergence = model.losses(images, noise)["divergence"].item()
    for step, reached in {0: 0, 1: 1.5, 4: 6, 9: 6}.items():
        model.trainer = quiet_trainer()
        model.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = 0
        model.trainer.fit_loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total.completed = step
        found = model.losses(images, noise)
        expected = found["reconstruction"].item() + 100 * abs(divergence - reached)
        assert found["loss"].item() == pytest.approx(expected, rel=1e-5)


def test_beta_norm_is_said_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    model = tiny(beta=4)
    assert model.beta_norm == pytest.approx(4 * 3 / (3 * 16 * 16))
    with caplog.at_level(logging.INFO):
        model.on_fit_start()
    assert "beta_norm = 4 * 3 latents / 768 pixels and channels = 0.0156" in caplog.text


def test_a_high_beta_closes_the_latents() -> None:
    nats = {}
    for beta in (0.0, 1000.0):
        model, trainer = tiny(beta=beta), quiet_trainer(max_steps=60, max_epochs=-1)
        torch.manual_seed(0)
        trainer.fit(model, shapes())
        nats[beta] = trainer.callback_metrics["train/divergence"].item()
    assert nats[1000.0] < 0.1 < 0.5 < nats[0.0]


def test_it_scores_factors_and_floors() -> None:
    model, kept = tiny(latent_dim=4), Kept()
    trainer = quiet_trainer(logger=kept)
    trainer.test(model, shapes(), verbose=False)
    scores = {name.removeprefix("test/"): value for name, value in trainer.callback_metrics.items()}
    for factor in ("shape", "colour", "x", "y", "size"):
        assert -1e-6 <= scores[f"mig_{factor}"] <= 1
    for name in ("mig", "disentanglement", "completeness", "informativeness"):
        assert {name, f"{name}_random_encoder", f"{name}_pca"} <= scores.keys()
    assert "mig_shuffled" in scores
    assert kept.pictures["traversals"].shape[0] == 3


def test_classes_are_a_factor_where_no_others_are_known() -> None:
    model, trainer = tiny(channels=1, class_names=list("0123456789")), quiet_trainer()
    trainer.test(model, GanImages(Digits(), 16), verbose=False)
    assert "test/mig_class" in trainer.callback_metrics


def test_images_without_factors_are_drawn_and_not_scored() -> None:
    source = Digits()
    source.class_names = []
    model, kept = tiny(channels=1, class_names=[]), Kept()
    trainer = quiet_trainer(logger=kept)
    trainer.test(model, GanImages(source, 16), verbose=False)
    assert "traversals" in kept.pictures
    assert {"test/loss", "test/active_latents"} <= trainer.callback_metrics.keys()
    assert "test/mig" not in trainer.callback_metrics


@pytest.mark.parametrize("size", [16, 32, 64])
def test_networks_fit_each_other(size: int) -> None:
    options = (3, size, 5, 4, 8)
    codes = Encoder(*options)(torch.rand(2, 3, size, size))
    assert codes.shape == (2, 10)
    assert Decoder(*options)(codes[:, :5]).shape == (2, 3, size, size)
    assert codes[0].sub(codes[1]).abs().max() > 1e-3  # images tell themselves apart from the start


def test_a_traversal_moves_one_latent() -> None:
    rows = traverse(torch.tensor([0.5, -1.0, 3.0]), 1, 2.0, 5)
    assert rows[:, 1].tolist() == [-2, -1, 0, 1, 2]
    assert (rows[:, [0, 2]] == torch.tensor([0.5, 3.0])).all()


def test_predict_takes_any_image() -> None:
    model = tiny().eval()
    inputs = [torch.randint(256, (1, 40, 30), dtype=torch.uint8), torch.randint(256, (3, 16, 16), dtype=torch.uint8)]
    found = model.predict(inputs)
    assert [len(row["latents"]) for row in found.rows] == [len(row["divergence"]) for row in found.rows] == [3, 3]
    assert found.images[0].shape == found.images[1].shape
    assert all(0 <= row["active_latents"] <= 3 for row in found.rows)
    with pytest.raises(ValueError, match="no use for it: leave --prompt out"):
        model.predict(inputs, PredictOptions(prompts=["a disc"]))


def test_samples_repeat_with_their_seed() -> None:
    model = tiny().eval()
    first, again = model.sample(2, seed=3), model.sample(2, seed=3)
    assert first.rows == again.rows
    assert all(torch.equal(a, b) for a, b in zip(first.images, again.images, strict=True))
    with pytest.raises(ValueError, match="knows no classes"):
        model.sample(1, label="disc")


@pytest.mark.parametrize("values", [{}, {"capacity": 5.0, "capacity_steps": 6, "likelihood": "gaussian"}])
def test_resume_is_exact(values: dict, tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(partial(tiny, schedule="linear", **values), shapes, tmp_path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image_size": 28}, "data.image_size=28: beta_vae takes 16, 32, 64, 128"),
        ({"likelihood": "poisson"}, "model.likelihood='poisson': one of bernoulli, gaussian"),
        ({"schedule": "never"}, "model.schedule='never'"),
        ({"beta": -1}, "set model.beta >= 0"),
        ({"capacity": -1}, "capacity >= 0 or null"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tiny(**values)


def test_a_latent_is_labelled_with_a_factor_that_it_knows() -> None:
    """The second says most of a factor that nobody says anything of, and something of the last."""
    nats = torch.tensor([[0.001, 0.9, 0.2], [0.04, 0.1, 0.6], [0.002, 0.0, 0.3]])
    assert best_factors(nats) == [1, 2, 2]
