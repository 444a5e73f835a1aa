import base64
import csv
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from leyden.bench.commands.compare import compare
from leyden.bench.run.record import RecordError
from leyden.cli import main
from leyden.report.compare import Comparison
from leyden.report.page import curve, draw_page, in_blocks, read_series
from leyden.report.runs import Run
from leyden.report.sections import Sections
from leyden.visualization.charts import spreads_figure
from leyden.visualization.figure import pixels

BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
VOID = {"meta", "img", "br"}
NASTY = "</title></td><script>document.title = 'taken'</script><img src=https://bad.example/x onerror=alert(1)>\"'&"


def run(seed: int, lr: float, score: float, folder: Path = Path("run"), **others: Any) -> Run:
    config: dict[str, Any] = {
        "seed": seed,
        "paths": {"outputs": "/here"},
        "lab": {"name": "gan_one", "title": "One", "question": "What?", "minutes": 1},
        "model": {"_target_": "a.Net", "lr": lr, "same": 3, "cache": "/here/cache"},
        "data": {"seed": seed},
    }
    return Run(config={**config, **others}, metrics={"test/fid": score, "steps": 9.0}, folder=folder)


SWEEP = [run(0, 0.2, 4.0), run(1, 0.2, 5.0), run(0, 0.1, 1.0), run(1, 0.1, 2.0), run(2, 0.1, 6.0)]


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a record; a picture of it is of one colour."""

    def make(name: str, own: Run, colour: tuple[int, int, int] = (9, 99, 199), status: str = "done") -> Path:
        where = tmp_path / name
        (where / "images").mkdir(parents=True)
        (where / "config.yaml").write_text(yaml.safe_dump(own["config"]))
        (where / "status.json").write_text(json.dumps({"status": status}))
        (where / "metrics.json").write_text(json.dumps(own["metrics"]))
        (where / "metrics.csv").write_text("step,metric,value\n10,val/fid,8\n20,val/fid,6\n20,train/loss,1\n")
        for step in (10, 20):
            Image.new("RGB", (40, 40), colour if step == 20 else "white").save(
                where / "images" / f"samples_{step:06d}.png"
            )
        return where

    return make


class Page(HTMLParser):
    """Holds a page against the rules of well-formed HTML; keeps its tags, attributes and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice: {tag} {attrs}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_rows_have_mean_and_sd_of_seeds() -> None:
    low, high = rows(Sections(SWEEP).csv())  # numbers upwards, whatever the order of the records
    assert (low["model.lr"], low["runs"], low["seeds"]) == ("0.1", "3", "3")
    assert float(low["test/fid"]) == pytest.approx(3)
    assert float(low["test/fid sd"]) == pytest.approx(math.sqrt(7))  # (4 + 1 + 9) / 2
    assert (float(high["test/fid"]), float(high["test/fid sd"])) == pytest.approx((4.5, math.sqrt(0.5)))
    text = Comparison(SWEEP).markdown()
    assert [cell.strip() for cell in text.splitlines()[6].split("|")[1:-1]] == ["0.1", "3", "**3.00 ± 2.65**"]
    assert text.startswith("# One\n\nWhat?\n")
    assert "5 records in 2 rows" in text


def test_only_differing_settings_are_columns() -> None:
    moved = run(5, 0.1, 3.0)
    moved["config"] |= {"paths": {"outputs": "/there"}, "sweep": {"name": "x"}}
    moved["config"]["model"]["cache"] = "/there/cache"  # at the same place below the outputs
    [whole] = rows(Sections([SWEEP[2], moved]).csv())
    assert list(whole) == ["runs", "seeds", "test/fid", "test/fid sd", "records"]
    assert list(rows(Sections(SWEEP).csv())[0]) == ["model.lr", *whole]
    other_data = run(0, 0.1, 3.0, data={"seed": 7})
    assert [axis.key for axis in Comparison([SWEEP[2], other_data]).columns] == ["data.seed"]


def test_runs_of_one_seed_are_noted() -> None:
    comparison = Comparison([run(0, 0.1, 1.0), run(0, 0.1, 3.0), run(1, 0.1, 4.0)])
    [line] = comparison.table().to_dict("records")
    assert (line["runs"], line["seeds"]) == (3, 2)
    assert line["test/fid sd"] == pytest.approx(math.sqrt(2))  # of 2 and 4
    assert any("each seed's mean counts" in note for note in comparison.notes)


def test_companions_of_a_lab_are_listed() -> None:
    other = run(0, 0.1, 3.0, lab={"name": "gan_two"}, model={"_target_": "b.Other", "widths": [8, 16], "lr": 0.3})
    comparison = Comparison([*SWEEP, other])
    assert [axis.key for axis in comparison.columns] == ["lab.name", "model.lr"]
    assert list(comparison.rows) == ["gan_one, lr=0.1", "gan_one, lr=0.2", "gan_two, lr=0.3"]
    assert comparison.title == "# 2 labs compared"
    _, lines = comparison.companions()
    assert ["model.widths", "(absent)", "(absent)", "[8, 16]"] in lines
    assert "model.widths" in comparison.table()


def test_shown_metrics_are_common_or_asked() -> None:
    both = [run(0, 0.1, 1.0), run(0, 0.2, 2.0)]
    for one in both:
        one["metrics"] |= {"test/fid_floor": 0.1, "test/kid_noise": 2.0, "test/samples": 9.0, "best/val/fid": 1.0}
    both[0]["metrics"]["test/ghost"] = math.nan
    assert Comparison(both).metrics == ["test/fid", "best/val/fid"]
    assert Comparison(both, ["test/ghost", "steps"]).metrics == ["test/ghost", "steps"]
    assert set(Comparison(both, every=True).metrics) == set(both[0]["metrics"])
    assert rows(Sections(both, ["test/ghost"]).csv())[0]["test/ghost"] == ""
    with pytest.raises(ValueError, match=r"no record has the metric test/fud; did you mean test/fid\?"):
        Comparison(both, ["test/fud"])
    both[1]["metrics"] = {"steps": 1.0}
    comparison = Comparison(both)  # blanks, for nothing is in common
    assert comparison.metrics == ["test/fid", "best/val/fid", "test/ghost"]
    assert "A dash: the runs of that row have no such metric." in comparison.notes
    assert comparison.lines(["test/fid"])[1] == [["0.1", "1", "1.000"], ["0.2", "1", "-"]]


def of_lab(name: str, metric: str, value: float, seed: int = 0) -> Run:
    lab = {"name": name, "title": f"The lab {name}", "question": f"What of {name}?"}
    return Run(
        config={"seed": seed, "lab": lab, "model": {"lr": 0.1}},
        metrics={f"test/{metric}": value, f"best/val/{metric}": value},
        folder=Path(name),
    )


MIXED = [
    of_lab("gan_a", "fid", 4.0),
    of_lab("boxes", "ap", 0.5),
    of_lab("gan_b", "fid", 3.0),
    of_lab("boxes", "ap", 0.7, 1),
]


def test_labs_that_are_evaluated_alike_share_a_section() -> None:
    sections = Sections(MIXED)
    assert sections.title == "# 3 labs in 2 sections"
    assert [list(part.rows) for part in sections.parts] == [["boxes"], ["gan_a", "gan_b"]]
    boxes, gans = sections.parts
    assert boxes.title == "# The lab boxes\n\nWhat of boxes?"
    assert boxes.lines(boxes.metrics) == (
        ["lab", "seeds", "test/ap ↑", "best/val/ap ↑"],
        [["boxes", "2", "0.600 ± 0.141", "0.600 ± 0.141"]],
    )
    assert gans.lines(["test/fid"]) == (
        ["lab", "seeds", "test/fid ↓"],
        [["gan_a", "1", "4.00"], ["gan_b", "1", "**3.00**"]],
    )
    assert "## The lab boxes\n\nWhat of boxes?" in sections.markdown()
    assert [row["section"] for row in rows(sections.csv())] == ["The lab boxes", "2 labs compared", "2 labs compared"]
    assert [row["test/ap"] for row in rows(sections.csv())] == ["0.6", "", ""]
    found = Page(draw_page(sections))
    assert [own["href"] for own in found.named("a")] == ["#section1", "#section2"]
    assert {"#section1", "#section2"} <= {f"#{own['id']}" for own in found.named("section") if "id" in own}


def test_asked_metrics_are_shown_where_they_are() -> None:
    sections = Sections(MIXED, ["test/ap"])
    assert [part.metrics for part in sections.parts] == [["test/ap"]]
    assert sections.left_out == ["left out: gan_a has no test/ap", "left out: gan_b has no test/ap"]
    with pytest.raises(ValueError, match=r"no record has the metric test/app; did you mean test/ap\?"):
        Sections(MIXED, ["test/app"])


def test_ties_and_baselines_are_not_bold() -> None:
    both = [run(0, 0.1, 1.0), run(0, 0.2, 1.0)]
    for one, floor in zip(both, (1.0, 2.0), strict=True):
        one["metrics"] |= {"test/fid_floor": floor, "test/fid_over_floor": floor}
    comparison = Comparison(both, ["test/fid", "test/fid_floor", "test/fid_over_floor"])
    assert comparison.lines(comparison.metrics) == (
        ["lr", "seeds", "test/fid ↓", "test/fid_floor", "test/fid_over_floor ↓"],
        [["0.1", "1", "1.000", "1.00", "**1.00**"], ["0.2", "1", "1.000", "2.00", "2.00"]],
    )


def test_training_is_beside_validation(folder: Callable) -> None:
    pair = [run(0, 0.1, 1.0), run(0, 0.2, 2.0)]
    for i, one in enumerate(pair):
        one["folder"] = folder(str(i), one)
        steps = range(1, 301)
        text = "".join(f"{s},train/loss,{s % 2}\n{s},train/other,{s}\n" for s in steps)
        (one["folder"] / "metrics.csv").write_text(
            "step,metric,value\n" + text + "".join(f"{s},val/fid,{s}\n{s},val/loss,{s}\n" for s in (100, 200))
        )
    charts = [own["alt"] for own in Page(draw_page(Sections(pair))).named("img")]
    names = [str(alt).removesuffix(" over the optimizer steps") for alt in charts if "over" in str(alt)]
    assert names == ["train/loss", "val/loss", "train/other", "val/fid"]


def test_long_trainings_are_drawn_by_blocks() -> None:
    short, long = pd.Series([1.0, 2.0], [5, 9]), pd.Series(range(120), range(1, 121), dtype=float)
    assert in_blocks(short).equals(short)
    blocks = in_blocks(long)
    assert blocks.tolist() == [2 * i + 0.5 for i in range(60)]
    assert blocks.index.tolist() == [2 * i + 2 for i in range(60)]


def test_images_of_a_tag_have_one_scale(folder: Callable) -> None:
    pair = [run(0, 0.1, 1.0), run(0, 0.2, 2.0)]
    for i, one in enumerate(pair):
        one["folder"] = folder(str(i), one)
        Image.new("RGB", (900 if i else 450, 500)).save(one["folder"] / "images" / "embedding_000020.png")
    pictures = [own for own in Page(draw_page(Sections(pair))).named("img") if "embedding" in str(own["alt"])]
    sizes = []
    for own in pictures:
        content = base64.b64decode(str(own["src"]).removeprefix("data:image/png;base64,"))
        sizes.append(Image.open(io.BytesIO(content)).size)
    assert sizes == [(310, 344), (620, 344)]


def test_different_numbers_of_samples_are_warned_of() -> None:
    both = [run(0, 0.1, 1.0, Path("a")), run(0, 0.2, 2.0, Path("b"))]
    for one, count in zip(both, (100.0, 539.0), strict=True):
        one["metrics"]["test/samples"] = count
    [note] = Comparison(both).notes
    assert note.startswith("warning: runs evaluated on different numbers of samples do not compare: 100 (a), 539 (b)")
    assert note in Comparison(both).markdown()


def test_narrow_terminal_gets_whole_table() -> None:
    for one in (both := [run(0, 0.1, 1.0), run(0, 0.2, 2.0)]):
        one["metrics"] |= {f"test/metric_{i}": float(i) for i in range(9)}
    comparison = Comparison(both)
    wide, side, narrow = (
        [line for line in comparison.text(width).splitlines() if line.startswith("|")] for width in (400, 60, 31)
    )
    assert re.findall(r"test/\w+", wide[0]) == comparison.metrics
    assert len(wide) == 4
    assert side[0].split() == ["|", "|", "lr=0.1", "|", "lr=0.2", "|"]
    assert [line.split()[1] for line in side[2:]] == ["seeds", *comparison.metrics]
    assert max(map(len, side)) <= 60
    heads = [line for line in narrow if "lr" in line]
    assert re.findall(r"test/\w+", " ".join(heads)) == comparison.metrics
    assert max(map(len, narrow)) <= 31
    assert len(narrow) == 4 * len(heads)
    assert comparison.text(1).count("lr") == 10  # too narrow for any: one at a time


def test_long_row_names_are_numbered() -> None:
    names = list(Comparison([run(0, 0.1, 1.0, note="x" * 60 + end) for end in "ab"]).rows)
    assert [name[:3] for name in names] == ["1: ", "2: "]
    assert max(map(len, names)) < 60


def test_curves_are_means_over_the_seeds_at_the_steps_of_all(folder: Callable) -> None:
    both = [pd.Series({10: 1.0, 20: 2.0, 30: 9.0}), pd.Series({20: 4.0, 10: 3.0})]
    steps, means, spread = curve(both, [0, 1])
    assert (steps, means) == ([10, 20], [2.0, 3.0])
    assert spread == pytest.approx([math.sqrt(2)] * 2)
    assert curve([pd.Series({1: 5.0})], [0]) == ([1], [5.0], None)
    where = folder("a", SWEEP[0])
    with (where / "metrics.csv").open("a") as file:
        file.write("20,val/fid,7\n30,val/fid,nan\n")
    series = read_series(where)
    assert {name: series[name].dropna().to_dict() for name in series} == {
        "val/fid": {10: 8.0, 20: 7.0},
        "train/loss": {20: 1.0},
    }
    assert read_series(where / "nowhere").empty


def test_page_stands_alone_with_last_images(folder: Callable) -> None:
    colours = [(i * 40, 0, 0) for i in range(len(SWEEP))]
    places = [folder(str(i), *pair) for i, pair in enumerate(zip(SWEEP, colours, strict=True))]
    runs = [
        Run(config=one["config"], metrics=one["metrics"], folder=where)
        for one, where in zip(SWEEP, places, strict=True)
    ]
    found = Page(draw_page(Sections(runs)))
    images = found.named("img")
    assert [image["alt"] for image in images] == [
        "test/fid of each row",
        "val/fid over the optimizer steps",
        "samples of lr=0.1",
        "samples of lr=0.2",
    ]
    for image, red in zip(images[2:], (80, 0), strict=True):  # of the first seed of each row
        content = base64.b64decode(str(image["src"]).removeprefix("data:image/png;base64,"), validate=True)
        drawn = Image.open(io.BytesIO(content))
        assert drawn.getpixel((0, 0)) == (red, 0, 0)
        assert drawn.width == 600  # 40 pixels, enlarged by a whole factor
    addresses = [value for _, own in found.tags for name, value in own.items() if name in ("src", "href", "srcset")]
    assert len(addresses) == len(images)
    assert all(str(address).startswith("data:image/png;base64,") for address in addresses)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in found.tags}
    assert "url(" not in draw_page(Sections(runs))
    assert "3.00 ± 2.65" in found.words


def test_text_of_records_is_escaped(folder: Callable) -> None:
    both = [run(0, 0.1, 1.0), run(0, 0.1, 2.0)]
    for one, end in zip(both, "ab", strict=True):
        one["config"] |= {"seed": NASTY, "lab": {"name": NASTY, "title": NASTY, "question": NASTY}, NASTY: NASTY + end}
        one["metrics"] = {f"test/{NASTY}": 1.0}
        one["folder"] = folder(end, one)
        (one["folder"] / "images" / "a<b>(_000001.png").write_bytes(b"no picture")
        (one["folder"] / "images" / "samples_000030.png").write_bytes(b"no picture")
    found = Page(draw_page(Sections(both, left_out=[NASTY])))
    assert not {"script"} & {tag for tag, _ in found.tags}
    assert not any(name.startswith("on") for _, own in found.tags for name in own)
    assert all(str(own["src"]).startswith("data:image/png;base64,") for own in found.named("img"))
    assert sum(NASTY in text for text in found.words) >= 6
    assert any("samples_000030.png: this image cannot be read" in text for text in found.words)
    [policy] = [own for own in found.named("meta") if own.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy["content"]).startswith("default-src 'none'; img-src data:")


def test_rows_left_out_are_counted(folder: Callable) -> None:
    runs = [run(0, float(i + 1), 1.0) for i in range(30)]
    for i, one in enumerate(runs):
        one["folder"] = folder(str(i), one)
    found = Page(draw_page(Sections(runs)))
    assert "The first 24 of 30 rows." in found.words
    assert any(text.endswith("The first 10 of 30 rows.") for text in found.words)
    assert len(found.named("img")) == 2 + 24


def test_a_chart_of_spreads_needs_a_value() -> None:
    drawn = pixels(spreads_figure({"a": [1.0, 2.0], "b": [], "c": [3.0]}, "x"))
    assert drawn.dtype == np.uint8
    assert drawn.shape == (130 + 3 * 40, 900, 3)
    with pytest.raises(ValueError, match="no values"):
        spreads_figure({"a": []}, "x")


def test_a_sweeps_folder_gets_the_comparison(folder: Callable, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for i, one in enumerate(SWEEP):
        folder(f"sweep/{i}_gan", one)
    assert main(["compare", str(tmp_path / "sweep")]) == 0
    printed = capsys.readouterr().out
    assert "3.00 ± 2.65" in printed
    assert str(tmp_path / "sweep" / "compare.html") in printed
    assert {file.name for file in (tmp_path / "sweep").glob("compare.*")} == {
        "compare.csv",
        "compare.md",
        "compare.html",
    }
    jobs = [str(tmp_path / "sweep" / f"{i}_gan") for i in (0, 2)]
    assert main(["compare", *jobs, "--to", str(tmp_path / "own"), "--metric", "steps"]) == 0
    assert list(rows((tmp_path / "own" / "compare.csv").read_text())[0])[3] == "steps"


def test_unfinished_records_are_left_out(folder: Callable, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for i, status in enumerate(("done", "done", "failed", "running")):
        folder(f"{i}", run(i, 0.1, float(i)), status=status)
    (folder("broken", run(5, 0.1, 1.0)) / "metrics.json").write_text('{"test/fid": ')
    assert main(["compare", str(tmp_path)]) == 1
    printed = capsys.readouterr().err.splitlines()
    assert any(line.startswith(f"left out: {tmp_path / '2'} is failed; `leyden resume") for line in printed)
    assert f"left out: {tmp_path / '3'} is running; wait for it" in printed
    assert any(line.startswith(f"left out: {tmp_path / 'broken'} cannot be read") for line in printed)
    assert "left out:" in (tmp_path / "compare.md").read_text()
    assert rows((tmp_path / "compare.csv").read_text())[0]["runs"] == "2"


def test_folders_without_records_and_too_few_are_refused(
    folder: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "empty").mkdir()
    one = folder("a/one", SWEEP[0])
    with pytest.raises(RecordError, match=r"(?s)empty is no record of a run.*nowhere is no record of a run"):
        compare([one, tmp_path / "empty", tmp_path / "nowhere"], None)
    assert main(["compare", str(one), str(one)]) == 1  # the same, named twice
    assert "nothing to compare: give two records that are done" in capsys.readouterr().err
    assert not list(tmp_path.rglob("compare.*"))


def test_a_comparison_is_drawn_without_torch(folder: Callable, tmp_path: Path) -> None:
    for i in range(2):
        folder(f"sweep/{i}", run(0, i + 0.5, 1.0, lab={"name": "x", "title": "", "question": ""}))
    code = "import sys; from leyden.cli import main; sys.exit(main(sys.argv[1:]) or 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", str(tmp_path / "sweep")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "<img" in (tmp_path / "sweep" / "compare.html").read_text()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_browser_shows_images_and_runs_nothing(folder: Callable, tmp_path: Path) -> None:
    colours = ((9, 99, 199), (199, 9, 99))
    for i, colour in enumerate(colours):
        own = run(0, i + 0.5, 1.0, lab={"name": "x", "title": NASTY, "question": NASTY})
        folder(f"sweep/{i}", own, colour=colour)
    assert main(["compare", str(tmp_path / "sweep")]) == 0
    file = (tmp_path / "sweep" / "compare.html").as_uri()
    home = f"--user-data-dir={tmp_path / 'browser'}"
    common = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1100,3000", home]

    def look(*words: str) -> str:
        done = subprocess.run(
            [*common, *words, file], capture_output=True, text=True, check=True, timeout=60, env=dict(os.environ)
        )
        return done.stdout

    assert "<title>taken" not in look("--dump-dom")
    papers = []
    for dark in (0, 1):
        shot = tmp_path / f"{dark}.png"
        look(f"--screenshot={shot}", f"--blink-settings=preferredColorScheme={1 - dark}")
        with Image.open(shot) as image:
            drawn = image.convert("RGB")
        counts = {colour: count for count, colour in drawn.getcolors(2**24) or []}
        assert all(counts.get(colour, 0) > 300 * 300 for colour in colours)
        papers.append(sum(drawn.getpixel((2, 2))))  # type: ignore[arg-type]
    assert papers[0] > 600 > 200 > papers[1]
