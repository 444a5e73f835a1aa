"""A GPT whose texts become files."""

from pathlib import Path

import pytest
from tunes import tune, tune_folder

from leyden.core.technique import WritesFiles
from leyden.data.batches.tokens import TokenWindows
from leyden.data.source.music.midi import midi_bytes, read_midi
from leyden.data.source.music.midi_folder import MidiFolder
from leyden.data.source.music.notation import write_song
from leyden.data.source.text.songs import SongTexts
from leyden.report.predictions import PredictionWriter
from leyden.report.samples import write_drawn
from leyden.text.music.song_gpt import SongGPT
from training import quiet_trainer

SMALL = {"layers": 1, "heads": 2, "width": 8, "sample_length": 40}
SONG = write_song(*tune(0), 16)


def new_model(folder: Path, **values) -> tuple[SongGPT, TokenWindows]:
    data = TokenWindows(SongTexts(MidiFolder(str(tune_folder(folder)), key="own")), context=32, batch_size=4)
    data.prepare_data()
    return SongGPT(**data.spec, **{**SMALL, **values}), data


@pytest.mark.parametrize(
    "row", [{"text": SONG}, {"prompt": SONG[:20], "continuation": SONG[20:]}], ids=["sample", "continuation"]
)
def test_rows_become_songs(row: dict[str, str], tmp_path: Path) -> None:
    model, _ = new_model(tmp_path, tempo=100.0)
    files = model.prediction_files([{"path": "first", **row}])
    assert files["files/first.mid"] == midi_bytes(*tune(0), 100.0, "4/4")


def test_predict_writes_songs_behind_a_prompt(tmp_path: Path) -> None:
    model, _ = new_model(tmp_path / "songs")
    assert isinstance(model, WritesFiles)
    write_drawn(model, PredictionWriter(tmp_path / "out"), 2, None, 1, [SONG], {})
    names = {file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*.*")}
    expected = {f"files/continuation_00{i}.{kind}" for i in range(2) for kind in ("mid", "wav")} | {"rolls.png"}
    assert expected <= names
    assert read_midi(tmp_path / "out" / "files" / "continuation_001.mid").bars[0].time == "4/4"


def test_a_checkpoint_keeps_meter_and_tempo(tmp_path: Path) -> None:
    model, data = new_model(tmp_path / "songs", time="3/4", tempo=60.0)
    trainer = quiet_trainer(max_steps=1, limit_val_batches=0)
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    again = SongGPT.load_from_checkpoint(tmp_path / "last.ckpt", weights_only=True)
    assert (again.steps, again.tempo) == (12, 60.0)


@pytest.mark.parametrize(
    ("values", "what"), [({"tempo": 0}, r"model\.tempo"), ({"time": "four"}, "a time signature such as 4/4")]
)
def test_values_out_of_range_are_refused(values: dict, what: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=what):
        new_model(tmp_path, **values)
