"""Colourisation: what is seen and said, the losses, the scores and their floors, hints, predictions."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from leyden.core.technique import PredictOptions
from leyden.data.batches.gan.completion.colour import Colours
from leyden.data.colour_space import to_lab, to_rgb
from leyden.data.columns import ColourImages
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.gan.completion.colour_evaluation import heat, hue_right
from leyden.gan.completion.colourise import Colourise
from leyden.gan.completion.scores import Errors, Sheet, decibels
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer


def tiny(**values) -> Colourise:
    torch.manual_seed(0)
    small = {"image_size": 16, "base_channels": 2, "downs": 2, "discriminator_channels": 2, "discriminator_layers": 1}
    return Colourise(**{**small, **values})


def new_data(**values) -> Colours:
    return Colours(ImagePatches(16, 12, 4, 6), batch_size=4, **values)


def batch_of(count: int = 2) -> ColourImages:
    images = ImagePatches(16, count, 1, 1).split("train").columns.images
    return ColourImages(*to_lab(images), torch.rand(count, 1, 16, 16) < 0.1)


# What the networks see.


def test_networks_see_scaled_lab() -> None:
    model, batch = tiny(), batch_of()
    model.trainer = quiet_trainer()
    lightness, real, fake = model.prepare(batch)
    torch.testing.assert_close(lightness, batch.lightness / 50 - 1)
    torch.testing.assert_close(real, batch.ab / 110)
    assert fake.shape == real.shape
    assert max(value.abs().max() for value in (lightness, real, fake)) <= 1


def test_hints_show_the_colours_of_their_pixels_alone() -> None:
    model, batch = tiny(hints=3), batch_of()
    x = model.seen(*batch)
    assert x.shape == (2, 4, 16, 16)
    hinted = batch.hinted.expand(-1, 2, -1, -1)
    torch.testing.assert_close(x[:, 1:3][hinted], batch.ab[hinted] / 110)
    assert not x[:, 1:3][~hinted].any()
    assert torch.equal(x[:, 3:], batch.hinted.float())


def test_without_hints_colours_are_not_seen() -> None:
    model, batch = tiny(), batch_of()
    assert torch.equal(model.colours(*batch), model.colours(batch.lightness, -batch.ab, ~batch.hinted))


def test_losses_are_the_papers() -> None:
    model = tiny(adversarial_weight=0.5, l1_weight=10)
    model.trainer = quiet_trainer(log_every_n_steps=0)
    lightness, real, fake = torch.rand(2, 1, 16, 16), torch.rand(2, 2, 16, 16), torch.rand(2, 2, 16, 16)
    d_real, d_fake = (model.discriminator(torch.cat([lightness, ab], 1)) for ab in (real, fake))
    softplus = nn.functional.softplus
    expected = 10 * (fake - real).abs().mean() + 0.5 * softplus(-d_fake).mean()
    torch.testing.assert_close(model.generator_loss(lightness, real, fake), expected)
    expected = softplus(-d_real).mean() + softplus(d_fake).mean()
    torch.testing.assert_close(model.discriminator_loss(lightness, real, fake), expected)


# Scores.


def test_scores_and_floors_of_known_colours() -> None:
    """Exact colours, and those of the floors."""
    model, data = tiny(), new_data()
    model.evaluation.colours = lambda lightness, ab, hinted: ab
    (scores,) = quiet_trainer().test(model, data, verbose=False)
    true = data.split("test").columns.images
    lightness, ab = to_lab(true)
    grey = (to_rgb(lightness, torch.zeros_like(ab)).float() - true.float()).square().mean()
    mean = (ab - data.mean_ab()[:, None, None]).square().mean()
    assert scores["test/psnr_ab"] == scores["test/psnr_rgb"] == float("inf")
    assert scores["test/hue_right"] == scores["test/colourfulness_ratio"] == 1
    assert scores["test/psnr_rgb_grey"] == pytest.approx(10 * torch.log10(255**2 / grey).item(), abs=1e-3)
    assert scores["test/psnr_ab_grey"] == pytest.approx(10 * torch.log10(220**2 / ab.square().mean()).item(), abs=1e-3)
    assert scores["test/psnr_ab_mean"] == pytest.approx(10 * torch.log10(220**2 / mean).item(), abs=1e-3)


def test_grey_scores_as_its_floor() -> None:
    model = tiny()
    model.evaluation.colours = lambda lightness, ab, hinted: torch.zeros_like(ab)
    (scores,) = quiet_trainer().test(model, new_data(), verbose=False)
    assert scores["test/psnr_rgb"] == scores["test/psnr_rgb_grey"]
    assert scores["test/colourfulness_ratio"] < 0.01
    assert scores["test/hue_right"] == 0


def test_hue_is_right_within_18_degrees() -> None:
    def direction(degrees: float) -> torch.Tensor:
        angle = torch.deg2rad(torch.tensor(degrees))
        return torch.stack([angle.cos(), angle.sin()]).view(1, 2, 1, 1).expand(1, 2, 3, 3)

    assert [hue_right(direction(10 + by), 7 * direction(10)).item() for by in (0, 17, -17, 19, 180)] == [1, 1, 1, 0, 0]


def test_errors_are_means_over_all_values() -> None:
    errors = Errors()
    errors.add("a", torch.tensor([1.0, 2.0, 3.0]))
    errors.add("a", torch.tensor([[10.0]]))
    assert errors.take() == {"a": 4.0}
    assert errors.take() == {}
    assert decibels(1.0, 10.0) == 20
    assert decibels(0.0, 1.0) == float("inf")


@pytest.mark.parametrize(
    ("sizes", "taken"), [([256], [12]), ([8, 8, 8, 1], [3, 3, 3, 1]), ([2] * 40, [1] * 12 + [0] * 28), ([5], [5])]
)
def test_a_sheet_has_images_of_every_batch(sizes: list[int], taken: list[int]) -> None:
    sheet, added = Sheet(), []
    for size in sizes:
        places = sheet.places(len(sizes), size)
        assert places == sorted(set(places) & set(range(size)))
        if places:
            sheet.add({"one": torch.zeros(len(places), 1, 4, 4, dtype=torch.uint8)})
        added.append(len(places))
    assert added == taken
    assert sheet.draw().shape[0] == 3
    assert sheet.draw() is None


def test_heat_goes_from_dark_to_bright() -> None:
    drawn = heat(torch.tensor([[[-1.0, 0.0, 0.5, 1.0, 9.0]]])).float().mean(1).flatten().tolist()
    assert drawn[0] == drawn[1] < drawn[2] < drawn[3] == drawn[4]


# The training.


@pytest.mark.parametrize("hints", [0, 5])
def test_a_run_logs_scores_and_a_sheet(hints: int) -> None:
    logger, model = Kept(), tiny(hints=hints)
    run = quiet_trainer(max_steps=2, limit_val_batches=1, val_check_interval=2, logger=logger, log_every_n_steps=1)
    run.fit(model, new_data(hints=hints))
    assert {"val/psnr_rgb", "val/psnr_rgb_grey", "val/psnr_ab_mean", "val/hue_right"} <= run.callback_metrics.keys()
    assert model.monitor in run.callback_metrics
    assert {"train/loss_generator", "train/loss_discriminator", "train/d_ranking"} <= set(logger.steps)
    assert logger.pictures["colours"].shape[0] == 3


def test_resume_is_exact(tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(partial(tiny, hints=2), partial(new_data, hints=2), tmp_path)


@pytest.mark.parametrize(
    "values", [{"loss": "hinge", "spectral_norm": True}, {"adversarial_weight": 0, "ema_decay": 0.9}]
)
def test_options_of_all_gans_act(values: dict) -> None:
    model = tiny(**values)
    quiet_trainer(max_steps=2, precision="bf16-mixed").fit(model, new_data())
    assert all(p.isfinite().all() for p in model.parameters())


# Predictions.


def test_predict_keeps_size_and_lightness() -> None:
    """Grey or coloured, of any size; one muted colour, so that none falls out of RGB."""
    model = tiny()
    model.ema.network.up[0][1].bias.data.fill_(0.15)
    inputs = [torch.randint(40, 216, size, dtype=torch.uint8) for size in [(1, 16, 16), (3, 21, 34), (1, 3, 5)]]
    rows, images, _ = model.predict(inputs)
    assert [(row["width"], row["height"]) for row in rows] == [(16, 16), (34, 21), (5, 3)]
    for image, given in zip(images, inputs, strict=True):
        assert image.shape == (3, *given.shape[1:])
        before, after = (to_lab(each.expand(3, -1, -1))[0] for each in (given, image))
        torch.testing.assert_close(after, before, rtol=0, atol=0.6)  # a step of 8 bits
        assert (image[0] != image[2]).any()


def test_an_image_s_own_colours_are_not_looked_at() -> None:
    model = tiny()
    image = to_rgb(*to_lab(ImagePatches(16, 1, 1, 1).split("train").columns.images))[0]
    lightness, ab = to_lab(image[None])
    expected = to_rgb(lightness, model.colours(lightness, 0 * ab, torch.zeros_like(lightness, dtype=torch.bool)))[0]
    assert torch.equal(model.predict([image]).images[0], expected)


def test_hints_are_what_a_mask_leaves_out() -> None:
    model, image = tiny(hints=3), ImagePatches(16, 1, 1, 1).split("train").columns.images[0]
    mask = torch.ones(16, 16, dtype=torch.bool)
    mask[4, 5] = False
    lightness, ab = to_lab(image[None])
    expected = to_rgb(lightness, model.colours(lightness, ab, ~mask[None, None]))[0]
    assert torch.equal(model.predict([image], PredictOptions(masks=[mask])).images[0], expected)
    assert not torch.equal(model.predict([image]).images[0], expected)
    with pytest.raises(ValueError, match="leave --mask out"):
        tiny().predict([image], PredictOptions(masks=[mask]))


@pytest.mark.parametrize(
    ("values", "message"),
    [({"image_size": 18, "downs": 2}, "can be halved 1 times"), ({"discriminator_layers": 3}, "too small for model")],
)
def test_what_does_not_fit_is_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**values)
