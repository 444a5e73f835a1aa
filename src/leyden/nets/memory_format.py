"""The order in which the numbers of an image lie in memory: no result changes, speed does."""

from typing import Literal

import torch
from torch import nn

MemoryFormat = Literal["contiguous", "channels_last"]


def arrange(network: nn.Module, memory_format: MemoryFormat) -> None:
    """Lays out a network's 4-d weights, in place; convolutions then return their maps in the same order.

    Args:
        network: whose parameters are arranged.
        memory_format: "contiguous" (N, C, H, W) or "channels_last" (N, H, W, C). Which is faster depends on the network
            and the machine: measure.

    Raises:
        ValueError: another name.
    """
    formats = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
    if memory_format not in formats:
        raise ValueError(f"model.memory_format={memory_format!r}: there are {', '.join(formats)}")
    network.to(memory_format=formats[memory_format])
