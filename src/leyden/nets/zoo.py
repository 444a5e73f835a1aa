"""Every backbone by its name: which network it is and where it falls into stages."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

from torch import Tensor, nn
from torchvision import models

from leyden.nets.backbone import Backbone
from leyden.nets.published.efficientnet_lite import EfficientNetLite0
from leyden.nets.published.googlenet import googlenet
from leyden.nets.published.lenet import lenet
from leyden.nets.published.vgg import vgg
from leyden.nets.published.xception import xception
from leyden.nets.resnet import resnet
from leyden.nets.vit import vit

VGG = {"vgg11": "A", "vgg11_lrn": "A-LRN", "vgg13": "B", "vgg16_c": "C", "vgg16": "D", "vgg19": "E"}
"""Names after torchvision's; the paper's configuration that each is."""

GOOGLENET = {"stem": ("conv1", "maxpool2"), "inception3": ("inception3a", "maxpool3"),
             "inception4a": ("inception4a",) * 2, "inception4d": ("inception4b", "inception4d"),
             "inception4e": ("inception4e", "maxpool4"), "inception5": ("inception5a", "inception5b")}  # fmt: skip
INCEPTION_V3 = {"stem": ("Conv2d_1a_3x3", "maxpool2"), "inception5": ("Mixed_5b", "Mixed_5d"),
                "inception6": ("Mixed_6a", "Mixed_6e"), "inception7": ("Mixed_7a", "Mixed_7c")}  # fmt: skip
RESNET = {"stem": ("conv1", "maxpool"), **{f"layer{i}": (f"layer{i}",) * 2 for i in range(1, 5)}}
SHUFFLENET = {"stem": ("conv1", "maxpool"), **{f"stage{i}": (f"stage{i}",) * 2 for i in range(2, 5)},
              "conv5": ("conv5",) * 2}  # fmt: skip
"""Each: stage -> first and last of torchvision's parts in it. GOOGLENET is torchvision's network, with batch norm and
no true 5x5 convolutions; the paper's is ``leyden.nets.published.googlenet``."""

FEATURES: dict[str, tuple[int, ...]] = {
    "mobilenet_v2": (1, 2, 4, 7, 11, 14, 17, 18, 19),
    "mobilenet_v3_large": (1, 2, 4, 7, 11, 13, 16, 17),
    "mobilenet_v3_small": (1, 2, 4, 7, 9, 12, 13),
    "squeezenet1_0": (3, 7, 12, 13),
    "squeezenet1_1": (3, 6, 9, 13),
}
"""Where the sequence ``features`` ends a stage: a stem, then blocks of one width (SqueezeNet: up to each pooling)."""


class Published(NamedTuple):
    """A whole network with the state-dict layout in which its weights are published."""

    net: nn.Module
    stages: dict[str, nn.Module]
    """Parts of ``net``, in the order in which they run; what they leave over is its classifier."""
    in_channels: int
    taps: tuple[str, ...] = ()


def backbone(
    name: str,
    channels: int,
    image_size: int,
    widths: Sequence[int] = (32, 64, 128),
    strides: Sequence[int] = (1, 2, 2),
    blocks: int = 1,
) -> Backbone:
    """Builds a backbone with random weights.

    Args:
        name: ``resnet`` (a small one for small images), ``vit`` (a small transformer on patches),
            ``lenet`` (DANN's, for digits), ``vgg11|vgg11_lrn|vgg13|vgg16_c|vgg16|vgg19`` with or without ``_bn``,
            ``googlenet`` (the paper's), ``googlenet_bn`` and ``inception_v3`` (torchvision's), ``xception``,
            ``efficientnet_lite0`` (its weights come inside a package), ``resnet18`` to ``resnet152``,
            ``mobilenet_v2``, ``mobilenet_v3_small|large``, ``squeezenet1_0|1_1``, ``shufflenet_v2_x0_5`` to ``x2_0``;
            ``timm/NAME`` where timm is installed.
        channels: of the images.
        image_size: side of the square images in pixels.
        widths: of ``resnet``: channels of each stage; of ``vit``: the last is its width.
        strides: of ``resnet``: of each stage; of ``vit``: their product is the side of a patch.
        blocks: of ``resnet``: residual blocks per stage; of ``vit``: all of its blocks.

    Raises:
        ValueError: an unknown name, with the nearest; or images that the network cannot take.
    """
    if name == "resnet":
        return Backbone(name, resnet(channels, widths, strides, blocks), channels, image_size, channels)
    if name == "vit":
        return Backbone(name, vit(channels, widths[-1], math.prod(strides), blocks), channels, image_size, channels)
    if name == "lenet":
        return Backbone(name, lenet(channels), channels, image_size, channels)
    net, stages, in_channels, taps = published(name, channels)
    # Both hold the very same tensors, so identity says which published key belongs to which of ours.
    places = {id(value): key for key, value in net.state_dict(keep_vars=True).items()}
    built = Backbone(name, stages, channels, image_size, in_channels, taps=taps)
    own = built.stages.state_dict(prefix="stages.", keep_vars=True)
    built.published = {key: places[id(value)] for key, value in own.items()}
    return built


def published(name: str, channels: int = 3) -> Published:
    """The whole network behind a name; ``channels`` only matter to networks of ours, the others take three.

    Raises:
        ValueError: an unknown name.
    """
    if name.startswith("timm/"):
        return _timm(name, channels)
    if name.removesuffix("_bn") in VGG:
        own = vgg(VGG[name.removesuffix("_bn")], channels, batch_norm=name.endswith("_bn"))
        return Published(own, own.stages(), channels)
    if name == "googlenet":
        paper = googlenet(channels, auxiliary=False)
        return Published(paper, paper.stages(), channels, paper.taps)
    if name == "efficientnet_lite0":
        lite = EfficientNetLite0(channels)
        return Published(lite, lite.stages(), channels)
    if name == "xception":
        net = xception(channels)
        return Published(net, net.stages(), channels)
    if name not in names():
        near = get_close_matches(name, names(), 1, 0.4)
        raise ValueError(
            f"model.backbone={name!r}: {f'did you mean {near[0]}? ' if near else ''}"
            f"There are {', '.join(names())}, and timm/NAME"
        )
    options: dict[str, Any] = {"init_weights": True} if name in ("googlenet_bn", "inception_v3") else {}
    whole = models.get_model(name.replace("googlenet_bn", "googlenet"), weights=None, **options)
    return Published(whole, _parts(name, whole), 3)


def names() -> list[str]:
    """All backbones but timm's."""
    own = ["resnet", "vit", "lenet", *VGG, *(f"{name}_bn" for name in VGG), "googlenet", "googlenet_bn"]
    own += ["inception_v3", "xception", "efficientnet_lite0"]
    depths = [f"resnet{depth}" for depth in (18, 34, 50, 101, 152)]
    return [*own, *depths, *FEATURES, *(f"shufflenet_v2_x{width}" for width in ("0_5", "1_0", "1_5", "2_0"))]


def _parts(name: str, net: Any) -> dict[str, nn.Module]:
    """The stages of a network of torchvision's."""
    if name in FEATURES:
        ends = (0, *FEATURES[name])
        titles = ["stem", *(f"block{i}" for i in range(1, len(ends) - 1))]
        return {title: net.features[a:b] for title, a, b in zip(titles, ends, ends[1:], strict=False)}
    table = {"googlenet_bn": GOOGLENET, "inception_v3": INCEPTION_V3}.get(name)
    table = table or (RESNET if name.startswith("resnet") else SHUFFLENET)
    children = dict(net.named_children())
    order = list(children)
    stages: dict[str, nn.Module] = {}
    for stage, (first, last) in table.items():
        inside = order[order.index(first) : order.index(last) + 1]
        stages[stage] = nn.Sequential(OrderedDict((key, children[key]) for key in inside))
    return stages


class _LastMap(nn.Module):
    """A network of timm's that cannot be cut, as the one stage that it is."""

    def __init__(self, net: nn.Module, channels_last: bool) -> None:
        super().__init__()
        self.net = net
        self.channels_last = channels_last

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) to the last feature map (B, C', H', W')."""
        last = self.net(x)[-1]
        return last.permute(0, 3, 1, 2) if self.channels_last else last


def _timm(name: str, channels: int) -> Published:
    """A network of timm's: in stages where its parts run one after another, else as one stage.

    Raises:
        ImportError: timm is not installed.
        ValueError: timm has no such network.
    """
    net = timm_model(name, channels)
    from timm.models import FeatureDictNet

    channels_last = getattr(net, "output_fmt", None) == "NHWC"  # Swin and its like; some of timm's classes lack it
    if channels_last or not isinstance(net, FeatureDictNet):  # whose parts run one after another
        return Published(net, {"all": _LastMap(net, channels_last)}, channels)
    stages: dict[str, nn.Module] = {}
    inside: OrderedDict[str, nn.Module] = OrderedDict()
    for key, part in net.named_children():
        inside[key] = part
        if key in net.return_layers:
            stages[f"stage{len(stages)}"] = nn.Sequential(inside)
            inside = OrderedDict()
    return Published(net, stages, channels)


def timm_model(name: str, channels: int, pretrained: bool = False, whole: bool = False) -> Any:
    """timm's network behind ``timm/NAME``, as one that returns its feature maps, or the ``whole`` with its head."""
    try:
        timm = import_module("timm")
    except ModuleNotFoundError as error:
        raise ImportError(f"model.backbone={name} needs timm: pip install 'leyden[timm]'") from error
    short = name.removeprefix("timm/")
    if not timm.is_model(short):
        near = get_close_matches(short, timm.list_models(), 3, 0.4)
        raise ValueError(f"model.backbone={name!r}: timm has no such network; did you mean {', '.join(near)}?")
    options: dict[str, Any] = {} if whole else {"features_only": True}
    return timm.create_model(short, pretrained=pretrained, in_chans=channels, **options)
