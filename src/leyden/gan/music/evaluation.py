"""How good generated music is: distances of its histograms to held-out songs', beside floors and worse rows."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.data.batches.gan.bars import SongBars
from leyden.data.source.music.chords import chord_of
from leyden.gan.base import AdversarialTask
from leyden.metrics.music.bars import as_bars, nearest_distance, song_scores
from leyden.metrics.music.histograms import song_distances, worse_and_floor
from leyden.visualization.animation import Frames
from leyden.visualization.generated.music.files import song_files
from leyden.visualization.generated.music.roll import draw_rolls
from leyden.visualization.logging import log_file, log_image

Compose = Callable[..., tuple[Tensor, Tensor, Tensor]]
"""A count, bars and a generator to pitches (N, V, bars * T), onsets and chords (N, bars)."""
SHOWN = 4
"""Songs above and below."""
SEED = 1
"""Of the songs that are scored, always the same noise."""


class MusicEvaluation:
    """Scores songs that are composed freely, bar after bar, against passages of as many bars of held-out songs.

    ``distance`` is the mean of the four distances of ``leyden.metrics.music.song_distances``. The test has those of the
    training songs besides (``_train``: the floor), of random notes (``_random``) and of held-out bars in no order
    (``_shuffled``); and the scores of ``song_scores``, those of the held-out songs under ``_real``. ``chord`` is the
    share of the bars that are about the chord that was asked for, ``chord_chance`` that of bars for another's chord.

    Args:
        compose: makes songs.
        bars: of a song.
        steps: of a bar.
        songs: so many are scored.
        tempo: quarter notes in a minute, of the sound.
    """

    monitor = "val/distance"
    mode: Literal["min", "max"] = "min"
    main_image = "samples"

    def __init__(self, compose: Compose, bars: int, steps: int, songs: int, tempo: float) -> None:
        self.compose, self.bars, self.steps, self.songs, self.tempo = compose, bars, steps, songs, tempo
        self._frames = Frames()

    def stepped(self, task: AdversarialTask) -> None:
        """Logs the songs of the same noise in some steps, for an animation; draws nothing by torch's own generator."""
        if self._frames.due(task):
            log_image(task, "samples", self.sheet(task, "val"))

    def batch(self, task: AdversarialTask, stage: Literal["val", "test"], batch: object, number: int) -> None:
        """Nothing: whole songs are looked at in ``end``."""

    def end(self, task: AdversarialTask, stage: Literal["val", "test"]) -> None:
        """Logs the scores and songs; in the test floors, sounds and neighbours besides."""
        if task.trainer.sanity_checking:
            return
        data = self.data(task)
        real, train = data.phrases(stage, self.bars), data.phrases("train", self.bars)
        notes, onsets, chords = self.composed(self.songs)
        scores = song_distances(notes, onsets, *real, self.steps)
        bars, known = as_bars(notes, self.steps), data.whole("train").notes.cpu()
        if stage == "test":
            scores |= song_scores(bars, data.whole("test").notes.cpu(), known)
            scores |= worse_and_floor(*real, *train, self.steps)
            of_bars, asked = chord_of(bars), chords.flatten()
            scores["chord"] = (of_bars == asked).float().mean().item()
            scores["chord_chance"] = (of_bars == asked.roll(1)).float().mean().item()
            self.log_songs(task, notes, onsets)
            log_image(task, "neighbours", self.neighbours(bars, known))
        task.log_dict({f"{stage}/{name}": value for name, value in scores.items()}, sync_dist=True)
        log_image(task, "samples", self.sheet(task, stage))

    def end_training(self, task: AdversarialTask) -> None:
        """Nothing: the scores say it all."""

    def data(self, task: AdversarialTask) -> SongBars:
        """The trainer's data.

        Raises:
            ValueError: the trainer has no DataModule of bars.
        """
        data = attached_data(task.trainer, SongBars)
        if data is None:
            raise ValueError("scores need whole songs: hand over SongBars, trainer.fit(model, datamodule=data)")
        return data

    def composed(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """The same noise always: pitches, onsets (count, V, bars * T) and chords (count, bars)."""
        return self.compose(count, self.bars, torch.Generator().manual_seed(SEED))

    def log_songs(self, task: AdversarialTask, notes: Tensor, onsets: Tensor) -> None:
        """Some songs as MIDI and WAV files of the record."""
        for number in range(min(SHOWN, len(notes))):
            for extension, content in song_files(notes[number], onsets[number], self.tempo, self.steps).items():
                log_file(task, f"song_{number}", extension, content)

    def sheet(self, task: AdversarialTask, stage: Literal["val", "test"]) -> Tensor:
        """Passages of real songs above, generated songs below: uint8 (3, H, W)."""
        real, real_onsets = self.data(task).phrases(stage, self.bars)
        chosen = torch.arange(SHOWN) * len(real) // SHOWN
        notes, onsets, _ = self.composed(SHOWN)
        title = f"generated, step {task.global_step:,}"
        above = [("real, held out", real[i], real_onsets[i]) for i in chosen.tolist()]
        return draw_rolls([*above, *((title, notes[i], onsets[i]) for i in range(SHOWN))], self.steps)

    def neighbours(self, bars: Tensor, known: Tensor) -> Tensor:
        """Generated bars, each beside the bar of training in which the least differs: uint8 (3, H, W)."""
        rolls = []
        shown = torch.arange(8)
        for bar in bars[(shown * len(bars) // 8 + shown) % len(bars)]:  # first bars, second ones, ...
            distances = nearest_distance(known, bar[None])
            near = known[int(distances.argmin())]
            silent = torch.zeros_like(bar, dtype=torch.bool)
            rolls += [("generated", bar, silent), (f"{distances.min():.0%} differs", near, silent)]
        return draw_rolls(rolls, self.steps, 8)
