"""Two processes that talk through gloo, as ``trainer=ddp_cpu`` starts them: plain DDP, with no unused parameters."""

from pathlib import Path

import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.batches.gan.unpaired import UnpairedImages
from leyden.data.source.styled.faces import StyledFaces
from leyden.gan.content_style.adain import AdaIN
from leyden.gan.content_style.content_style import ContentStyle

rank, folder = int(sys.argv[1]), sys.argv[2]
small = {"base_channels": 2, "styles": 2, "eval_samples": 20}
two = {"downs": 1, "blocks": 1, "style_width": 4, "discriminator_channels": 2, "discriminator_layers": 2, "scales": 1}
results = {}
for name, kind, values in (("content_style", ContentStyle, two),
                           ("adain", AdaIN, {"encoder": "autoencoder", "encoder_steps": 2})):
    seed_everything(0, verbose=False)
    data = UnpairedImages(StyledFaces(["photograph"], 16, 1), StyledFaces(["oil", "halftone"], 16, 1), batch_size=4)
    data.prepare_data()
    model = kind(**data.spec, **small, **values)
    torch.manual_seed(rank)  # ranks draw styles of their own
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_steps=3, limit_val_batches=0, enable_checkpointing=False,
        logger=False, enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, data)
    results[name] = {"step": trainer.global_step, "state": model.state_dict()}
torch.save(results, f"{folder}/{rank}.pt")
"""


def test_ranks_train_the_same_networks(typist: Typist, tmp_path: Path) -> None:
    first, second = run_two_ranks(typist, SCRIPT, tmp_path)
    for name in ("content_style", "adain"):
        assert first[name]["step"] == second[name]["step"] == 3
        torch.testing.assert_close(first[name]["state"], second[name]["state"], rtol=0, atol=0)
