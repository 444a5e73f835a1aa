"""Between RGB and CIE L*a*b*, as scikit-image has it and differentiable: sRGB, illuminant D65, observer of 2 degrees.

RGB in 0..1 is made linear (IEC 61966-2-1), turned into X, Y, Z, divided by those of white, and with

    f(t) = t^(1/3) for t > 0.008856, else 7.787 t + 16/116

L = 116 f(Y) - 16 is the lightness, 0 to 100, a = 500 (f(X) - f(Y)) goes from green to red and b = 200 (f(Y) - f(Z))
from blue to yellow. For all of 8-bit RGB a lies in -86.2 to 98.3 and b in -107.9 to 94.5; grey has 0 in both, up to
0.005.
"""

import torch
from torch import Tensor

AB_RANGE = 110.0
"""Of a and b for networks, which take them divided by it: nothing in RGB is beyond."""
TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
WHITE = (0.95047, 1.0, 1.08883)
"""X, Y and Z of D65."""
LINEAR_BELOW, CURVED_FROM = 0.008856, 0.2068966
"""Where f's two parts meet, and the value there."""


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """RGB (..., 3, H, W) in 0..1 to float L in 0..100, a and b, (..., 3, H, W)."""
    linear = torch.where(rgb > 0.04045, ((rgb.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = _mix(linear, _matrix(rgb) / rgb.new_tensor(WHITE)[:, None])
    f = torch.where(xyz > LINEAR_BELOW, xyz.clamp_min(LINEAR_BELOW) ** (1 / 3), 7.787 * xyz + 16 / 116)
    x, y, z = f.unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -3)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """L, a and b (..., 3, H, W) to RGB in 0..1; what has no RGB is cut off channel by channel."""
    lightness, a, b = lab.unbind(-3)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, (y - b / 200).clamp_min(0)], -3)
    xyz = torch.where(f > CURVED_FROM, f**3, (f - 16 / 116) / 7.787)
    linear = _mix(xyz, torch.linalg.inv(_matrix(lab)) * lab.new_tensor(WHITE))
    curved = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, 12.92 * linear).clamp(0, 1)


def to_lab(images: Tensor) -> tuple[Tensor, Tensor]:
    """uint8 RGB (..., 3, H, W) to float L (..., 1, H, W) in 0..100, and a and b (..., 2, H, W)."""
    lightness, ab = rgb_to_lab(images.float() / 255).split([1, 2], -3)
    return lightness, ab


def to_rgb(lightness: Tensor, ab: Tensor) -> Tensor:
    """L (..., 1, H, W) with a and b (..., 2, H, W) to uint8 RGB (..., 3, H, W), rounded: the inverse of ``to_lab``."""
    return (lab_to_rgb(torch.cat([lightness, ab], -3)) * 255).round().to(torch.uint8)


def _matrix(like: Tensor) -> Tensor:
    return torch.tensor(TO_XYZ, dtype=like.dtype, device=like.device)


def _mix(channels: Tensor, matrix: Tensor) -> Tensor:
    """A matrix (3, 3) times each pixel's three channels (..., 3, H, W), never in half precision."""
    with torch.autocast(channels.device.type, enabled=False):
        return torch.einsum("ij,...jhw->...ihw", matrix, channels)
