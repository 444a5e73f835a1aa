"""Auxiliary networks: small ones that are trained beside a technique, in seconds, and kept for other runs."""

import logging
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.core.files import write_whole

log = logging.getLogger(__name__)


@contextmanager
def train_auxiliary(device: torch.device, seed: int = 0) -> Iterator[None]:
    """A context in which a network can be trained from anywhere: with gradients, in full precision, from ``seed``.

    ``torch.no_grad``, ``inference_mode`` and autocast around it do not reach inside, and the global random state is
    afterwards what it was. Tensors that were made under ``inference_mode`` must be copied inside.
    """
    cuda = [device] if device.type == "cuda" else []
    with (
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast(device.type, enabled=False),
        torch.random.fork_rng(devices=cuda),
    ):
        torch.manual_seed(seed)
        yield


def fit_classifier(
    classify: Callable[[Tensor], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
) -> list[Tensor]:
    """Trains a classifier by cross-entropy, a step per batch.

    Args:
        classify: inputs (B, ...) to logits (B, classes).
        batches: inputs and labels (B,) int64, on the classifier's device.
        optimizer: of its parameters.
        schedule: of the learning rate, step by step.

    Returns:
        for each step which of its predictions were correct, (B,) bool.
    """
    correct = []
    for inputs, labels in batches:
        logits = classify(inputs)
        loss = F.cross_entropy(logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        correct.append(logits.detach().argmax(1) == labels)
    return correct


def save_network(network: nn.Module, file: Path, **spec: float | None) -> None:
    """Writes a network's state, and ``spec`` about it, for ``load_network``; whole or not at all."""
    stored = {"state_dict": network.state_dict(), **spec}
    write_whole(file, lambda partial: torch.save(stored, partial))


def load_network(network: nn.Module, file: Path | None) -> dict[str, Any] | None:
    """Loads a file that ``save_network`` wrote into ``network``, and returns what was stored about it.

    Returns:
        the ``spec``; None, ``network`` being as it was, if there is no such file or it cannot be used, which is logged.
    """
    if file is None or not file.is_file():
        return None
    try:
        spec = torch.load(file, map_location="cpu", weights_only=True)
        state = spec.pop("state_dict")
        own = network.state_dict()
        if {name: value.shape for name, value in state.items()} != {name: value.shape for name, value in own.items()}:
            raise LookupError("it holds another network")
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, AttributeError, TypeError) as error:
        log.warning("trained anew, because %s cannot be used: %s", file, str(error).partition("\n")[0])
        return None
    network.load_state_dict(state)
    log.info("trained before, from %s", file)
    return dict(spec)
