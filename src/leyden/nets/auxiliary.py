"""Small networks that are trained beside a technique, in seconds, and kept for other runs on the same data."""

import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from leyden.core.files import write_whole

log = logging.getLogger(__name__)


@contextmanager
def train_auxiliary(device: torch.device, seed: int = 0) -> Iterator[None]:
    """Lets a network be trained wherever this is called from: with gradients, in full precision, from ``seed``.

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


def save_network(network: nn.Module, file: Path, **spec: float | None) -> None:
    """Writes a network's state, and ``spec`` about it, for ``load_network``; whole or not at all."""
    stored = {"state_dict": network.state_dict(), **spec}
    write_whole(file, lambda partial: torch.save(stored, partial))


def load_network(network: nn.Module, file: Path | None) -> dict[str, Any] | None:
    """The facts of a file that ``save_network`` wrote, whose state ``network`` takes over.

    Returns:
        None, ``network`` being as it was, where there is no such file or it cannot be used; the latter is logged.
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
        log.warning("learnt anew, because %s cannot be used: %s", file, str(error).partition("\n")[0])
        return None
    network.load_state_dict(state)
    log.info("learnt before, from %s", file)
    return dict(spec)
