"""The folder that ``leyden predict`` leaves: an image for each input or sample, sheets of them, JSON and CSV."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from leyden.core.files import write_file
from leyden.core.technique import Predictions
from leyden.visualization.grid import grid
from leyden.visualization.labelled import draw_sheet, thumbnail

SHEET = 200
"""Images on a contact sheet."""
GRID_SIDE = 4096
"""Pixels that a grid of samples is wide, at most: many samples are shown smaller."""


class PredictionWriter:
    """Writes predictions into a folder: images and full sheets as they come, the rest in ``finish``.

    Args:
        folder: made with the first prediction.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self.names: set[str] = set()
        self.tiles: list[tuple[Tensor, str]] = []
        self.sheets: list[Path] = []
        self._has_inputs = False

    def write_predictions(self, chunk: list[tuple[str, Any]], predictions: Predictions) -> None:
        """Keeps the rows for some inputs and writes their images; those of images go onto the contact sheet, too.

        Args:
            chunk: paths with inputs, such as uint8 images (C, H, W).
            predictions: a row for each, and an image for each or none.
        """
        self._has_inputs = True
        drawn: Sequence[Tensor | None] = predictions.images or [None] * len(chunk)
        for (path, value), row, image in zip(chunk, predictions.rows, drawn, strict=True):
            self.add(path, row, image)
            # Several predictions, such as boxes, are seen only where they are drawn.
            shown = image if _lists(row) and image is not None else value
            if isinstance(shown, Tensor):
                self.tiles.append((thumbnail(shown), _caption(path, row)))
            if len(self.tiles) == SHEET:
                self._draw_sheet()

    def add(self, path: str, row: dict[str, Any], image: Tensor | None) -> None:
        """Keeps a ``row`` and writes its ``image`` (3, H, W), if there is one, under a name of its own."""
        self.rows.append({"path": path, **row})
        if image is None:
            return
        name = path if path.endswith(".png") else f"{path}.png"
        while name in self.names:  # x.jpg beside x.jpg.png
            name += ".png"
        self.names.add(name)
        file = self.folder / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        to_pil_image(image).save(file)

    def write_samples(self, predictions: Predictions) -> None:
        """Keeps samples and writes their images, all of one size, side by side; those of an earlier, longer call go.

        Samples without images, such as texts, are printed.
        """
        drawn: Sequence[Tensor | None] = predictions.images or [None] * len(predictions.rows)
        for number, (row, image) in enumerate(zip(predictions.rows, drawn, strict=True)):
            self.add(f"sample_{number:03d}{'.png' if predictions.images else ''}", row, image)
        for old in (self.folder / "images").glob("sample_[0-9]*.png"):
            if old.name not in self.names:
                old.unlink()
        if not predictions.images:
            for row in self.rows:
                print(*row.values(), sep="\n", end="\n\n")
            return
        columns = math.ceil(math.sqrt(len(predictions.images)))
        side = min(max(predictions.images[0].shape), GRID_SIDE // columns)
        shown = torch.stack([thumbnail(image, side) for image in predictions.images])
        to_pil_image(grid(shown, columns)).save(self.folder / "grid.png")

    def finish(self, files: Callable[[list[dict[str, Any]]], dict[str, str]] | None = None) -> None:
        """Writes the last sheet and the tables.

        Args:
            files: what the technique has for all rows besides: names with their content, such as COCO's JSON.
        """
        if self.tiles:
            self._draw_sheet()
        if self.sheets:
            self._name_sheets()
        if self._has_inputs or not self.names:
            write_file(self.folder / "predictions.csv", table(self.rows))
        write_file(self.folder / "predictions.json", json.dumps(self.rows, indent=2))
        for name, content in (files(self.rows) if files else {}).items():
            write_file(self.folder / name, content)
        print(f"{len(self.rows)} predictions: {self.folder}")

    def _draw_sheet(self) -> None:
        images, captions = zip(*self.tiles, strict=True)
        self.sheets.append(self.folder / f"contact_sheet_{len(self.sheets) + 1}.png")
        to_pil_image(draw_sheet(images, captions, "", columns=10)).save(self.sheets[-1])
        self.tiles = []

    def _name_sheets(self) -> None:
        """A single sheet needs no number; those of an earlier, longer call go."""
        alone = self.folder / "contact_sheet.png"
        if len(self.sheets) == 1:
            self.sheets = [self.sheets[0].rename(alone)]
        for old in {alone, *self.folder.glob("contact_sheet_[0-9]*.png")}.difference(self.sheets):
            old.unlink(missing_ok=True)


def table(rows: list[dict[str, Any]]) -> str:
    """Predictions as CSV: the scalars of each row; where a row holds lists, a line for each of their entries.

    Args:
        rows: lists in one row are of one length, an entry of each makes a line, such as a box; numbers inside an
            entry get a column each, ``boxes_0`` and on. Dicts, such as the probabilities of all classes, are left out.
    """
    lines = []
    for row in rows:
        lists = _lists(row)
        for entries in zip(*lists.values(), strict=True) if lists else [()]:
            line = _scalars(row)
            for key, entry in zip(lists, entries, strict=True):
                line |= {f"{key}_{i}": x for i, x in enumerate(entry)} if isinstance(entry, list) else {key: entry}
            lines.append(line)
    text = io.StringIO()
    columns = dict.fromkeys(["path", *(key for line in lines for key in line)])
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _lists(row: dict[str, Any]) -> dict[str, list[Any]]:
    return {key: value for key, value in row.items() if isinstance(value, list)}


def _scalars(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not isinstance(value, list | dict)}


def _caption(path: str, row: dict[str, Any]) -> str:
    """The end of a path and, below it, the scalars of its row, in lines as wide as a tile."""
    texts = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in _scalars(row).values()]
    return "\n".join([*wrap(path, 18)[-3:], *wrap(", ".join(texts), 18)])
