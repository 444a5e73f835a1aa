"""Songs that a language model writes: scored at the end of a test, and turned into files."""

import io
from pathlib import Path

import pytest
import torch
from lightning import LightningModule
from PIL import Image
from torch import Tensor
from tunes import tune, tune_folder

from leyden.core.technique import Predictions
from leyden.data.batches.tokens import TokenWindows
from leyden.data.source.builtin.python_topics import PythonTopics
from leyden.data.source.music.midi import midi_bytes
from leyden.data.source.music.midi_folder import MidiFolder
from leyden.data.source.music.notation import write_song
from leyden.data.source.text.songs import SongTexts
from leyden.report.music.songs import SongsOfTexts, files_of, read_all
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
    (song,) = read_all([text + "kc"], 16)
    assert torch.equal(song.notes, notes)
    assert song.broken == 0
    (short,) = read_all([text[:-1]], 16)
    assert torch.equal(short.notes, notes[:, :48])


def test_texts_become_files() -> None:
    files = files_of({"sample_000": write_song(*tune(0), 16), "sample_001": "nothing"}, 84.0, 16)
    assert sorted(files) == ["files/sample_000.mid", "files/sample_000.wav", "rolls.png"]
    assert files["files/sample_000.mid"] == midi_bytes(*tune(0), 84.0, "4/4")
    assert Image.open(io.BytesIO(files["rolls.png"])).width > 64 * 5
    assert not files_of({"sample_000": "nothing"}, 84.0, 16)
