"""What is drawn of sparse coding: the dictionary, images as sums of atoms, how many atoms an image takes."""

from typing import Protocol

from torch import Tensor

from leyden.visualization.charts import draw_histogram
from leyden.visualization.grid import grid, upscale
from leyden.visualization.labelled import draw_sheet

CODED, PARTS, MOST = 200, 6, 100
"""Images whose sparsity is drawn; atoms that are drawn of one; atoms of the dictionary."""
EXAMPLES = 8
"""Images that are taken apart."""


class Coded(Protocol):
    """What is asked of the classifier."""

    dictionary: Tensor
    mean: Tensor

    def codes(self, images: Tensor) -> Tensor:
        """uint8 images to sparse codes."""
        ...


def drawn(net: Coded, images: Tensor, channels: int, side: int) -> dict[str, Tensor]:
    """Images by tag.

    Args:
        net: fitted.
        images: uint8 (N, C, S, S), N >= 1.
        channels: of the images.
        side: in pixels.
    """
    codes = net.codes(images)
    used = (codes != 0).float().mean(0)
    order = used.argsort(descending=True)[:MOST]
    counts = (codes != 0).sum(1).float().cpu()
    title = f"Atoms of {codes.shape[1]} that an image is made of, in {len(images)} test images"
    step = max(1, len(images) // EXAMPLES)
    bins = min(40, int(counts.max() - counts.min()) + 1)
    return {
        "dictionary": upscale(grid(as_images(net.dictionary[order], channels, side), 10), 480),
        "codes": sums(net, images[::step][:EXAMPLES], codes[::step][:EXAMPLES], channels, side),
        "sparsity": draw_histogram(counts, "atoms", title, float(counts.mean()), f"mean {counts.mean():.1f}", bins),
    }


def as_images(atoms: Tensor, channels: int, side: int) -> Tensor:
    """Atoms (N, D) as uint8 images (N, C, S, S): 0 is grey, the greatest magnitude of each black or white."""
    scaled = atoms / atoms.abs().amax(1, keepdim=True).clamp(min=1e-12)
    return ((scaled + 1) * 127.5).round().byte().view(-1, channels, side, side).cpu()


def sums(net: Coded, images: Tensor, codes: Tensor, channels: int, side: int) -> Tensor:
    """A row for each image: itself, what its code makes of it, and its greatest parts, each atom with its weight."""
    shown, captions = [], []
    made = ((codes @ net.dictionary + net.mean).clamp(0, 1) * 255).round().byte().view(images.shape).cpu()
    for image, code, again in zip(images.cpu(), codes.cpu(), made, strict=True):
        greatest = code.abs().argsort(descending=True)[:PARTS]
        shown += [image, again, *as_images(net.dictionary.cpu()[greatest], channels, side)]
        captions += ["image", f"its {int((code != 0).sum())} atoms", *(f"{float(code[i]):+.2f} x" for i in greatest)]
    title = "Images, their sums of atoms (and the mean image), and the greatest parts of each"
    return draw_sheet(shown, captions, "There is no image.", columns=PARTS + 2, side=72, title=title)
