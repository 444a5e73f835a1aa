"""MidiNet: networks, losses, songs, scores."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F
from tunes import tune_folder

from leyden.data.batches.gan.bars import SongBars
from leyden.data.source.music.midi_folder import MidiFolder
from leyden.gan.music.midinet import MidiNet, mean_distance
from leyden.gan.music.nets import intervals, lengths
from leyden.gan.music.roll import to_roll
from training import Kept, quiet_trainer

SMALL = {"base_channels": 4, "condition_channels": 4, "latent_dim": 6, "bars": 3, "eval_songs": 4}


def new_data(folder: Path, **options) -> SongBars:
    data = SongBars(MidiFolder(str(tune_folder(folder)), **options), batch_size=8)
    data.prepare_data()
    return data


@pytest.fixture
def data(tmp_path: Path) -> SongBars:
    return new_data(tmp_path)


def tiny(data: SongBars, **values) -> MidiNet:
    torch.manual_seed(0)
    return MidiNet(**{**data.spec, **SMALL, **values})


@pytest.mark.parametrize(("steps", "expected"), [(16, [16, 8, 4, 2]), (12, [12, 6, 3]), (24, [24, 12, 6, 3]), (2, [2])])
def test_lengths_are_halved(steps: int, expected: list[int]) -> None:
    assert lengths(steps) == expected


@pytest.mark.parametrize("steps", [16, 12])
def test_networks_make_bars_of_any_meter(steps: int, data: SongBars) -> None:
    model = tiny(data, steps=steps)
    notes, onsets, chords = model.compose(2, 3, torch.Generator().manual_seed(0))
    assert notes.shape == onsets.shape == (2, 4, 3 * steps)
    assert chords.shape == (2, 3)


@pytest.mark.parametrize(
    ("condition", "bar", "chord"),
    [("both", True, True), ("before", True, False), ("chord", False, True), ("none", False, False)],
)
def test_the_condition_is_what_networks_are_told(condition: str, bar: bool, chord: bool, data: SongBars) -> None:
    model = tiny(data, condition=condition)
    known = data.whole("train")
    chords = known.chords + 1  # never 0, which stands for none
    before, told = model.given(known.notes_before, known.onsets_before, chords)
    assert (before[:, :, 2:].sum() > 0) == bar
    assert (before[:, :, 1:].sum(2) == 1).all()
    assert torch.equal(told, chords if chord else torch.zeros_like(chords))


def test_losses_are_the_hinge_and_the_features(data: SongBars) -> None:
    model = tiny(data, feature_matching=0.5)
    quiet_trainer(max_steps=1).fit(model, data)
    model.discriminator.eval()  # spectral normalisation goes on with each pass of training
    batch = data.split("train").take(torch.arange(8))
    real, fake, before, chords = model.prepare(batch)
    (on_real, of_real), (on_fake, of_fake) = (model.discriminator(x, before, chords) for x in (real, fake))
    expected = F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean()
    torch.testing.assert_close(model.discriminator_loss(real, fake, before, chords), expected)
    apart = mean_distance(real, fake) + mean_distance(of_real, of_fake)
    torch.testing.assert_close(model.generator_loss(real, fake, before, chords), -on_fake.mean() + 0.5 * apart)


def test_intervals_between_voices_and_steps() -> None:
    notes = torch.tensor([[72, 72, 74], [67, 67, 67], [64, 64, 49], [48, 48, 0]])[None]
    found = intervals(to_roll(notes, notes > 0, 36, 48))[0, :, 0]
    together, moved = found[:72].view(6, 12, 3), found[72:].view(4, 25, 3)
    assert rows_of(together[0]) == [[5], [5], [7]]  # first over second voice: a fourth, then a fifth
    assert rows_of(together[2]) == [[0], [0], []]  # first over fourth: two octaves, then silence
    assert rows_of(moved[0]) == [[12], [12], [14]]  # the first voice stays, then rises by a tone
    assert rows_of(moved[2]) == [[12], [12], [0]]  # the third falls by more than an octave
    assert rows_of(moved[3]) == [[12], [12], []]


@pytest.mark.parametrize("interval", [-30, -13, -12, -11, -1, 0, 1, 11, 12, 13, 40])
def test_large_intervals_count_as_octaves(interval: int) -> None:
    notes = torch.full((1, 4, 2), 70 if interval < 0 else 40)
    notes[..., 1] += interval
    moved = intervals(to_roll(notes, notes > 0, 36, 48))[0, 72:, 0].view(4, 25, 2)
    assert rows_of(moved[1])[1] == [max(-12, min(12, interval)) + 12]


def rows_of(found: torch.Tensor) -> list[list[int]]:
    """The rows that are not 0 in each column."""
    return [(column > 0.5).nonzero().flatten().tolist() for column in found.T]


def test_intervals_have_a_gradient_to_both_notes() -> None:
    roll = torch.rand(1, 4, 26, 2, requires_grad=True)
    intervals(roll)[0, 72 + 14, 0, 1].backward()  # the first voice's rise by a tone, into the second step
    expected = torch.zeros(4, 24, 2)
    expected[0, 2:, 1] = roll.detach()[0, 0, 2:-2, 0]
    expected[0, :-2, 0] = roll.detach()[0, 0, 4:, 1]
    torch.testing.assert_close(roll.grad[0, :, 2:], expected)


def test_mean_distance_of_constants() -> None:
    assert mean_distance(torch.ones(3, 2, 5), torch.zeros(7, 2, 5)) == 10


def test_gradient_reaches_the_generator(data: SongBars) -> None:
    model = tiny(data)
    quiet_trainer(max_steps=1).fit(model, data)
    model.zero_grad()
    model.generator_loss(*model.prepare(data.split("train").take(torch.arange(8)))).backward()
    for name, weight in model.generator.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_a_bar_goes_on_from_the_one_before(data: SongBars) -> None:
    model = tiny(data, binarise="straight_through")
    with torch.no_grad():
        model.ema.network.last.weight.zero_()
        model.ema.network.last.bias.fill_(-1.0)  # no voice moves: all stay silent from the first bar on
    assert not model.compose(2, 3)[0].any()


def test_the_same_seed_writes_the_same_songs(data: SongBars) -> None:
    model = tiny(data)
    first, again, other = (model.sample(3, seed=seed) for seed in (1, 1, 2))
    assert first.rows == again.rows
    assert first.files == again.files
    assert first.files != other.files
    assert set(first.files[0]) == {"mid", "wav"}
    assert len(first.rows[0]["chords"].split()) == 3
    assert first.images[0].shape[0] == 3


def test_a_low_temperature_draws_the_likeliest(data: SongBars) -> None:
    cold, likeliest = tiny(data, temperature=1e-4), tiny(data, binarise="straight_through")
    for model in (cold, likeliest):
        torch.nn.init.normal_(model.ema.network.last.weight, generator=torch.Generator().manual_seed(1))
    noise = [torch.Generator().manual_seed(0) for _ in range(2)]
    first = [model.compose(3, 1, drawn)[0] for model, drawn in zip((cold, likeliest), noise, strict=True)]
    assert first[0].any()
    assert torch.equal(*first)


def test_chords_follow_as_in_training(data: SongBars) -> None:
    model = tiny(data)
    counts = torch.tensor(data.spec["chord_counts"]).float()
    often = int(counts[:-1].sum(1).argmax())
    _, _, chords = model.compose(400, 2, torch.Generator().manual_seed(0), first=often)
    assert (chords[:, 0] == often).all()
    drawn = chords[:, 1].bincount(minlength=24).float() / 400
    torch.testing.assert_close(drawn, counts[often] / counts[often].sum(), rtol=0, atol=0.08)


def test_a_chord_is_asked_for_by_name(data: SongBars) -> None:
    model = tiny(data)
    assert model.sample(1, label="Am", seed=0).rows[0]["chords"].split()[0] == "Am"
    with pytest.raises(ValueError, match="no chord 'H': there are C, C#"):
        model.sample(1, label="H")
    with pytest.raises(ValueError, match="told no chords"):
        tiny(data, condition="before").sample(1, label="C")


def test_scores_with_floors_and_songs(data: SongBars) -> None:
    kept = Kept()
    trainer = quiet_trainer(
        max_steps=2,
        limit_val_batches=1,
        val_check_interval=2,
        check_val_every_n_epoch=None,
        log_every_n_steps=1,
        logger=kept,
    )
    model = tiny(data)
    trainer.fit(model, data)
    assert 0 < trainer.callback_metrics["val/distance"] <= 1
    scores = trainer.test(model, data, verbose=False)[0]
    assert scores["test/harmonic_train"] < scores["test/harmonic_random"]
    for name in ("pitch_class", "melodic", "harmonic", "bar_line", "distance"):
        assert 0 <= scores[f"test/{name}"] <= 1
        assert f"test/{name}_shuffled" in scores
    assert scores["test/stuck_real"] == 0
    assert {"test/chord", "test/chord_chance", "test/neighbour_ratio", "test/copies"} <= scores.keys()
    assert {"samples", "neighbours"} <= kept.pictures.keys()


def test_too_short_songs_are_refused_before_training(data: SongBars) -> None:
    model = tiny(data, bars=5)
    with pytest.raises(ValueError, match=r"no song of train has 5 bars in a row: set model\.bars"):
        quiet_trainer(max_steps=1).fit(model, data)
    assert model.global_step == 0


def test_without_songs_no_scores(data: SongBars) -> None:
    with pytest.raises(ValueError, match="hand over SongBars"):
        quiet_trainer().test(tiny(data), data.test_dataloader(), verbose=False)


@pytest.mark.parametrize(
    ("option", "what"),
    [
        ({"condition": "key"}, "one of both, before"),
        ({"binarise": "hard"}, "one of straight_through"),
        ({"bars": 0}, "count from 1"),
        ({"temperature": 0}, "above 0"),
        ({"translation": 0.1}, r"data\.transpose"),
        ({"memory_format": "channels_last"}, "contiguous"),
    ],
)
def test_options_that_do_not_fit_are_refused(option: dict, what: str, data: SongBars) -> None:
    with pytest.raises(ValueError, match=what):
        tiny(data, **option)
