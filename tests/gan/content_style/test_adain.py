"""AdaIN: golden values, the losses in closed form, what a training step moves, alpha, styles of other images."""

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from leyden.core.technique import PredictOptions
from leyden.data.batches.gan.unpaired import Unpaired, UnpairedImages
from leyden.data.columns import Images
from leyden.data.source.styled.faces import StyledFaces
from leyden.gan.content_style.adain import AdaIN, adain, statistics, style_loss
from leyden.gan.content_style.encoders import Decoder, Encoder
from leyden.gan.pixels import to_signed
from training import assert_resumed_is_as_if_left_alone, quiet_trainer

SPEC = {"class_names": ["photograph"], "channels": 3, "image_size": 16}


def tiny(**values) -> AdaIN:
    torch.manual_seed(0)
    small = {"encoder": "autoencoder", "encoder_steps": 2, "base_channels": 4, "eval_samples": 20, "styles": 2}
    return AdaIN(**{**SPEC, **small, **values})


def new_data() -> UnpairedImages:
    sources = (StyledFaces(styles, 16, views=1) for styles in (["photograph"], ["oil", "halftone"]))
    return UnpairedImages(*sources, batch_size=4)


@pytest.fixture(scope="module")
def trained() -> AdaIN:
    model = tiny()
    quiet_trainer(max_steps=2).fit(model, new_data())
    return model


# The operator and the losses.


def test_adain_is_that_of_the_facts() -> None:
    content = torch.tensor([[0.0, 1.0], [2.0, 3.0]], dtype=torch.float64)[None, None]
    style = torch.tensor([[10.0, 14.0], [10.0, 14.0]], dtype=torch.float64)[None, None]
    made = adain(content, *statistics(style)).flatten()
    expected = torch.tensor([9.316723961, 11.105574654, 12.894425346, 14.683276039], dtype=torch.float64)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-9)


def test_result_has_the_statistics_of_the_style() -> None:
    torch.manual_seed(0)
    content, style = torch.randn(3, 5, 6, 7), 3 * torch.randn(3, 5, 4, 4) + 2
    made = statistics(adain(content, *statistics(style)))
    torch.testing.assert_close(made, statistics(style), rtol=1e-4, atol=1e-4)


def test_own_statistics_change_nothing() -> None:
    maps = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(adain(maps, *statistics(maps)), maps)


def test_style_loss_in_closed_form() -> None:
    """Means differ by 2 and deviations by a factor of 3 in the first stage, by nothing in the second."""
    torch.manual_seed(0)
    one, same = torch.randn(2, 4, 5, 5, dtype=torch.float64), torch.randn(2, 3, 2, 2)
    mean, deviation = one.mean((2, 3), keepdim=True), one.std((2, 3), keepdim=True)
    other = 3 * (one - mean) + mean + 2
    expected = 4 + (2 * deviation).square().mean()
    found = style_loss([one, same], [other, same])
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)


# The networks.


def test_decoder_doubles_the_side() -> None:
    assert Decoder(5, 3, 2, 4)(torch.randn(2, 5, 3, 4)).shape == (2, 3, 12, 16)


def test_maps_have_unit_size_once_ready() -> None:
    encoder, images = Encoder("autoencoder", None, 1, 16), torch.rand(8, 1, 16, 16) * 2 - 1
    encoder.make_ready(images, "", steps=2)
    for maps, side in zip(encoder(images), (16, 8, 4), strict=True):
        assert maps.shape[2:] == (side, side)
        assert maps.square().mean().item() == pytest.approx(1, rel=1e-4)
    assert not any(p.requires_grad for p in encoder.parameters())


def test_an_autoencoder_is_a_function_of_the_images() -> None:
    images, made = torch.rand(8, 1, 16, 16) * 2 - 1, []
    for seed in (0, 1):
        torch.manual_seed(seed)
        made.append(Encoder("autoencoder", ["conv1"], 1, 16))
        before = torch.get_rng_state()
        made[-1].make_ready(images, "", steps=3)
        assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(made[0].state_dict(), made[1].state_dict(), rtol=0, atol=0)


def test_an_autoencoder_learns_to_give_images_back(caplog: pytest.LogCaptureFixture) -> None:
    images, errors = torch.linspace(-1, 1, 16).view(-1, 1, 1, 1).expand(-1, 1, 8, 8), []
    for steps in (1, 100):
        caplog.clear()
        with caplog.at_level("INFO"):
            Encoder("autoencoder", None, 1, 8).make_ready(images, "", steps)
        errors.append(float(caplog.messages[-1].split("error ")[1].split()[0]))
    assert errors[1] < 0.3 * errors[0]


def test_published_weights_are_taken_once() -> None:
    encoder = Encoder("efficientnet_lite0", None, 3, 16)
    encoder.make_ready(torch.rand(4, 3, 16, 16), "imagenet", 0)
    state = {name: value.clone() for name, value in encoder.state_dict().items()}
    encoder.make_ready(torch.rand(4, 3, 16, 16), "no/such/file", 0)
    torch.testing.assert_close(encoder.state_dict(), state, rtol=0, atol=0)
    assert [maps.shape[1:] for maps in encoder(torch.rand(1, 3, 16, 16))] == [(32, 8, 8), (16, 8, 8), (24, 4, 4)]
    encoder.train()
    assert not any(module.training for module in encoder.modules())


def test_unknown_stages_are_named() -> None:
    with pytest.raises(ValueError, match=r"model.stages has conv9: autoencoder has the stages conv1, conv2, conv3"):
        Encoder("autoencoder", ["conv9"], 3, 16)
    with pytest.raises(ValueError, match=r"model.stages has relu4_1: efficientnet_lite0 has the stages stem"):
        Encoder("efficientnet_lite0", ["relu4_1"], 3, 16)


# Training.


def test_a_step_is_the_papers() -> None:
    """The content's target is what AdaIN made, not the content."""
    model = tiny()
    a, b = (torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8) for _ in range(2))
    model.trainer = quiet_trainer()
    styles = model.encoder(to_signed(b))
    target = adain(model.encoder(to_signed(a))[-1], *statistics(styles[-1]))
    made = model.encoder(model.decoder(target))
    expected = (made[-1] - target).square().mean() + 10 * style_loss(made, styles)
    torch.testing.assert_close(model.training_step(Unpaired(Images(a), Images(b)), 0), expected)


def test_only_the_decoder_learns(trained: AdaIN) -> None:
    fresh = tiny()
    fresh.encoder.load_state_dict(trained.encoder.state_dict())
    for name, parameter in trained.named_parameters():
        same = torch.equal(parameter, fresh.get_parameter(name))
        assert same != name.startswith("decoder"), name


def test_resume_is_exact(tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(partial(tiny, schedule="linear"), new_data, tmp_path, steps=4, stop=1)


def test_a_run_logs_scores_and_floors() -> None:
    model = tiny()
    run = quiet_trainer(max_steps=1, limit_val_batches=1, val_check_interval=1)
    run.fit(model, new_data())
    assert {"val/identity", "val/likeness", "val/style_accuracy", model.monitor} <= run.callback_metrics.keys()
    (found,) = run.test(model, new_data(), verbose=False)
    assert found["test/likeness_unchanged"] == 1
    assert found["test/likeness_style"] == 0
    assert found["test/texture_distance"] > 0


# What comes out.


class FirstMaps(nn.Module):
    """Shows three maps as they are: a decoder that is linear."""

    def forward(self, maps: Tensor) -> Tensor:
        return nn.functional.interpolate(50 * maps[:, :3], scale_factor=4)


def test_alpha_goes_from_content_to_style() -> None:
    model = tiny()
    model.decoder = FirstMaps()
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    own = model.style_codes(images)
    lighter = own + 0.005 * (torch.arange(own.shape[1]) < own.shape[1] // 2)  # the means
    none, some, all_of_it = (model.restyle(images, lighter, alpha=alpha).float() for alpha in (0.0, 0.5, 1.0))
    assert (none - model.restyle(images, own).float()).abs().max() <= 1  # its own style is no change
    for made, change in ((some, 0.5), (all_of_it, 1.0)):
        assert (made - none - change * 50 * 0.005 * 127.5).abs().max() <= 2  # rounded


def test_styles_are_named_after_their_classes(trained: AdaIN, tmp_path: Path) -> None:
    assert trained.shown.names == ["oil", "halftone"]
    quiet = quiet_trainer(max_steps=0)
    quiet.strategy.connect(trained)
    quiet.save_checkpoint(tmp_path / "model.ckpt")
    again = AdaIN.load_from_checkpoint(tmp_path / "model.ckpt", map_location="cpu", weights_only=True)
    assert again.shown.names == ["oil", "halftone"]
    images = [torch.randint(0, 256, (3, 16, 16), dtype=torch.uint8)]
    assert torch.equal(again.predict(images).images[0], trained.predict(images).images[0])


def test_predict_draws_any_size_in_each_style(trained: AdaIN) -> None:
    inputs = [torch.randint(0, 256, size, dtype=torch.uint8) for size in [(3, 16, 16), (1, 21, 15)]]
    rows, images, files = trained.predict(inputs)
    assert rows[1] == {"width": 15, "height": 21, "styles": ["oil", "halftone"]}
    assert [tuple(image.shape) for image in images] == [(3, 16, 48), (3, 21, 45)]
    assert torch.equal(images[0][..., :16], inputs[0])
    assert [list(each) for each in files] == [["oil.png", "halftone.png"]] * 2
    with pytest.raises(ValueError, match="leave --direction out"):
        trained.predict(inputs, PredictOptions(direction="A2B"))


def test_styles_of_a_folder_take_their_place() -> None:
    model = tiny()
    dark, light = torch.zeros(3, 20, 30, dtype=torch.uint8), torch.full((3, 9, 9), 255, dtype=torch.uint8)
    model.set_support([dark, light, light], torch.tensor([0, 1, 1]), ["dark", "light"])
    codes = model.shown.codes(model)
    wanted = model.style_codes(torch.stack([torch.zeros(3, 16, 16), torch.full((3, 16, 16), 255)]).byte())
    torch.testing.assert_close(codes, wanted)
    assert model.predict([dark]).rows[0]["styles"] == ["dark", "light"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"alpha": 1.5}, "model.alpha=1.5: from 0"),
        ({"image_size": 18}, "data.image_size=18: maps of conv3 need multiples of 4"),
        ({"styles": 0}, "one style or more"),
    ],
)
def test_options_that_do_not_fit_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**values)
