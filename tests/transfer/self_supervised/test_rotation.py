"""Rotation prediction: four balanced turns, a loss of log 4 for who knows nothing."""

import math
from collections.abc import Callable

import pytest
import torch

from leyden.data.batches.views import ViewImages
from leyden.data.columns import Images
from leyden.transfer.self_supervised.rotation import Rotation, all_turns
from training import quiet_trainer


def test_four_turns_come_back() -> None:
    images = torch.arange(2 * 16).view(2, 1, 4, 4)
    turned, turns = all_turns(images)
    assert turns.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    for turn in range(4):
        assert torch.equal(turned[turns == turn].rot90(4 - turn, (2, 3)), images)


def test_who_knows_nothing_has_log_4(new_views: Callable[..., ViewImages]) -> None:
    data = new_views(views=1)
    model = Rotation(**data.spec, widths=[4], strides=[1])
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)
    quiet_trainer(max_steps=1, max_epochs=-1, limit_train_batches=0).fit(model, data)  # only a trainer logs
    images = torch.randint(256, (3, 1, 8, 8), dtype=torch.uint8)
    assert model.loss(Images(images)).item() == pytest.approx(math.log(4), rel=1e-5)
    assert model.uninformed_loss(images) == math.log(4)


def test_it_learns_to_tell(new_views: Callable[..., ViewImages]) -> None:
    torch.manual_seed(0)
    data = new_views(views=1, degrees=0, scale=[1, 1])
    model = Rotation(**data.spec, widths=[8, 16], strides=[1, 2], lr=0.01)
    trainer = quiet_trainer(max_epochs=2, limit_val_batches=1.0)
    trainer.fit(model, data)
    assert trainer.callback_metrics["val/rotation_accuracy"] > 0.7


def test_two_views_are_refused(new_views: Callable[..., ViewImages]) -> None:
    data = new_views()
    with pytest.raises(ValueError, match=r"one view of each image: set data.views=1"):
        Rotation(**data.spec, widths=[4], strides=[1]).loss(next(iter(data.train_dataloader())))
