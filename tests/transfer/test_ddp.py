"""Two processes that talk through gloo, as ``trainer=ddp_cpu`` starts them: plain DDP, with no unused parameters."""

import sys
from pathlib import Path

import pytest
import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Callback, Trainer, seed_everything
from leyden.data.source.builtin.digits import Digits
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune.finetune import Finetune

rank, folder = int(sys.argv[1]), sys.argv[2]

class Epochs(Callback):
    def __init__(self):
        self.states = []
    def on_train_start(self, trainer, model):
        self.states.append({key: value.clone() for key, value in model.state_dict().items()})
    on_train_epoch_end = on_train_start

def fit(epochs, data, **arguments):
    seed_everything(rank, verbose=False)  # ranks need not begin alike
    given = TransferImages(Digits(), 5, labels_per_class=4, epoch_size=40, batch_size=10, **data)
    model = Finetune(**given.spec, widths=[8, 16], strides=[1, 2], source_epochs=1, lr=0.01, **arguments)
    seen = Epochs()
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=epochs, num_sanity_val_steps=0, callbacks=[seen],
        enable_checkpointing=False, logger=False, enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, given)
    return {"states": seen.states, "accuracy": trainer.callback_metrics["val/accuracy"], "steps": trainer.global_step}

gradual = fit(4, {"degrees": 10}, strategy="gradual")
cached = fit(2, {"degrees": 10, "views": 2}, strategy="head", cache=folder + "/cache")
torch.save([gradual, cached], f"{folder}/{rank}.pt")
"""


def test_ranks_inherit_and_unfreeze_alike(typist: Typist, tmp_path: Path) -> None:
    mine, theirs = run_two_ranks(typist, SCRIPT, tmp_path)
    for first, second in zip(mine, theirs, strict=True):
        assert first["steps"] == second["steps"] == 2 * (len(first["states"]) - 1)  # each rank saw half of the images
        assert torch.equal(first["accuracy"], second["accuracy"])
        for epoch, (state, other) in enumerate(zip(first["states"], second["states"], strict=True)):
            for key, value in state.items():
                assert torch.equal(value, other[key]), (epoch, key)
    gradual = mine[0]["states"]
    weights = [f"net.backbone.stages.{stage}.weight" for stage in ("stage2.0.conv1", "stage1.0.conv1", "stem.0")]
    for joined, key in enumerate(weights, start=2):  # changed behind epoch 1, 2 and 3
        assert [not torch.equal(state[key], gradual[0][key]) for state in gradual] == [n >= joined for n in range(5)]
    kept = sorted(path.suffix for path in (tmp_path / "cache").iterdir())
    assert kept == [".npy"] * 3 + [".pt"]  # validation and two views, and the source task: whole, and once


ESTIMATOR = """
import sys, torch
from lightning import Trainer
from leyden.data.batches.domains import DomainImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.shaded_digits import ShadedDigits
from leyden.transfer.domain.closed_form.tca import TCA

rank, folder = sys.argv[1], sys.argv[2]
data = DomainImages(Digits(), ShadedDigits(), batch_size=64, eval_batch_size=50)
model = TCA(**data.spec, kernel="primal", components=8, standardise="none", max_examples=200)
ranks = {"devices": 2, "strategy": "ddp"} if rank != "alone" else {"devices": 1}
trainer = Trainer(
    accelerator="cpu", max_epochs=5, num_sanity_val_steps=0, enable_checkpointing=False, logger=False,
    enable_progress_bar=False, enable_model_summary=False, **ranks,
)
trainer.fit(model, data)
validated, steps = trainer.callback_metrics["val/accuracy"], trainer.global_step
tested = trainer.test(model, data, verbose=False)[0]["test/accuracy"]
torch.save({"state": model.state_dict(), "val": validated, "test": tested, "steps": steps}, f"{folder}/{rank}.pt")
"""


def test_an_estimator_is_fitted_alike_on_all_ranks(
    tmp_path: Path, typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs = run_two_ranks(typist, ESTIMATOR, tmp_path)
    monkeypatch.setattr(sys, "argv", ["", "alone", str(tmp_path)])
    exec(ESTIMATOR, {})
    alone = torch.load(tmp_path / "alone.pt", weights_only=True)
    assert mine["steps"] == theirs["steps"] == alone["steps"] == 1
    assert mine["state"].keys() == theirs["state"].keys() == alone["state"].keys()
    for key, value in alone["state"].items():
        assert torch.equal(mine["state"][key], theirs["state"][key]), key
        torch.testing.assert_close(mine["state"][key], value, msg=key)
    for key in ("val", "test"):  # each rank saw its share of the examples
        assert float(mine[key]) == float(theirs[key]) == pytest.approx(float(alone[key]), abs=1e-6)


DOMAINS = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.batches.domains import DomainImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.shaded_digits import ShadedDigits
from leyden.transfer.domain.deep.adabn import AdaBN
from leyden.transfer.domain.deep.adda import ADDA
from leyden.transfer.domain.deep.cdan import CDAN
from leyden.transfer.domain.deep.dann import DANN
from leyden.transfer.domain.deep.deep_coral import DeepCORAL
from leyden.transfer.domain.deep.mmd import MMD

rank, folder = int(sys.argv[1]), sys.argv[2]
found = []
for technique, options in [
    (AdaBN, {}), (ADDA, {"weight_decay": 0.1}), (CDAN, {"entropy_conditioning": True}), (DANN, {"domain_weight": 0.0}),
    (DeepCORAL, {"domain_weight": 100.0}), (MMD, {"domain_weight": 0.3}),
]:
    seed_everything(rank, verbose=False)  # ranks need not begin alike
    data = DomainImages(Digits(), ShadedDigits(), batch_size=128, eval_batch_size=50)  # four steps an epoch
    model = technique(**data.spec, widths=[4, 8], strides=[1, 2], selection="dev", **options)
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=1, num_sanity_val_steps=0, enable_checkpointing=False,
        logger=False, enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, data)
    metrics = {key: float(trainer.callback_metrics[key]) for key in ("val/accuracy", "val/dev", "val/a_distance")}
    buffers = {name for name, _ in model.named_buffers()}
    state = {name: value for name, value in model.state_dict().items() if name not in buffers}
    found.append({"name": technique.__name__, "weights": state, "metrics": metrics, "steps": trainer.global_step})
torch.save(found, f"{folder}/{rank}.pt")
"""


def test_domains_adapt_alike_on_all_ranks(tmp_path: Path, typist: Typist) -> None:
    """Plain DDP: phases and floors too leave no parameter unused. Statistics of batch norms are each rank's own."""
    mine, theirs = run_two_ranks(typist, DOMAINS, tmp_path)
    for one, other in zip(mine, theirs, strict=True):
        assert one["steps"] == other["steps"] == 4
        assert one["metrics"] == other["metrics"]
        for key, value in one["weights"].items():
            assert torch.equal(value, other["weights"][key]), (one["name"], key)
