"""The row that papers of self-supervised learning leave out: the same network and views, on the few labels alone."""

from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.core.seeding import mix
from leyden.core.splits import few_per_class
from leyden.data.batches.views import ViewImages
from leyden.data.splits import Split
from leyden.nets.backbone import Backbone

BATCH = 64
"""Images of a step, those of few labels repeated."""
RATE, DECAY, WARMUP = 3e-3, 1e-2, 0.1
"""AdamW's rate behind a warm-up over a tenth of the steps, and its weight decay."""


class Task(NamedTuple):
    """Images and labels to learn from and to be tested on."""

    train: Split
    train_labels: Tensor
    test: Split
    test_labels: Tensor
    data: ViewImages
    steps: int


def supervised_accuracy(backbone: Backbone, task: Task, count: int) -> float:
    """The test accuracy of a backbone with a linear head that was trained on ``count`` labels per class.

    Each step takes views as the self-supervised technique does; the labels are those of the probes' first draw.

    Args:
        backbone: where training starts; it is copied.
        task: what is learnt.
        count: labels per class.
    """
    few = few_per_class(task.train_labels, count, mix(task.data.seed, 7, 0), task.data.class_names)
    generator = torch.Generator().manual_seed(mix(task.data.seed, 8, count))
    device = backbone.mean.device
    # A test runs in inference mode, in which nothing can be trained: new tensors have to be made outside of it.
    with torch.inference_mode(False), torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(deepcopy(backbone), nn.Linear(backbone.num_features, len(task.data.class_names)))
        net = net.requires_grad_(True).to(device).train()
        images = torch.stack([task.train[i].images for i in few.tolist()]).clone()
        labels = task.train_labels[few].clone()
        optimizer = torch.optim.AdamW(parameter_groups(net.parameters(), RATE, DECAY), lr=RATE)
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, WARMUP), task.steps)
        for _ in range(task.steps):
            chosen = torch.randint(len(images), (BATCH,), generator=generator)
            u = torch.rand(BATCH, task.data.view.draws, generator=generator)
            views = task.data.view(images[chosen], u.to(images.device))
            loss = F.cross_entropy(net(views.to(device)), labels[chosen].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        net.eval()
        found = torch.cat([net(batch.images.to(device)).argmax(1).cpu() for batch in task.data.in_order(task.test)])
    return float((found == task.test_labels).float().mean())
