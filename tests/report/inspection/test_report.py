import csv
import io
import os
from pathlib import Path

import numpy as np
from painted import NAMES, write_voc
from PIL import Image

from leyden.data.inspection.inspect import inspect
from leyden.data.source.annotations.voc import VOC
from leyden.data.source.files.image_folder import ImageFolder
from leyden.report.inspection.report import inspection_report, inspection_sheet, issue_counts, issue_table


def test_report_of_odd_files_is_whole(tmp_path: Path) -> None:
    """Names that are no UTF-8, damaged and foreign files, 16 bits: all in a report that can be written."""
    for i in range(40):
        file = tmp_path / ("cat|s", "dogs\n")[i % 2] / f"{i}\udcff.png"
        file.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (6 * i, 0, 0)).save(file)
    Image.fromarray(np.full((8, 8), 2**15, dtype=np.uint16)).save(file)
    (file.parent / "damaged\udcff.png").write_bytes(b"\0")
    (file.parent / ".DS_Store").touch()
    (file.parent / "notes.txt").touch()
    source = ImageFolder(os.fspath(tmp_path))
    seen = inspect(source)
    report = inspection_report(source, seen)
    for text in (report, issue_table(seen)):
        assert "damaged\ufffd.png" in text.encode().decode()
    told = [line for line in report.splitlines() if line.startswith("passed over or changed: ")]
    assert len(told) == 1
    for what in ("1 x hidden or of", "1 x of 16 bits, scaled to 8", "1 x with another ending, not read"):
        assert what in told[0]
    assert "stops: a run stops at it" in report
    assert issue_counts(seen) == "issues: 1 x stops"
    assert inspection_sheet(source, seen).shape[0] == 3


def test_issues_are_a_table(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set")
    (root / "JPEGImages/b.png").write_bytes(b"")
    seen = inspect(VOC(str(root), classes=NAMES))
    rows = list(csv.DictReader(io.StringIO(issue_table(seen))))
    assert [(row["kind"], Path(row["file"]).name) for row in rows if row["effect"] == "stops"] == [
        ("unusable image", "b.png")
    ]
