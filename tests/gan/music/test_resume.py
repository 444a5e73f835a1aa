"""A training on music that is stopped goes on as if it had been left alone."""

from pathlib import Path

from tunes import tune_folder

from leyden.data.batches.gan.bars import SongBars
from leyden.data.source.music.midi_folder import MidiFolder
from leyden.gan.music.midinet import MidiNet
from training import assert_resumed_is_as_if_left_alone


def test_resumed_with_transposition_and_draws(tmp_path: Path) -> None:
    folder = tune_folder(tmp_path / "songs")

    def new_data() -> SongBars:
        return SongBars(MidiFolder(str(folder)), transpose=3, batch_size=8)

    def new_model() -> MidiNet:
        return MidiNet(**new_data().spec, base_channels=4, latent_dim=6, bars=2, n_critic=2)

    assert_resumed_is_as_if_left_alone(new_model, new_data, tmp_path)
