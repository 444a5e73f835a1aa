"""Two processes train the same networks, and agree on when the discriminator rests."""

from pathlib import Path

import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.batches.gan.volumes import VolumeData
from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.gan.voxel.voxels import SilhouettesToShape

rank, folder = int(sys.argv[1]), sys.argv[2]
seed_everything(0, verbose=False)
data = VolumeData(Shapes3d(train_each=12, val_each=2, test_each=2), batch_size=8)
model = SilhouettesToShape(
    **data.spec, base_channels=2, code_dim=8, discriminator_channels=2, adversarial_weight=0.1,
    discriminator_accuracy=0.55, lr_discriminator=1e-2,
)
torch.manual_seed(rank)  # ranks leave out views of their own
rested = []
turns = model.turns
def seen():
    names = turns()
    rested.append(len(names))
    return names
model.turns = seen
trainer = Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_steps=6, val_check_interval=3, check_val_every_n_epoch=None,
    limit_val_batches=1, num_sanity_val_steps=0, enable_checkpointing=False, logger=False, enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, data)
result = {
    "iou": trainer.callback_metrics["val/iou"], "accuracy": model.rest.accuracy, "rested": rested,
    "networks": [model.generator.state_dict(), model.discriminator.state_dict()], "ema": model.ema.state_dict(),
}
torch.save(result, f"{folder}/{rank}.pt")
"""


def test_ranks_train_the_same_networks(typist: Typist, tmp_path: Path) -> None:
    first, second = run_two_ranks(typist, SCRIPT, tmp_path)
    assert torch.equal(first["iou"], second["iou"])
    assert torch.equal(first["accuracy"], second["accuracy"])
    assert first["rested"] == second["rested"]
    assert {1, 2} == set(first["rested"])  # it rested in some steps
    torch.testing.assert_close(first["ema"], second["ema"], rtol=0, atol=0)
    for mine, theirs in zip(first["networks"], second["networks"], strict=True):
        for name, value in mine.items():
            assert "running" in name or torch.equal(value, theirs[name]), name
