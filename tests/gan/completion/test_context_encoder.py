"""Context encoders: the network's parts, the weighted loss, what is filled and what stays."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from leyden.core.technique import PredictOptions
from leyden.data.batches.gan.completion.holes import Holes
from leyden.data.columns import HoledImages
from leyden.data.source.builtin.digits import Digits
from leyden.gan.completion.context_encoder import ContextEncoder, reconstruction_loss, seen
from leyden.gan.completion.hole_evaluation import biharmonic_fill, mean_fill
from leyden.gan.completion.nets import ChannelwiseLinear, ContextGenerator
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer


def tiny(**values) -> ContextEncoder:
    torch.manual_seed(0)
    small = {"channels": 1, "image_size": 16, "hole_size": 0.4, "base_channels": 2, "discriminator_channels": 2}
    return ContextEncoder(**{**small, "discriminator_layers": 1, "overlap": 1, **values})


def new_data(**values) -> Holes:
    return Holes(Digits(), 16, batch_size=4, **values)


# The network.


def test_channelwise_layer_has_the_papers_weights() -> None:
    """m n^4 of 256 maps of 6 x 6, where a fully connected layer would have m^2 n^4 (section 3.1)."""
    with torch.device("meta"):
        layer = ChannelwiseLinear(256, 6)
    assert layer.weight.numel() == 256 * 6**4 == 331_776


def test_channelwise_layer_connects_places_not_maps() -> None:
    layer = ChannelwiseLinear(3, 4)
    maps = torch.randn(2, 3, 4, 4, requires_grad=True)
    layer(maps)[0, 1, 2, 3].backward()
    assert (maps.grad[0, 1] != 0).all()
    assert maps.grad.count_nonzero() == 16


def test_channelwise_layer_is_a_linear_layer_per_map() -> None:
    layer, maps = ChannelwiseLinear(3, 4), torch.randn(2, 3, 4, 4)
    for channel in range(3):
        expected = nn.functional.linear(maps[:, channel].flatten(1), layer.weight[channel], layer.bias[channel])
        torch.testing.assert_close(layer(maps)[:, channel].flatten(1), expected)


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("side", [16, 64])
def test_generator_keeps_the_shape_and_hears_of_all(side: int, skips: bool) -> None:
    torch.manual_seed(0)
    network = ContextGenerator(3, side, 2, skips)
    x = torch.randn(2, 4, side, side, requires_grad=True)
    made = network(x)
    assert made.shape == (2, 3, side, side)
    made[0, 0, 0, 0].backward()
    assert (x.grad[0].abs().sum(0) > 0).all()
    assert all(p.grad is not None for p in network.parameters())


def test_authors_widths_at_128_pixels() -> None:
    with torch.device("meta"):
        network = ContextGenerator(3, 128)
    widths = [layer.out_channels for layer in network.encoder.modules() if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 128, 256, 512, 512]


# The loss.


def test_what_is_seen_has_the_mean_in_the_hole() -> None:
    images, holes = torch.rand(1, 3, 4, 4), torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    holes[..., 1:3, 1:3] = True
    x = seen(images, holes)
    mean = images[0][:, ~holes[0, 0]].mean(1)
    torch.testing.assert_close(x[0, :3, 1, 2], mean)
    assert torch.equal(x[0, 3], holes[0, 0].float())
    assert torch.equal(x[0, :3, 0], images[0, :, 0])


def test_what_is_in_the_hole_is_not_seen() -> None:
    images, holes = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16) < 0.3
    assert torch.equal(seen(images, holes), seen(torch.where(holes, 7.0, images), holes))


def test_weighted_error_in_closed_form() -> None:
    """A hole of 2 x 2 with error 1, a band of 12 pixels around it with error 0.5, weighed 10 times."""
    holes = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    holes[..., 3:5, 3:5] = True
    images = torch.zeros(1, 2, 8, 8)
    made = torch.where(holes, 1.0, 0.5).expand(1, 2, 8, 8)
    expected = (4 * 1 + 10 * 12 * 0.25) / (4 + 10 * 12)
    assert reconstruction_loss(made, images, holes, 1, 10).item() == pytest.approx(expected)
    assert reconstruction_loss(made, images, holes, 0, 10).item() == pytest.approx(1)


def test_far_from_the_hole_nothing_is_learned() -> None:
    holes = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    holes[..., 0, 0] = True
    made = torch.rand(1, 1, 8, 8, requires_grad=True)
    reconstruction_loss(made, torch.zeros(1, 1, 8, 8), holes, 2, 10).backward()
    assert (made.grad[0, 0, :3, :3] != 0).all()
    assert made.grad.count_nonzero() == 9


def test_losses_are_the_papers() -> None:
    model = tiny(reconstruction_weight=0.9, adversarial_weight=0.1)
    model.trainer = quiet_trainer(log_every_n_steps=0)
    images, made, holes = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16) < 0.3
    completed = torch.where(holes, made, images)
    d_real, d_fake = model.discriminator(images), model.discriminator(completed)
    softplus = nn.functional.softplus
    expected = 0.9 * reconstruction_loss(made, images, holes, 1, 10) + 0.1 * softplus(-d_fake).mean()
    torch.testing.assert_close(model.generator_loss(images, holes, made), expected)
    torch.testing.assert_close(
        model.discriminator_loss(images, holes, made), softplus(-d_real).mean() + softplus(d_fake).mean()
    )


# The floors.


def test_mean_fill_is_of_what_is_known() -> None:
    images = torch.tensor([[10, 20], [30, 200]], dtype=torch.uint8).view(1, 1, 2, 2)
    holes = torch.tensor([[False, False], [False, True]]).view(1, 1, 2, 2)
    assert mean_fill(images, holes).flatten().tolist() == [10, 20, 30, 20]


def test_biharmonic_fill_continues_a_slope() -> None:
    """A plane is biharmonic: what was there comes back."""
    plane = (torch.arange(16) * 10)[:, None] + torch.arange(16)
    images = plane.to(torch.uint8).expand(2, 3, 16, 16)
    holes = torch.zeros(2, 1, 16, 16, dtype=torch.bool)
    holes[..., 5:11, 5:11] = True
    filled = biharmonic_fill(torch.where(holes, 0, images), holes)
    assert (filled.int() - images.int()).abs().max() <= 1


# The training.


def test_a_run_logs_scores_and_a_sheet() -> None:
    logger, model = Kept(), tiny()
    run = quiet_trainer(max_steps=2, limit_val_batches=1, val_check_interval=2, logger=logger, log_every_n_steps=1)
    run.fit(model, new_data())
    assert {"val/psnr", "val/psnr_mean"} <= run.callback_metrics.keys()
    assert model.monitor in run.callback_metrics
    assert {"train/loss_generator", "train/loss_discriminator", "train/d_ranking"} <= set(logger.steps)
    assert logger.pictures["holes"].shape[0] == 3


def test_scores_are_of_the_holes_alone() -> None:
    model, data = tiny(), new_data()
    run = quiet_trainer(limit_test_batches=1)
    (scores,) = run.test(model, data, verbose=False)
    images, holes = next(iter(data.test_dataloader()))
    errors = (model.complete(images, holes).float() - images.float())[holes].square().mean()
    assert scores["test/psnr"] == pytest.approx(10 * torch.log10(255**2 / errors).item(), abs=1e-4)
    assert scores["test/psnr_biharmonic"] > scores["test/psnr_mean"]


def test_resume_is_exact(tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(partial(tiny, schedule="linear"), new_data, tmp_path)


@pytest.mark.parametrize(
    "values", [{"loss": "hinge", "spectral_norm": True}, {"adversarial_weight": 0, "ema_decay": 0.9}]
)
def test_options_of_all_gans_act(values: dict) -> None:
    model = tiny(**values)
    quiet_trainer(max_steps=2, precision="bf16-mixed").fit(model, new_data())
    assert all(p.isfinite().all() for p in model.parameters())


# Predictions.


def test_complete_keeps_what_is_known() -> None:
    images, holes = torch.randint(0, 256, (3, 1, 16, 16), dtype=torch.uint8), torch.rand(3, 1, 16, 16) < 0.2
    completed = tiny().complete(images, holes)
    assert torch.equal(completed[~holes], images[~holes])
    assert not torch.equal(completed, images)


def test_predict_fills_any_size() -> None:
    inputs = [torch.randint(0, 256, size, dtype=torch.uint8) for size in [(1, 16, 16), (3, 40, 31)]]
    masks = [torch.zeros(image.shape[1:], dtype=torch.bool) for image in inputs]
    for mask in masks:
        mask[3:8, 4:9] = True
    rows, images, _ = tiny().predict(inputs, PredictOptions(masks=masks))
    assert rows == [{"width": 16, "height": 16, "filled": 25}, {"width": 31, "height": 40, "filled": 25}]
    for image, given, mask in zip(images, inputs, masks, strict=True):
        assert torch.equal(image[:, ~mask], given.expand(3, -1, -1)[:, ~mask])


def test_a_missing_mask_is_refused_with_the_cure() -> None:
    with pytest.raises(ValueError, match="give --mask FILE, an image that is white in the hole"):
        tiny().predict([torch.zeros(1, 16, 16, dtype=torch.uint8)])
    with pytest.raises(ValueError, match="a mask is white all over"):
        tiny().predict([torch.zeros(1, 9, 9)], PredictOptions(masks=[torch.ones(9, 9, dtype=torch.bool)]))
    with pytest.raises(ValueError, match="leave --threshold out"):
        tiny().predict([], PredictOptions(threshold=0.5))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_size": 24}, "takes 16, 32, 64"),
        ({"discriminator_layers": 3}, "too small for model.discriminator_layers=3: take 32"),
        ({"overlap": -1}, "model.overlap=-1"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**values)


def test_a_batch_is_made_whole() -> None:
    model = tiny()
    model.trainer = quiet_trainer()
    batch = HoledImages(torch.zeros(2, 1, 16, 16, dtype=torch.uint8), torch.ones(2, 1, 16, 16, dtype=torch.bool))
    images, holes, made = model.prepare(batch)
    assert torch.equal(images, torch.full_like(images, -1))
    assert holes.all()
    assert made.shape == images.shape
    assert made.isfinite().all()  # though nothing is known
