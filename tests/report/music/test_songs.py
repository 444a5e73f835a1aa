"""Songs that a language model writes: scored at the end of a test, and turned into files."""

import json
from pathlib import Path

import pytest
import torch
from lightning import LightningModule
from torch import Tensor
from tunes import tune, tune_folder

from leyden.core.technique import Predictions
from leyden.data.batches.tokens import TokenWindows
from leyden.data.source.builtin.python_topics import PythonTopics
from leyden.data.source.music.midi_folder import MidiFolder
from leyden.data.source.music.notation import write_song
from leyden.data.source.text.songs import SongTexts
from leyden.report.music.songs import SongsOfTexts, main, read_all, write_songs
from training import Kept, quiet_trainer


class Repeats(LightningModule):
    """Writes given texts."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__()
        self.texts = texts

    def test_step(self, batch: object, batch_index: int) -> None: ...

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        return Predictions([{"text": text} for text in (self.texts * count)[:count]], [])


def data_of(folder: Path) -> TokenWindows:
    data = TokenWindows(SongTexts(MidiFolder(str(tune_folder(folder)), key="own")), context=8)
    data.prepare_data()
    return data


def scores_of(texts: list[str], data: TokenWindows, songs: int) -> tuple[dict[str, float], dict[str, Tensor]]:
    kept = Kept()
    trainer = quiet_trainer(callbacks=[SongsOfTexts(songs, bars=2)], logger=kept)
    return trainer.test(Repeats(texts), data, verbose=False)[0], kept.pictures


def test_training_songs_are_copies(tmp_path: Path) -> None:
    data = data_of(tmp_path)
    scores, pictures = scores_of(list(data.texts("train")), data, len(data.texts("train")))
    assert scores["test/copies"] == 1
    assert scores["test/neighbour_ratio"] == scores["test/broken"] == 0
    assert scores["test/songs"] == len(data.texts("train"))
    assert scores["test/harmonic"] < scores["test/harmonic_random"]
    assert pictures["songs"].shape[0] == 3


def test_what_is_no_music_has_no_scores(tmp_path: Path) -> None:
    scores, pictures = scores_of(["no bar at all", "|abc"], data_of(tmp_path), 4)
    assert scores["test/songs"] == 0
    assert "test/distance" not in scores
    assert not pictures


def test_other_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="data/source=chorales_text"):
        quiet_trainer(callbacks=[SongsOfTexts()]).test(
            Repeats([""]), TokenWindows(PythonTopics(), context=8, eval_batch_size=10**5), verbose=False
        )


def test_a_last_bar_that_is_cut_off_is_left_out() -> None:
    notes, onsets = tune(0)
    text = write_song(notes, onsets, 16)
    (song,) = read_all([text + "|kc"], 16)
    assert torch.equal(song.notes, notes)
    assert song.broken == 0
    (short,) = read_all([text[:-7]], 16)
    assert torch.equal(short.notes, notes[:, :48])


def test_predictions_become_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": write_song(*tune(0), 16)}, {"text": "nothing"}]
    (tmp_path / "predictions.json").write_text(json.dumps(rows))
    monkeypatch.setattr("sys.argv", ["songs", str(tmp_path)])
    main()
    assert capsys.readouterr().out.splitlines()[0].startswith("sample 0: bars 4, broken 0, notes 64")
    names = sorted(file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file())
    assert names == ["files/sample_000.mid", "files/sample_000.wav", "predictions.json", "rolls.png"]


def test_a_folder_without_predictions_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="leyden predict RECORD"):
        write_songs(tmp_path, 84, "4/4")
    (tmp_path / "predictions.json").write_text('[{"text": "prose"}]')
    with pytest.raises(ValueError, match="no text has a bar"):
        write_songs(tmp_path, 84, "4/4")
