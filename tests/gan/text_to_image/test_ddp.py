"""Two processes train the same networks, each on descriptions and partners of its own."""

from pathlib import Path

import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.batches.captions import Captions
from leyden.data.source.scenes.captioned_scenes import CaptionedScenes
from leyden.gan.text_to_image import factors
from leyden.gan.text_to_image.text_to_image import TextToImage

factors.STEPS = 2
rank, folder = int(sys.argv[1]), sys.argv[2]
seed_everything(0, verbose=False)
data = Captions(CaptionedScenes(16, train_each=1, val_each=1, test_each=1, unseen_pairs=2), batch_size=8)
data.prepare_data()
model = TextToImage(
    **data.spec, base_channels=4, latent_dim=8, text_dim=8, compressed_dim=8, wrong_texts="nearest", interpolation=1.0,
    text_in_generator="batch_norm", eval_samples=100,
)
torch.manual_seed(rank)  # ranks draw noise and partners of their own
trainer = Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_steps=6, val_check_interval=6, check_val_every_n_epoch=None,
    limit_val_batches=1, num_sanity_val_steps=0, enable_checkpointing=False, logger=False, enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, data)
result = {
    "right": trainer.callback_metrics["val/right"], "fid": trainer.callback_metrics["val/fid"],
    "networks": [model.generator.state_dict(), model.discriminator.state_dict()], "ema": model.ema.state_dict(),
}
torch.save(result, f"{folder}/{rank}.pt")
"""


def test_ranks_train_the_same_networks(typist: Typist, tmp_path: Path) -> None:
    first, second = run_two_ranks(typist, SCRIPT, tmp_path)
    assert torch.equal(first["right"], second["right"])
    assert torch.equal(first["fid"], second["fid"])
    torch.testing.assert_close(first["ema"], second["ema"], rtol=0, atol=0)
    for mine, theirs in zip(first["networks"], second["networks"], strict=True):
        for name, value in mine.items():
            assert "running" in name or torch.equal(value, theirs[name]), name
