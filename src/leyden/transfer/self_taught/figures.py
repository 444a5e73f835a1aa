"""What is drawn of sparse coding: the dictionary, images or patches as sums of atoms, how many atoms they take."""

import torch
from torch import Tensor

from leyden.transfer.self_taught.features import CodedFeatures
from leyden.visualization.charts import draw_histogram
from leyden.visualization.grid import grid, upscale
from leyden.visualization.labelled import draw_sheet

CODED, PARTS, MOST = 100, 6, 100
"""Images whose sparsity is drawn; atoms that are drawn of one; atoms of the dictionary."""
EXAMPLES = 8
"""Images, or patches, that are taken apart."""


def drawn(net: CodedFeatures, images: Tensor) -> dict[str, Tensor]:
    """Images by tag.

    Args:
        net: fitted.
        images: uint8 (N, C, S, S), N >= 1.
    """
    images = images[:: max(1, len(images) // CODED)][:CODED]
    codes = net.codes(images)
    used = (codes != 0).flatten(0, 1).float()
    order = used.mean(0).argsort(descending=True)[:MOST]
    counts = used.sum(1).cpu()
    bins = min(40, int(counts.max() - counts.min()) + 1)
    what = "an image" if net.patch is None else f"a patch of {net.patch} x {net.patch} pixels"
    title = f"Atoms of {codes.shape[2]} that {what} is made of, in {len(images)} test images"
    step = max(1, len(images) // EXAMPLES)
    return {
        "dictionary": upscale(grid(_as_images(net, net.dictionary[order]), 10), 480),
        "codes": _sums(net, images[::step][:EXAMPLES], codes[::step][:EXAMPLES]),
        "sparsity": draw_histogram(counts, "atoms", title, float(counts.mean()), f"mean {counts.mean():.1f}", bins),
    }


def _as_images(net: CodedFeatures, parts: Tensor) -> Tensor:
    """Parts (N, D) around 0 as uint8 images (N, C, S, S): 0 is grey, the greatest magnitude of each black or white."""
    scaled = parts / parts.abs().amax(1, keepdim=True).clamp(min=1e-12)
    side = net.patch or net.image_size
    return ((scaled + 1) * 127.5).round().byte().view(-1, net.channels, side, side).cpu()


def _sums(net: CodedFeatures, images: Tensor, codes: Tensor) -> Tensor:
    """A row for each image: itself or its patch of most contrast, what its code makes of it, and its greatest atoms."""
    parts = net.parts(images)
    place = parts.norm(dim=2).argmax(1)
    each = torch.arange(len(images), device=place.device)
    part, code = parts[each, place], codes[each, place]
    shown, captions = [], []
    for image, own, one in zip(images.cpu(), part, code, strict=True):
        greatest = one.abs().argsort(descending=True)[:PARTS]
        pair = _as_images(net, torch.stack([own, one @ net.dictionary]))
        shown += [image, *pair, *_as_images(net, net.dictionary[greatest])]
        named = "less the mean" if net.patch is None else "its patch"
        captions += ["image", named, f"{int((one != 0).sum())} atoms", *(f"{float(one[i]):+.2f} x" for i in greatest)]
    title = "What is coded, the sum of its atoms, and the greatest of them"
    return draw_sheet(shown, captions, "There is no image.", columns=PARTS + 3, side=72, title=title)
