"""Where a network looked: Grad-CAM (Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks")."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import rgb_to_grayscale

# From cold to hot, RGB in 0..255: heat 0, 1/2 and 1, straight lines between them.
RAMP = ((40, 60, 200), (240, 210, 40), (200, 0, 20))
OPACITY = 0.6  # of the colours, so that the object stays visible below them


def grad_cam(maps: Tensor, logits: Tensor, classes: Tensor) -> Tensor:
    """Which places of the maps speak for a class.

    The score is the logit, not the probability, as in the paper: a softmax would mix in what speaks against the
    other classes. The graph is kept, so the same forward pass can be asked about another class.

    Args:
        maps: (B, C, h, w) activations A, part of the graph of ``logits``. The network must be in eval mode: batch
            statistics would let the images of a batch explain one another.
        logits: (B, K) scores y.
        classes: (B,) int64, the class c to explain in each image.

    Returns:
        (B, h, w) float32 heat in [0, 1], without a graph: the largest value of an image is 1, or all are 0 where
        nothing speaks for the class.

    Raises:
        ValueError: shapes do not match, or ``logits`` do not depend on ``maps`` through a graph.
    """
    if maps.ndim != 4 or logits.ndim != 2 or not len(maps) == len(logits) == len(classes):
        raise ValueError(
            f"Grad-CAM needs maps (B, C, h, w), logits (B, K), classes (B,), "
            f"got {tuple(maps.shape)}, {tuple(logits.shape)}, {tuple(classes.shape)}"
        )
    slopes = None
    if maps.requires_grad and logits.requires_grad:
        scores = logits.gather(1, classes[:, None])
        (slopes,) = torch.autograd.grad(scores.sum(), maps, retain_graph=True, allow_unused=True)
    if slopes is None:
        raise ValueError(
            "logits do not depend on maps through a graph; compute both with gradients on, from one forward pass"
        )
    alpha = slopes.float().mean((2, 3))  # eq. 1
    heat = torch.einsum("bc,bchw->bhw", alpha, maps.detach().float()).relu()  # eq. 2
    # Divided by the smallest normal number, an image without heat stays 0 instead of becoming nan.
    return heat / heat.amax((1, 2), keepdim=True).clamp(min=torch.finfo(heat.dtype).tiny)


def overlay(image: Tensor, heat: Tensor) -> Tensor:
    """Heat as colour over the grey image.

    Colour fades in up to heat 1/2 and is then as opaque as ``OPACITY`` says. Where the resized heat is 0, the result
    is exactly the image's grey.

    Args:
        image: uint8 (1 or 3, H, W).
        heat: (h, w) in [0, 1]; resized to (H, W) bilinearly.

    Returns:
        uint8 (3, H, W), on the CPU.
    """
    grey = rgb_to_grayscale(image.cpu(), num_output_channels=3).float()
    heat = F.interpolate(heat.detach().cpu().float()[None, None], grey.shape[1:], mode="bilinear")[0]
    cold, warm, hot = torch.tensor(RAMP).float()[:, :, None, None]
    colour = torch.where(heat < 0.5, torch.lerp(cold, warm, 2 * heat), torch.lerp(warm, hot, 2 * heat - 1))
    return torch.lerp(grey, colour, OPACITY * (2 * heat).clamp(max=1)).round().to(torch.uint8)
