"""What frozen stages give, computed once: kept in memory, or in a file under a key of everything that decides it."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leyden.core.files import write_whole

log = logging.getLogger(__name__)


def key_of(network: nn.Module, **spec: Any) -> str:
    """A name for features, equal only where they are: from the network's weights and whatever else decides them.

    Args:
        network: every tensor of its state counts.
        spec: plain values: the data's fingerprint, how images were changed, the precision.
    """
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True, default=str).encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:24]


def compute(network: Callable[[Tensor], Tensor], batches: Iterator[Tensor], count: int, file: Path | None) -> Tensor:
    """The features of all batches, float32.

    Args:
        network: a batch, such as images (B, C, S, S), to features (B, ...); called without gradients.
        batches: inputs.
        count: rows of all features together.
        file: where they are kept, memory-mapped, batch after batch; read from there if it exists. None keeps them in
            memory.

    Returns:
        (count, ...) float32; a file's content is loaded page by page as it is used.
    """
    if file is not None and file.is_file():
        log.info("features from %s", file)
        return _mapped(file)
    with torch.no_grad():
        parts = (network(images).float().cpu() for images in batches)
        if file is None:
            return torch.cat(list(parts))
        write_whole(file, lambda partial: _write(partial, parts, count))
    return _mapped(file)


def _write(file: Path, parts: Iterator[Tensor], count: int) -> None:
    first = next(parts)
    stored = np.lib.format.open_memmap(file, "w+", np.float32, (count, *first.shape[1:]))
    place = 0
    for part in chain([first], parts):
        stored[place : place + len(part)] = part.numpy()
        place += len(part)
    stored.flush()


def _mapped(file: Path) -> Tensor:
    # "c": what torch is given must look writable; nothing is ever written back.
    return torch.from_numpy(np.load(file, mmap_mode="c"))
