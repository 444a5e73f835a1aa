"""Answers and truths of detectors, by hand and at random."""

import torch
from torch import Tensor

from leyden.detection.boxes.nms import NMSOptions, non_max_suppression
from leyden.detection.boxes.soft_nms import NMSMethod

Boxes = dict[str, torch.Tensor]


def target(*boxes: list[float], labels: list[int] | None = None, **extra: list) -> Boxes:
    """Objects, of class 0 unless said otherwise."""
    found = {"boxes": torch.tensor(boxes).reshape(-1, 4), "labels": torch.tensor(labels or [0] * len(boxes)).long()}
    return found | {key: torch.tensor(value) for key, value in extra.items()}


def prediction(*rows: tuple[list[float], float], labels: list[int] | None = None) -> Boxes:
    """Boxes with their scores."""
    return target(*[box for box, _ in rows], labels=labels) | {"scores": torch.tensor([score for _, score in rows])}


def nms(
    boxes: Tensor,
    scores: Tensor,
    score_threshold: float,
    iou: float,
    candidates: int | None,
    max_detections: int,
    method: NMSMethod = "hard",
    sigma: float = 0.5,
) -> Boxes:
    """``non_max_suppression`` with options by position."""
    options = NMSOptions(
        score_threshold=score_threshold, nms=method, nms_iou=iou, nms_sigma=sigma, max_detections=max_detections
    )
    return non_max_suppression(boxes, scores, options, candidates)


def random_scenes(
    seed: int, images: int = 20, classes: int = 3, shake: float = 4.0, whole: bool = False, spared: float = 0.0
) -> tuple[list[Boxes], list[Boxes]]:
    """Some objects, found with shaken boxes, found twice, missed, taken for others, and boxes where nothing is.

    Args:
        seed: of the scenes.
        images: how many.
        classes: how many.
        shake: standard deviation of the corners, pixels.
        whole: whole pixels and scores in tenths, so that overlaps and scores are often equal to each other or to a
            threshold; also areas that are not those of the boxes.
        spared: share of difficult objects, and of crowds.
    """
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    predictions, targets = [], []
    for _ in range(images):
        count = int(torch.randint(0, 6, (), generator=generator))
        low = uniform(count, 2) * 200
        boxes = torch.cat([low, low + 10 + uniform(count, 2) * 120], 1)
        labels = torch.randint(classes, (count,), generator=generator)
        kind = uniform(count)
        there = {"boxes": boxes, "labels": labels, "difficult": kind < spared, "crowd": kind > 1 - spared}
        shaken = boxes.repeat(2, 1) + torch.randn(2 * count, 4, generator=generator) * shake
        shaken = torch.cat([shaken, torch.cat([low, low + 40], 1)[:1]])
        other = torch.randint(classes, (len(shaken),), generator=generator)
        said = torch.cat([labels.repeat(2), labels[:1]])
        said = torch.where(uniform(len(shaken)) < 0.8, said, other)
        kept = (uniform(len(shaken)) < 0.7) & (shaken[:, 2:] > shaken[:, :2] + 1).all(1)
        found = {"boxes": shaken[kept], "labels": said[kept], "scores": uniform(len(shaken))[kept]}
        if whole:
            for part in (there, found):
                part["boxes"] = part["boxes"].round()
            found["scores"] = (10 * found["scores"]).round() / 10
            there["area"] = (boxes[:, 2:] - boxes[:, :2]).prod(1) * (0.3 + 0.7 * uniform(count))
        targets.append(there)
        predictions.append(found)
    return predictions, targets
