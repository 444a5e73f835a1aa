"""``leyden export``: a record's network as an ONNX file, written only where it computes what PyTorch computes."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.bench.run.best import load_best, verbs_of
from leyden.bench.run.checkpoint import technique_of
from leyden.bench.run.logs import setup_logging
from leyden.bench.run.record import Record, write
from leyden.core.technique import Exports

CHECKED_BATCHES = (1, 2, 5)
"""Sizes at which the file's outputs are compared; the network is traced with 2 images."""
TOLERANCE = 1e-4
"""Largest difference, relative to the largest number, that float32 sums in another order may make; usual is 1e-6."""
NORMALISATION = "the network's own: it takes uint8 pixels, 0 to 255, as leyden.data.splits.fit_image makes them"


def export(record: Record, output: Path | None = None) -> None:
    """Writes the best checkpoint's network (``Exports``): ``images``, uint8 (batch, C, S, S), of any batch size.

    The outputs are those that the technique names, such as ``logits`` (batch, classes). The file's metadata hold
    ``image_size`` (pixels), ``channels``, ``normalisation``, ``record`` (its folder), ``technique``, and what the
    technique adds, such as ``class_names``.

    Args:
        record: of a technique that ``Exports``.
        output: the file; its folder is made where it is missing. None: ``<record>/model.onnx``.

    Raises:
        ValueError: the technique exports nothing, the file would give other numbers than PyTorch, or the extra
            ``export`` is not installed. Nothing is written then.
    """
    setup_logging(None)
    output = output or record.folder / "model.onnx"
    model = load_best(record)
    name = type(model).__name__
    if not isinstance(model, Exports):
        raise ValueError(
            f"{name} has no network that can leave PyTorch (export_network, see leyden.core.technique); its verbs are: "
            f"{verbs_of(model)}"
        )
    onnx, onnxruntime = _tools()
    graph, channels, side, names, metadata = model.export_network()
    proto = _translate(graph, _images(2, channels, side), names)
    metadata = {
        "image_size": str(side),
        "channels": str(channels),
        "normalisation": NORMALISATION,
        "record": str(record.folder.absolute()),
        "technique": technique_of(record.config),
        **metadata,
    }
    onnx.helper.set_model_props(proto, metadata)
    content = proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    difference = max(_difference(session, graph, _images(size, channels, side), names) for size in CHECKED_BATCHES)
    output.parent.mkdir(parents=True, exist_ok=True)
    write(output, content)
    listed = " and ".join(names)
    print(f"{output}: {len(content) / 1e6:.1f} MB; {listed} differ from PyTorch's by {difference:.0e} of the largest")


def _tools() -> tuple[Any, Any]:
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
