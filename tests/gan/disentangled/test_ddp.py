"""Two processes that talk through gloo train the same networks, each on images and codes of its own."""

from pathlib import Path

import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.source.builtin.digits import Digits
from leyden.data.batches.gan.images import GanImages
from leyden.gan.disentangled.beta_vae import BetaVAE
from leyden.gan.disentangled.infogan import InfoGAN

rank, folder = int(sys.argv[1]), sys.argv[2]
result = {}
for name, kind, options in [
    ("infogan", InfoGAN, dict(base_channels=4, noise_dim=6, eval_samples=100, ema_decay=0.9, agreement_weight=1.0)),
    ("beta_vae", BetaVAE, dict(base_channels=4, hidden=16, latent_dim=3)),
]:
    seed_everything(0, verbose=False)
    data = GanImages(Digits(), image_size=16, batch_size=32)
    data.prepare_data()
    model = kind(**data.spec, **options)
    torch.manual_seed(rank)  # ranks draw noise of their own
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_steps=4, val_check_interval=4, check_val_every_n_epoch=None,
        limit_val_batches=1, num_sanity_val_steps=0, enable_checkpointing=False, logger=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, data)
    result[name] = {
        "step": trainer.global_step,
        "score": trainer.callback_metrics[model.monitor],
        "state": {key: value for key, value in model.state_dict().items() if "running" not in key},
    }
torch.save(result, f"{folder}/{rank}.pt")
"""


def test_ranks_train_the_same_networks(typist: Typist, tmp_path: Path) -> None:
    first, second = run_two_ranks(typist, SCRIPT, tmp_path)
    assert "code_classes" in first["infogan"]["state"]
    for name in ("infogan", "beta_vae"):
        assert first[name]["step"] == second[name]["step"] == 4
        assert torch.equal(first[name]["score"], second[name]["score"])
        torch.testing.assert_close(first[name]["state"], second[name]["state"], rtol=0, atol=0)
