"""Prototypical networks (Snell, Swersky, Zemel 2017): a class is the mean of its few examples' embeddings.

Each step is an episode: N classes with K support examples and Q queries each. A query is of the class whose prototype
is nearest; training moves the embedding, so that this is right for classes that change with each episode, and so also
for classes that training never sees.

Departures from the paper: the rate falls along half a cosine, not by halves each 2000 episodes, as labs are short; the
width is an option (the paper has 64 channels).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from leyden.core.optim import Schedule
from leyden.data.batches.episodes import Episode
from leyden.data.columns import LabelledImages
from leyden.transfer.few_shot.base import FewShotTask
from leyden.transfer.few_shot.figures import Embedded
from leyden.transfer.few_shot.prototypes import prototype_logits, prototypes


class ProtoNet(FewShotTask):
    """A prototypical network on Conv4; the base evaluates and predicts.

    Args:
        channels: of the images; given by the data.
        image_size: side of the square images in pixels, 16 or more; given by the data.
        width: channels of each of the four blocks.
        lr: Adam's rate at the start.
        schedule: how it falls: "constant", "linear", "cosine" or "step".
    """

    def __init__(
        self, channels: int, image_size: int, width: int = 64, lr: float = 1e-3, schedule: Schedule = "cosine"
    ) -> None:
        super().__init__(channels, image_size, width, lr, schedule)
        self.save_hyperparameters()

    def logits(self, episode: Episode) -> Tensor:
        """(N Q, N) logits of an episode's queries; support and queries go through the network as one batch."""
        places = self.embedded(episode)
        assert places.centres is not None
        return prototype_logits(places.queries, places.centres)

    def embedded(self, episode: Episode) -> Embedded:
        """The embeddings of an episode's images, and the prototypes."""
        features = self(torch.cat([episode.support_images, episode.query_images]))
        support, queries = features.split([len(episode.support_images), len(episode.query_images)])
        return Embedded(support, queries, prototypes(support, episode.support_labels))

    def classifier(self, support: LabelledImages) -> Callable[[Tensor], Tensor]:
        """What takes images (B, C, S, S) for the class of the nearest prototype: logits (B, N)."""
        self.eval()
        centres = prototypes(self(support.images), support.labels)
        return lambda images: prototype_logits(self(images), centres)
