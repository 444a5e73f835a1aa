"""Two processes that talk through gloo, as ``trainer=ddp_cpu`` starts them."""

from pathlib import Path

import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.source.mixed_rows.gaussian_mixtures import Rings
from leyden.data.batches.gan.mixed_rows import MixedTable
from leyden.gan.tabular.ctgan import CTGAN
from leyden.gan.tabular.tvae import TVAE

rank, folder = int(sys.argv[1]), sys.argv[2]
data = MixedTable(Rings(rows=200), modes=2, batch_size=20)
data.prepare_data()
result = {}
for technique in (CTGAN, TVAE):
    seed_everything(0, verbose=False)
    model = technique(**data.spec, latent_dim=4, hidden=8, tstr=False)
    torch.manual_seed(rank)  # ranks draw noise of their own
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_steps=5, max_epochs=-1, val_check_interval=5,
        check_val_every_n_epoch=None, limit_val_batches=1, num_sanity_val_steps=0, enable_checkpointing=False,
        logger=False, enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, data)
    result[technique.__name__] = {
        "step": trainer.global_step,
        "distance": trainer.callback_metrics["val/distance"],
        "weights": {name: value.detach() for name, value in model.named_parameters()},
    }
torch.save(result, f"{folder}/{rank}.pt")
"""


def test_ranks_train_the_same_networks(typist: Typist, tmp_path: Path) -> None:
    ranks = run_two_ranks(typist, SCRIPT, tmp_path)
    for technique in ("CTGAN", "TVAE"):
        first, second = (rank[technique] for rank in ranks)
        assert first["step"] == second["step"] == 5
        torch.testing.assert_close(first["weights"], second["weights"], rtol=0, atol=0)
        assert torch.equal(first["distance"], second["distance"])
