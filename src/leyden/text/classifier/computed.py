"""Features of texts: those of frozen stages, computed once, and of a few texts to look at."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor

from leyden.data.ragged import Ragged
from leyden.data.splits import Stage
from leyden.data.text.sentences import Sentences
from leyden.nets.strategies.computed import compute, key_of
from leyden.text.classifier.network import TextNet

log = logging.getLogger(__name__)

STAGES: tuple[Stage, Stage] = ("train", "val")


def cache_frozen(net: TextNet, data: Sentences, cache: str | None, trainer: Trainer) -> None:
    """Lets the data hold what the leading frozen stages make of its texts.

    Args:
        net: whose ``frozen_part`` is computed.
        data: its training and validation batches come from the cache afterwards.
        cache: "memory", a folder, or None for no cache.
        trainer: decides precision and device.
    """
    data.set_computed({})
    if cache is None or net.frozen_stages == 0:
        return
    spec = {
        "data": data.fingerprint,
        "stages": net.frozen_stages,
        "pooling": net.pooling,
        "precision": trainer.precision,
    }
    training = net.training
    net.eval()
    data.set_computed({stage: _through(net, data, stage, cache, trainer, spec) for stage in STAGES})
    net.train(training)
    log.info("%d frozen stages are computed once", net.frozen_stages)


def _through(net: TextNet, data: Sentences, stage: Stage, cache: str, trainer: Trainer, spec: dict[str, Any]) -> Ragged:
    """A split as the frozen stages give it; its texts keep their order, what was made of them lies by length."""
    split = data.split(stage)
    assert isinstance(split, Ragged)
    whole = net.frozen_stages == len(net.plan)
    lengths = torch.ones_like(split.lengths) if whole else split.lengths
    order = split.lengths.argsort(stable=True)  # as ``in_order`` has them
    file = None if cache == "memory" else Path(cache) / f"{key_of(net.encoder, what=stage, **spec)}.npy"
    device = trainer.strategy.root_device

    def network(batch: Any) -> Tensor:
        with trainer.precision_plugin.forward_context():
            tokens, sizes = batch.tokens.to(device), batch.lengths.to(device)
            x, sizes = net.frozen_part(tokens, sizes)
        return x[net.real(x, sizes)]  # (tokens, D), nothing of the padding

    batches: Iterator[Any] = iter(data.in_order(stage))
    values = compute(network, batches, int(lengths.sum()), file)
    starts = torch.empty_like(lengths)
    starts[order] = lengths[order].cumsum(0) - lengths[order]
    return Ragged(values, lengths, split.labels, starts=starts)


def spread(examples: int, count: int) -> Tensor:
    """``count`` of so many examples, or all if there are fewer, evenly over them: some sources come class by class."""
    return torch.linspace(0, examples - 1, min(count, examples)).round().long()


@torch.no_grad()
def some_features(net: TextNet, data: Sentences, count: int, device: torch.device) -> Tensor:
    """Features (N, D), float32 on the CPU, of the validation texts that ``spread`` chooses."""
    split = data.split("val")
    assert isinstance(split, Ragged)
    training = net.training
    net.eval()
    parts = []
    for part in spread(len(split), count).split(data.eval_batch_size):
        batch = split.sample(part)
        parts.append(net.features(batch.tokens.to(device), batch.lengths.to(device)).float().cpu())
    net.train(training)
    return torch.cat(parts)
