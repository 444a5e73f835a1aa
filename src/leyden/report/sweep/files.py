"""A lab's report, as files in its sweep's folder."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from torchvision.io import encode_png

from leyden.core.files import write_file


def write_report(folder: Path, files: Mapping[str, str | Tensor], mark: str = "") -> None:
    """Writes the files of a report, prints what is markdown among them, and where they lie.

    Args:
        folder: of the sweep.
        files: text, or (3, H, W) images of bytes that become PNG, by name.
        mark: added to what is markdown, see ``leyden.report.sweep.selection.note``.
    """
    for name, content in files.items():
        if isinstance(content, str) and name.endswith(".md") and mark:
            content = f"{content}\n{mark}\n"
        write_file(folder / name, content if isinstance(content, str) else encode_png(content).numpy().tobytes())
        if name.endswith(".md"):
            print(content)
    print("report:", *(folder / name for name in files), sep="\n  ")
