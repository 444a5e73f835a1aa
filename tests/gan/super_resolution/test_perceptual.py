import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import squeezenet1_1, vgg19

from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.gan.super_resolution.perceptual import DISTORTIONS, SPOIL, Perceptual, load_perceptual, train_perceptual


@pytest.fixture(scope="module")
def images() -> Tensor:
    return ImagePatches(32, train=64, val=1, test=1).split("train").columns.images


def test_the_content_loss_is_the_mean_squared_difference_of_scaled_maps() -> None:
    layer = nn.Conv2d(1, 2, 1, bias=False)
    layer.weight.data = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    perceptual = Perceptual("by hand", layer, scale=0.5)
    ours = torch.tensor([[[[1.0, 0.0]]]], requires_grad=True)
    # Maps differ by (1, 3) * 0.5 at the one pixel and by 0 at the other: (0.25 + 2.25) / 4.
    loss = perceptual.content(ours, torch.zeros(1, 1, 1, 2))
    assert loss.item() == pytest.approx(0.625)
    loss.backward()
    # d/dx of (0.25 x^2 + 2.25 x^2) / 4 at x = 1.
    assert ours.grad.flatten().tolist() == pytest.approx([1.25, 0])
    assert layer.weight.grad is None


def test_the_trained_network_tells_distortions(images: Tensor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        perceptual = train_perceptual(images, steps=60)
    assert perceptual.name == f"{DISTORTIONS}_conv2"
    accuracy = float(caplog.messages[-1].rsplit(" ", 1)[1])
    assert "distortions_conv2, trained here on 64 patches; it tells 8 distortions" in caplog.messages[-1]
    assert accuracy > 2.5 / len(SPOIL)
    floats = images.float() / 127.5 - 1
    assert perceptual(floats).square().mean().item() == pytest.approx(1, abs=0.01)
    assert perceptual.content(floats, floats).item() == 0
    for spoil in SPOIL[1:]:
        spoilt = spoil(floats)
        assert spoilt.shape == floats.shape
        assert not torch.equal(spoilt, floats), spoil.__name__
        assert perceptual.content(spoilt.clamp(-1, 1), floats).item() > 0.01, spoil.__name__


def test_learning_is_a_pure_function_of_the_patches_anywhere(images: Tensor) -> None:
    floats = images[:4].float() / 127.5 - 1
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = train_perceptual(images, steps=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        again = train_perceptual(images, steps=3)
    assert torch.equal(first(floats), again(floats))
    assert not torch.equal(first(floats), train_perceptual(images.flip(0), steps=3)(floats))


def test_grey_patches_do_as_well(images: Tensor) -> None:
    assert train_perceptual(images[:, :1], steps=2)(torch.zeros(2, 1, 16, 16)).shape == (2, 32, 8, 8)
    assert train_perceptual(images[:, :1], "conv3", steps=2)(torch.zeros(2, 1, 16, 16)).shape == (2, 64, 4, 4)


def test_it_is_kept_on_disk(images: Tensor, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    floats = images[:4].float() / 127.5 - 1
    first = train_perceptual(images, cache=tmp_path, steps=3)
    (file,) = tmp_path.iterdir()
    stored = torch.load(file, weights_only=True)
    assert 0 <= stored["accuracy"] <= 1
    stored["state_dict"]["conv1.0.weight"] *= 0  # so that a second training would be seen
    torch.save(stored, file)
    assert not torch.equal(train_perceptual(images, cache=tmp_path, steps=3)(floats), first(floats))
    file.write_bytes(b"broken")
    assert torch.equal(train_perceptual(images, cache=tmp_path, steps=3)(floats), first(floats))
    assert "cannot be used" in caplog.text
    assert torch.load(file, weights_only=True)["accuracy"] == pytest.approx(stored["accuracy"])


def test_vgg19_conv5_is_the_papers_phi_5_4(tmp_path: Path) -> None:
    """The maps behind the last of 16 convolutions and its ReLU, before the pooling, ImageNet-normalised, over 12.75."""
    with torch.device("meta"):
        shapes = vgg19(weights=None).features.state_dict()
    torch.manual_seed(0)
    state = {name: torch.randn(value.shape) / max(1, value[0].numel()) ** 0.5 for name, value in shapes.items()}
    torch.save({f"features.{name}": value for name, value in state.items()}, tmp_path / "vgg.pth")
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    ours = load_perceptual("vgg19", "conv5", str(tmp_path / "vgg.pth"), torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    with torch.device("meta"):
        reference = vgg19(weights=None).features
    reference.load_state_dict(state, assign=True)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    expected = reference[:36](((images + 1) / 2 - mean) / std) / 12.75
    assert expected.shape == (1, 512, 2, 2)
    torch.testing.assert_close(ours(images), expected, rtol=1e-3, atol=1e-5)
    assert ours.name == "vgg19_conv5"
    assert not any(p.requires_grad for p in ours.network.parameters())


def test_any_network_of_the_zoo_scaled_to_unit_maps(images: Tensor, tmp_path: Path) -> None:
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeeze.pth")
    ours = load_perceptual("squeezenet1_1", "block1", str(tmp_path / "squeeze.pth"), images)
    floats = (images.float() / 127.5 - 1).requires_grad_()
    assert ours(floats).square().mean().item() == pytest.approx(1, abs=0.01)
    ours.content(floats, torch.zeros_like(floats)).backward()
    assert floats.grad.abs().sum() > 0
    assert ours(floats[:, :1]).shape == ours(floats).shape


def test_what_cannot_be_had_is_said(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"model.perceptual_layer=relu: squeezenet1_1 has the stages stem, block1"):
        load_perceptual("squeezenet1_1", "relu", "imagenet", images)
    with pytest.raises(
        ValueError, match=r"model.perceptual_layer=conv5: distortions has the stages conv1, conv2, conv3"
    ):
        train_perceptual(images, "conv5")
    with pytest.raises(FileNotFoundError, match=r"model.perceptual_weights: no file or folder 'nowhere.pth'"):
        load_perceptual("squeezenet1_1", "block1", "nowhere.pth", images)


def test_imagenet_features_prefer_sharp_to_blurred(dev_data: Path, images: Tensor) -> None:
    weights = str(dev_data / "weights" / "squeezenet1_1_imagenet.pth")
    perceptual = load_perceptual("squeezenet1_1", "block2", weights, images)
    floats = images.float() / 127.5 - 1
    two, four = (spoil(floats) for spoil in SPOIL[1:3])
    assert 0 < perceptual.content(two, floats) < perceptual.content(four, floats)
