"""MUNIT: what its networks hear of, the losses by hand, what a training step moves, predictions both ways."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from leyden.core.technique import PredictOptions
from leyden.data.batches.gan.unpaired import Unpaired, UnpairedImages
from leyden.data.columns import Images
from leyden.data.source.styled.faces import StyledFaces
from leyden.gan.content_style.content_style import ContentStyle
from leyden.gan.content_style.nets import (
    AutoEncoder,
    ContentEncoder,
    Decoder,
    MultiScaleDiscriminator,
    StyledBlock,
    StyleEncoder,
)
from leyden.gan.pixels import to_signed
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer

SPEC = {"class_names": ["photograph"], "channels": 3, "image_size": 16}


def tiny(**values) -> ContentStyle:
    torch.manual_seed(0)
    small = {"base_channels": 2, "downs": 1, "blocks": 1, "style_dim": 3, "style_width": 4, "scales": 2, "styles": 2}
    looks = {"discriminator_channels": 2, "discriminator_layers": 2, "eval_samples": 20}
    return ContentStyle(**{**SPEC, **small, **looks, **values})


def new_data() -> UnpairedImages:
    sources = (StyledFaces(styles, 16, views=1) for styles in (["photograph"], ["oil", "halftone"]))
    return UnpairedImages(*sources, batch_size=4)


def random_batch(count: int = 3) -> Unpaired:
    a, b = (torch.randint(0, 256, (count, 3, 16, 16), dtype=torch.uint8) for _ in range(2))
    return Unpaired(Images(a), Images(b))


# The networks.


def test_contents_know_neither_brightness_nor_contrast() -> None:
    torch.manual_seed(0)
    encoder, images = ContentEncoder(3, 4, 2, 1), torch.rand(2, 3, 16, 16) - 0.5
    contents = encoder(images)
    assert contents.shape == (2, 16, 4, 4)
    torch.testing.assert_close(encoder(3 * images + 1), contents, rtol=1e-2, atol=1e-2)


def test_styles_know_neither_place_nor_order() -> None:
    """Shifted by as far as the strides reach, an image that repeats has the same style."""
    encoder = StyleEncoder(1, 2, 2, 5)
    tile = torch.rand(1, 1, 4, 4)
    images = tile.repeat(1, 1, 16, 16)
    styles = encoder(torch.cat([images, images.roll(4, 3), 2 * images]))
    assert styles.shape == (3, 5)
    torch.testing.assert_close(styles[0], styles[1])
    assert not torch.allclose(styles[0], styles[2], rtol=1e-2)


def test_a_block_has_the_style_s_statistics() -> None:
    block, x, parameters = StyledBlock(4), torch.randn(2, 4, 6, 6), torch.randn(2, 4, 4)
    added = block(x, parameters) - x
    torch.testing.assert_close(added.mean((2, 3)), parameters[:, 2], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(added.std((2, 3), correction=0), (1 + parameters[:, 3]).abs(), rtol=1e-4, atol=1e-4)


def test_a_decoder_takes_the_place_from_content_alone() -> None:
    """One style for all places: where contents are even, so is the image but for its margin."""
    decoder = Decoder(3, 2, 1, 2, 3, 4)
    image = decoder(torch.ones(1, 4, 16, 16), torch.randn(1, 3))
    assert image.shape == (1, 3, 32, 32)
    assert image.std((2, 3)).max() < 1e-5
    assert image.abs().max() <= 1


def test_paper_size_halves_styles_four_times() -> None:
    style = AutoEncoder(3, 64, 2, 4, 8, 256, 256).style
    assert [layer.stride[0] for layer in style if isinstance(layer, nn.Conv2d)] == [1, 2, 2, 2, 2]
    assert [layer.out_channels for layer in style if isinstance(layer, nn.Conv2d)] == [64, 128, 256, 256, 256]


def test_scales_see_halved_images() -> None:
    networks, images = MultiScaleDiscriminator(3, 2, 2, 2), torch.randn(2, 3, 16, 16)
    assert [networks.look(images, scale).shape for scale in (0, 1)] == [(2, 1, 4, 4), (2, 1, 2, 2)]
    halved = nn.functional.avg_pool2d(images, 3, 2, 1, count_include_pad=False)
    assert torch.equal(networks.look(images, 1), networks[1](halved))


# The losses.


@pytest.mark.parametrize("cycle_weight", [0.0, 5.0])
def test_generator_loss_is_the_papers(cycle_weight: float) -> None:
    model, batch = tiny(swap="images", cycle_weight=cycle_weight), random_batch()
    model.trainer = quiet_trainer()
    nets, real = model.generator, {"a": to_signed(batch.a.images), "b": to_signed(batch.b.images)}
    expected = torch.zeros(())
    for own, other in ("ab", "ba"):
        content, style = nets[own].content(real[own]), nets[own].style(real[own])
        wanted = nets[other].style(real[other])
        made = nets[other].decode(content, wanted)
        again = nets[other].content(made)
        expected = expected + 10 * (nets[own].decode(content, style) - real[own]).abs().mean()
        expected = expected + (again - content).abs().mean() + (nets[other].style(made) - wanted).abs().mean()
        expected = expected + cycle_weight * (nets[own].decode(again, style) - real[own]).abs().mean()
        for scale in (0, 1):
            expected = expected + (model.discriminator[other].look(made, scale) - 1).square().mean()
    torch.testing.assert_close(model.generator_loss(*model.prepare(batch)), expected)


def test_discriminator_loss_is_the_papers() -> None:
    model, batch = tiny(), random_batch()
    model.trainer = quiet_trainer()
    a, b = model.prepare(batch)
    looks = [partial(model.discriminator["a"].look, scale=scale) for scale in (0, 1)]
    expected = sum(((look(a.real) - 1).square().mean() + look(a.fake).square().mean()) / 2 for look in looks)
    torch.testing.assert_close(model.discriminator_a_loss(a, b), expected)


def test_styles_of_training_come_from_prior_or_images() -> None:
    styles = torch.full((4000, 2), 7.0, requires_grad=True)
    drawn = tiny().wanted(styles)
    assert abs(drawn.mean().item()) < 0.1
    assert drawn.std().item() == pytest.approx(1, abs=0.05)
    given = tiny(swap="images").wanted(styles)
    assert torch.equal(given, styles)
    assert not given.requires_grad


def test_wanted_styles_are_constants() -> None:
    """Or images would be given the styles that are easiest to draw, not their own."""
    model = tiny(swap="images", image_weight=0.0, content_weight=0.0, adversarial_weight=0.0)
    model.trainer = quiet_trainer()
    a, b = model.prepare(random_batch())
    assert b.style.requires_grad
    assert not b.wanted.requires_grad
    model.generator_loss(a, b).backward()
    gradients = [p.grad for p in model.networks("b").style.parameters()]
    assert all(gradient is not None for gradient in gradients)  # of x_ab's style, which must be the wanted one


# Training.


def test_a_step_moves_all_networks() -> None:
    model = tiny()
    before = {name: value.clone() for name, value in model.named_parameters()}
    run = quiet_trainer(max_steps=1)
    run.fit(model, new_data())
    assert run.global_step == 1
    for name, value in model.named_parameters():
        if name.endswith("weight"):
            assert not torch.equal(value, before[name]), name


@pytest.mark.parametrize(
    "values", [{"loss": "hinge", "spectral_norm": True}, {"n_critic": 2, "r1": 1.0, "schedule": "constant"}]
)
def test_options_of_all_gans_act(values: dict) -> None:
    model = tiny(**values)
    quiet_trainer(max_steps=4).fit(model, new_data())
    assert all(p.isfinite().all() for p in model.parameters())


def test_resume_is_exact(tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(partial(tiny, schedule="late_linear"), new_data, tmp_path, steps=5, stop=2)


def test_a_run_logs_scores_and_swaps() -> None:
    logger, model = Kept(), tiny()
    run = quiet_trainer(max_steps=1, limit_val_batches=1, val_check_interval=1, logger=logger, log_every_n_steps=1)
    run.fit(model, new_data())
    assert {"val/identity", "val/likeness", "val/style_accuracy", model.monitor} <= run.callback_metrics.keys()
    assert {"train/loss_generator", "train/loss_discriminator_a", "train/d_ranking"} <= set(logger.steps)
    assert logger.pictures["swaps"].shape[0] == 3


def test_a_shared_encoder_learns_from_both_domains() -> None:
    model = tiny(shared_content=True)
    first, second = (model.networks(domain).content for domain in "ab")
    assert first is second
    quiet_trainer(max_steps=2).fit(model, new_data())
    assert model.networks("a").content is model.networks("b").content
    averaged = [model.networks(domain, averaged=True).content.state_dict() for domain in "ab"]
    torch.testing.assert_close(averaged[0], averaged[1], rtol=0, atol=0)
    torch.testing.assert_close(averaged[0], first.state_dict(), rtol=0, atol=0)
    assert tiny().networks("a").content is not tiny().networks("b").content


# What comes out.


def test_predict_draws_in_styles_of_either_domain() -> None:
    model, inputs = tiny(), [torch.randint(0, 256, size, dtype=torch.uint8) for size in [(3, 16, 16), (1, 21, 15)]]
    quiet_trainer(max_steps=1).fit(model, new_data())
    rows, images, files = model.predict(inputs)
    assert rows[1] == {"width": 15, "height": 21, "styles": ["oil", "halftone"]}
    assert [tuple(image.shape) for image in images] == [(3, 16, 48), (3, 21, 45)]
    assert [list(each) for each in files] == [["oil.png", "halftone.png"]] * 2
    code = model.shown["b"].codes(model)[:1]
    assert torch.equal(images[0][..., 16:32], model.restyle(inputs[0][None], code)[0])
    back = model.predict(inputs, PredictOptions(direction="B2A"))
    assert back.rows[0]["styles"] == ["style 1", "style 2"]
    assert not torch.equal(back.images[0], images[0])
    with pytest.raises(ValueError, match="leave --threshold out"):
        model.predict(inputs, PredictOptions(threshold=0.5))


def test_styles_of_a_folder_take_their_place() -> None:
    model = tiny()
    dark, light = torch.zeros(3, 20, 30, dtype=torch.uint8), torch.full((1, 9, 9), 255, dtype=torch.uint8)
    model.set_support([dark, light, light], torch.tensor([0, 1, 1]), ["dark", "light"])
    wanted = model.style_codes(torch.stack([torch.zeros(3, 16, 16), torch.full((3, 16, 16), 255)]).byte())
    torch.testing.assert_close(model.shown["b"].codes(model), wanted)
    assert model.predict([dark]).rows[0]["styles"] == ["dark", "light"]


def test_restyle_is_content_and_style() -> None:
    model, images = tiny(ema_decay=0.0), random_batch().a.images
    codes = torch.randn(3, 3)
    made = to_signed(model.restyle(images, codes, "ba"))
    by_hand: Tensor = model.generator["a"].decode(model.generator["b"].content(to_signed(images)), codes)
    assert (made - by_hand).abs().max() <= 1 / 127.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_size": 18, "downs": 2}, "data.image_size=18: take a multiple of 4"),
        ({"discriminator_layers": 5}, "from 64"),
        ({"swap": "labels"}, "model.swap must be prior or images"),
    ],
)
def test_options_that_do_not_fit_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**values)
