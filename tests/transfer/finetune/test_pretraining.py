import torch
from torch import nn

from leyden.data.columns import LabelledImages
from leyden.data.loader import Loader
from leyden.data.splits import InMemory
from leyden.nets import zoo
from leyden.transfer.finetune.pretraining import pretrain


def test_pretraining_learns_and_depends_on_its_batches_alone() -> None:
    labels = torch.arange(64) % 2
    images = (labels * 200)[:, None, None, None].expand(64, 1, 8, 8).to(torch.uint8)
    results = []
    for noise in (1, 2):
        torch.manual_seed(0)
        body, head = zoo.backbone("resnet", 1, 8, [4, 8], [1, 2]), nn.Linear(8, 2)
        torch.manual_seed(noise)
        accuracy = pretrain(
            body, head, Loader(InMemory(LabelledImages(images, labels)), 16, train=True, seed=0), 4, 1e-2, 0.0
        )
        results.append((accuracy, body.state_dict()))
    assert results[0][0] == 1
    assert all(torch.equal(value, results[1][1][key]) for key, value in results[0][1].items())
