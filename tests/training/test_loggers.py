from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image, ImageSequence
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchvision.transforms.v2.functional import pil_to_tensor

from leyden.training.callbacks import LastValues
from leyden.training.loggers import Files, log_ahead
from leyden.training.tensorboard import TensorBoard


def test_curves_are_rows_by_step(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    files.trainer = SimpleNamespace(global_step=1)
    files.log_metrics({"train/loss": 0.5, "epoch": 0}, step=0)
    files.flush()
    assert (tmp_path / "metrics.csv").read_text() == "step,metric,value\n1,train/loss,0.5\n"


def test_rewind_drops_later_and_cut_rows(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,metric,value\n10,a,1\n20,a,2\n30,a,3\n20,b")
    Files(str(tmp_path)).rewind(20)
    assert (tmp_path / "metrics.csv").read_text() == "step,metric,value\n10,a,1\n20,a,2\n"


def test_rewind_drops_a_test_that_comes_again(tmp_path: Path) -> None:
    """A run that was killed behind its test goes on from its last step, and tests once more."""
    files = Files(str(tmp_path))
    files.trainer = SimpleNamespace(global_step=20)
    for _ in range(2):
        files.rewind(20)
        files.log_metrics({"test/accuracy": 0.5})
        files.flush()
    assert (tmp_path / "metrics.csv").read_text() == "step,metric,value\n20,test/accuracy,0.5\n"


def test_image_is_png_by_tag_and_step(tmp_path: Path) -> None:
    image = torch.arange(48, dtype=torch.uint8).view(3, 4, 4)
    Files(str(tmp_path)).log_image("val/samples", [image], step=7)
    assert torch.equal(pil_to_tensor(Image.open(tmp_path / "images" / "val_samples_000007.png")), image)


def frames_of(file: Path) -> list[torch.Tensor]:
    with Image.open(file) as picture:
        return [pil_to_tensor(frame.convert("RGB")) for frame in ImageSequence.Iterator(picture)]


def log(files: Files, tag: str, **values: int) -> list[torch.Tensor]:
    pictures = [torch.full((3, 8, 8), value, dtype=torch.uint8) for value in values.values()]
    for step, picture in zip(values, pictures, strict=True):
        files.log_image(tag, [picture], step=int(step.removeprefix("at_")))
    return pictures


def test_samples_become_an_animation(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    third, first, second = log(files, "samples", at_1000000=30, at_20=10, at_999999=20)
    files.finalize("success")
    frames = frames_of(tmp_path / "training.gif")
    assert len(frames) == 3
    for frame, expected in zip(frames, (first, second, third), strict=True):
        assert torch.equal(frame, expected)


def test_no_animation_of_other_tags(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    files.finalize("success")
    log(files, "samples", at_1=10)
    log(files, "samples_of_old", at_1=10, at_2=20)
    log(files, "confusion", at_1=10, at_2=20)
    files.finalize("success")
    assert not (tmp_path / "training.gif").exists()


def test_animation_spans_a_resumed_run(tmp_path: Path) -> None:
    killed = Files(str(tmp_path))
    first, second, _ = log(killed, "samples", at_10=10, at_20=20, at_30=99)
    killed.log_image("wrong", [first, second], step=30)
    log(killed, "pca_50", at_20=5)
    resumed = Files(str(tmp_path))
    resumed.rewind(20)
    left = {file.name for file in (tmp_path / "images").iterdir()}
    assert left == {"samples_000010.png", "samples_000020.png", "pca_50_000020.png"}
    (third,) = log(resumed, "samples", at_30=30)
    resumed.finalize("success")
    frames = frames_of(tmp_path / "training.gif")
    assert [int(frame[0, 0, 0]) for frame in frames] == [10, 20, 30]
    assert torch.equal(frames[-1], third)


@pytest.mark.parametrize("left", ["", "step,met"])
def test_cut_header_is_written_anew(left: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(left)
    resumed = Files(str(tmp_path))
    resumed.rewind(20)
    resumed.log_metrics({"train/loss": 0.5}, 21)
    resumed.flush()
    assert (tmp_path / "metrics.csv").read_text() == "step,metric,value\n21,train/loss,0.5\n"
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.csv"]


def test_numbers_are_flushed_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("leyden.training.loggers.time.monotonic", lambda: clock[0])
    files, seen = Files(str(tmp_path)), []
    for step, clock[0] in enumerate([100.0, 100.6, 100.9, 101.1, 101.5]):
        files.log_metrics({"train/loss": 0.5}, step)
        files.save()
        seen.append((tmp_path / "metrics.csv").read_text().count("loss"))
    assert seen == [1, 1, 1, 4, 4]
    files.finalize("failed")
    assert (tmp_path / "metrics.csv").read_text().count("loss") == 5


def test_checkpoint_flushes_the_loggers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leyden.training.loggers.time.monotonic", lambda: 100.0)  # no second goes by
    loggers = [Files(str(tmp_path)), TensorBoard(str(tmp_path))]
    for logger in loggers:
        for step in (7, 8):
            logger.log_metrics({"train/loss": 0.5}, step)
            logger.save()
    trainer: Any = SimpleNamespace(loggers=loggers, callback_metrics={})

    def written() -> list[list[int]]:
        rows = (tmp_path / "metrics.csv").read_text().splitlines()[1:]
        events = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("train/loss")
        return [[int(row.split(",")[0]) for row in rows], [event.step for event in events]]

    assert written()[0] == [7]  # TensorBoard's thread may have been quicker
    LastValues().on_save_checkpoint(trainer, None, {})  # type: ignore[arg-type]
    assert written() == [[7, 8], [7, 8]]
    log_ahead(loggers, {"train/loss": torch.tensor(0.25)})
    for logger in loggers:  # Lightning logs a step's numbers after the checkpoint of that step
        logger.log_metrics({"train/loss": 0.25, "epoch": 0}, 8)
        logger.log_metrics({"train/loss": 0.125}, 9)
        logger.flush()
    rows = (tmp_path / "metrics.csv").read_text().splitlines()[3:]
    assert rows == ["0,train/loss,0.25", "9,train/loss,0.125"]


def test_a_file_is_kept_by_its_tag(tmp_path: Path) -> None:
    for content in (b"first", b"second"):  # one of a later step takes the place of the first
        Files(str(tmp_path)).log_file("song/0", "mid", content, step=7)
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "files").iterdir()] == [("song_0.mid", b"second")]
