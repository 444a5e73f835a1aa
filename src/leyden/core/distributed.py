"""What a detector's loss is divided by where several processes share a batch."""

import torch.distributed as dist
from torch import Tensor


def mean_count(count: Tensor) -> Tensor:
    """The mean of ``count`` over all ranks, taken as 1 in all where it is 0 in all.

    Boxes are uneven: one rank's images hold many objects, another's none. A loss that each rank divides by its own
    count would weigh objects by the rank that they fell to. Divided by this, the mean of the ranks' gradients is the
    gradient that one process has on the whole batch (https://arxiv.org/abs/1708.02002 normalises likewise).

    Args:
        count: () what this rank would divide by, such as its matched boxes.

    Returns:
        () float32, positive.
    """
    total = count.float()
    ranks = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if ranks > 1:
        total = total.clone()
        dist.all_reduce(total)
    return total.clamp(min=1) / ranks
