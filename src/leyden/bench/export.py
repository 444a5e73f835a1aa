"""A record's network as an ONNX file, which runs where there is no PyTorch; it is written only where it agrees."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.bench.answer import load_best
from leyden.bench.checkpoint import technique_of
from leyden.bench.logs import setup_logging
from leyden.bench.record import Record, write

CHECKED_BATCHES = (1, 2, 5)
"""Sizes at which the file's answers are compared; the network is traced with 2 images."""
TOLERANCE = 1e-4
"""Largest difference, relative to the largest logit, that float32 sums in another order may make; usual is 1e-6."""
NORMALISATION = "the network's own: it takes uint8 pixels, 0 to 255, as leyden.data.examples.fit_image makes them"


def export(record: Record, output: Path) -> None:
    """Writes the best checkpoint's ``forward``: ``images``, uint8 (batch, C, S, S), to ``logits``, of any batch size.

    The file's metadata hold ``class_names`` (JSON), ``image_size`` (pixels), ``channels``, ``crop`` (JSON, see
    ``leyden.data.examples.fit_image``), ``normalisation``, ``record`` (its folder) and ``technique``.

    Args:
        record: of a technique whose ``forward`` takes images and gives one tensor.
        output: the file; its folder is made where it is missing.

    Raises:
        ValueError: the technique has no such ``forward``, the file would answer otherwise than PyTorch, or the extra
            ``export`` is not installed. Nothing is written then.
    """
    setup_logging(None)
    model = load_best(record)
    name = type(model).__name__
    if not model.takes_images:
        raise ValueError(f"{name} samples from noise: only techniques that take images can be exported")
    onnx, onnxruntime = _tools()
    side, channels = model.hparams["image_size"], model.hparams["channels"]
    with torch.no_grad():
        answer = model(_images(2, channels, side))
    if not isinstance(answer, Tensor):
        raise ValueError(
            f"{name} answers with a {type(answer).__name__}, where a file needs one tensor: classifiers can be "
            "exported, detectors not yet"
        )
    proto = _translate(model, _images(2, channels, side))
    facts = {
        "class_names": json.dumps(model.hparams["class_names"]),
        "image_size": str(side),
        "channels": str(channels),
        "crop": json.dumps(model.hparams.get("crop")),
        "normalisation": NORMALISATION,
        "record": str(record.folder.absolute()),
        "technique": technique_of(record.config),
    }
    onnx.helper.set_model_props(proto, facts)
    content = proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    difference = max(_difference(session, model, _images(size, channels, side)) for size in CHECKED_BATCHES)
    output.parent.mkdir(parents=True, exist_ok=True)
    write(output, content)
    print(f"{output}: {len(content) / 1e6:.1f} MB; its logits differ from PyTorch's by {difference:.0e} of the largest")


def _tools() -> tuple[Any, Any]:
    """The packages ``onnx`` and ``onnxruntime``, loaded only here: Leyden's other verbs do without them."""
    try:
        import_module("onnxscript")  # PyTorch's exporter needs it
        return import_module("onnx"), import_module("onnxruntime")
    except ModuleNotFoundError as error:
        raise ValueError(f"export needs a package more ({error}): pip install 'leyden[export]'") from error


def _translate(model: nn.Module, images: Tensor) -> Any:
    """``model`` as an ``onnx.ModelProto`` that takes any number of such ``images`` (B, C, S, S)."""
    try:
        with torch.no_grad():
            program = torch.onnx.export(
                model,
                (images,),
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=({0: "batch"},),
                verbose=False,
            )
    except RuntimeError as error:  # its own message is advice for PyTorch's developers; the cause is the news
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ValueError(f"PyTorch cannot export {type(model).__name__}: {reason}") from error
    assert program is not None
    return program.model_proto


@torch.no_grad()
def _difference(session: Any, model: nn.Module, images: Tensor) -> float:
    """How far the file's answers to ``images`` (B, C, S, S) are from the model's, relative to its largest logit.

    Raises:
        ValueError: farther than ``TOLERANCE``, or of another shape.
    """
    expected = model(images)
    [logits] = session.run(None, {"images": images.numpy()})
    if logits.shape != expected.shape:
        raise ValueError(f"refused: for {tuple(images.shape)} the file gives {logits.shape}, not {expected.shape}")
    largest = expected.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
    difference = float((torch.from_numpy(logits) - expected).abs().max() / largest)
    if not difference <= TOLERANCE:  # NaN is refused too
        raise ValueError(
            f"refused: for {len(images)} images the file's logits differ from PyTorch's by {difference:.1e} of the "
            f"largest, more than {TOLERANCE:.0e}; does forward depend on anything but its images and weights?"
        )
    return difference


def _images(count: int, channels: int, side: int) -> Tensor:
    """Random blotches and a little noise, the spectrum of pictures: uint8 (count, channels, side, side)."""
    generator = torch.Generator().manual_seed(count)
    blotches = F.interpolate(torch.rand(count, channels, 4, 4, generator=generator), (side, side), mode="bilinear")
    noise = torch.rand(count, channels, side, side, generator=generator)
    return (255 * (0.8 * blotches + 0.2 * noise)).to(torch.uint8)
