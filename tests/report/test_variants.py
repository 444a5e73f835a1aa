from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from leyden.report.runs import Run
from leyden.report.variants import VariantTable, last_image
from leyden.visualization.labelled import draw_sheet

JOBS = (
    ("head", 2, "a.Digits", 0, 0.5),
    ("head", 2, "a.Digits", 1, 0.7),
    ("full", 2, "a.Digits", 0, 0.8),
    ("full", 2, "a.Digits", 1, None),
)


def test_rows_are_variants_best_in_bold(sweep: Callable) -> None:
    report = VariantTable("model.strategy", {"test/accuracy": "max", "steps": "none", "test/ghost": "min"})
    files = report(sweep(*JOBS))
    assert set(files) == {"report.md", "report.csv"}
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in files["report.md"].splitlines() if "|" in line]
    assert rows[0] == ["strategy", "accuracy", "steps", "ghost"]
    assert rows[2] == ["head", "0.600 ± 0.141", "3.00 ± 0.00", "-"]
    assert rows[3] == ["full", "**0.800 (1 of 2)**", "3.00 (1 of 2)", "-"]
    assert files["report.csv"].splitlines()[1].startswith("head,test/accuracy,0.6,0.1414")
    assert "from 3 of 4 runs" in files["report.md"]


def test_ties_in_bold(sweep: Callable) -> None:
    jobs = [(name, 2, "a.Digits", 0, score) for name, score in (("head", 0.5), ("full", 0.5), ("scratch", 0.2))]
    lines = VariantTable("model.strategy", {"test/accuracy": "max", "steps": "max"})(sweep(*jobs))[
        "report.md"
    ].splitlines()
    rows = [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines if line.startswith("| ")][1:]
    assert rows == [["**0.500**", "3.00"], ["**0.500**", "3.00"], ["0.200", "3.00"]]


def test_last_images_of_variants_side_by_side(sweep: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captions: list[str] = []

    def watch(images: list, names: list[str], *rest: Any) -> torch.Tensor:
        captions.extend(names)
        return draw_sheet(images, names, *rest)

    monkeypatch.setattr("leyden.report.variants.draw_sheet", watch)
    runs = []
    for number, run in enumerate(sweep(*JOBS)):
        folder = tmp_path / str(number)
        (folder / "images").mkdir(parents=True)
        for step in (20, 100):
            colour = (number * 50, step, 0)
            Image.new("RGB", (10, 10), colour).save(folder / "images" / f"samples_{step:06d}.png")
        Image.new("RGB", (10, 10), "white").save(folder / "images" / "samples_extra_000200.png")
        runs.append(Run(config=run["config"], metrics=run["metrics"], folder=folder))
    files = VariantTable("model.strategy", {"test/accuracy": "max"}, "samples", columns=2)(runs)
    drawn = files["report.png"]
    assert isinstance(drawn, torch.Tensor)
    assert drawn.shape[2] == 8 + 2 * (320 + 8)  # side by side, enlarged from 10 pixels to 320
    assert 320 + 16 < drawn.shape[1] < 400  # one row, and words below it
    for left, colour in ((8, [0, 100, 0]), (8 + 328, [100, 100, 0])):
        assert (drawn[:, 8:328, left : left + 320] == torch.tensor(colour)[:, None, None]).all()
        assert (drawn[:, 328:, left : left + 320] < 128).any()
    assert "![samples](report.png)" in files["report.md"]
    assert len(captions) == 2
    assert captions[0] == "head\naccuracy 0.600 ± 0.141"


def test_a_record_without_that_picture_has_none(tmp_path: Path) -> None:
    assert last_image(tmp_path, "samples") is None
    assert last_image(tmp_path, None) is None
