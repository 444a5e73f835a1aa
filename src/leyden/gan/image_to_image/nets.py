"""Networks that techniques of image translation share: the residual generator and the discriminator of patches."""

from typing import Literal

import torch
from torch import Tensor, nn

TranslationNorm = Literal["instance", "batch"]


def normalise(width: int, norm: TranslationNorm) -> nn.Module:
    """The normalisation of ``width`` channels: over each image, or over the images of the batch, also in evaluation.

    A running mean of the batches' statistics, as is usual for evaluation, is not kept: trained on single images, these
    networks make another image with it (pix2pix, section 3.3).
    """
    if norm == "batch":
        return nn.BatchNorm2d(width, track_running_stats=False)
    return nn.InstanceNorm2d(width)


class Residual(nn.Sequential):
    """x + its layers' output: two 3x3 convolutions of ``width`` channels with instance normalisation."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(True),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) to the same shape."""
        return x + super().forward(x)


class ResNetGenerator(nn.Sequential):
    """Images (N, channels, H, W) in -1..1 to images of that shape in -1..1; H and W are multiples of 4.

    Args:
        channels: of the images.
        base_channels: of the first convolution, doubled at each of two halvings of the side.
        blocks: residual blocks at a quarter of the side; 6 in the paper for 128 pixels, 9 for more.
        out_channels: of what comes out; None is as many as go in.
    """

    def __init__(
        self, channels: int, base_channels: int = 64, blocks: int = 9, out_channels: int | None = None
    ) -> None:
        width = base_channels
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7)]
        layers += [nn.InstanceNorm2d(width), nn.ReLU(True)]
        for _ in range(2):
            layers += [nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.InstanceNorm2d(2 * width), nn.ReLU(True)]
            width *= 2
        layers += [Residual(width) for _ in range(blocks)]
        for _ in range(2):
            layers += [nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1)]
            layers += [nn.InstanceNorm2d(width // 2), nn.ReLU(True)]
            width //= 2
        super().__init__(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, out_channels or channels, 7), nn.Tanh())


class Attentive(nn.Module):
    """A generator that says where it changes an image: x + m (c - x) with contents c and a mask m, both learned.

    That is equation 1 of GANimation (Pumarola et al. 2018), for domains without pairs Mejjati et al. 2018 and Tang et
    al. 2019 ("AttentionGAN", scheme I). Nobody says where m has to be: the losses alone do.

    Where we depart: m is sigmoid(6 t - 2) of what the network gives, t, which starts near 0. So images pass nearly
    unchanged at first, m = 0.12; where m starts at a half, many a training never closes it.

    Args:
        network: images (N, C, H, W) to (N, C + 1, H, W) in -1..1: c, and t.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in -1..1 to the same shape and range."""
        contents, mask = self.network(x).to(x).tensor_split([x.shape[1]], dim=1)  # also out of mixed precision
        return torch.lerp(x, contents, torch.sigmoid(6 * mask - 2))


class PatchDiscriminator(nn.Sequential):
    """Images (N, channels, H, W) in -1..1 to a logit for each of overlapping patches, (N, 1, H', W').

    Args:
        channels: of the images.
        base_channels: of the first convolution, doubled in each further one up to 8 times.
        layers: convolutions of stride 2; 3 see patches of 70 pixels, as in the paper, 2 of 34, 1 of 16.
        norm: "instance" as in CycleGAN, "batch" as in pix2pix.
    """

    def __init__(
        self, channels: int, base_channels: int = 64, layers: int = 3, norm: TranslationNorm = "instance"
    ) -> None:
        stages: list[nn.Module] = [nn.Conv2d(channels, base_channels, 4, stride=2, padding=1), nn.LeakyReLU(0.2, True)]
        width = base_channels
        for stage in range(1, layers + 1):
            before, width = width, base_channels * min(2**stage, 8)
            stride = 2 if stage < layers else 1
            stages += [nn.Conv2d(before, width, 4, stride, padding=1, bias=norm == "instance")]
            stages += [normalise(width, norm), nn.LeakyReLU(0.2, True)]
        super().__init__(*stages, nn.Conv2d(width, 1, 4, padding=1))
