"""The folder that ``leyden predict`` leaves: an image for each input or sample, sheets of them, JSON and CSV."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from leyden.core.files import write_file
from leyden.core.technique import Predictions
from leyden.visualization.grid import grid, side_by_side
from leyden.visualization.labelled import draw_sheet, thumbnail


class Sheet(NamedTuple):
    """How a contact sheet is laid out."""

    images: int
    """On one sheet; more inputs get more sheets."""
    columns: int
    side: int
    """Pixels of an image's longer side."""
    letters: int
    """In a caption's line."""


SHEET = Sheet(200, 8, 160, 22)
BOXES_SHEET = Sheet(24, 4, 480, 40)
"""Of images with boxes, whose labels must be read."""
GRID_SIDE = 4096
"""Pixels that a grid of samples is wide, at most: many samples are shown smaller."""
LISTED = 20
"""Predictions that are printed; the table has all."""
BOX_COLUMNS = ("x1", "y1", "x2", "y2", "label", "score")
CELLS = 6
"""Of a row without an image that are printed."""
NAMED = 8
"""Boxes of an image that are printed, the best first."""
NO_FILES: Mapping[str, bytes] = {}


class PredictionWriter:
    """Writes predictions into a folder: images and full sheets as they come, the rest in ``finish``.

    The first ``LISTED`` predictions are also printed, a line each.

    Args:
        folder: made with the first prediction.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self.names: set[str] = set()
        self.written: set[Path] = set()
        self.tiles: list[tuple[Tensor, str]] = []
        self.sheets: list[Path] = []
        self._layout = SHEET
        self._column = "path"

    def write_predictions(self, chunk: list[tuple[str, Any]], predictions: Predictions) -> None:
        """Keeps the rows for some inputs and writes their images; those of images go onto the contact sheet, too.

        Args:
            chunk: paths with inputs, such as uint8 images (C, H, W).
            predictions: a row for each, and an image for each or none.
        """
        drawn: Sequence[Tensor | None] = predictions.images or [None] * len(chunk)
        files = predictions.files or [{}] * len(chunk)
        for (path, value), row, image, own in zip(chunk, predictions.rows, drawn, files, strict=True):
            if len(self.rows) < LISTED:
                print(f"{path}: {summary(row)}")
            self.add(path, row, image, own)
            # A class stands below its image; boxes, and images that were made, are seen only where they are drawn.
            shown = value if image is None or {"label", "probability"} <= row.keys() else image
            if isinstance(shown, Tensor) and shown.ndim == 3:  # rows of a table cannot be seen
                self._column, self._layout = "image", BOXES_SHEET if "boxes" in row else SHEET
                self.tiles.append((thumbnail(shown, self._layout.side), _caption(path, row, self._layout.letters)))
            if len(self.tiles) >= self._layout.images:
                self._draw_sheet()

    def add(self, path: str, row: dict[str, Any], image: Tensor | None, files: Mapping[str, bytes] = NO_FILES) -> None:
        """Keeps a ``row`` and writes its ``image`` (3, H, W), if there is one, under a name of its own.

        Args:
            path: of the input, or the sample's name.
            row: what is predicted.
            image: of the prediction.
            files: of the prediction, by their extensions; they lie in ``files``, under the same path.
        """
        self.rows.append({"path": path, **row})
        for ending, content in files.items():
            file = self.folder / "files" / f"{path.removesuffix('.png')}.{ending}"
            write_file(file, content)
            self.written.add(file)
        if image is None:
            return
        name = path if path.endswith(".png") else f"{path}.png"
        while name in self.names:  # x.jpg beside x.jpg.png
            name += ".png"
        self.names.add(name)
        file = self.folder / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        to_pil_image(image).save(file)
        self.written.add(file)

    def write_samples(self, predictions: Predictions, title: str) -> None:
        """Keeps samples and writes their images, all of one size, side by side; those of an earlier, longer call go.

        Samples without images, such as texts and the first cells of rows, are printed.

        Args:
            predictions: a row for each sample, and an image for each or none.
            title: of the grid, above it; where the rows have a "class", it stands below each image.
        """
        drawn: Sequence[Tensor | None] = predictions.images or [None] * len(predictions.rows)
        files = predictions.files or [{}] * len(predictions.rows)
        for number, (row, image, own) in enumerate(zip(predictions.rows, drawn, files, strict=True)):
            self.add(f"sample_{number:03d}{'.png' if predictions.images else ''}", row, image, own)
        for old in self.folder.glob("*/sample_[0-9]*"):
            if old not in self.written:
                old.unlink()
        if not predictions.images:
            for row in self.rows[:LISTED]:
                if len(row) == 2:
                    print(*row.values(), sep="\n", end="\n\n")
                    continue
                cells = [f"{name} {value}" for name, value in row.items()][1 : 1 + CELLS]
                print(f"{row['path']}: {', '.join(cells)}{', ...' if len(row) > 1 + CELLS else ''}")
            return
        for row in self.rows[:LISTED]:
            print(f"images/{row['path']}{': class ' + str(row['class']) if 'class' in row else ''}")
        columns = math.ceil(math.sqrt(len(predictions.images)))
        side = min(max(predictions.images[0].shape), GRID_SIDE // columns)
        shown = [thumbnail(image, side) for image in predictions.images]
        captions = [str(row["class"]) for row in predictions.rows if "class" in row]
        if len(captions) == len(shown):
            sheet = draw_sheet(shown, captions, "", columns, side, title)
        else:
            sheet = side_by_side({title: grid(torch.stack(shown), columns)})
        to_pil_image(sheet).save(self.folder / "grid.png")

    def finish(self, files: Callable[[list[dict[str, Any]]], Mapping[str, str | bytes]] | None = None) -> None:
        """Writes the last sheet and the tables.

        Args:
            files: what the technique has for all rows besides: names with their content, such as COCO's JSON.
        """
        if self.tiles:
            self._draw_sheet()
        if self.sheets:
            self._name_sheets()
        write_file(self.folder / "predictions.csv", table(self.rows, self._column))
        write_file(self.folder / "predictions.json", json.dumps(self.rows, indent=2))
        for name, content in (files(self.rows) if files else {}).items():
            write_file(self.folder / name, content)
            self.written.add(self.folder / name)
        if len(self.rows) > LISTED:
            print(f"and {len(self.rows) - LISTED:,} more in {self.folder / 'predictions.csv'}")
        print(f"{len(self.rows)} predictions: {self.folder}{self._endings()}")

    def _endings(self) -> str:
        """Of the files of predictions, such as " (.mid and .wav of each in files/)", for the terminal."""
        endings = sorted({file.suffix for file in self.written if file.is_relative_to(self.folder / "files")})
        return f" ({' and '.join(endings)} of each in files/)" if endings else ""

    def _draw_sheet(self) -> None:
        images, captions = zip(*self.tiles, strict=True)
        self.sheets.append(self.folder / f"contact_sheet_{len(self.sheets) + 1}.png")
        sheet = draw_sheet(images, captions, "", self._layout.columns, self._layout.side)
        to_pil_image(sheet).save(self.sheets[-1])
        self.tiles = []

    def _name_sheets(self) -> None:
        """A single sheet needs no number; those of an earlier, longer call go."""
        alone = self.folder / "contact_sheet.png"
        if len(self.sheets) == 1:
            self.sheets = [self.sheets[0].rename(alone)]
        for old in {alone, *self.folder.glob("contact_sheet_[0-9]*.png")}.difference(self.sheets):
            old.unlink(missing_ok=True)


def table(rows: Sequence[dict[str, Any]], first: str = "path") -> str:
    """Predictions as CSV, at least a line for each input.

    Rows with boxes become ``image,x1,y1,x2,y2,label,score``, a line per box, pixels; an input without any has a line
    whose other fields are empty. Other rows: their scalars, then, of what holds a number for each class, a column each,
    such as ``p(cat)``.

    Args:
        rows: with the "path" of each input.
        first: name of the column of paths.
    """
    lines: list[dict[str, Any]] = []
    for row in rows:
        if "boxes" in row:
            found = zip(row["boxes"], row["classes"], row["scores"], strict=True)
            lines += [dict(zip(BOX_COLUMNS, (*box, *rest), strict=True)) | {first: row["path"]} for box, *rest in found]
            if not row["boxes"]:
                lines.append({first: row["path"]})
        else:
            line = {first: row["path"]} | {key: value for key, value in _scalars(row).items() if key != "path"}
            by_class = row.get("probabilities", {}).items()
            lines.append(line | {f"p({name})": round(value, 4) for name, value in by_class})
    boxes = any("boxes" in row for row in rows)
    text = io.StringIO()
    columns = [first, *BOX_COLUMNS] if boxes else list(dict.fromkeys([first, *(key for line in lines for key in line)]))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def summary(row: dict[str, Any]) -> str:
    """What a row says, in a line: ``cat 0.982``; ``2 boxes: dog 0.93, cat 0.51``; else its scalars by name."""
    if "boxes" in row:
        count = len(row["boxes"])
        best = [f"{name} {score:.2f}" for name, score in zip(row["classes"], row["scores"], strict=True)][:NAMED]
        more = f", and {count - NAMED} more" if count > NAMED else ""
        return f"{count} box{'es' if count != 1 else ''}{': ' if best else ''}{', '.join(best)}{more}"
    if {"label", "probability"} <= row.keys():
        return f"{row['label']} {row['probability']:.3f}"
    return ", ".join(f"{key} {value}" for key, value in _scalars(row).items())


def _scalars(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if not isinstance(value, list | dict)}


def _caption(path: str, row: dict[str, Any], width: int) -> str:
    """The end of a path and, below it, what is predicted, in lines of so many letters; of boxes their number."""
    count = len(row.get("boxes", []))
    told = f"{count} box{'es' if count != 1 else ''}" if "boxes" in row else summary(row)
    return "\n".join([*wrap(path, width)[-3:], *wrap(told, width)])
