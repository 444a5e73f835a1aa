"""Xception: a linear stack of depthwise separable convolutions with residual connections.

Chollet 2017, "Xception: Deep Learning with Depthwise Separable Convolutions", fig. 5: Inception's idea taken to its
end, one tower per channel.

Departures from the author's TensorFlow code, which converted weights would feel: 3x3 convolutions and poolings pad
evenly (there, at stride 2 and even sizes, only to the right and below), and batch norm's epsilon is PyTorch's 1e-5
(there 1e-3).
"""

from torch import Tensor, nn


class SeparableConv2d(nn.Sequential):
    """3x3 within each channel, then 1x1 across channels: (B, channels_in, H, W) to (B, channels, H, W).

    No ReLU between the two; the paper found that it learns better without (sec. 4.7).
    """

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in, bias=False),
            nn.Conv2d(channels_in, channels, 1, bias=False),
        )


class Block(nn.Module):
    """``shortcut(x) + body(x)``: ReLU, separable convolution and batch norm, once for each of ``widths``.

    With stride 2 a max-pooling ends the body, and the shortcut is a 1x1 convolution instead of the identity.

    Args:
        channels: of the input (B, channels, H, W).
        widths: channels behind each convolution; the output is (B, widths[-1], H / stride, W / stride), rounded up.
        stride: 1 (then channels == widths[-1]) or 2.
        relu_first: False where the input comes out of a ReLU.
    """

    def __init__(self, channels: int, *widths: int, stride: int = 1, relu_first: bool = True) -> None:
        super().__init__()
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, widths[-1], 1, stride, bias=False), nn.BatchNorm2d(widths[-1])
            )
        body: list[nn.Module] = []
        for width in widths:
            # No ReLU works in place: the first one's input also goes into the shortcut.
            body += [nn.ReLU(), SeparableConv2d(channels, width), nn.BatchNorm2d(width)]
            channels = width
        if stride != 1:
            body.append(nn.MaxPool2d(3, stride, padding=1))
        self.body = nn.Sequential(*body if relu_first else body[1:])

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, widths[-1], H / stride, W / stride)."""
        return self.shortcut(x) + self.body(x)


class Xception(nn.Module):
    """Entry flow, middle flow and exit flow.

    Args:
        channels: of the images.
        classes: how many.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *(nn.Conv2d(channels, 32, 3, stride=2, bias=False), nn.BatchNorm2d(32), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()),
        )
        self.entry1 = nn.Sequential(Block(64, 128, 128, stride=2, relu_first=False))
        self.entry2 = nn.Sequential(Block(128, 256, 256, stride=2))
        self.entry3 = nn.Sequential(Block(256, 728, 728, stride=2))
        self.middle = nn.Sequential(*(Block(728, 728, 728, 728) for _ in range(8)))
        self.exit1 = nn.Sequential(Block(728, 728, 1024, stride=2))
        self.exit2 = nn.Sequential(
            *(SeparableConv2d(1024, 1536), nn.BatchNorm2d(1536), nn.ReLU()),
            *(SeparableConv2d(1536, 2048), nn.BatchNorm2d(2048), nn.ReLU()),
        )
        # Dropout as for ImageNet (sec. 4.3).
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(2048, classes))

    def stages(self) -> dict[str, nn.Module]:
        """The three flows in seven stages: all but ``head``. They hold the network's own layers, not copies."""
        return {
            "stem": self.stem,
            "entry1": self.entry1,
            "entry2": self.entry2,
            "entry3": self.entry3,
            "middle": self.middle,
            "exit1": self.exit1,
            "exit2": self.exit2,
        }

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, channels, H, W), 299 pixels a side in the paper, to logits (B, classes)."""
        x = images
        for stage in self.stages().values():
            x = stage(x)
        return self.head(x)


def xception(channels: int = 3, classes: int = 1000) -> Xception:
    """The published network, by default for ImageNet.

    Args:
        channels: of the images.
        classes: how many.
    """
    return Xception(channels, classes)


def from_timm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of timm's legacy_xception under the names that they have here, behind any prefix; others stay."""
    inside = next((name.partition("block1.rep.")[0] for name in state if "block1.rep." in name), None)
    if inside is None:
        return state
    first = {"conv1": "stem.0", "bn1": "stem.1", "conv2": "stem.3", "bn2": "stem.4"}
    first |= {f"block{n}": f"entry{n}.0" for n in (1, 2, 3)}
    first |= {f"block{n + 4}": f"middle.{n}" for n in range(8)}
    first |= {"block12": "exit1.0", "conv3": "exit2.0", "bn3": "exit2.1", "conv4": "exit2.3", "bn4": "exit2.4"}
    first |= {"fc": "head.3"}
    inner = {"skip": "shortcut.0", "skipbn": "shortcut.1", "rep": "body", "conv1": "0", "pointwise": "1"}
    renamed = {}
    for name, value in state.items():
        start, *rest = name.removeprefix(inside).split(".")
        if name.startswith(inside) and start in first:
            renamed[inside + ".".join([first[start], *(inner.get(part, part) for part in rest)])] = value
        else:
            renamed[name] = value
    return renamed
