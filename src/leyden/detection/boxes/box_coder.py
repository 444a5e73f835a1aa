"""Boxes as offsets from other boxes, and back."""

import math

import torch
from torch import Tensor

LARGEST = math.log(1000 / 16)
"""The greatest logarithm of a growth that is decoded, so that an untrained network's boxes stay finite."""


def encode(boxes: Tensor, priors: Tensor, variances: tuple[float, float] = (0.1, 0.2)) -> Tensor:
    """Offsets from ``priors`` to ``boxes`` (R-CNN, Girshick et al. 2014, eqs. 6 to 9; SSD, eq. 2).

        t_x = (g_x - p_x) / p_w / v_0      t_w = ln(g_w / p_w) / v_1      (likewise y and h)

    The "variances" of SSD's code bring the targets to a spread of about 1; the paper's text omits them.

    Args:
        boxes: (..., 4) xyxy, of positive width and height.
        priors: (..., 4) centre x, centre y, width, height, in the same unit.
        variances: v_0 of centres and v_1 of sizes.

    Returns:
        (..., 4) offsets (t_x, t_y, t_w, t_h), dimensionless.
    """
    centre, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
    return torch.cat(
        [
            (centre - priors[..., :2]) / priors[..., 2:] / variances[0],
            (size / priors[..., 2:]).log() / variances[1],
        ],
        -1,
    )


def decode(offsets: Tensor, priors: Tensor, variances: tuple[float, float] = (0.1, 0.2)) -> Tensor:
    """The inverse of :func:`encode`: offsets (..., 4) to boxes (..., 4) xyxy; growth is limited to 1000 / 16."""
    centre = priors[..., :2] + offsets[..., :2] * variances[0] * priors[..., 2:]
    size = priors[..., 2:] * (offsets[..., 2:] * variances[1]).clamp(max=LARGEST).exp()
    return torch.cat([centre - size / 2, centre + size / 2], -1)
