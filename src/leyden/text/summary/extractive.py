"""Sentences chosen by what an encoder makes of them: those in the middle of their text, or those that a scorer likes.

Each sentence becomes the mean of an encoder's features over its tokens, of length 1. Then

- ``centrality``: a sentence's score is its cosine with the mean of its text's sentences, the centroid (Radev et al.
  2004, "Centroid-based summarization of multiple documents"); nothing is learnt here;
- ``trained``: logistic regression tells the sentence that has the greatest ROUGE against the reference from the others
  of its text, from that cosine, the place in the text, the length, and the product of sentence and centroid (in the
  manner of BERTSUM, Liu and Lapata 2019, "Text Summarization with Pretrained Encoders", which trains the encoder too).

The best sentences, in the text's order, are the summary.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.nn import functional as F

from leyden.core.estimator import EstimatorTask, register_estimates
from leyden.data.ragged import padded
from leyden.data.specs import TokenizerSpec
from leyden.data.text.pairs import PairTokens
from leyden.data.text.sentences import frame
from leyden.data.text.splitting import sentences_of
from leyden.data.text.tokenizer import build_tokenizer
from leyden.text.checkpoints import encoder_of
from leyden.text.nets.encoder import EncoderSpec
from leyden.text.summary.base import SummaryTask
from leyden.text.summary.floors import best_sentence

Scores = Literal["centrality", "trained"]
AT_ONCE = 128
"""Sentences that are encoded side by side, of like lengths."""


class Extractive(EstimatorTask, SummaryTask):
    """The best sentences of each text, by an encoder that stays as it is.

    Args:
        tokenizer: given by the data; the encoder's own (``data.tokenizer``).
        context: tokens of a sentence that are read; given by the data.
        summary_context: given by the data; not used.
        scores: "centrality" or "trained", see above.
        sentences: of a summary.
        fitted_texts: so many training texts, the first of a fixed shuffle, are what "trained" learns from.
        weights: of the encoder: "minilm", the record of a masked language model, a folder or name of the library
            transformers; "none": random ones (a control experiment). See ``leyden.text.checkpoints.encoder_of``.
        layers: blocks of the encoder of "none"; others have their own sizes.
        heads: of each block's attention.
        width: channels.
        encoder: what the encoder is, kept in checkpoints; not to be set.

    Raises:
        ValueError: another word for the scores, a number below 1, or an encoder that does not fit.
    """

    coefficients: Tensor

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
        summary_context: int,
        scores: Scores = "centrality",
        sentences: int = 1,
        fitted_texts: int = 1000,
        weights: str = "none",
        layers: int = 2,
        heads: int = 2,
        width: int = 64,
        encoder: EncoderSpec | None = None,
    ) -> None:
        super().__init__()
        if scores not in get_args(Scores):
            raise ValueError(f"model.scores={scores!r}: there are {', '.join(get_args(Scores))}")
        if sentences < 1 or fitted_texts < 2:
            raise ValueError(f"model.sentences={sentences} counts from 1, model.fitted_texts={fitted_texts} from 2")
        self.encoder = encoder_of(weights, tokenizer, context, layers, heads, width, spec=encoder)
        self.encoder.requires_grad_(False)
        self.save_hyperparameters(logger=False)
        self.hparams["encoder"] = self.encoder.spec  # so a checkpoint needs no other file
        self.tokens, self.context = build_tokenizer(tokenizer), context
        self.scores, self.sentences, self.fitted_texts = scores, sentences, fitted_texts
        register_estimates(self, "coefficients")

    def estimate(self, data: LightningDataModule) -> dict[str, float]:
        """Fits the scorer to the sentences of some training texts; "centrality" has nothing to fit.

        Returns:
            the part of the texts whose best sentence the scorer finds, ``train/found``.

        Raises:
            ValueError: data of another kind.
        """
        if self.scores == "centrality":
            return {}
        if not isinstance(data, PairTokens):
            raise ValueError(
                f"{type(self).__name__} learns from pairs: give the trainer a DataModule of data/text/pairs"
            )
        from sklearn.linear_model import LogisticRegression

        pairs = data.whole("train")
        order = torch.randperm(len(pairs.texts), generator=torch.Generator().manual_seed(0))
        split = [(sentences_of(pairs.texts[i]), pairs.summaries[i]) for i in order.tolist()]
        chosen = [(found, summary) for found, summary in split if len(found) > 1][: self.fitted_texts]
        best = [best_sentence(found, summary) for found, summary in chosen]
        features = self.features([found for found, _ in chosen])
        targets = torch.cat(
            [F.one_hot(torch.tensor(place), len(found)) for place, (found, _) in zip(best, chosen, strict=True)]
        )
        rows = torch.cat(features).double()
        mean, scale = rows.mean(0), rows.std(0).clamp(min=1e-6)
        model = LogisticRegression(C=0.01, class_weight="balanced", max_iter=500)
        model.fit(((rows - mean) / scale).numpy(), targets.numpy())
        self.coefficients = (
            (torch.from_numpy(model.coef_[0]) / scale).float().to(self.device)
        )  # an offset ranks nothing
        found = [int((own.to(self.device) @ self.coefficients).argmax()) for own in features]
        return {"train/found": sum(a == b for a, b in zip(found, best, strict=True)) / len(best)}

    def summarise(self, texts: Sequence[str]) -> list[str]:
        """The best sentences of each text, in its order; of equal ones the earlier.

        Raises:
            ValueError: the scorer is not fitted.
        """
        if self.scores == "trained":
            self.check_fitted()
        split = [sentences_of(text) for text in texts]
        summaries = []
        for sentences, features in zip(split, self.features(split), strict=True):
            scores = features[:, 0] if self.scores == "centrality" else features.to(self.device) @ self.coefficients
            best = scores.argsort(descending=True, stable=True)[: self.sentences]
            summaries.append(" ".join(sentences[i] for i in sorted(best.tolist())))
        return summaries

    def features(self, split: Sequence[Sequence[str]]) -> list[Tensor]:
        """What a scorer sees of each text's sentences: (sentences, 4 + D), first the cosine with the centroid.

        Args:
            split: the sentences of each text.
        """
        vectors = self.vectors([sentence for sentences in split for sentence in sentences])
        found = []
        for own, sentences in zip(vectors.split([len(sentences) for sentences in split]), split, strict=True):
            centroid = F.normalize(own.mean(0, keepdim=True)) if len(own) else own
            place = torch.arange(len(own))
            words = torch.tensor([len(sentence.split()) for sentence in sentences]).float()
            known = torch.stack([(own * centroid).sum(1), (place == 0).float(), 1 / (1 + place), words.log1p()], 1)
            found.append(torch.cat([known, own * centroid], 1))
        return found

    @torch.no_grad()
    def vectors(self, sentences: Sequence[str]) -> Tensor:
        """The mean feature of each sentence, of length 1: (N, D) on the CPU."""
        training = self.encoder.training
        self.encoder.eval()
        rows, _ = frame(self.tokens.encode_all(sentences), self.tokens, self.context)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found = torch.zeros(len(rows), self.encoder.width)
        for i in range(0, len(order), AT_ONCE):
            part = order[i : i + AT_ONCE]
            tokens, lengths = padded([rows[j] for j in part], self.tokens.pad, self.device)
            real = torch.arange(tokens.shape[1], device=self.device) < lengths[:, None]
            states = self.encoder(tokens, real) * real[..., None]
            found[part] = F.normalize(states.sum(1) / lengths[:, None]).cpu()
        self.encoder.train(training)
        return found
