import base64
import re
from pathlib import Path

from leyden.report.labs.sections import Section
from leyden.report.labs.tour import NEXT, draw_tour


def section(folder: Path, images: int) -> Section:
    files = [(f"number {number}", folder / f"{number}.png") for number in range(images)]
    for number, (_, file) in enumerate(files):
        file.write_bytes(bytes([number]) * 4)
    (folder / "curves.png").write_bytes(b"curves")
    rows = [["test/ap", "0.75", "at least 0.5", "yes"], ["test/ap50", "0.25", "at least 0.5", "NO"]]
    commands = [("one <more>", "leyden run 'model.widths=[8,16]' & more")]
    return Section("tour_mine", "A lab", "Is <this> so?", rows, files, folder / "curves.png", commands)


def test_page_stands_alone(tmp_path: Path) -> None:
    page = draw_tour([section(tmp_path, 2)], 90.0)
    images = re.findall(r'src="data:image/png;base64,(.*?)"', page)
    assert [base64.b64decode(image) for image in images] == [b"\0" * 4, b"\1" * 4, b"curves"]
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert "1 labs" not in page
    assert "in 1.5 minutes" in page


def test_texts_are_escaped_and_verdicts_coloured(tmp_path: Path) -> None:
    page = draw_tour([section(tmp_path, 1)], 60.0)
    assert "Is &lt;this&gt; so?" in page
    assert "<code>leyden run &#39;model.widths=[8,16]&#39; &amp; more</code>" in page
    assert '<td class="yes">yes</td>' in page
    assert '<td class="no">NO</td>' in page
    for what, command in NEXT:
        assert what in page
        assert command in page


def test_lab_without_images(tmp_path: Path) -> None:
    bare = section(tmp_path, 0)._replace(curves=None, rows=[])
    page = draw_tour([bare, bare], 60.0)
    assert "2 labs" in page
    assert "<img" not in page
