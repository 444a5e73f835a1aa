"""``leyden export``: a record's network as an ONNX file, written only where it computes what PyTorch computes."""

from pathlib import Path

from leyden.bench.run.checkpoint import load_best, technique_of
from leyden.bench.run.record import Record
from leyden.core.files import write_file
from leyden.core.technique import Exports, verbs_of
from leyden.nets.onnx import to_onnx
from leyden.training.logs import setup_logging


def export(record: Record, output: Path | None = None) -> None:
    """Writes the best checkpoint's network (``Exports``), for any batch size: of ``images``, uint8 (batch, C, S, S), or
    of ``tokens`` (batch, length) and ``lengths`` (batch,), int64.

    The outputs are those that the technique names, such as ``logits`` (batch, classes). The file's metadata hold
    ``image_size`` (pixels), ``channels``, ``normalisation``, or ``context`` and ``vocabulary_size``; ``record`` (its
    folder), ``technique``, and what the technique adds, such as ``class_names``.

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
    exportable = model.export_network()
    metadata = {"record": str(record.folder.absolute()), "technique": technique_of(record.config)}
    content, difference = to_onnx(exportable, metadata)
    write_file(output, content)
    listed = " and ".join(exportable.outputs)
    print(f"{output}: {len(content) / 1e6:.1f} MB; {listed} differ from PyTorch's by {difference:.0e} of the largest")
