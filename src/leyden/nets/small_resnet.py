"""A small network with feature maps at several strides, for detectors that train on a CPU."""

from collections.abc import Sequence

from torch import Tensor, nn


def conv(channels_in: int, channels: int, stride: int = 1) -> nn.Sequential:
    """3x3 convolution, batch norm, ReLU; stride 2 halves the side, rounding up."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions and a short cut around them (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv(channels, channels)
        self.second = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return self.act(x + self.second(self.first(x)))


def small_resnet(channels: int, widths: Sequence[int], blocks: Sequence[int]) -> dict[str, nn.Module]:
    """A stem of stride 4, then stages that halve the map, at strides 8, 16, 32 and so on; by name, in order.

    The stem goes to a quarter of the side in one 7x7 convolution: on a CPU the norms and activations of a map at half
    the side would cost more than all else.

    Args:
        channels: of the images.
        widths: channels of the stem, then of each stage.
        blocks: residual blocks of the stem, then of each stage.

    Raises:
        ValueError: the lists differ in length.
    """
    if len(widths) != len(blocks):
        raise ValueError(f"widths and blocks differ in number: got {len(widths)} and {len(blocks)}")
    stages: dict[str, nn.Module] = {
        "stem": nn.Sequential(
            nn.Conv2d(channels, widths[0], 7, stride=4, padding=3, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
            *(Residual(widths[0]) for _ in range(blocks[0])),
        )
    }
    for number, (before, width, count) in enumerate(zip(widths[:-1], widths[1:], blocks[1:], strict=True), start=1):
        stages[f"stage{number}"] = nn.Sequential(conv(before, width, 2), *(Residual(width) for _ in range(count)))
    return stages
