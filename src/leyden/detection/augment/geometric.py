"""Random changes of scenes that move boxes: mirroring, zoom-out, crops, other sizes; driven by given random numbers.

What happens to an example is a pure function of (seed, epoch, example), which torchvision's transforms are not. Boxes
that remain are at least a pixel wide and high.
"""

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.ops import box_iou
from torchvision.transforms.v2 import functional as F

from leyden.core.seeding import mix
from leyden.data.columns import Scenes, Target, collate

XYXY = tv_tensors.BoundingBoxFormat.XYXY
FILL = (124, 116, 104)
"""Colour around an image that was zoomed out: ImageNet's mean; green's for grey images."""
OVERLAPS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, None)
"""IoU with some object that a window must have; None: no window."""
WINDOWS = 50
"""Windows that are tried."""


def mirror(batch: Scenes, chosen: Tensor, upside_down: bool = False) -> Scenes:
    """Mirrors the scenes that are ``chosen`` (B,) bool, left to right or upside down, with boxes and proposals."""
    images, targets = batch
    images = torch.where(chosen[:, None, None, None], images.flip(2 if upside_down else 3), images)
    flip = F.vertical_flip_bounding_boxes if upside_down else F.horizontal_flip_bounding_boxes
    size = tuple(images.shape[2:])
    turned = [
        target | {key: flip(target[key], XYXY, size) for key in ("boxes", "proposals") if key in target}
        if turn
        else target
        for target, turn in zip(targets, chosen.tolist(), strict=True)
    ]
    return Scenes(images, turned)


class UpsideDown:
    """Half of the images upside down: for images without an up, such as cells under a microscope."""

    draws = 1

    def __call__(self, batch: Scenes, u: Tensor) -> Scenes:
        """Changes scenes uint8 (B, C, S, S) by ``u`` (B, 1), uniform in [0, 1)."""
        return mirror(batch, u[:, 0] < 0.5, upside_down=True)


class ZoomAndCrop:
    """Smaller objects and larger ones: SSD's "expand" and "batch sampling" (Liu et al. 2016, secs. 2.2 and 3.6).

    Half of the images shrink to a random place of a mean-coloured canvas. Then a random window, with sides of 0.3 to 1
    of the canvas's and an aspect ratio of 1/2 to 2, is enlarged to the whole; it must overlap some object by at least
    0, 0.1, 0.3, 0.5, 0.7 or 0.9 (IoU), drawn at random with "no window" as the seventh possibility, and another of the
    seven if none of fifty windows does. Objects whose centre is in the window remain. Images without objects are not
    cropped. Both are one resizing.

    Not torchvision's ``RandomZoomOut`` and ``RandomIoUCrop``: these draw from the global random numbers, so what
    happens to an example would depend on what was drawn before it, and a resumed run would differ; and they try one
    window after the other, several times slower at 128 px on a CPU.

    Args:
        zoom_out: greatest side of the canvas over that of the image; 1 never zooms out.
        iou_crop: whether windows are cut out.
    """

    draws = 2

    def __init__(self, zoom_out: float, iou_crop: bool) -> None:
        self.zoom_out = zoom_out
        self.iou_crop = iou_crop

    def __call__(self, batch: Scenes, u: Tensor) -> Scenes:
        """Changes scenes uint8 (B, C, S, S) by ``u`` (B, 2), uniform in [0, 1)."""
        # Fifty windows need more numbers than one would hand over: two of them make a seed.
        seeds = [mix(*(int(number * 2**24) for number in row)) for row in u.tolist()]
        return collate([self._one(*example) for example in zip(*batch, seeds, strict=True)])

    def _one(self, image: Tensor, target: Target, seed: int) -> Scenes:
        generator = torch.Generator().manual_seed(seed)
        side = image.shape[-1]
        half, growth, *place = torch.rand(4, generator=generator).tolist()
        canvas = int(side * (1 + growth * (self.zoom_out - 1))) if half < 0.5 else side
        left, top = (int(number * (canvas - side + 1)) for number in place)
        window = (0, 0, canvas, canvas)
        if self.iou_crop and len(target["labels"]):
            corner = torch.tensor([left, top, left, top])
            window = iou_window(target["boxes"].cpu() + corner, canvas, generator)
        if window == (0, 0, side, side) and canvas == side:
            return Scenes._make((image, target))
        # What the window shows of the image, in pixels of the image; and where that lies in the result.
        x1, y1, x2, y2 = window[0] - left, window[1] - top, window[2] - left, window[3] - top
        seen = [max(y1, 0), max(x1, 0), min(y2, side), min(x2, side)]
        ratio = [side / (y2 - y1), side / (x2 - x1)] * 2
        part = [round((a - b) * r) for a, b, r in zip(seen, (y1, x1) * 2, ratio, strict=True)]
        size = [max(1, part[2] - part[0]), max(1, part[3] - part[1])]
        piece, shown = resized_window(image, target, [*seen[:2], seen[2] - seen[0], seen[3] - seen[1]], size)
        fill = torch.tensor(FILL if len(image) == 3 else FILL[1:2], dtype=torch.uint8, device=image.device)
        whole = fill[:, None, None].repeat(1, side, side)
        whole[:, part[0] : part[0] + size[0], part[1] : part[1] + size[1]] = piece
        shown["boxes"] += torch.tensor([part[1], part[0]] * 2, device=image.device)
        return Scenes._make((whole, shown))


def iou_window(boxes: Tensor, side: int, generator: torch.Generator) -> tuple[int, int, int, int]:
    """A random window that overlaps some object as much as a random choice of ``OVERLAPS`` asks, see ``ZoomAndCrop``.

    Args:
        boxes: (n, 4) xyxy, at least one.
        side: of the square image.
        generator: of the windows.

    Returns:
        xyxy, whole pixels; the whole image if that was chosen, or if no window does.
    """
    sizes = (side * (0.3 + 0.7 * torch.rand(WINDOWS, 2, generator=generator))).long()
    corners = ((side - sizes + 1) * torch.rand(WINDOWS, 2, generator=generator)).long()
    windows = torch.cat([corners, corners + sizes], 1)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres > windows[:, None, :2]) & (centres < windows[:, None, 2:])).all(2)
    overlap = box_iou(windows.to(boxes.dtype), boxes).masked_fill(~inside, -1).amax(1)
    aspect = sizes[:, 0] / sizes[:, 1]
    overlap[(aspect < 0.5) | (aspect > 2)] = -1
    for choice in torch.randperm(len(OVERLAPS), generator=generator).tolist():
        least = OVERLAPS[choice]
        if least is None:
            break
        good = (overlap >= least).nonzero()
        if len(good):
            x1, y1, x2, y2 = windows[good[0, 0]].tolist()
            return x1, y1, x2, y2
    return 0, 0, side, side


class Rescale:
    """Training at several sizes (as YOLOv2 does, Redmon and Farhadi 2017, sec. 2): a batch's first example decides.

    Args:
        sizes: sides in pixels, equally likely.
    """

    draws = 1

    def __init__(self, sizes: list[int]) -> None:
        self.sizes = sizes

    def __call__(self, batch: Scenes, u: Tensor) -> Scenes:
        """Scenes uint8 (B, C, S, S) at the size that ``u[0, 0]`` chooses."""
        images, targets = batch
        size = self.sizes[int(float(u[0, 0]) * len(self.sizes))]
        ratio = size / images.shape[-1]
        scaled = [{**target, "boxes": target["boxes"] * ratio} for target in targets]
        return Scenes(F.resize(images, [size, size], antialias=True), scaled)


def resized_window(image: Tensor, target: Target, window: list[int], size: list[int]) -> tuple[Tensor, Target]:
    """A window of an image at another size, and the objects whose centre is in it.

    Args:
        image: uint8 (C, H, W).
        target: its objects.
        window: top, left, height, width.
        size: height and width of the result.

    Returns:
        uint8 (C, *size), and the objects, cut to it, that are still a pixel wide and high.
    """
    top, left, height, width = window
    x, y = (target["boxes"][:, :2] + target["boxes"][:, 2:]).div(2).unbind(1)
    inside = (x > left) & (x < left + width) & (y > top) & (y < top + height)
    boxes = tv_tensors.BoundingBoxes(target["boxes"][inside], format="XYXY", canvas_size=image.shape[-2:])
    moved = F.clamp_bounding_boxes(F.resized_crop(boxes, *window, size))
    moved, kept = F.sanitize_bounding_boxes(moved, min_size=1, min_area=1)
    piece = F.resized_crop(image, *window, size, antialias=True)
    return piece, {"boxes": moved.as_subclass(Tensor), "labels": target["labels"][inside][kept]}
