"""Features of images by sparse codes: of whole images, or of all their patches, pooled over regions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.core.estimator import register_estimates
from leyden.transfer.self_taught.coding import learn_dictionary, objective, sparse_codes

MOST = 20_000
"""Patches that a dictionary is learnt from."""
PART = 64
"""Images that are coded at a time."""


class CodedFeatures(nn.Module):
    """uint8 images (B, C, S, S) to features (B, F); the dictionary lies in buffers.

    Whole images: pixels in [0, 1] less the mean of the unlabelled images; features are the codes, F = atoms.

    Patches: at every place, each less its own mean. Codes are parted by their sign, so that a stroke and its negative
    are different, and the mean of each over ``regions`` x ``regions`` regions of the image is a feature:
    F = 2 atoms regions^2.

    Args:
        channels: of the images.
        image_size: side of the square images in pixels.
        beta: weight of the codes' absolute values.
        patch: side in pixels; None: whole images.
        regions: along each side.

    Raises:
        ValueError: patches that are larger than the images, or fewer places than regions.
    """

    mean: Tensor
    dictionary: Tensor

    def __init__(self, channels: int, image_size: int, beta: float, patch: int | None, regions: int) -> None:
        super().__init__()
        self.channels, self.image_size, self.beta, self.patch, self.regions = channels, image_size, beta, patch, regions
        if patch is not None and not (1 < patch <= image_size and 1 <= regions <= image_size - patch + 1):
            raise ValueError(
                f"model.patch={patch}, regions={regions}: a patch has 2 to {image_size} pixels, the image's side, and "
                "there are 1 to as many regions as places along a side; or set model.patch=null for whole images"
            )
        register_estimates(self, "mean", "dictionary")

    def parts(self, images: Tensor) -> Tensor:
        """uint8 images to what is coded of them (B, places, D), centred."""
        pixels = images.float() / 255
        if self.patch is None:
            return pixels.flatten(1)[:, None] - self.mean
        patches = F.unfold(pixels, self.patch).transpose(1, 2)
        return patches - patches.mean(2, keepdim=True)

    def fit(self, images: Tensor, atoms: int, epochs: int, seed: int, learnt: bool = True) -> dict[str, float]:
        """Learns the dictionary, or takes so many parts at random, divided by their norms.

        Args:
            images: unlabelled, uint8 (N, C, S, S).
            atoms: of the dictionary.
            epochs: passes over the parts, at most 20,000 of them.
            seed: of what is drawn.
            learnt: false for parts at random.

        Returns:
            The objective, and the share of codes that are not 0.
        """
        self.mean = images.flatten(1).float().mean(0) / 255
        generator = torch.Generator().manual_seed(seed)
        chosen = images[torch.randperm(len(images), generator=generator)[:MOST].to(images.device)]
        places = 1 if self.patch is None else (self.image_size - self.patch + 1) ** 2
        chosen = chosen[: -(-MOST // places)] if learnt else chosen[: max(atoms, MOST // places)]
        parts = self.parts(chosen).flatten(0, 1)
        parts = parts[torch.randperm(len(parts), generator=generator)[:MOST].to(parts.device)].double()
        if learnt:
            self.dictionary = learn_dictionary(parts, atoms, self.beta, epochs, seed % 2**32).float()
        else:
            self.dictionary = F.normalize(parts[parts.norm(dim=1) > 1e-6][:atoms], dim=1).float()
        some = parts[:1000].float()
        codes = sparse_codes(some, self.dictionary, self.beta)
        value = objective(some, self.dictionary, codes, self.beta)
        return {"train/objective": float(value), "train/nonzero": float((codes != 0).float().mean())}

    def codes(self, images: Tensor) -> Tensor:
        """uint8 images to the codes of their parts (B, places, atoms)."""
        parts = self.parts(images)
        return sparse_codes(parts.flatten(0, 1), self.dictionary, self.beta).view(*parts.shape[:2], -1)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 images to features."""
        return torch.cat([self._features(part) for part in images.split(PART)])

    def _features(self, images: Tensor) -> Tensor:
        codes = self.codes(images)
        if self.patch is None:
            return codes[:, 0]
        signed = torch.cat([codes.clamp(min=0), (-codes).clamp(min=0)], 2).transpose(1, 2)
        side = self.image_size - self.patch + 1
        return F.adaptive_avg_pool2d(signed.unflatten(2, (side, side)), self.regions).flatten(1)
