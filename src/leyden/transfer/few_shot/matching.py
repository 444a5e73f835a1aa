"""Matching networks (Vinyals et al. 2016): a query has the labels of the support examples that it attends to.

p(y | x, S) = sum_i a(x, x_i) y_i (eq. 1), where the attention a is a softmax over the cosines of the query's embedding
and those of the support (sec. 2.1.1). With full context embeddings (sec. 2.1.2, appendix A) an example's embedding
depends on the whole support set, and so does a query's.

Departures from the paper: cosines are divided by a temperature, which it does not have: without it (1) the greatest
probability among N classes of one example each is e / (e + N - 1), and the loss has little to say; the rate falls along
half a cosine; the width is an option (the paper has 64 channels).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.core.optim import Schedule
from leyden.data.batches.episodes import Episode
from leyden.data.columns import LabelledImages
from leyden.transfer.few_shot.base import FewShotTask
from leyden.transfer.few_shot.figures import Embedded


def attention_logits(queries: Tensor, support: Tensor, labels: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probabilities (Q, N) of queries (Q, D): logarithms of the attention that falls on each class (eq. 1).

    A class with more examples than another draws more attention, as in the paper.

    Args:
        queries: embeddings f.
        support: (S, D) embeddings g.
        labels: (S,) int64, 0 .. N - 1; each class has an example at least.
        temperature: divides the cosines; 1 is the paper's.
    """
    cosines = F.normalize(queries) @ F.normalize(support).T  # (Q, S)
    attention = (cosines / temperature).log_softmax(1)
    others = F.one_hot(labels).T == 0  # (N, S)
    return attention[:, None].masked_fill(others, -torch.inf).logsumexp(2)


class FullContext(nn.Module):
    """Embeddings in the light of the whole support set (Vinyals et al. 2016, appendix A.1 and A.2).

    The support is read as a sequence, in the order in which it comes: another order gives other embeddings.

    Args:
        features: D.
        steps: K, how often a query's LSTM attends to the support.
    """

    def __init__(self, features: int, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.read = nn.LSTM(features, features, bidirectional=True)
        # [h, r] feeds the recurrent weights in the paper: r among the inputs is the same map.
        self.attend = nn.LSTMCell(2 * features, features)

    def support(self, features: Tensor) -> Tensor:
        """g (S, D) of g' (S, D): forward plus backward state, plus g' itself (A.2)."""
        forward, backward = self.read(features)[0].chunk(2, 1)
        return forward + backward + features

    def queries(self, features: Tensor, support: Tensor) -> Tensor:
        """f (Q, D) of f' (Q, D) and g (S, D) after K steps (A.1, eq. 3 to 6)."""
        state, cell = torch.zeros_like(features), torch.zeros_like(features)
        for _ in range(self.steps):
            read = (state @ support.T).softmax(1) @ support  # eq. 5 and 6
            hidden, cell = self.attend(torch.cat([features, read], 1), (state, cell))  # eq. 3
            state = hidden + features  # eq. 4
        return state


class MatchingNetwork(FewShotTask):
    """A matching network on Conv4; the base evaluates and predicts.

    Args:
        channels: of the images; given by the data.
        image_size: side of the square images in pixels, 16 or more; given by the data.
        width: channels of each of the four blocks.
        temperature: divides the cosines, above 0; 1 is the paper's.
        context_steps: K of the full context embeddings; 0 has none.
        lr: Adam's rate at the start.
        schedule: how it falls: "constant", "linear", "cosine" or "step".

    Raises:
        ValueError: ``temperature`` is not above 0.
    """

    def __init__(
        self,
        channels: int,
        image_size: int,
        width: int = 64,
        temperature: float = 0.1,
        context_steps: int = 0,
        lr: float = 1e-3,
        schedule: Schedule = "cosine",
    ) -> None:
        if temperature <= 0:
            raise ValueError(f"model.temperature={temperature}: cosines are divided by it; set it above 0, such as 0.1")
        super().__init__(channels, image_size, width, lr, schedule)
        self.save_hyperparameters()
        self.temperature = temperature
        self.context = FullContext(self.embedding.features, context_steps) if context_steps else None

    def logits(self, episode: Episode) -> Tensor:
        """(N Q, N) log-probabilities of an episode's queries; its images go through the network as one batch."""
        support, queries, _ = self.embedded(episode)
        return attention_logits(queries, support, episode.support_labels, self.temperature)

    def embedded(self, episode: Episode) -> Embedded:
        """The embeddings g of the support and f of the queries; only their directions matter."""
        features = self(torch.cat([episode.support_images, episode.query_images]))
        support, queries = features.split([len(episode.support_images), len(episode.query_images)])
        if self.context is not None:
            support = self.context.support(support)
            queries = self.context.queries(queries, support)
        return Embedded(F.normalize(support), F.normalize(queries), None)

    def classifier(self, support: LabelledImages) -> Callable[[Tensor], Tensor]:
        """What gives images (B, C, S, S) the labels of the examples that they attend to: log-probabilities (B, N)."""
        self.eval()
        known = self(support.images)
        if self.context is not None:
            known = self.context.support(known)

        def classify(images: Tensor) -> Tensor:
            features = self(images)
            if self.context is not None:
                features = self.context.queries(features, known)
            return attention_logits(features, known, support.labels, self.temperature)

        return classify
