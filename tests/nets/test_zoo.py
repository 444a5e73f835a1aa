"""Every backbone by its name; most are built on the meta device, as shapes without memory."""

import re
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from leyden.nets import zoo
from leyden.nets.backbone import Backbone, pool
from leyden.nets.weights import load_pretrained

OURS = {
    "resnet",
    "lenet",
    "vgg11_lrn",
    "vgg11_lrn_bn",
    "vgg16_c",
    "vgg16_c_bn",
    "googlenet",
    "xception",
    "efficientnet_lite0",
}
"""Without a counterpart in torchvision."""
SIZES = {"inception_v3": 75, "googlenet": 32, "squeezenet1_0": 32, "squeezenet1_1": 32}
SMALL: dict[str, Any] = {"widths": [8, 16], "strides": [1, 2]}
LEAST = {
    **{name: 32 for name in zoo.names() if name.startswith("vgg")},  # five poolings that halve
    **{"lenet": 16, "inception_v3": 75, "squeezenet1_0": 21, "squeezenet1_1": 17, "googlenet": 31, "googlenet_bn": 15},
}
"""inception_v3: as torchvision's documentation says."""


def meta(name: str, channels: int = 3, image_size: int = 96) -> Backbone:
    with torch.device("meta"):
        return zoo.backbone(name, channels, image_size, **SMALL)


def torchvisions(name: str) -> Any:
    """torchvision's network of that name, ready to be filled."""
    options = {"init_weights": False} if name in ("googlenet_bn", "inception_v3") else {}
    return models.get_model(name.replace("googlenet_bn", "googlenet"), weights=None, **options)


def images(count: int, channels: int, size: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("name", zoo.names())
def test_stages_hold_the_published_tensors(name: str) -> None:
    net = meta(name)
    own = {key: value for key, value in net.state_dict().items() if key.startswith("stages.")}
    if name in ("resnet", "vit", "lenet"):
        assert net.published == {}
        return
    with torch.device("meta"):
        whole = (zoo.published(name).net if name in OURS else torchvisions(name)).state_dict()
    assert list(net.published) == list(own)
    assert len(set(net.published.values())) == len(own)
    assert all(whole[net.published[key]].shape == value.shape for key, value in own.items())
    left = {key.split(".")[0] for key in whole if key not in net.published.values()}
    assert left <= {"fc", "_fc", "classifier", "head", "AuxLogits", "aux1", "aux2"}
    if name.startswith("vgg"):
        assert {key for key in whole if key not in net.published.values()} == {
            "classifier.6.weight",
            "classifier.6.bias",
        }


@pytest.mark.parametrize(
    "name", [name for name in zoo.names() if "vgg" not in name and name not in ("resnet101", "resnet152")]
)
def test_what_stages_give_is_what_they_say(name: str) -> None:
    size = SIZES.get(name, 40)
    net = meta(name, image_size=size).to_empty(device="cpu").eval()
    for parameter in net.state_dict().values():
        parameter.fill_(0.01 if parameter.is_floating_point() else 0)
    with torch.inference_mode():
        maps = net.maps(images(2, 3, size))
    assert [shape.name for shape in net.shapes] == net.stage_names == list(maps)
    for shape in net.shapes:
        assert maps[shape.name].shape == (2, shape.channels, *(shape.size or ()))
        assert shape.size is None or shape.stride == round(size / shape.size[0])
    assert net.num_features == pool(maps[net.stage_names[-1]]).shape[1]
    assert set(net.taps) <= set(net.stage_names)


CLASSIFIERS = {
    "resnet18": lambda net, x: net.fc(pool(x)),
    "mobilenet_v2": lambda net, x: net.classifier(pool(x)),
    "mobilenet_v3_small": lambda net, x: net.classifier(pool(x)),
    "squeezenet1_1": lambda net, x: net.classifier(x).flatten(1),
    "shufflenet_v2_x0_5": lambda net, x: net.fc(pool(x)),
    "googlenet_bn": lambda net, x: net.fc(pool(x)),
    "inception_v3": lambda net, x: net.fc(pool(x)),
}


@torch.no_grad()
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_stages_and_classifier_equal_torchvision(name: str) -> None:
    torch.manual_seed(0)
    theirs, size = torchvisions(name).eval(), SIZES.get(name, 64)
    for key, value in theirs.state_dict().items():  # statistics as after training: fresh ones would hide batch norms
        if "running" in key:
            value.uniform_(0.5, 1.5) if "var" in key else value.normal_(0, 0.1)
        elif value.dim() == 4:
            nn.init.kaiming_normal_(value)
    net = meta(name, image_size=size).to_empty(device="cpu").eval()
    mean, std = torch.tensor([0.2, 0.4, 0.6]), torch.tensor([0.3, 0.25, 0.2])
    load_pretrained(net, {**theirs.state_dict(), "mean": mean, "std": std}, net.stage_names)
    batch = images(2, 3, size)
    wanted = theirs((batch / 255 - mean[:, None, None]) / std[:, None, None])
    got = CLASSIFIERS[name](theirs, net.run(net.normalise(batch)))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    assert not torch.allclose(wanted[0], wanted[1], rtol=1e-3)  # images make a difference


@pytest.mark.parametrize("name", ["googlenet_bn", "inception_v3"])
def test_normalisation_equals_transform_input(name: str) -> None:
    """So our normalisation of these two may replace torchvision's switch."""
    net = meta(name, image_size=96).to_empty(device="cpu")
    net.mean.fill_(0.5)
    net.std.fill_(0.5)
    batch, mean, std = images(1, 3, 96), torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.device("meta"):
        theirs = torchvisions(name)
    theirs.transform_input = True
    transformed = theirs._transform_input((batch / 255 - mean[:, None, None]) / std[:, None, None])
    torch.testing.assert_close(net.normalise(batch), transformed, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", zoo.names())
def test_small_images_name_the_least_size(name: str) -> None:
    least = LEAST.get(name)
    if least is None:
        assert meta(name, image_size=8).shapes[-1].size is not None
        return
    with pytest.raises(ValueError, match=f"{name} needs images of at least {least} pixels, got {least - 1}: "):
        meta(name, image_size=least - 1)
    assert meta(name, image_size=least).stage_names


@torch.no_grad()
@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet_bn", "googlenet", "vgg11"])
def test_the_least_size_works_beyond_the_meta_device(name: str) -> None:
    if name == "vgg11":  # its maps, without the half gigabyte behind them
        net, size = nn.Sequential(*list(meta(name, image_size=32).stages.values())[:5]), 32
        assert net.to_empty(device="cpu")(torch.rand(1, 3, size, size)).shape == (1, 512, 1, 1)
        return
    net = meta(name, image_size=LEAST[name]).to_empty(device="cpu").eval()
    assert net(images(1, 3, LEAST[name])).shape == (1, net.num_features)


@pytest.mark.parametrize("name", zoo.names())
def test_grey_and_four_channel_images(name: str) -> None:
    own = name in ("resnet", "vit") or name in OURS or name.startswith("vgg")
    grey = meta(name, channels=1)
    assert grey.in_channels == (1 if own else 3)
    assert next(iter(grey.state_dict().values())).device.type == "meta"
    if own:
        assert meta(name, channels=4).in_channels == 4
    else:
        with pytest.raises(ValueError, match=rf"{name} takes images of 3 channels \(or grey ones\), not of 4"):
            meta(name, channels=4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet-50", "model.backbone='resnet-50': did you mean resnet50?"),
        ("VGG16", "model.backbone='VGG16': did you mean vgg16?"),
        ("mobilenetv2", "did you mean mobilenet_v2?"),
        ("inception", "did you mean inception_v3?"),
        ("!", f"model.backbone='!': There are {', '.join(zoo.names())}, and timm/NAME"),
        ("alexnet", "There are resnet, "),  # torchvision has it, we do not
    ],
)
def test_unknown_name_names_the_nearest(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        zoo.backbone(name, 3, 64)


@torch.no_grad()
def test_timm_sequences_are_cut_at_maps() -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    net = zoo.backbone("timm/resnet18", 3, 64).eval()
    theirs = timm.create_model("resnet18", features_only=True).eval()
    load_pretrained(
        net, {**theirs.state_dict(), "mean": torch.full((3,), 0.5), "std": torch.full((3,), 0.5)}, net.stage_names
    )
    maps = net.maps(images(2, 3, 64)).values()
    for mine, wanted in zip(maps, theirs(images(2, 3, 64) / 127.5 - 1), strict=True):
        torch.testing.assert_close(mine, wanted)
    assert [(shape.channels, shape.stride) for shape in net.shapes] == [
        (channels, stride)
        for channels, stride in zip(theirs.feature_info.channels(), theirs.feature_info.reduction(), strict=True)
    ]
    assert set(net.published.values()) == set(theirs.state_dict())


@torch.no_grad()
@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit", "test_mambaout"])
def test_other_timm_networks_are_one_stage(name: str) -> None:
    """An EfficientNet that is no plain sequence, a ViT, and a network that keeps channels last."""
    timm = pytest.importorskip("timm")
    net = zoo.backbone(f"timm/{name}", 1, 160).eval()
    channels = timm.create_model(name, features_only=True).feature_info.channels()
    if name != "test_mambaout":
        assert net.stage_names == ["all"]
    assert net.shapes[-1].channels == net.num_features == channels[-1]
    last = list(net.maps(images(2, 1, 160)).values())[-1]
    assert last.shape == (2, channels[-1], *net.shapes[-1].size)
    torch.testing.assert_close(net(images(2, 1, 160)), last.mean((2, 3)))


def test_timms_networks_of_one_size_say_so() -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=r"timm/vit_tiny_patch16_224 .*224.* data\.image_size"):
        meta("timm/vit_tiny_patch16_224", image_size=64)


def test_unknown_timm_name_lists_near_ones() -> None:
    pytest.importorskip("timm")
    with pytest.raises(ValueError, match=r"timm has no such network; did you mean .*resnet18"):
        zoo.backbone("timm/resnet_18", 3, 64)


def test_without_timm_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "timm", None)
    with pytest.raises(ImportError, match=r"needs timm: pip install 'leyden\[timm\]'"):
        zoo.backbone("timm/resnet18", 3, 64)
