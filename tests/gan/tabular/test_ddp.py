"""Two processes that talk through gloo, as ``trainer=ddp_cpu`` starts them."""

from pathlib import Path

import pytest
import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.source.mixed_rows.gaussian_mixtures import Rings
from leyden.data.batches.mixed_rows import MixedTable
from leyden.gan.tabular.ctgan import CTGAN
from leyden.gan.tabular.tvae import TVAE

rank, folder = int(sys.argv[1]), sys.argv[2]
seed_everything(0, verbose=False)
data = MixedTable(Rings(rows=200), modes=2, batch_size=20)
data.prepare_data()
model = {"ctgan": CTGAN, "tvae": TVAE}["NAME"](**data.spec, latent_dim=4, hidden=8, tstr=False)
torch.manual_seed(rank)  # ranks draw noise of their own
trainer = Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_steps=5, max_epochs=-1, val_check_interval=5,
    check_val_every_n_epoch=None, limit_val_batches=1, num_sanity_val_steps=0, enable_checkpointing=False,
    logger=False, enable_progress_bar=False, enable_model_summary=False,
)
trainer.fit(model, data)
torch.save({
    "step": trainer.global_step, "distance": trainer.callback_metrics["val/distance"],
    "weights": {name: value.detach() for name, value in model.named_parameters()},
}, f"{folder}/{rank}.pt")
"""


@pytest.mark.parametrize("name", ["ctgan", "tvae"])
def test_ranks_train_the_same_networks(name: str, typist: Typist, tmp_path: Path) -> None:
    first, second = run_two_ranks(typist, SCRIPT.replace("NAME", name), tmp_path)
    assert first["step"] == second["step"] == 5
    torch.testing.assert_close(first["weights"], second["weights"], rtol=0, atol=0)
    assert torch.equal(first["distance"], second["distance"])
