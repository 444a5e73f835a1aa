"""What was learnt without labels is a starting point for fine-tuning, whichever technique learnt it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from leyden.data.batches.views import ViewImages
from leyden.data.source.builtin.digits import Digits
from leyden.transfer.data import TransferImages
from leyden.transfer.finetune.finetune import Finetune
from leyden.transfer.self_supervised.byol import BYOL
from leyden.transfer.self_supervised.mae import MAE
from leyden.transfer.self_supervised.rotation import Rotation
from leyden.transfer.self_supervised.simclr import SimCLR
from training import quiet_trainer

CONVOLUTIONS: dict[str, Any] = {"widths": [4, 8], "strides": [1, 2]}
PATCHES: dict[str, Any] = {"backbone": "vit", "widths": [32], "strides": [2], "blocks": 2}


@pytest.mark.parametrize(
    ("technique", "views", "net"),
    [(SimCLR, 2, CONVOLUTIONS), (BYOL, 2, CONVOLUTIONS), (Rotation, 1, CONVOLUTIONS), (MAE, 1, PATCHES)],
)
def test_fine_tuning_takes_a_records_backbone(
    technique: Any, views: int, net: dict[str, Any], new_views: Callable[..., ViewImages], tmp_path: Path
) -> None:
    data = new_views(views=views)
    model = technique(**data.spec, **net, lr=0.01)
    trainer = quiet_trainer(max_steps=2, max_epochs=-1)
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "record" / "checkpoints" / "best.ckpt")
    target = TransferImages(Digits(), labels_per_class=2, batch_size=16)
    net = {"backbone": "resnet", **net}
    tuned = Finetune(**target.spec, **net, weights=str(tmp_path / "record"), strategy="head", embedding=0)
    quiet_trainer(max_epochs=1).fit(tuned, target)
    images = torch.randint(256, (3, 1, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(tuned.eval().net.features(images), model.eval()(images))
