"""Two processes train the same networks on music."""

from pathlib import Path

import torch
from ranks import run_two_ranks
from tunes import tune_folder
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.batches.gan.bars import SongBars
from leyden.data.source.music.midi_folder import MidiFolder
from leyden.gan.music.midinet import MidiNet

rank, folder = int(sys.argv[1]), sys.argv[2]
seed_everything(0, verbose=False)
data = SongBars(MidiFolder(f"{folder}/songs"), batch_size=4)
data.prepare_data()
model = MidiNet(**data.spec, base_channels=4, latent_dim=6, bars=2, eval_songs=4, feature_matching=0.1)
torch.manual_seed(rank)  # ranks draw noise of their own
trainer = Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_steps=4, val_check_interval=4, check_val_every_n_epoch=None,
    limit_val_batches=1, num_sanity_val_steps=0, enable_checkpointing=False, logger=False, enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, data)
result = {
    "distance": trainer.callback_metrics["val/distance"],
    "networks": [model.generator.state_dict(), model.discriminator.state_dict()], "ema": model.ema.state_dict(),
}
torch.save(result, f"{folder}/{rank}.pt")
"""


def test_ranks_train_the_same_networks(typist: Typist, tmp_path: Path) -> None:
    tune_folder(tmp_path / "songs")
    first, second = run_two_ranks(typist, SCRIPT, tmp_path)
    assert torch.equal(first["distance"], second["distance"])
    torch.testing.assert_close(first["ema"], second["ema"], rtol=0, atol=0)
    differ = False
    for mine, theirs in zip(first["networks"], second["networks"], strict=True):
        for name, value in mine.items():
            if "running" in name:
                differ |= not torch.equal(value, theirs[name])
            else:
                assert torch.equal(value, theirs[name]), name
    assert differ  # each rank saw bars of its own
