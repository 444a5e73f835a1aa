"""Several augmentations as one."""

from collections.abc import Sequence

from torch import Tensor

from leyden.data.columns import Scenes
from leyden.data.loader import Augment


class Chain:
    """Augmentations one after the other, each driven by random numbers of its own."""

    def __init__(self, parts: Sequence[Augment]) -> None:
        self.parts = list(parts)
        self.draws = sum(part.draws for part in parts)

    def __call__(self, batch: Scenes, u: Tensor) -> Scenes:
        """Changes scenes uint8 (B, C, S, S) by ``u`` (B, draws), uniform in [0, 1)."""
        for part, own in zip(self.parts, u.split([part.draws for part in self.parts], 1), strict=True):
            batch = part(batch, own)
        return batch
