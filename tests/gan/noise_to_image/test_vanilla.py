from functools import partial
from pathlib import Path

import pytest
import torch
from lightning import seed_everything
from torch import nn

from leyden.data.batches.gan.images import GanImages
from leyden.data.source.builtin.digits import Digits
from leyden.gan.losses import LOSSES
from leyden.gan.noise_to_image.vanilla import Discriminator, Generator, VanillaGAN
from training import assert_resumed_is_as_if_left_alone, quiet_trainer

FACTS = {"class_names": [str(i) for i in range(10)], "channels": 1, "image_size": 8}


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def tiny(**values) -> VanillaGAN:
    small = {"generator_widths": [16, 12], "discriminator_widths": [12], "latent_dim": 4, "eval_samples": 64}
    return VanillaGAN(**{**FACTS, **small, **values})


@pytest.fixture(scope="module")
def data() -> GanImages:
    return GanImages(Digits(), image_size=8, batch_size=32)


def test_parameters_are_those_of_the_layers() -> None:
    # Goodfellow's MNIST widths: sums of inputs * outputs + biases.
    generator = 100 * 1200 + 1200 + 1200 * 1200 + 1200 + 1200 * 784 + 784
    discriminator = 784 * 240 + 240 + 240 * 240 + 240 + 240 + 1
    assert count(Generator(1, 28, [1200, 1200], 100)) == generator == 2_503_984
    assert count(Discriminator(1, 28, [240, 240])) == discriminator == 246_481
    # Batch normalisation has a scale and a shift in place of the bias that it would cancel.
    assert count(Generator(1, 28, [1200, 1200], 100, norm="batch")) == generator + 2 * 1200


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 16, 17, 28])
def test_any_size_passes_both_networks(size: int, channels: int) -> None:
    images = Generator(channels, size, [6], 5)(torch.randn(4, 5))
    assert images.shape == (4, channels, size, size)
    assert images.abs().max() <= 1
    assert Discriminator(channels, size, [6])(images).shape == (4,)


def test_every_pixel_is_seen_and_moved() -> None:
    """No part of an image is out of reach of either network: gradients flow to all pixels and from all noise."""
    torch.manual_seed(0)
    noise = torch.randn(32, 5, requires_grad=True)
    images = Generator(1, 8, [64], 5)(noise)
    images.retain_grad()
    Discriminator(1, 8, [64])(images).sum().backward()
    assert (images.grad != 0).any(0).all()
    assert (noise.grad != 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_passing_together_changes_no_loss(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leyden.gan.base.logs_now", lambda module: False)
    model = tiny(loss=loss, r1=2.0, gradient_penalty=0.0)
    real, fake = torch.randn(2, 6, 1, 8, 8)
    apart = model.criterion.discriminator_loss(model.critic, real, fake)
    torch.testing.assert_close(model.discriminator_loss(real, fake), apart)


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    network, images = Discriminator(1, 8, [64], dropout=0.5), torch.randn(4, 1, 8, 8)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))
    without = Discriminator(1, 8, [64])
    assert torch.equal(without(images), without(images))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_networks_move_with_every_loss(data: GanImages, loss: str, precision: str) -> None:
    seed_everything(0, verbose=False)
    model = tiny(loss=loss, ema_decay=0.0)
    before = {name: value.clone() for name, value in model.named_parameters()}
    quiet_trainer(max_steps=2, precision=precision).fit(model, data)
    for name, value in model.named_parameters():
        assert value.isfinite().all(), name
        if name.endswith("weight"):  # a loss of differences does not move D's last bias
            assert not torch.equal(value, before[name]), name


def test_resume_is_exact(tmp_path: Path) -> None:
    new = partial(tiny, dropout=0.3, generator_norm="batch")
    assert_resumed_is_as_if_left_alone(new, lambda: GanImages(Digits(), 8, 200), tmp_path)
    again = VanillaGAN.load_from_checkpoint(tmp_path / "stopped.ckpt", weights_only=True)
    assert list(again.hparams["generator_widths"]) == [16, 12]


def test_a_seed_repeats_the_samples() -> None:
    model = tiny()
    first, again, other = (model.sample(count=3, seed=seed).images for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    with pytest.raises(ValueError, match="has no classes to ask for"):
        model.sample(1, label="3")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"generator_widths": []}, "model.generator_widths needs a number of units"),
        ({"discriminator_widths": [8, 0]}, "model.discriminator_widths needs a number of units"),
        ({"dropout": 1.0}, r"model.dropout is a fraction of units in \[0, 1\), got 1"),
    ],
)
def test_values_out_of_range_are_refused(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tiny(**values)
