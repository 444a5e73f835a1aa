"""A network as an ONNX model, checked against PyTorch; the packages come with the extra ``export``."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CHECKED_BATCHES = (1, 2, 5)
"""Sizes at which the model's outputs are compared; the network is traced with 2 images."""
TOLERANCE = 1e-4
"""Largest difference, relative to the largest number, that float32 sums in another order may make; usual is 1e-6."""


def to_onnx(
    network: nn.Module, channels: int, image_size: int, outputs: Sequence[str], metadata: dict[str, str]
) -> tuple[bytes, float]:
    """The model's bytes, and how far its outputs are from PyTorch's, relative to the largest of each.

    Args:
        network: takes uint8 images (N, channels, image_size, image_size), any N.
        channels: of the images.
        image_size: side in pixels.
        outputs: a name for each tensor that it returns.
        metadata: written into the model.

    Raises:
        ValueError: PyTorch cannot export the network, the outputs differ by more than ``TOLERANCE``, or the extra
            ``export`` is not installed.
    """
    onnx, onnxruntime = _packages()
    proto = _translate(network, _images(2, channels, image_size), outputs)
    onnx.helper.set_model_props(proto, metadata)
    content = proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    batches = [_images(size, channels, image_size) for size in CHECKED_BATCHES]
    return content, max(_difference(session, network, images, outputs) for images in batches)


def _packages() -> tuple[Any, Any]:
    """The packages ``onnx`` and ``onnxruntime``, loaded only here: Leyden's other verbs do without them."""
    try:
        import_module("onnxscript")  # PyTorch's exporter needs it
        return import_module("onnx"), import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ValueError(f"export needs a package more ({error}): pip install 'leyden[export]'") from error


def _translate(model: nn.Module, images: Tensor, names: Sequence[str]) -> Any:
    """``model`` as an ``onnx.ModelProto`` that takes any number of such ``images`` (B, C, S, S)."""
    try:
        with torch.no_grad():
            program = torch.onnx.export(
                model,
                (images,),
                input_names=["images"],
                output_names=list(names),
                dynamic_shapes=({0: "batch"},),
                verbose=False,
            )
    except RuntimeError as error:  # its own message is advice for PyTorch's developers; the cause is the news
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ValueError(f"PyTorch cannot export {type(model).__name__}: {reason}") from error
    assert program is not None
    return program.model_proto


@torch.no_grad()
def _difference(session: Any, model: nn.Module, images: Tensor, names: Sequence[str]) -> float:
    """How far the file's outputs for ``images`` (B, C, S, S) are from the model's, relative to the largest of each.

    Raises:
        ValueError: farther than ``TOLERANCE``, or of another shape.
    """
    outputs = model(images)
    differences = []
    given = session.run(None, {"images": images.numpy()})
    for name, expected, found in zip(names, [outputs] if isinstance(outputs, Tensor) else outputs, given, strict=True):
        if found.shape != expected.shape:
            raise ValueError(f"refused: for {tuple(images.shape)} the file gives {found.shape}, not {expected.shape}")
        largest = expected.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
        difference = float((torch.from_numpy(found) - expected).abs().max() / largest)
        if not difference <= TOLERANCE:  # NaN is refused too
            raise ValueError(
                f"refused: for {len(images)} images the file's {name} differ from PyTorch's by {difference:.1e} of the "
                f"largest, more than {TOLERANCE:.0e}; does forward depend on anything but its images and weights?"
            )
        differences.append(difference)
    return max(differences)


def _images(count: int, channels: int, side: int) -> Tensor:
    """Random blotches and a little noise, the spectrum of photographs: uint8 (count, channels, side, side)."""
    generator = torch.Generator().manual_seed(count)
    blotches = F.interpolate(torch.rand(count, channels, 4, 4, generator=generator), (side, side), mode="bilinear")
    noise = torch.rand(count, channels, side, side, generator=generator)
    return (255 * (0.8 * blotches + 0.2 * noise)).to(torch.uint8)
