"""Two processes that talk through gloo are one with the joint batch: texts of all ranks are told apart."""

from pathlib import Path

import torch
from ranks import run_two_ranks
from typist import Typist

SUPPORT = Path(__file__).parents[1] / "support"
SCRIPT = f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
import torch
from lightning import Trainer, seed_everything
from toy_captions import ToyCaptions
from leyden.data.batches.captions import Captions
from leyden.multimodal.clip.clip import CLIP

class Plain(CLIP):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.3)

def fit(batch, devices):
    seed_everything(0, verbose=False)
    data = Captions(ToyCaptions(8), tokenizer="characters", context=40, batch_size=batch)
    data.prepare_data()
    options = dict(backbone="vit", widths=[16], strides=[4], heads=2, width=16, layers=1, embedding=8)
    model = Plain(**data.spec, **options)
    trainer = Trainer(
        accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", max_steps=4,
        limit_val_batches=0, num_sanity_val_steps=0, enable_checkpointing=False, logger=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False,
    )
    trainer.fit(model, data)
    state = {{name: value.clone() for name, value in model.state_dict().items()}}
    return {{"state": state, "test": trainer.test(model, data, verbose=False)[0]}}
"""
RANKS = f"{SCRIPT}\ntorch.save(fit(8, 2), f'{{sys.argv[2]}}/{{sys.argv[1]}}.pt')"


def test_ranks_are_one_process_with_the_joint_batch(typist: Typist, tmp_path: Path) -> None:
    first, second = run_two_ranks(typist, RANKS, tmp_path)
    torch.testing.assert_close(first["state"], second["state"], rtol=0, atol=0)
    space: dict = {}
    exec(SCRIPT, space)  # the very lines that the ranks ran
    alone = space["fit"](16, 1)
    torch.testing.assert_close(first["state"], alone["state"], rtol=1e-4, atol=1e-6)
    assert first["test"].keys() == alone["test"].keys()
    for name, value in alone["test"].items():
        assert abs(first["test"][name] - value) < 1e-6, name
        assert first["test"][name] == second["test"][name], name
