"""A network as an ONNX model, checked against PyTorch; the packages come with the extra ``export``."""

import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.core.technique import Exportable, ExportableText

NORMALISATION = "the network's own: it takes uint8 pixels, 0 to 255, as leyden.data.splits.fit_image makes them"
CHECKED_BATCHES = (1, 2, 5)
"""Sizes at which the model's outputs are compared; the network is traced with 2 examples."""
TOLERANCE = 1e-4
"""Largest difference, relative to the largest number, that float32 sums in another order may make; usual is 1e-6."""


def to_onnx(exportable: Exportable | ExportableText, metadata: dict[str, str]) -> tuple[bytes, float]:
    """The model's bytes, and how far its outputs are from PyTorch's, relative to the largest of each.

    Args:
        exportable: the network and what it takes.
        metadata: written into the model, besides what ``exportable`` says of itself.

    Raises:
        ValueError: PyTorch cannot export the network, the outputs differ by more than ``TOLERANCE``, or the extra
            ``export`` is not installed.
    """
    onnx, onnxruntime = _packages()
    network, names = exportable.network, exportable.outputs
    proto = _translate(network, _inputs(exportable, 2), names)
    onnx.helper.set_model_props(proto, {**_described(exportable), **metadata, **exportable.metadata})
    content = proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    batches = [_inputs(exportable, size) for size in CHECKED_BATCHES]
    return content, max(_difference(session, network, inputs, names) for inputs in batches)


def _described(exportable: Exportable | ExportableText) -> dict[str, str]:
    """What the network takes, for the file's metadata."""
    if isinstance(exportable, ExportableText):
        return {"context": str(exportable.context), "vocabulary_size": str(exportable.vocabulary_size)}
    sizes = {"image_size": str(exportable.image_size), "channels": str(exportable.channels)}
    return {**sizes, "normalisation": NORMALISATION}


def _inputs(exportable: Exportable | ExportableText, count: int) -> dict[str, Tensor]:
    """What a batch of so many is, by the inputs' names."""
    if not isinstance(exportable, ExportableText):
        return {"images": _images(count, exportable.channels, exportable.image_size)}
    generator, length = torch.Generator().manual_seed(count), min(exportable.context, 5 + 2 * count)
    tokens = torch.randint(exportable.vocabulary_size, (count, length), generator=generator)
    return {"tokens": tokens, "lengths": torch.arange(count) % (length - 2) + 3}


def _packages() -> tuple[Any, Any]:
    """The packages ``onnx`` and ``onnxruntime``, loaded only here: Leyden's other verbs do without them."""
    try:
        import_module("onnxscript")  # PyTorch's exporter needs it
        return import_module("onnx"), import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ValueError(f"export needs a package more ({error}): pip install 'leyden[export]'") from error


def _translate(model: nn.Module, inputs: Mapping[str, Tensor], names: Sequence[str]) -> Any:
    """``model`` as an ``onnx.ModelProto`` that takes any number of such inputs, texts of any length."""
    shapes = tuple({0: "batch", 1: "length"} if name == "tokens" else {0: "batch"} for name in inputs)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Tokens and lengths share the axis of the batch, as they should; it is kept by the name that both have.
            warnings.filterwarnings("ignore", "# The axis name: batch will not be used", UserWarning)
            program = torch.onnx.export(
                model,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=list(names),
                dynamic_shapes=shapes,
                verbose=False,
            )
    except RuntimeError as error:  # its own message is advice for PyTorch's developers; the cause is the news
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ValueError(f"PyTorch cannot export {type(model).__name__}: {reason}") from error
    assert program is not None
    return program.model_proto


@torch.no_grad()
def _difference(session: Any, model: nn.Module, inputs: Mapping[str, Tensor], names: Sequence[str]) -> float:
    """How far the file's outputs are from the model's, relative to the largest of each.

    Raises:
        ValueError: farther than ``TOLERANCE``, or of another shape.
    """
    outputs, shape = model(*inputs.values()), tuple(next(iter(inputs.values())).shape)
    what = f"{shape[0]} {'images' if 'images' in inputs else 'texts'}"
    differences = []
    given = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    for name, expected, found in zip(names, [outputs] if isinstance(outputs, Tensor) else outputs, given, strict=True):
        if found.shape != expected.shape:
            raise ValueError(f"refused: for {shape} the file gives {found.shape}, not {expected.shape}")
        largest = expected.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
        difference = float((torch.from_numpy(found) - expected).abs().max() / largest)
        if not difference <= TOLERANCE:  # NaN is refused too
            raise ValueError(
                f"refused: for {what} the file's {name} differ from PyTorch's by {difference:.1e} of the largest, more "
                f"than {TOLERANCE:.0e}; does forward depend on anything but its inputs and weights?"
            )
        differences.append(difference)
    return max(differences)


def _images(count: int, channels: int, side: int) -> Tensor:
    """Random blotches and a little noise, the spectrum of photographs: uint8 (count, channels, side, side)."""
    generator = torch.Generator().manual_seed(count)
    blotches = F.interpolate(torch.rand(count, channels, 4, 4, generator=generator), (side, side), mode="bilinear")
    noise = torch.rand(count, channels, side, side, generator=generator)
    return (255 * (0.8 * blotches + 0.2 * noise)).to(torch.uint8)
