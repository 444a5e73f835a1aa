"""Two processes that talk through gloo: distillation and every weighting step alike on both."""

from pathlib import Path

import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.batches.targets import MultiTaskImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.scenes.coloured_digits import ColouredDigits
from leyden.transfer.distillation.data import DistillationImages
from leyden.transfer.distillation.distillation import Distillation
from leyden.transfer.multitask.multitask import MultiTask

rank, folder = int(sys.argv[1]), sys.argv[2]
SMALL = {"widths": [4, 8], "strides": [1, 2]}
found = []

def fit(model, data, epochs):
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=epochs, num_sanity_val_steps=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, data)
    buffers = {name for name, _ in model.named_buffers()}
    weights = {name: value for name, value in model.state_dict().items() if name not in buffers}
    found.append({"weights": weights, "metric": trainer.callback_metrics[model.monitor], "steps": trainer.global_step})

for options in ({"hint_epochs": 1}, {"attention_weight": 10.0, "control": False}):
    seed_everything(rank, verbose=False)  # ranks need not begin alike
    data = DistillationImages(Digits(), labels_per_class=4, epoch_size=40, batch_size=10, unlabelled=4, degrees=10)
    teacher = {"teacher_widths": [8, 16], "teacher_strides": [1, 2], "teacher_epochs": 1, "teacher_batch_size": 256}
    model = Distillation(**data.spec, **SMALL, **teacher, **options)
    fit(model, data, 2)
    found[-1]["weights"] |= {f"teacher.{name}": value for name, value in model.teacher.net.state_dict().items()}
for weighting in ("uncertainty", "gradnorm", "pcgrad"):
    seed_everything(rank, verbose=False)
    data = MultiTaskImages(ColouredDigits(16, 1, 1, 1), targets=["digit", "x", "colour"], batch_size=45)
    fit(MultiTask(**data.spec, **SMALL, weighting=weighting, scales={"x": 10.0}), data, 1)
torch.save(found, f"{folder}/{rank}.pt")
"""


def test_both_ranks_step_alike(tmp_path: Path, typist: Typist) -> None:
    """Plain DDP, with no unused parameters; statistics of batch norms are each rank's own."""
    mine, theirs = run_two_ranks(typist, SCRIPT, tmp_path)
    assert [one["steps"] for one in mine] == [4, 4, 2, 2, 2]
    for number, (one, other) in enumerate(zip(mine, theirs, strict=True)):
        assert one["metric"] == other["metric"]
        for key, value in one["weights"].items():
            same = torch.equal(value, other["weights"][key]) if isinstance(value, torch.Tensor) else True
            assert same, (number, key)
