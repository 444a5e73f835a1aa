"""MidiNet (Yang, Chou and Yang 2017, "MidiNet: A Convolutional Generative Adversarial Network for Symbolic-Domain Music
Generation"): bars of music, one after the other, each given the bar before it and a chord.

A bar is a piano roll: rows of pitches, columns of sixteenths. Both networks are convolutional over time; the kernels
of the first layer that reads a roll and of the last that makes one are as high as the roll (their section 3.3). A
conditioner, whose shapes mirror the generator's, reads the bar before, and its maps are joined to the generator's of
the same length, as is the chord (their figure 1):

    min_G max_D  E ln D(x | b, c) + E ln(1 - D(G(z, b, c) | b, c))
                 + lambda_1 |E x - E G(z, b, c)|^2 + lambda_2 |E f(x) - E f(G(z, b, c))|^2

x is a bar, b the one before it, c its chord, f the maps of D's first layer; the last two terms, of G alone, are
feature matching (their eq. 4, with ``feature_matching`` for both lambdas). To compose, each bar becomes the next b.

Where we depart: four voices of a chorale instead of a melody, so a roll is four planes, in each of which one pitch or
silence is chosen by a softmax per step and voice, with a row for silence and one for onsets. G says in each step
whether a voice moves, and notes last until it does; without that its notes fall apart into sixteenths. Beside each
pitch, G says how likely each interval is, from the voice's last note and over each lower voice, and notes are drawn one
after the other (``leyden.gan.music.roll.activate``): their G draws all notes of a bar at once, so that none knows the
others, and voices leap. D sees the choices as 0 and 1, with the gradient of the smooth ones. D is given b, too, beside
x in time: their D is not, so that nothing but feature matching asks for a bar that goes on from b; and its first layer
hears intervals, between voices and from step to step, beside the pitches (``leyden.gan.music.nets.intervals``; Dong and
Yang's discriminator sees chroma and onsets besides). The chord is an embedding of 24 triads; when a song is composed, a
chord is drawn by how often it follows the last one in training.
D is kept smooth by spectral normalisation, with the hinge loss (Miyato et al. 2018), instead of batch normalisation.
"""

from functools import partial
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Tensor

from leyden.core.attached import attached_data
from leyden.core.technique import Predictions
from leyden.data.batches.gan.bars import SongBars
from leyden.data.source.music.columns import Bars
from leyden.data.source.music.score import VOICES
from leyden.data.splits import STAGES
from leyden.gan.base import AdversarialTask, Player
from leyden.gan.music.evaluation import MusicEvaluation
from leyden.gan.music.nets import Discriminator, Generator
from leyden.gan.music.options import MusicOptions
from leyden.gan.music.roll import Binarise, activate, from_roll, to_roll
from leyden.gan.options import AdversarialKwargs
from leyden.visualization.generated.music.files import song_files, song_row
from leyden.visualization.generated.music.roll import draw_rolls

Condition = Literal["both", "before", "chord", "none"]


class MidiNet(AdversarialTask):
    """Trains the networks on bars; ``val/distance``, a mean of histograms' distances, chooses the best checkpoint.

    Args:
        class_names: of the chords; given by the data.
        steps: sixteenths of a bar; given by the data.
        lowest: the lowest MIDI pitch; given by the data.
        pitches: how many there are from it on; given by the data.
        chord_counts: (chords + 1, chords) how often each chord follows each and, last, begins a song; given by the
            data.
        condition: what G and D are told: the bar "before", the "chord", "both" or "none" of it.
        base_channels: of the layers at full length, doubled below it.
        condition_channels: of the conditioner's maps and the chord's embedding.
        latent_dim: length of the noise vector.
        binarise: how D sees a choice: "gumbel" as 0 and 1, drawn by the softmax, as songs are composed, too;
            "straight_through" as 0 and 1, the likeliest; "softmax" as it is.
        temperature: what logits are divided by before a song's notes are drawn ("gumbel"), above 0; below 1 the likely
            ones become likelier.
        feature_matching: weight of both terms of feature matching.
        bars: bars in a row of a sample, each given the one before.
        tempo: quarter notes in a minute, of the files that are heard.
        eval_songs: so many samples are compared with the data's passages of as many bars.
        options: see ``MusicOptions``.

    Raises:
        ValueError: there is no such condition or ``binarise``, a count is below 1, or an option does not fit.
    """

    options_type = MusicOptions

    def __init__(
        self,
        class_names: list[str],
        steps: int,
        lowest: int,
        pitches: int,
        chord_counts: list[list[int]],
        condition: Condition = "both",
        base_channels: int = 64,
        condition_channels: int = 16,
        latent_dim: int = 64,
        binarise: Binarise = "gumbel",
        temperature: float = 1.0,
        feature_matching: float = 0.0,
        bars: int = 8,
        tempo: float = 84.0,
        eval_songs: int = 64,
        **options: Unpack[AdversarialKwargs],
    ) -> None:
        super().__init__(**options)
        self.save_hyperparameters(logger=False)
        if condition not in get_args(Condition) or binarise not in get_args(Binarise):
            raise ValueError(
                f"model.condition={condition} is one of {', '.join(get_args(Condition))}, "
                f"model.binarise={binarise} one of {', '.join(get_args(Binarise))}"
            )
        if min(bars, eval_songs) < 1 or min(tempo, temperature) <= 0:
            raise ValueError(
                f"model.bars={bars} and model.eval_songs={eval_songs} count from 1, model.tempo={tempo} and "
                f"model.temperature={temperature} are above 0"
            )
        self.class_names, self.steps, self.lowest, self.pitches = class_names, steps, lowest, pitches
        self.condition, self.binarise, self.feature_matching = condition, binarise, feature_matching
        self.bars, self.tempo, self.temperature, self.latent_dim = bars, tempo, temperature, latent_dim
        self.chord_counts = torch.tensor(chord_counts, dtype=torch.float32)
        self.evaluation = MusicEvaluation(self.compose, bars, steps, eval_songs, tempo)
        chords = len(class_names)
        self.generator = Generator(chords, pitches, steps, latent_dim, base_channels, condition_channels)
        self.discriminator = Discriminator(chords, pitches, steps, base_channels, condition_channels)
        self.criterion.constrain(self.discriminator)
        self.set_players(
            discriminator=Player(self.discriminator, self.discriminator_loss, self.options.lr_discriminator),
            generator=Player(self.generator, self.generator_loss, self.options.lr_generator, self.options.n_critic),
        )

    def setup(self, stage: str) -> None:
        """Refuses songs too short to be compared with, before anything is trained.

        Raises:
            ValueError: a split has no song of ``bars`` bars in a row.
        """
        if (data := attached_data(self.trainer, SongBars)) is not None:
            for each in STAGES:
                data.phrases(each, self.bars)

    def given(self, notes: Tensor, onsets: Tensor, chords: Tensor) -> tuple[Tensor, Tensor]:
        """What the networks are told of the bar before (notes and onsets (N, V, T)) and chords (N,): roll, chords."""
        before = to_roll(notes, onsets, self.lowest, self.pitches)
        if self.condition in ("chord", "none"):
            silent = torch.zeros_like(notes)
            before = to_roll(silent, silent.bool(), self.lowest, self.pitches)
        return before, chords if self.condition in ("both", "chord") else torch.zeros_like(chords)

    def prepare(self, batch: Bars) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Real bars x and as many generated ones, the bars before b, all (N, V, rows, T), and the chords (N,)."""
        before, chords = self.given(batch.notes_before, batch.onsets_before, batch.chords)
        real = to_roll(batch.notes, batch.onsets, self.lowest, self.pitches)
        noise = torch.randn(len(chords), self.latent_dim, device=chords.device)
        with self.graph_for("generator"):
            logits = self.generator(noise, chords, before)
            return real, activate(logits, before[:, :, 1:, -1], self.binarise), before, chords

    def critic(self, bars: Tensor, before: Tensor, chords: Tensor) -> Tensor:
        """D's float32 logits (N,) of bars and the bars before (N, V, rows, T), and chords (N,)."""
        return self.discriminator(bars, before, chords)[0].float()

    def discriminator_loss(self, real: Tensor, fake: Tensor, before: Tensor, chords: Tensor) -> Tensor:
        """E max(0, 1 - D(x)) + E max(0, 1 + D(G)), or as ``loss`` says, () with a graph to D."""
        critic = partial(self.critic, before=before, chords=chords)
        return self.criterion.discriminator_loss(critic, real, fake.detach(), self.watch)

    def generator_loss(self, real: Tensor, fake: Tensor, before: Tensor, chords: Tensor) -> Tensor:
        """-E D(G), or as ``loss`` says, with feature matching; () with a graph to G."""
        if not self.feature_matching:
            return self.criterion.generator_loss(partial(self.critic, before=before, chords=chords), real, fake)
        with torch.no_grad():
            on_real, maps_of_real = self.discriminator(real, before, chords)
        on_fake, maps_of_fake = self.discriminator(fake, before, chords)
        matched = mean_distance(real, fake) + mean_distance(maps_of_real.float(), maps_of_fake.float())
        return self.criterion.loss.generator(on_real.float(), on_fake.float()) + self.feature_matching * matched

    @torch.no_grad()
    def compose(
        self, count: int, bars: int, generator: torch.Generator | None = None, first: int | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Songs of the averaged generator, bar after bar.

        Args:
            count: songs.
            bars: of each.
            generator: of noise and chords, on the CPU; None: torch's own.
            first: the chord that all begin with; None draws it as songs of the training begin.

        Returns:
            Pitches (count, V, bars * T) int64, onsets of the same shape, chords (count, bars); on the CPU.
        """
        chords = torch.full((count,), len(self.class_names))
        notes = torch.zeros(count, VOICES, self.steps, dtype=torch.int64)
        onsets = torch.zeros_like(notes, dtype=torch.bool)
        drawn_as: Binarise = "gumbel" if self.binarise == "gumbel" else "straight_through"
        made: list[tuple[Tensor, Tensor, Tensor]] = []
        for number in range(bars):
            drawn = torch.multinomial(self.chord_counts[chords] + UNSEEN, 1, generator=generator)[:, 0]
            chords = torch.full_like(drawn, first) if number == 0 and first is not None else drawn
            noise = torch.randn(count, self.latent_dim, generator=generator)
            before, told = self.given(notes, onsets, chords)
            logits = self.ema(*(each.to(self.device) for each in (noise, told, before))).float().cpu()
            roll = activate(logits / self.temperature, before[:, :, 1:, -1], drawn_as, generator)
            notes, onsets = from_roll(roll, self.lowest)
            made.append((notes, onsets, chords))
        return (
            torch.cat([notes for notes, _, _ in made], dim=-1),
            torch.cat([onsets for _, onsets, _ in made], dim=-1),
            torch.stack([chords for _, _, chords in made], dim=1),
        )

    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row, a piano roll, a MIDI and a WAV file for each of ``count`` songs of ``bars`` bars.

        Args:
            count: how many, from 1.
            label: the chord of the first bar, by its name ("Am") or number; None draws it.
            seed: of noise and chords; None draws other songs each time.

        Raises:
            ValueError: there is no such chord, or the technique is not told any.
        """
        first = None if label is None else self._chord(label)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        notes, onsets, chords = self.compose(count, self.bars, generator, first)
        rows: list[dict[str, Any]] = []
        for number in range(count):
            row: dict[str, Any] = {"sample": number}
            if self.condition in ("both", "chord"):
                row["chords"] = " ".join(self.class_names[chord] for chord in chords[number].tolist())
            rows.append(row | song_row(notes[number], onsets[number]))
        images = [
            draw_rolls([(f"song {i}", *song)], self.steps, 1) for i, song in enumerate(zip(notes, onsets, strict=True))
        ]
        files = [song_files(*song, self.tempo, self.steps) for song in zip(notes, onsets, strict=True)]
        return Predictions(rows, images, files)

    def _chord(self, label: str) -> int:
        if self.condition not in ("both", "chord"):
            raise ValueError(f"model.condition={self.condition}: this model is told no chords: leave --class out")
        if label in self.class_names:
            return self.class_names.index(label)
        if label.isdecimal() and int(label) < len(self.class_names):
            return int(label)
        raise ValueError(f"no chord {label!r}: there are {', '.join(self.class_names)}")


UNSEEN = 1e-9
"""Added to the counts of chords, so that one that was last in its song can be followed by any."""


def mean_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Squared distance of two batches' means, () (their eq. 4)."""
    return (real.mean(0) - fake.mean(0)).square().sum()
