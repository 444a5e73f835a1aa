"""Two processes that talk through gloo, as ``trainer=ddp_cpu`` starts them: plain DDP, with no unused parameters."""

from pathlib import Path

import pytest
import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from functools import partial
from lightning import Trainer, seed_everything
from leyden.data.source.builtin.digits import Digits
from leyden.data.batches.gan.images import GanImages
from leyden.gan.noise_to_image.dcgan import DCGAN
from leyden.gan.noise_to_image.stylegan.stylegan import StyleGAN

rank, folder = int(sys.argv[1]), sys.argv[2]
seed_everything(0, verbose=False)
data = GanImages(Digits(), image_size=16, batch_size=32)
data.prepare_data()
model = MODEL(**data.spec, base_channels=4, latent_dim=8, eval_samples=100, ema_decay=0.9)
torch.manual_seed(rank)  # ranks draw noise of their own
trainer = Trainer(
    accelerator="cpu", devices=2, strategy="ddp", precision="bf16-mixed", max_steps=6, val_check_interval=6,
    check_val_every_n_epoch=None, limit_val_batches=1, num_sanity_val_steps=0, enable_checkpointing=False,
    logger=False, enable_progress_bar=False, enable_model_summary=False,
)
trainer.fit(model, data)
result = {
    "step": trainer.global_step,
    "fid": trainer.callback_metrics["val/fid"],
    "networks": [model.generator.state_dict(), model.discriminator.state_dict()],
    "ema": model.ema.state_dict(),
    "else": {name: value for name, value in model.state_dict().items() if name in ("augment.probability", "path_mean")},
}
torch.save(result, f"{folder}/{rank}.pt")
"""


MODELS = {"DCGAN": "DCGAN", "StyleGAN": "partial(StyleGAN, max_channels=8, r1_every=2, path_every=3, ada_images=999)"}


@pytest.mark.parametrize("model", MODELS)
def test_ranks_train_the_same_networks(model: str, typist: Typist, tmp_path: Path) -> None:
    first, second = run_two_ranks(typist, SCRIPT.replace("MODEL", MODELS[model]), tmp_path)
    assert first["step"] == second["step"] == 6
    assert torch.equal(first["fid"], second["fid"])
    torch.testing.assert_close(first["ema"], second["ema"], rtol=0, atol=0)
    assert (len(first["else"]) == 2) == (model == "StyleGAN")
    torch.testing.assert_close(first["else"], second["else"], rtol=0, atol=0)
    statistics_differ = False
    for mine, theirs in zip(first["networks"], second["networks"], strict=True):
        for name, value in mine.items():
            if "running" in name or "mapping.mean" in name:
                statistics_differ |= not torch.equal(value, theirs[name])
            else:
                assert torch.equal(value, theirs[name]), name
    assert statistics_differ or model != "DCGAN"  # each rank saw images of its own
