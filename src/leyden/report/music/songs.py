"""Songs that a language model writes as text: scored as those of other generators, as files, and drawn."""

import io
from collections.abc import Mapping
from typing import NamedTuple

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from leyden.core.attached import attached_data
from leyden.core.technique import Samples
from leyden.data.batches.gan.bars import bars_of, phrases_of
from leyden.data.module import DataModule
from leyden.data.source.music.notation import read_song
from leyden.data.source.text.songs import SongTexts
from leyden.data.splits import Stage
from leyden.metrics.music.bars import as_bars, song_scores
from leyden.metrics.music.histograms import song_distances, worse_and_floor
from leyden.visualization.generated.music.files import song_files
from leyden.visualization.generated.music.roll import draw_rolls
from leyden.visualization.logging import log_file, log_image

SHOWN = 4
"""Songs that are drawn and written as files at the end of a run."""
SEED = 1
"""Of the songs that are scored."""


class SongsOfTexts(Callback):
    """Scores what a language model writes, read as music, at the end of a test.

    The scores are those of ``leyden.gan.music.evaluation``: distances of histograms to held-out songs, with those of
    training songs, random notes and shuffled bars; and of bars. Besides there are ``broken``, the share of the bars
    that are not as the notation has them (they are repaired), and ``songs``, how many texts have ``bars`` bars or more:
    only these are scored.

    Args:
        songs: so many are written.
        bars: in a row that are scored of each, its first ones.
        tempo: quarter notes in a minute, of the sound.

    Raises:
        ValueError: a number is below 1.
    """

    def __init__(self, songs: int = 64, bars: int = 8, tempo: float = 84.0) -> None:
        if min(songs, bars, tempo) < 1:
            raise ValueError(f"songs={songs}, bars={bars} and tempo={tempo} count from 1")
        self.songs, self.bars, self.tempo = songs, bars, tempo

    def on_test_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Logs the scores, piano rolls, and some songs as MIDI and WAV.

        Raises:
            ValueError: the data are no songs as texts, or the technique writes none.
        """
        data = attached_data(trainer, DataModule)
        if data is None or not isinstance(data.source, SongTexts) or not isinstance(module, Samples):
            raise ValueError(
                "SongsOfTexts reads texts of songs that a language model writes: set data/source=chorales_text, or "
                "leave the callback out"
            )
        music, steps = data.source.music, data.source.music.steps

        def passages(stage: Stage) -> tuple[Tensor, Tensor]:
            found = list(phrases_of(music.split(stage).columns, steps, self.bars))
            return torch.stack([notes for notes, _ in found]), torch.stack([onsets for _, onsets in found])

        written = read_all([row["text"] for row in module.sample(self.songs, seed=SEED).rows], steps)
        whole = [song for song in written if song.notes.shape[1] >= self.bars * steps]
        bars = sum(song.notes.shape[1] // steps for song in written)
        scores: dict[str, float] = {
            "broken": sum(song.broken for song in written) / max(1, bars),
            "songs": float(len(whole)),
        }
        real, train = passages("test"), passages("train")
        scores |= worse_and_floor(*real, *train, steps)
        if whole:
            notes = torch.stack([song.notes[:, : self.bars * steps] for song in whole])
            onsets = torch.stack([song.onsets[:, : self.bars * steps] for song in whole])
            known, held_out = (bars_of(music.split(stage).columns, steps).notes for stage in ("train", "test"))
            scores |= song_distances(notes, onsets, *real, steps)
            scores |= song_scores(as_bars(notes, steps), held_out, known)
            above = [("real, held out", *song) for song in list(zip(*real, strict=True))[:SHOWN]]
            below = [("written", *song) for song in list(zip(notes, onsets, strict=True))[:SHOWN]]
            log_image(module, "songs", draw_rolls([*above, *below], steps))
            for number, song in enumerate(whole[:SHOWN]):
                for extension, content in song_files(song.notes, song.onsets, self.tempo, steps).items():
                    log_file(module, f"song_{number}", extension, content)
        module.log_dict({f"test/{name}": value for name, value in scores.items()}, sync_dist=True)


class ReadSong(NamedTuple):
    """A song that was read of a text."""

    notes: Tensor
    """(4, bars * T) int64 MIDI pitches, 0 for silence."""
    onsets: Tensor
    """(4, bars * T) bool."""
    broken: int
    """Bars that are not as the notation has them."""


def read_all(texts: list[str], steps: int) -> list[ReadSong]:
    """The songs of some texts; a last bar that is cut off is left out.

    Args:
        texts: of a language model.
        steps: of a bar.
    """
    return [ReadSong(*read_song(text, steps)) for text in texts]


def files_of(texts: Mapping[str, str], tempo: float, steps: int) -> dict[str, bytes]:
    """The songs of some texts as files: ``files/NAME.mid`` and ``.wav`` of each, ``rolls.png`` of all.

    Args:
        texts: by their names; those without a bar of music have no files.
        tempo: quarter notes in a minute.
        steps: of a bar.
    """
    found: dict[str, bytes] = {}
    rolls = []
    for name, song in zip(texts, read_all(list(texts.values()), steps), strict=True):
        if not song.notes.shape[1]:
            continue
        for extension, content in song_files(song.notes, song.onsets, tempo, steps).items():
            found[f"files/{name}.{extension}"] = content
        rolls.append((name, song.notes, song.onsets))
    if rolls:
        image = io.BytesIO()
        to_pil_image(draw_rolls(rolls, steps, 1)).save(image, "PNG")
        found["rolls.png"] = image.getvalue()
    return found
