"""Earlier translations for discriminators."""

import torch
from torch import Tensor, nn


class ImagePool(nn.Module):
    """Earlier translations for a discriminator to see again, so that it does not forget them (Shrivastava et al. 2017).

    As in the authors' code: until the pool is full each image is kept and returned; then it is returned with
    probability 1/2, else it takes the place of a random one of the pool, which is returned. What is in the pool is in
    buffers, so that a resumed run is the same run.

    Args:
        size: images that it holds; 0 returns what comes in.
        shape: (C, H, W) of the images.
    """

    images: Tensor
    """(size, C, H, W)."""
    count: Tensor
    """() int64: how many of them are filled."""

    def __init__(self, size: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def query(self, images: Tensor) -> Tensor:
        """As many images (N, C, H, W) as come in, some of them earlier ones."""
        if not self.size:
            return images
        returned, filled = images.clone(), int(self.count)
        places, swaps = torch.randint(self.size, (len(images),)).tolist(), (torch.rand(len(images)) < 0.5).tolist()
        for i, (place, swap) in enumerate(zip(places, swaps, strict=True)):
            if filled < self.size:
                self.images[filled] = images[i]
                filled += 1
            elif swap:
                returned[i] = self.images[place]
                self.images[place] = images[i]
        self.count.fill_(filled)
        return returned
