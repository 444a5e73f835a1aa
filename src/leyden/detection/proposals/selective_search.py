"""Selective search: boxes around what may be an object, whatever it is (Uijlings et al. 2013).

A image is cut into small regions of like colour (Felzenszwalb and Huttenlocher 2004); then the two neighbours that
are most alike become one, until the whole image is one region. The box of every region on the way is a proposal.

OpenCV does the work. Its own "fast mode" has other regions (k = 150, 300, 450 with at least 100 pixels) than the one
that R-CNN was trained with (k = 50, 100 with at least k pixels); the latter is the default here, after
``selective_search_boxes.m`` of its code: two colour spaces, two ways to be alike, each with each.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, TypedDict

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F


class Search(TypedDict, total=False):
    """Settings of :func:`selective_search` by its argument names."""

    k: list[float]
    min_size: int | None
    sigma: float
    min_side: float
    width: int | None


def selective_search(
    image: Tensor,
    k: Sequence[float] = (50, 100),
    min_size: int | None = None,
    sigma: float = 0.8,
    min_side: float = 0.04,
    width: int | None = None,
    limit: int | None = None,
    seed: int = 0,
) -> Tensor:
    """The proposals of an image, the same in every call.

    OpenCV gives them in an order that is drawn from C's random numbers, which nobody can seed; here they are sorted.

    Args:
        image: uint8 (1 or 3, H, W), RGB.
        k: scales of the first regions, a segmentation for each: the greater, the larger and the fewer.
        min_size: least size of those regions, pixels; None: k of each, as in R-CNN.
        sigma: standard deviation of the Gaussian that the image is smoothed with before that, pixels.
        min_side: boxes that are narrower or lower than this fraction of the image's width are left out; R-CNN has 20
            pixels of 500.
        width: of the image while it is searched, pixels; R-CNN has 500. None: its own.
        limit: at most so many boxes, drawn at random and in random order; None: all, in lexicographic order.
        seed: of that order.

    Returns:
        (n, 4) float32 xyxy pixels of ``image``, no two alike; the whole image is one of them.

    Raises:
        ValueError: the image is of another kind, or there is no scale.
        ImportError: OpenCV is not installed, or without its extra modules.
    """
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(
            f"selective search takes a uint8 image (1 or 3, H, W), got {image.dtype} {tuple(image.shape)}: "
            "set data.source.channels=3"
        )
    if not k or min(k) <= 0:
        raise ValueError(f"selective search needs scales above 0: set data.search.k=[50,100], got {list(k)}")
    cv2 = opencv()
    height, own_width = image.shape[1:]
    seen = image.cpu().expand(3, -1, -1)
    if width is not None:
        seen = F.resize(seen, [max(1, round(height * width / own_width)), width], antialias=True)
    rgb = seen.permute(1, 2, 0).contiguous().numpy()
    # New objects for each image: OpenCV's similarities keep histograms under a number that starts again at 0.
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    for space in (cv2.COLOR_RGB2HSV_FULL, cv2.COLOR_RGB2Lab):  # "full": all of 0 .. 255, as MATLAB has it
        search.addImage(cv2.cvtColor(rgb, space))
    for scale in k:
        least = round(scale) if min_size is None else min_size
        search.addGraphSegmentation(cv2.ximgproc.segmentation.createGraphSegmentation(sigma, float(scale), least))
    for similarity in _similarities(cv2.ximgproc.segmentation):
        search.addStrategy(similarity)
    corner, size = torch.from_numpy(search.process()).float().split(2, 1)
    large = (size >= min_side * rgb.shape[1]).all(1)
    boxes = torch.cat([corner, corner + size], 1)[large].unique(dim=0)
    boxes *= torch.tensor([own_width / rgb.shape[1], height / rgb.shape[0]]).repeat(2)
    return boxes if limit is None else first(boxes, limit, seed)


def proposals_of(images: Tensor, targets: Sequence[dict[str, Tensor]], search: Search) -> list[Tensor]:
    """The proposals (n, 4) of each image of a batch, on its device: those of its target, or else searched for now.

    Args:
        images: uint8 (B, C, S, S).
        targets: of each image; with "proposals" where the data has them.
        search: settings of selective search.
    """
    found = [
        target["proposals"] if "proposals" in target else selective_search(image, **search)
        for image, target in zip(images, targets, strict=True)
    ]
    return [boxes.to(images.device) for boxes in found]


def first(boxes: Tensor, limit: int, seed: int = 0) -> Tensor:
    """At most ``limit`` of (n, 4) boxes, drawn at random and in random order; a pure function of its arguments."""
    order = torch.randperm(len(boxes), generator=torch.Generator().manual_seed(seed))
    return boxes[order[:limit]]


def opencv() -> Any:
    """The package ``cv2`` with its extra modules.

    Raises:
        ImportError: it is not installed, or without them.
    """
    cure = "selective search needs OpenCV with its extra modules: pip install 'leyden[proposals]'"
    try:
        cv2 = import_module("cv2")
    except ImportError as error:
        raise ImportError(cure) from error
    if not hasattr(cv2, "ximgproc"):
        raise ImportError(
            f"{cure}, after uninstalling opencv-python or opencv-python-headless, which has none and lies in its place"
        )
    return cv2


def _similarities(segmentation: Any) -> list[Any]:
    """What makes two neighbours alike: colour, fill, texture and size in equal parts; and the same without colour."""
    colour = segmentation.createSelectiveSearchSegmentationStrategyColor()
    fill = segmentation.createSelectiveSearchSegmentationStrategyFill()
    texture = segmentation.createSelectiveSearchSegmentationStrategyTexture()
    size = segmentation.createSelectiveSearchSegmentationStrategySize()
    together = segmentation.createSelectiveSearchSegmentationStrategyMultiple
    return [together(colour, fill, texture, size), together(fill, texture, size)]
