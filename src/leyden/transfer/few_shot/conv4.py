"""The network of few-shot learning: four blocks of convolution (Vinyals et al. 2016)."""

from itertools import pairwise

from torch import Tensor, nn


class Conv4(nn.Sequential):
    """Four blocks of convolution, batch norm, ReLU and pooling (Vinyals et al. 2016): uint8 images to embeddings.

    Args:
        channels: of the images.
        image_size: side in pixels, 16 at least.
        width: channels of each block.

    Raises:
        ValueError: the images are smaller.
    """

    def __init__(self, channels: int, image_size: int, width: int) -> None:
        if image_size < 16:
            raise ValueError(
                f"four poolings need images of 16 pixels or more, got {image_size}: set data.image_size=16"
            )
        widths = [channels, *[width] * 4]
        super().__init__(*(self._block(*pair) for pair in pairwise(widths)), nn.Flatten())
        self.features = width * (image_size // 16) ** 2

    @staticmethod
    def _block(channels_in: int, channels: int) -> nn.Sequential:
        conv = nn.Conv2d(channels_in, channels, 3, padding=1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2))

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images (B, C, S, S) to embeddings (B, D)."""
        return super().forward(images.float() / 127.5 - 1)
