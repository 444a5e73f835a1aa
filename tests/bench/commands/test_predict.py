import csv
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import FAST, read_json
from lightning import LightningModule
from PIL import Image
from torch import Tensor

from leyden.bench.commands import predict as verb
from leyden.bench.commands.predict import predict
from leyden.bench.config.validate import compose_and_check
from leyden.bench.run.record import Record
from leyden.bench.run.run import run
from leyden.core.technique import NO_OPTIONS, Predictions, PredictOptions
from leyden.data import inputs
from leyden.data.source.files.decoder import read_image
from leyden.detection.ssd import SSD
from leyden.gan.noise_to_image.dcgan import DCGAN
from leyden.report import predictions
from leyden.report.predictions import Sheet, table
from leyden.transfer.finetune.finetune import Finetune

TITLE = 32
"""Pixels that a grid's title takes."""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    record = Record.create(compose_and_check([*FAST, f"paths.outputs={tmp_path_factory.mktemp('runs')}"]))
    run(record)
    return record


@pytest.fixture
def paint(tmp_path: Path) -> Callable[..., Path]:
    """Writes images of one colour each, by their paths in a folder, and returns the folder."""

    def paint_(*paths: str, size: tuple[int, int] = (12, 10), folder: str = "photos") -> Path:
        for number, path in enumerate(paths):
            file = tmp_path / folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", size, (20 * number + 10, 0, 0)).save(file)
        return tmp_path / folder

    return paint_


def read_csv(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def drawn(folder: Path) -> set[str]:
    return {str(file.relative_to(folder / "images")) for file in folder.rglob("images/**/*.png")}


def test_each_input_has_row_line_and_image(record: Record, paint: Callable, tmp_path: Path) -> None:
    paths = ["a/x.png", "a_x.png", "x.jpg", "x.jpg.png", "x.png"]
    assert predict(record, paint(*paths), tmp_path / "out", 16) is True
    rows, lines = read_json(tmp_path / "out" / "predictions.json"), read_csv(tmp_path / "out")
    assert [row["path"] for row in rows] == [line["image"] for line in lines] == paths
    names = list(rows[0]["probabilities"])
    assert list(lines[0]) == ["image", "label", "probability", *(f"p({name})" for name in names)]
    for row, line in zip(rows, lines, strict=True):
        assert line["label"] == row["label"] == max(row["probabilities"], key=row["probabilities"].get)
        assert float(line["probability"]) == row["probability"]
    images_by_path = {"a/x.png": 0, "a_x.png": 1, "x.jpg.png": 2, "x.jpg.png.png": 3, "x.png": 4}
    assert drawn(tmp_path / "out") == set(images_by_path)
    for name, number in images_by_path.items():
        red, _, _ = Image.open(tmp_path / "out" / "images" / name).getpixel((5, 5))
        assert abs(red - (20 * number + 10)) <= 2, name  # JPEG rounds


def test_long_lists_are_cut_on_screen(
    record: Record, paint: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(predictions, "LISTED", 2)
    predict(record, paint("a.png", "b.png", "c.png"), tmp_path / "out", 16)
    first, second, more, last = capsys.readouterr().out.splitlines()
    for line, row in zip((first, second), read_json(tmp_path / "out" / "predictions.json"), strict=False):
        assert line == f"{row['path']}: {row['label']} {row['probability']:.3f}"
    assert more == f"and 1 more in {tmp_path / 'out' / 'predictions.csv'}"
    assert last == f"3 predictions: {tmp_path / 'out'}"


def test_contact_sheet_shows_thumbnails(record: Record, paint: Callable, tmp_path: Path) -> None:
    predict(record, paint("wide.png", "tall.png", size=(2000, 500)), tmp_path / "out", 16)
    sheet = Image.open(tmp_path / "out" / "contact_sheet.png")
    assert sheet.width < 400
    assert sheet.height < 130
    red = [sheet.getpixel((x, 8 + 14))[0] for x in range(sheet.width)]
    assert red.count(10) == red.count(30) == 160


def test_sheets_have_pages_and_old_ones_go(
    record: Record, paint: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "SHEET", Sheet(2, 8, 160, 22))
    many, few = paint(*[f"{i}.png" for i in range(5)]), paint("0.png", "1.png", folder="few")
    for source, expected in ((many, {"_1", "_2", "_3"}), (few, {""}), (many, {"_1", "_2", "_3"})):
        predict(record, source, tmp_path / "out", 16)
        found = {file.stem.removeprefix("contact_sheet") for file in (tmp_path / "out").glob("contact_sheet*")}
        assert found == expected


def test_broken_image_is_reported_and_left_out(
    record: Record, paint: Callable, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow refuses twice as many
    folder = paint("a.png", "b/c.png", "d.png")
    Image.new("RGB", (50, 50)).save(folder / "huge.png")
    (folder / "b" / "broken.png").write_bytes((folder / "a.png").read_bytes()[:50])
    (folder / "text.jpg").write_text("no image")
    assert predict(record, folder, tmp_path / "out", 16) is False
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith(f"left out b/broken.png: {folder / 'b' / 'broken.png'}")
    assert said[1].startswith(f"left out huge.png: {folder / 'huge.png'}: this image cannot be read (Image size (2500")
    assert "no format that Pillow knows" in said[2]
    assert said[3:] == ["3 of 6 inputs could not be read"]
    readable = ["a.png", "b/c.png", "d.png"]
    assert [row["path"] for row in read_json(tmp_path / "out" / "predictions.json")] == readable
    assert [line["image"] for line in read_csv(tmp_path / "out")] == readable


def test_only_broken_images_are_an_error(record: Record, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_text("no image")
    with pytest.raises(ValueError, match="none of 1 inputs could be read"):
        predict(record, tmp_path / "photos", tmp_path / "out", 16)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("limit", "value"), [("CHUNK", 2), ("CHUNK_BYTES", 3 * 12 * 10 + 1)])
def test_images_are_held_a_few_at_a_time(
    limit: str, value: int, record: Record, paint: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, limit, value)
    read: list[weakref.ref[Tensor]] = []
    alive = []

    def watched(path: Path, **options: Any) -> Tensor:
        alive.append(sum(image() is not None for image in read))
        image = read_image(path, **options)
        read.append(weakref.ref(image))
        return image

    monkeypatch.setattr(inputs, "read_image", watched)
    predict(record, paint(*[f"{i}.png" for i in range(5)]), tmp_path / "out", 16)
    assert alive == [0, 1, 0, 1, 0]


def test_tables_are_replaced_only_at_the_end(
    record: Record, paint: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict(record, paint("old.png", folder="before"), tmp_path / "out", 16)
    before = {name: (tmp_path / "out" / name).read_bytes() for name in ("predictions.json", "predictions.csv")}
    monkeypatch.setattr(inputs, "CHUNK", 1)
    images = iter([None])

    def fail_at_the_second(self: Finetune, *arguments: Any) -> Predictions:
        next(images)
        return whole(self, *arguments)

    whole = Finetune.predict
    monkeypatch.setattr(Finetune, "predict", fail_at_the_second)
    with pytest.raises(StopIteration):
        predict(record, paint("a.png", "b.png"), tmp_path / "out", 16)
    assert {name: (tmp_path / "out" / name).read_bytes() for name in before} == before


def test_predictions_among_inputs_are_passed_over(record: Record, paint: Callable, tmp_path: Path) -> None:
    folder = paint("a.png", "b.png")
    for _ in range(2):
        predict(record, folder, folder / "predictions", 16)
        assert len(read_json(folder / "predictions" / "predictions.json")) == 2
    for source in (folder, folder / "a.png", folder / "predictions" / "images"):
        output = folder / "predictions" if source.name == "images" else source
        with pytest.raises(ValueError, match="choose another folder"):
            predict(record, source, output, 16)


def test_folder_without_images_is_an_error(record: Record, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"--input .*nowhere: no such file or folder \(looked from "):
        predict(record, tmp_path / "nowhere", tmp_path / "out", 16)
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").touch()
    with pytest.raises(FileNotFoundError, match=r"no images in .*texts: .*passed over: 1 x with another ending"):
        predict(record, tmp_path / "texts", tmp_path / "out", 16)


def test_what_other_programs_leave_is_no_input(
    record: Record, paint: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = paint("a.png", ".ipynb_checkpoints/a-checkpoint.png", "__MACOSX/._a.png", "b/@eaDir/c.png", "b/d.png")
    (folder / "b" / "._d.png").write_bytes(b"Mac OS X")
    Image.fromarray(np.full((8, 8), 2**15, dtype=np.uint16)).save(folder / "c.png")
    assert predict(record, folder, tmp_path / "out", 16)
    assert [line["image"] for line in read_csv(tmp_path / "out")] == ["a.png", "b/d.png", "c.png"]
    told = capsys.readouterr().err
    assert "passed over or changed: 4 x hidden or of another program, not read" in told
    assert "1 x of 16 bits, scaled to 8" in told


def test_texts_of_another_encoding_are_left_out(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(verb, "load_best", lambda _: Reader())
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("\ufeffone two", encoding="utf-8")
    (tmp_path / "texts" / "b.txt").write_bytes("stra\u00dfe".encode("latin-1"))
    assert predict(record, tmp_path / "texts", tmp_path / "out") is False
    assert read_csv(tmp_path / "out") == [{"path": "a.txt", "words": "2"}]
    assert "b.txt: this text is not UTF-8" in capsys.readouterr().err


def test_count_of_zero_is_an_error(record: Record, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--count 0"):
        predict(record, None, tmp_path / "out", 0)


def test_default_is_the_first_of_the_test_split(record: Record, tmp_path: Path) -> None:
    predict(record, None, tmp_path / "out", 2)
    assert [line["image"] for line in read_csv(tmp_path / "out")] == ["test_00000.png", "test_00001.png"]


def test_names_that_are_no_utf8_are_read(record: Record, paint: Callable, tmp_path: Path) -> None:
    folder = paint("a.png", "stra\udcdfe.png")  # as Windows writes it in Latin 1
    predict(record, folder, tmp_path / "out", 16)
    assert [line["image"] for line in read_csv(tmp_path / "out")] == ["a.png", "stra\ufffde.png"]


@pytest.fixture
def sampler(record: Record, monkeypatch: pytest.MonkeyPatch) -> Record:
    """A record whose technique samples, of no class."""
    torch.manual_seed(0)
    gan = DCGAN(["a", "b"], channels=1, image_size=16, base_channels=8, latent_dim=4).eval()
    monkeypatch.setattr(verb, "load_best", lambda _: gan)
    return record


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_samples_have_images_rows_and_a_grid(sampler: Record, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert predict(sampler, None, tmp_path / "out", 5) is True
    files = {"predictions.json", "predictions.csv", "images", "grid.png"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == files
    assert capsys.readouterr().out.splitlines()[:5] == [f"images/sample_{i:03d}.png" for i in range(5)]
    samples = [tmp_path / "out" / "images" / f"sample_{i:03d}.png" for i in range(5)]
    assert drawn(tmp_path / "out") == {file.name for file in samples}
    grid = read_image(tmp_path / "out" / "grid.png")
    assert grid.shape == (3, TITLE + 2 * 129 + 1, 3 * 129 + 1)  # three columns, a dark pixel between
    for number, file in enumerate(samples):
        top, left = TITLE + 1 + 129 * (number // 3), 1 + 129 * (number % 3)
        assert torch.equal(grid[:, top : top + 128, left : left + 128], read_image(file))
    predict(sampler, None, tmp_path / "out", 2)
    assert drawn(tmp_path / "out") == {"sample_000.png", "sample_001.png"}


def test_same_seed_draws_the_same_bytes(sampler: Record, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name, seed in {"a": 1, "b": 1, "c": 2, "d": None, "e": None}.items():
        predict(sampler, None, tmp_path / name, 3, seed=seed)
    said = capsys.readouterr().out.splitlines()
    found = {name: contents(tmp_path / name) for name in "abcde"}
    assert found["a"] == found["b"]
    assert len({found[name]["grid.png"] for name in "acde"}) == 4
    drawn_by = int(said[-1].split()[1])
    predict(sampler, None, tmp_path / "again", 3, seed=drawn_by)
    assert contents(tmp_path / "again") == found["e"]


def test_many_samples_are_shown_smaller(sampler: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "GRID_SIDE", 100)
    predict(sampler, None, tmp_path / "out", 4)
    height, width = read_image(tmp_path / "out" / "grid.png").shape[1:]
    assert height == TITLE + 103
    assert width >= 103  # the title needs more


def test_class_is_a_name_or_a_number(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OfAClass(DCGAN):
        """Draws a flat grey that tells the class."""

        def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
            assert labels is not None
            return (100 * labels + 50).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 16, 16)

    gan = OfAClass(["cat", "dog"], channels=1, image_size=16, base_channels=8, latent_dim=4).eval()
    gan.sampler.conditional = True
    monkeypatch.setattr(verb, "load_best", lambda _: gan)
    for label, expected in {"dog": [150, 150], "0": [50, 50], None: [50, 150]}.items():
        predict(record, None, tmp_path / "out", 2, label)
        rows = read_json(tmp_path / "out" / "predictions.json")
        assert [row["class"] for row in rows] == [gan.sampler.class_names[value // 100] for value in expected]
        values = [int(read_image(tmp_path / "out" / "images" / row["path"])[0, 0, 0]) for row in rows]
        assert values == expected
    with pytest.raises(ValueError, match="no class '2': the data have cat, dog"):
        predict(record, None, tmp_path / "refused", 2, "2")
    assert not (tmp_path / "refused").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"source": Path("photos")}, "DCGAN samples from noise: leave --input out"),
        ({"label": "a"}, "this model has no classes to ask for: leave the class out"),
        ({"seed": -1}, "--seed -1: a number from 0 to 4294967295"),
    ],
)
def test_samplers_refuse_inputs_and_wrong_seeds(
    words: dict[str, Any], message: str, sampler: Record, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        predict(sampler, **{"source": None, "output": tmp_path / "out", "count": 3, **words})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("source", [None, "photos"])
@pytest.mark.parametrize(
    ("words", "named"),
    [({"label": "0"}, "--class"), ({"seed": 0}, "--seed"), ({"label": "0", "seed": 0}, "--class and --seed")],
)
def test_predictors_refuse_class_and_seed(
    words: dict[str, Any], named: str, source: str | None, record: Record, paint: Callable, tmp_path: Path
) -> None:
    given = paint("a.png") if source else None
    with pytest.raises(ValueError, match=f"Finetune predicts, it samples nothing: leave {named} out"):
        predict(record, given, tmp_path / "out", 3, **words)
    assert not (tmp_path / "out").exists()


def test_detector_takes_threshold_and_writes_coco(
    record: Record, paint: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    detector = SSD(["a", "b"], channels=3, image_size=64).eval()
    monkeypatch.setattr(verb, "load_best", lambda _: detector)
    photos = paint("a.png", "b.png", size=(80, 64))

    def scores(threshold: float) -> list[float]:
        predict(record, photos, tmp_path / "out", 16, threshold=threshold)
        found = json.loads((tmp_path / "out" / "coco.json").read_text())
        assert [image["file_name"] for image in found["images"]] == ["a.png", "b.png"]
        return [box["score"] for box in found["annotations"]]

    every = scores(0.0)
    least = sorted(set(every))[1]
    assert sorted(scores(least)) == sorted(score for score in every if score >= least) != sorted(every)


def test_sampler_refuses_a_threshold(record: Record, sampler: Record, paint: Callable, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="DCGAN samples from noise: leave --threshold out"):
        predict(sampler, None, tmp_path / "out", 3, threshold=0.5)
    assert not (tmp_path / "out").exists()


def test_each_box_is_a_line_and_drawn_on_the_sheet(
    record: Record, paint: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    row = {"classes": ["cat", "dog, old"], "scores": [0.5, 0.25], "boxes": [[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]}
    rows = [row, {key: [] for key in row}]
    green = torch.zeros(3, 10, 12, dtype=torch.uint8)
    green[1] = 200
    monkeypatch.setattr(Finetune, "predict", lambda *_: Predictions(rows, [green, green]))
    predict(record, paint("a.png", "nothing.png"), tmp_path / "out", 16)
    assert (tmp_path / "out" / "predictions.csv").read_text().splitlines() == [
        "image,x1,y1,x2,y2,label,score",
        "a.png,1.0,2.0,3.0,4.0,cat,0.5",
        'a.png,5.0,6.0,7.0,8.0,"dog, old",0.25',
        "nothing.png,,,,,,",
    ]
    assert len(read_json(tmp_path / "out" / "predictions.json")) == 2
    assert capsys.readouterr().out.splitlines()[:2] == [
        "a.png: 2 boxes: cat 0.50, dog, old 0.25",
        "nothing.png: 0 boxes",
    ]
    assert Image.open(tmp_path / "out" / "contact_sheet.png").getpixel((20, 20)) == (0, 200, 0)


def test_table_has_every_scalar_and_no_dict() -> None:
    rows = json.loads('[{"path": "a", "n": 1, "all": {"x": 1}}, {"path": "b", "flag": true, "none": null}]')
    assert table(rows) == "path,n,flag,none\na,1,,\nb,,True,\n"


class Silent(LightningModule):
    """Neither predicts nor samples."""


class Reader(LightningModule):
    """Predicts from texts; there is nothing to draw."""

    input_type = "text"

    def predict(self, inputs: list[str], options: PredictOptions = NO_OPTIONS) -> Predictions:
        return Predictions([{"words": len(text.split())} for text in inputs], [])


class Writer(LightningModule):
    """Samples texts."""

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        return Predictions([{"text": f"{i}, says {seed}"} for i in range(count)], [])


def test_sampled_texts_are_printed_and_kept(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(verb, "load_best", lambda _: Writer())
    assert predict(record, None, tmp_path / "out", 2, seed=7)
    assert "sample_000\n0, says 7\n\nsample_001\n1, says 7\n\n" in capsys.readouterr().out
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"predictions.json", "predictions.csv"}
    assert [row["text"] for row in read_csv(tmp_path / "out")] == ["0, says 7", "1, says 7"]


def test_technique_without_predict_names_its_verbs(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verb, "load_best", lambda _: Silent())
    with pytest.raises(ValueError, match=r"Silent neither predicts nor samples .* its verbs are: evaluate$"):
        predict(record, None, tmp_path / "out", 3)


def test_texts_are_read_and_nothing_is_drawn(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "load_best", lambda _: Reader())
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("one two")
    (tmp_path / "texts" / "b.png").touch()
    assert predict(record, tmp_path / "texts", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"predictions.json", "predictions.csv"}
    assert read_csv(tmp_path / "out") == [{"path": "a.txt", "words": "2"}]
