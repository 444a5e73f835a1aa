"""What a record's best checkpoint says: its test metrics once more, and predictions for pictures."""

import json
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import lightning
import torch
from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from leyden.bench.build import build
from leyden.bench.checkpoint import best, technique_of
from leyden.bench.logs import setup_logging
from leyden.bench.record import Record, write
from leyden.bench.run import assemble

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif")


def evaluate(record: Record) -> dict[str, float]:
    """Tests the best checkpoint again, prints the metrics beside the recorded ones, leaves them in evaluation.json."""
    setup_logging(None)
    config = {**record.config, "logger": {}, "callbacks": {}}
    checkpoint = best(record, technique_of(config))
    lightning.seed_everything(config["seed"], workers=True, verbose=False)
    data, model, trainer = assemble(config, record.folder)
    metrics = trainer.test(model, data, ckpt_path=checkpoint, weights_only=True, verbose=False)[0]
    write(record.folder / "evaluation.json", json.dumps(metrics, indent=2))
    table = Table("metric", "now", "recorded", box=None, header_style="bold", pad_edge=False)
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4g}", f"{record.metrics[name]:.4g}" if name in record.metrics else "")
    Console().print(table)
    return dict(metrics)


def predict(record: Record, source: Path | None, output: Path, count: int) -> None:
    """Writes ``predictions.json`` and a picture per input into ``output``.

    Args:
        record: whose best checkpoint answers.
        source: a picture or a folder of pictures; None takes the first ``count`` of the test split, or, for techniques
            that sample, ``count`` samples.
        output: folder, made where it is missing.
        count: test pictures or samples.
    """
    setup_logging(None)
    config = record.config
    technique = resolve_name(technique_of(config))
    checkpoint = best(record, technique_of(config))
    model: Any = technique.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    torch.manual_seed(config["seed"])
    if technique.takes_images:
        names, images = _read(source) if source else _test_images(config, count)
        predictions = model.eval().predict(images)
    elif source:
        raise ValueError(f"{technique.__name__} samples from noise: leave --input out, --count says how many")
    else:
        predictions = model.eval().predict(None, count)
        names = [f"sample_{number:03d}.png" for number in range(len(predictions.rows))]
    output.mkdir(parents=True, exist_ok=True)
    rows = [{"input": name, **row} for name, row in zip(names, predictions.rows, strict=True)]
    write(output / "predictions.json", json.dumps(rows, indent=2))
    for name, picture in zip(names, predictions.pictures, strict=True):
        to_pil_image(picture).save(output / (name if name.endswith(".png") else f"{name}.png"))
    print(f"{len(rows)} predictions: {output}")


def _read(source: Path) -> tuple[list[str], list[Tensor]]:
    """The pictures behind a path as uint8 RGB (3, H, W), with their names."""
    files = [source] if source.is_file() else sorted(f for f in source.rglob("*") if f.suffix.lower() in PICTURES)
    if not files:
        raise FileNotFoundError(
            f"no pictures in {source}: --input takes a picture or a folder with {', '.join(PICTURES)}"
        )
    images = []
    for file in files:
        try:
            with Image.open(file) as image:
                images.append(pil_to_tensor(ImageOps.exif_transpose(image).convert("RGB")))
        except OSError as error:
            raise ValueError(f"{file} cannot be read as a picture: {error}") from error
    return [file.name if source.is_file() else "_".join(file.relative_to(source).parts) for file in files], images


def _test_images(config: dict[str, Any], count: int) -> tuple[list[str], list[Tensor]]:
    """The first pictures of the test split of the record's data."""
    data = build(config["data"])
    data.prepare_data()
    split = data.examples("test")
    images = [split[index][0] for index in range(min(count, len(split)))]
    return [f"test_{index:05d}.png" for index in range(len(images))], images
