"""TextRank (Mihalcea and Tarau 2004, "TextRank: Bringing Order into Texts"): the sentences that others agree with.

Sentences are the nodes of a graph; the weight of an edge is what two have in common,

    similarity(S_i, S_j) = |words in both| / (ln |S_i| + ln |S_j|)                          (section 4.1)

with |S| the words of a sentence, and PageRank with these weights (eq. 2, damping d = 0.85) is a sentence's score:

    score(V_i) = 1 - d + d sum_j w_ji / (sum_k w_jk) score(V_j)

The best sentences, in the text's order, are the summary. Nothing is learnt.

Departures: each word counts once and in lower case; sentences of one word, whose logarithm is 0, are like no other;
PageRank is networkx's, whose scores add up to 1; equal scores go to the earlier sentence.
"""

import math
from collections.abc import Sequence
from typing import Any

import networkx as nx
from lightning import LightningDataModule

from leyden.core.estimator import EstimatorTask
from leyden.data.source.text.text_source import WORD
from leyden.data.specs import TokenizerSpec
from leyden.data.text.splitting import sentences_of
from leyden.text.summary.base import SummaryTask


class TextRank(EstimatorTask, SummaryTask):
    """The best sentences of each text by PageRank.

    Args:
        tokenizer: given by the data; not used, words are words here.
        context: given by the data; whole texts are read.
        summary_context: given by the data; not used.
        sentences: of a summary.
        damping: d of PageRank, the chance to follow an edge instead of starting anew.

    Raises:
        ValueError: no sentence, or a damping outside (0, 1).
    """

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
        summary_context: int,
        sentences: int = 1,
        damping: float = 0.85,
    ) -> None:
        super().__init__()
        if sentences < 1 or not 0 < damping < 1:
            raise ValueError(f"model.sentences={sentences} counts from 1, model.damping={damping} is in (0, 1)")
        self.save_hyperparameters(logger=False)
        self.sentences, self.damping = sentences, damping

    def estimate(self, data: LightningDataModule) -> dict[str, float]:
        """Nothing is learnt."""
        return {}

    def summarise(self, texts: Sequence[str]) -> list[str]:
        """The best sentences of each text, in its order."""
        return [self._summary(sentences_of(text)) for text in texts]

    def _summary(self, sentences: Sequence[str]) -> str:
        scores = textrank(sentences, self.damping)
        best = sorted(range(len(sentences)), key=lambda i: (-round(scores[i], 9), i))[: self.sentences]
        return " ".join(sentences[i] for i in sorted(best))


def similarity(first: Sequence[str], second: Sequence[str]) -> float:
    """What two sentences, given as words, have in common; 0 where one has a single word."""
    lengths = math.log(len(first) or 1) + math.log(len(second) or 1)
    if min(len(first), len(second)) < 2:
        return 0.0
    return len(set(first) & set(second)) / lengths


def textrank(sentences: Sequence[str], damping: float = 0.85) -> list[float]:
    """A score for each sentence; they add up to 1.

    Args:
        sentences: of one text.
        damping: d, 0 to 1.
    """
    words = [WORD.findall(sentence.casefold()) for sentence in sentences]
    graph: Any = nx.Graph()
    graph.add_nodes_from(range(len(sentences)))
    for i in range(len(sentences)):
        for j in range(i):
            if weight := similarity(words[i], words[j]):
                graph.add_edge(i, j, weight=weight)
    ranks = nx.pagerank(graph, alpha=damping) if len(sentences) else {}
    return [ranks[i] for i in range(len(sentences))]
