"""A small residual network in named stages, so that it can be cut, kept and frozen stage by stage."""

from collections.abc import Sequence

from torch import Tensor, nn


class Block(nn.Module):
    """The basic block of residual networks (He et al. 2016, "Deep Residual Learning", fig. 2 and sec. 4.2).

    ``relu(shortcut(x) + norm(conv(relu(norm(conv(x))))))``; the shortcut is the identity where the shape stays and a
    1x1 convolution where it changes (the paper's option B).

    Args:
        channels_in: of the input (B, channels_in, H, W).
        channels: of the output (B, channels, H / stride, W / stride), rounded up.
        stride: of the first convolution.
    """

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels_in, H, W) to (B, channels, H / stride, W / stride)."""
        y = self.norm1(self.conv1(x)).relu()
        return (self.shortcut(x) + self.norm2(self.conv2(y))).relu()


def resnet(channels_in: int, widths: Sequence[int], strides: Sequence[int], blocks: int = 1) -> dict[str, nn.Module]:
    """A stem and stages of residual blocks, by name, in the order in which they run.

    Args:
        channels_in: of the images.
        widths: channels of each stage; the stem has those of the first.
        strides: by which each stage's first block shrinks its input.
        blocks: residual blocks per stage.

    Raises:
        ValueError: widths and strides differ in length or are empty.
    """
    if len(widths) != len(strides) or not widths:
        raise ValueError(f"a residual net needs one stride per stage, got widths {widths} and strides {strides}")
    stages: dict[str, nn.Module] = {
        "stem": nn.Sequential(
            nn.Conv2d(channels_in, widths[0], 3, padding=1, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
    }
    channels = widths[0]
    for number, (width, stride) in enumerate(zip(widths, strides, strict=True), start=1):
        first = Block(channels, width, stride)
        stages[f"stage{number}"] = nn.Sequential(first, *(Block(width, width, 1) for _ in range(blocks - 1)))
        channels = width
    return stages
