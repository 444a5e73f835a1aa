"""Training: lazy regularisation, Adam's correction for it, truncated samples, resuming."""

from pathlib import Path

import pytest
import torch
from lightning import seed_everything

from leyden.data.batches.gan.images import GanImages
from leyden.data.source.builtin.digits import Digits
from leyden.gan import penalties
from leyden.gan.noise_to_image.stylegan.stylegan import StyleGAN
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer

FACTS = {"class_names": [str(i) for i in range(10)], "channels": 1, "image_size": 16}
SMALL = {"base_channels": 2, "max_channels": 4, "latent_dim": 6, "style_dim": 6, "eval_samples": 100}


def tiny(**values) -> StyleGAN:
    return StyleGAN(**{**FACTS, **SMALL, **values})


def test_regularisation_is_lazy(data: GanImages) -> None:
    """Its steps are the player's own optimizer's, and the batches alone are counted."""
    model, run = tiny(r1_every=4, path_every=2), quiet_trainer(max_steps=8)
    run.fit(model, data)
    assert run.global_step == 8
    # The image's bias, the noise that only D's step reaches and the like have no part in the path length.
    steps = [max(int(state["step"]) for state in optimizer.state.values()) for optimizer in run.optimizers]
    assert steps == [8 + 2, 8 + 4]
    assert model.path_mean > 0


def test_adam_is_corrected_for_lazy_steps() -> None:
    players = tiny(beta1=0.5).players
    assert list(players) == ["discriminator", "r1", "generator", "path_length"]
    assert players["discriminator"].lr == pytest.approx(0.0025 * 16 / 17)
    assert players["discriminator"].betas == pytest.approx((0.5 ** (16 / 17), 0.99 ** (16 / 17)))
    assert players["generator"].lr == pytest.approx(0.0025 * 4 / 5)
    assert players["generator"].betas == pytest.approx((0.5**0.8, 0.99**0.8))
    without = tiny(r1=0.0, path_length=0.0).players
    assert list(without) == ["discriminator", "generator"]
    assert without["discriminator"].lr == without["generator"].lr == 0.0025


def test_lazy_terms_weigh_as_many_batches() -> None:
    seed_everything(0, verbose=False)
    model = tiny(r1=0.5, r1_every=8)
    real = torch.rand(8, 1, 16, 16) * 2 - 1
    expected = 8 * 0.5 * penalties.r1(model.discriminator, real)
    torch.testing.assert_close(model.r1_loss(real, real), expected)
    gradient = torch.autograd.grad(model.r1_loss(real, real), list(model.discriminator.parameters()), allow_unused=True)
    assert sum(g is not None and g.abs().sum() > 0 for g in gradient) > 8


def test_path_lengths_of_a_linear_generator() -> None:
    """Image = w a: J^T y = a y, of length |a| |y| in each layer."""
    a = torch.tensor([3.0, 4.0])
    styles = torch.randn(5, 7, 2).requires_grad_()
    images = (styles @ a).sum(1).view(5, 1, 1, 1)
    torch.manual_seed(3)
    found = penalties.path_lengths(images, styles)
    torch.manual_seed(3)
    torch.testing.assert_close(found, 5 * torch.randn(5, 1, 1, 1).abs().flatten())


def test_truncation_to_zero_samples_one_image(data: GanImages) -> None:
    model = tiny(truncation=0.0)
    quiet_trainer(max_steps=2).fit(model, data)
    samples = model.generate(model.sampler.fixed_noise)
    assert (samples.float() - samples[:1].float()).abs().max() <= 1  # grey levels, by rounding


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"style": "spade"}, "modulation or adain"),
        ({"ada_target": 1.5}, "between 0 and 1"),
        ({"image_size": 28}, "set data.image_size"),
    ],
)
def test_bad_options_name_the_cure(values, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**values)


@pytest.mark.parametrize("values", [{}, {"style": "adain", "residual": False, "ada_target": None}])
def test_resume_is_exact(values, tmp_path: Path) -> None:
    make = lambda: tiny(**values, r1_every=2, path_every=2)  # noqa: E731
    assert_resumed_is_as_if_left_alone(make, lambda: GanImages(Digits(), 16, 200), tmp_path)


def test_the_test_shows_styles(data: GanImages) -> None:
    logger, model = Kept(), tiny(eval_samples=200)
    run = quiet_trainer(max_steps=4, limit_val_batches=0, logger=logger, log_every_n_steps=2)
    run.fit(model, data)
    assert logger.steps["train/augment_probability"] == [1, 3]
    run.test(model, data, verbose=False)
    assert logger.pictures.keys() >= {model.main_image, "samples", "real_and_samples"}
    assert logger.pictures["styles"].dtype == torch.uint8
