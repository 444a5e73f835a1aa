"""SimCLR: its uninformed loss, learning, two ranks as one, bad input."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from ranks import run_two_ranks
from typist import Typist

from leyden.data.batches.views import TwoViews, ViewImages
from leyden.transfer.self_supervised.simclr import SimCLR
from training import Kept, quiet_trainer


def test_loss_of_equal_embeddings_is_uninformed(new_views: Callable[..., ViewImages]) -> None:
    model = SimCLR(**new_views().spec, widths=[4], strides=[1])
    views = torch.zeros(2, 5, 1, 8, 8, dtype=torch.uint8)
    assert model.loss(TwoViews(*views)).item() == pytest.approx(model.uninformed_loss(views[0]), rel=1e-5)


def test_it_learns_and_is_evaluated(new_views: Callable[..., ViewImages]) -> None:
    torch.manual_seed(0)
    data, kept = new_views(), Kept()
    model = SimCLR(**data.spec, widths=[8, 16], strides=[1, 2], lr=0.01, draws=2, embedding=40, supervised_steps=3)
    trainer = quiet_trainer(max_epochs=1, limit_val_batches=1.0, logger=kept)
    trainer.fit(model, data)
    validated = dict(trainer.callback_metrics)
    assert validated["val/loss"] < validated["val/loss_uninformed"] - 0.5
    assert validated["val/rank"] > 3
    tested = trainer.test(model, data, verbose=False)[0]
    assert tested["test/probe_all"] > 0.8
    rows = ("knn", "probe_1", "probe_5", "probe_all")
    assert {f"test/{start}{row}" for start in ("", "before_", "pixels_") for row in rows} <= tested.keys()
    assert {"test/supervised_1", "test/supervised_5"} <= tested.keys()
    assert kept.pictures.keys() == {"monitor", "embedding", "labels", "neighbours", "views"}
    predicted = model.predict([data.split("test")[0].images])
    assert len(predicted.rows[0]["neighbours"]) == 5
    assert predicted.rows[0]["neighbours"][0]["label"] in data.class_names


def test_bad_input_is_answered(new_views: Callable[..., ViewImages]) -> None:
    data = new_views(views=1)
    model = SimCLR(**data.spec, widths=[4], strides=[1])
    with pytest.raises(ValueError, match=r"two views of each image: data=transfer/views data.views=2"):
        model.loss(next(iter(data.train_dataloader())))
    with pytest.raises(ValueError, match="a batch of one image"):
        model.loss(TwoViews(*torch.zeros(2, 1, 1, 8, 8, dtype=torch.uint8)))
    with pytest.raises(ValueError, match=r"model\.tau=0"):
        SimCLR(**data.spec, tau=0)
    with pytest.raises(ValueError, match="no training images were kept"):
        model.predict([torch.zeros(1, 8, 8, dtype=torch.uint8)])


RANKS = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.data.batches.views import ViewImages
from leyden.data.source.builtin.digits import Digits
from leyden.transfer.self_supervised.byol import BYOL
from leyden.transfer.self_supervised.simclr import SimCLR

rank, folder = int(sys.argv[1]), sys.argv[2]

class Gathered(SimCLR):
    def on_after_backward(self):
        self.seen = {name: p.grad.clone() for name, p in self.named_parameters()}

found = {}
for technique in (Gathered, BYOL):
    seed_everything(rank, verbose=False)  # ranks need not begin alike
    data = ViewImages(Digits(), scale=[0.5, 1.2], batch_size=16)
    data.prepare_data()
    model = technique(**data.spec, widths=[4, 8], strides=[1, 2], lr=0.01, bank=0)
    for norm in (m for m in model.modules() if "BatchNorm" in type(m).__name__):
        norm.eval(); norm.train = lambda mode=True: None  # each image by itself, so that parts make the whole
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_steps=1 if technique is Gathered else 3, limit_val_batches=1,
        num_sanity_val_steps=0, enable_checkpointing=False, logger=False, enable_progress_bar=False,
        enable_model_summary=False, max_epochs=-1,
    )
    start = {}
    model.on_train_start = lambda: start.update({k: v.clone() for k, v in model.state_dict().items()})
    trainer.fit(model, data)
    own = next(iter(data.train_dataloader())) if technique is Gathered else ()
    views = [v for v in own]
    found[technique.__name__] = {"start": start, "state": model.state_dict(), "views": views,
                                 "gradients": getattr(model, "seen", {})}
torch.save(found, f"{folder}/{rank}.pt")
"""


def test_ranks_have_the_gradient_of_the_whole_batch(
    tmp_path: Path, typist: Typist, new_views: Callable[..., ViewImages]
) -> None:
    mine, theirs = run_two_ranks(typist, RANKS, tmp_path)
    for name in ("Gathered", "BYOL"):
        for key, value in mine[name]["state"].items():
            assert torch.equal(value, theirs[name]["state"][key]), key
    whole = SimCLR(**new_views().spec, widths=[4, 8], strides=[1, 2])
    whole.load_state_dict(mine["Gathered"]["start"])
    whole.eval()  # batch norms by their statistics, as in the script
    indices = new_views(batch_size=32).train_dataloader()
    batch = next(iter(ViewImages(new_views().source, scale=[0.5, 1.2], batch_size=32).train_dataloader()))
    assert len(indices) > 0
    whole.loss(batch).backward()
    for name, parameter in whole.named_parameters():
        torch.testing.assert_close(mine["Gathered"]["gradients"][name], parameter.grad, rtol=1e-3, atol=1e-5, msg=name)
