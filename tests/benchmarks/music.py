"""What a step of MidiNet costs against a plain loop, and how long the chorales take to read, beside music21's reader.

`make bench`, or this file.
"""

import time
import warnings
from copy import deepcopy
from statistics import median
from typing import Any

import by_hand  # beside this file
import music21
import steps
import torch
from torch import Tensor
from torch.nn.functional import relu

from leyden.data.source.music.chorales import Chorales
from leyden.gan.music.roll import activate, to_roll

FILES = 24
"""Chorales that both readers read; their time is scaled to all."""
ROUNDS, STEPS = 3, 40
LAB = ["experiment=gan_music", *steps.QUIET]


def plain(model: Any) -> by_hand.Step:
    """What everybody writes."""
    g, d, average = model.generator, model.discriminator, deepcopy(model.generator)
    adams, schedules = by_hand.adams_of(model)

    def step(notes: Tensor, onsets: Tensor, notes_before: Tensor, onsets_before: Tensor, chords: Tensor) -> None:
        real, before = (
            to_roll(*roll, model.lowest, model.pitches) for roll in ((notes, onsets), (notes_before, onsets_before))
        )
        logits = g(torch.randn(len(chords), model.latent_dim), chords, before)
        fake = activate(logits, before[:, :, 1:, -1], model.binarise)
        on_real, on_fake = d(real, before, chords)[0], d(fake.detach(), before, chords)[0]
        by_hand.descend(adams[1], relu(1 - on_real).mean() + relu(1 + on_fake).mean())
        d.requires_grad_(False)
        by_hand.descend(adams[0], -d(fake, before, chords)[0].mean())
        d.requires_grad_(True)
        by_hand.update_ema(average, g, model.options.ema_decay)
        by_hand.advance(schedules)

    return step


def readers() -> str:
    """Seconds for all chorales."""
    source = Chorales(key="own")
    everything = source.files()
    files = [everything[i * len(everything) // FILES] for i in range(FILES)]
    music21.converter.parse(files[0])  # what it sets up once
    seconds = []
    for read in (source.read, lambda file: music21.converter.parse(file, forceSource=True)):
        start = time.process_time()
        for file in files:
            read(file)
        seconds.append(time.process_time() - start)
    ours, theirs = (each / FILES * len(everything) for each in seconds)
    return f"{len(everything)} chorales: ours {ours:.1f} s, music21 {theirs:.1f} s, {theirs / ours:.0f} times as long"


def main() -> None:
    warnings.filterwarnings("ignore")
    print(readers())
    steps.TURN = 10
    other = steps.by_a_loop(LAB, plain)
    rounds = [steps.with_leyden(LAB, STEPS, other) for _ in range(ROUNDS)]
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    print(f"ms per training step, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    print(f"leyden {ours:.1f}  plain loop {theirs:.1f}  ratio {median(a / b for a, b in rounds):.3f}")


if __name__ == "__main__":
    main()
