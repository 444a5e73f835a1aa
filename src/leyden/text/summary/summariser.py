"""A small network that reads a text and writes its summary, in its own words or copied ones.

Encoder and decoder are transformers (Vaswani et al. 2017). The next word is drawn from a mixture of the vocabulary and
of the text, by the attention to it (See, Liu and Manning 2017, "Get To The Point: Summarization with Pointer-Generator
Networks"),

    P(w) = p_gen P_vocab(w) + (1 - p_gen) sum_{i: w_i = w} a_i                                 (eq. 9)
    p_gen = sigmoid(w . [h*, s, ...] + b),   h* = sum_i a_i h_i                                (eq. 8)

and training minimises -ln P(w_t | w_1 .. w_{t-1}, text), each word given the true ones before it (teacher forcing).

Departures: attention and states are a transformer's, not an LSTM's; words are pieces of words, so that none is out of
the vocabulary; in the place of coverage, no two tokens in a row are written twice (Paulus, Xiong and Socher 2018, "A
Deep Reinforced Model for Abstractive Summarization", section 2.5, of three). Few pairs do not suffice to learn
to copy, so two things help: places behind the one or two tokens that were just written get a learned bonus in the
attention, as do induction heads (Olsson et al. 2022, "In-context Learning and Induction Heads"); and in the first
``copy_part`` of the steps the target is the text's own first sentence.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.data.columns import TokenPairs
from leyden.data.ragged import padded
from leyden.data.specs import TokenizerSpec
from leyden.data.text.tokenizer import build_tokenizer
from leyden.text.summary.base import SummaryTask
from leyden.text.summary.net import PointerTransformer
from leyden.text.summary.search import Rules, Written, beam_search
from leyden.visualization.logging import log_image, logs_now

AT_ONCE = 64
"""Texts that are summed up side by side."""
SHOWN = 3
"""Summaries whose copied words are drawn."""
STOPS = (".", "!", "?")


class Summariser(SummaryTask):
    """Trains the network above from scratch; greatest ROUGE-L on validation marks the checkpoint.

    Args:
        tokenizer: given by the data.
        context: tokens of a text that are read; given by the data.
        summary_context: tokens of a summary, its end included; given by the data.
        layers: blocks that read.
        decoder_layers: blocks that write.
        heads: of each attention; they divide ``width``.
        width: channels.
        dropout: of embeddings and branches.
        copy: whether words of the text can be copied.
        copy_part: part of the steps, the first ones, that learn to copy the text's first sentence.
        lr: AdamW's greatest rate.
        weight_decay: AdamW's, of weights and embeddings.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.
        beams: texts that are kept at each step of writing, in tests and predictions; validation keeps one.
        least_length: tokens before which neither the summary nor a sentence ends.
        unique: so many tokens in a row are not written twice in a summary; 0: they may be.
        length_penalty: how much longer summaries are preferred, 0: not.

    Raises:
        ValueError: the heads do not divide the width, or a value is outside its range.
    """

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
        summary_context: int,
        layers: int = 2,
        decoder_layers: int = 2,
        heads: int = 4,
        width: int = 128,
        dropout: float = 0.2,
        copy: bool = True,
        copy_part: float = 0.1,
        lr: float = 2e-3,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        beams: int = 4,
        least_length: int = 10,
        unique: int = 2,
        length_penalty: float = 1.0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        if not (0 <= copy_part < 1 and 0 <= warmup < 1 and 0 <= dropout < 1):
            raise ValueError(
                f"model.copy_part={copy_part}, model.warmup={warmup}, model.dropout={dropout} are in [0, 1)"
            )
        if beams < 1 or least_length < 0 or unique < 0 or min(layers, decoder_layers) < 1:
            raise ValueError(
                f"model.beams={beams}, layers={layers}, decoder_layers={decoder_layers} count from 1, "
                f"least_length={least_length} and unique={unique} from 0"
            )
        if least_length >= summary_context:
            raise ValueError(
                f"model.least_length={least_length} should be below data.summary_context={summary_context}"
            )
        if copy_part and not copy:
            raise ValueError(f"model.copy_part={copy_part}, but model.copy=false: set model.copy_part=0")
        self.tokens = build_tokenizer(tokenizer)
        self.net = PointerTransformer(
            self.tokens.size, context, summary_context, self.tokens.pad, layers, decoder_layers, heads, width, dropout,
            copy,
        )  # fmt: skip
        self.context, self.summary_context = context, summary_context
        self.copy_part, self.lr, self.weight_decay, self.warmup = copy_part, lr, weight_decay, warmup
        self.beams, self.least_length, self.length_penalty = beams, least_length, length_penalty
        self.unique = unique
        stops = [number for number, token in enumerate(self.tokens.vocabulary) if token in STOPS]
        self.register_buffer("stops", torch.tensor(stops, dtype=torch.int64), persistent=False)
        self.stops: Tensor

    @property
    def start(self) -> int:
        """The token that begins every summary; a tokenizer without one begins with its end."""
        return self.tokens.end if self.tokens.start is None else self.tokens.start

    def losses(self, tokens: Tensor, summaries: Tensor, lengths: Tensor) -> Tensor:
        """-ln P of each token of the summaries: (B, T), 0 at padding.

        Args:
            tokens: (B, S) texts.
            summaries: (B, T), an end behind each.
            lengths: (B,) tokens of each summary, its end included.
        """
        before = torch.cat([torch.full_like(summaries[:, :1], self.start), summaries[:, :-1]], 1)
        mixture, _ = self.net.write(before, self.net.read(tokens))
        real = torch.arange(summaries.shape[1], device=lengths.device) < lengths[:, None]
        return -mixture.at(summaries, tokens).clamp(min=1e-8).log() * real

    def training_step(self, batch: TokenPairs, batch_index: int) -> Tensor:
        """Mean -ln P per token; in the first part of the steps that of the texts' first sentences."""
        summaries, lengths = batch.summaries, batch.summary_lengths
        copying = self.global_step < self.copy_part * self.trainer.estimated_stepping_batches
        if copying:
            summaries, lengths = self.first_sentences(batch.tokens, batch.lengths)
        loss = self.losses(batch.tokens, summaries, lengths).sum() / lengths.sum()
        if logs_now(self):
            self.log("train/loss_copying" if copying else "train/loss", loss.detach(), prog_bar=True)
        return loss

    def first_sentences(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The texts up to their first stop, an end behind: (B, T <= ``summary_context``), and their lengths (B,)."""
        room = min(tokens.shape[1], self.summary_context - 1)
        begin = tokens[:, :room]
        stop = torch.isin(begin, self.stops)
        first = torch.where(stop.any(1), stop.int().argmax(1) + 1, room).minimum(lengths)  # (B,)
        places = torch.arange(room + 1, device=tokens.device)
        padded = torch.cat([begin, begin[:, :1]], 1)
        padded = padded.masked_fill(places >= first[:, None], self.tokens.pad)
        return padded.scatter(1, first[:, None], self.tokens.end), first + 1

    def validation_step(self, batch: TokenPairs, batch_index: int) -> None:
        """ROUGE of the batch's summaries, the likeliest token each time, and the loss per token."""
        pairs = self.whole("val", batch.places)
        self.val_rouge.update(self.summarise(pairs.texts, beams=1), pairs.summaries)
        lengths = batch.summary_lengths
        loss = self.losses(batch.tokens, batch.summaries, lengths).sum() / lengths.sum()
        self.log("val/loss", loss, batch_size=int(lengths.sum()), sync_dist=True)

    def write(self, texts: Sequence[str], beams: int) -> tuple[list[list[int]], Written]:
        """The tokens of each text that are read, and what is written of it."""
        read = [found[: self.context] or [self.tokens.unknown] for found in self.tokens.encode_all(texts)]
        tokens, _ = padded(read, self.tokens.pad, self.device)
        never = sorted(self.tokens.special - {self.tokens.end})
        rules = Rules(
            self.start, self.tokens.end, never, self.summary_context, self.least_length, tuple(self.stops.tolist()),
            self.unique,
        )  # fmt: skip
        return read, beam_search(self.net, tokens, rules, beams, self.length_penalty)

    def summarise(self, texts: Sequence[str], beams: int | None = None) -> list[str]:
        """What the network writes, by so many beams (None: its own); nothing of an empty text."""
        found = []
        for i in range(0, len(texts), AT_ONCE):
            part = texts[i : i + AT_ONCE]
            written = self.write(part, beams or self.beams)[1].tokens
            found += [self.tokens.decode(row) if text.strip() else "" for row, text in zip(written, part, strict=True)]
        return found

    def show_examples(self) -> None:
        """Also logs ``copying``: what each word of some summaries was copied from."""
        super().show_examples()
        from leyden.visualization.text.copying import draw_copying

        texts = self.whole_split("test").texts
        chosen = [texts[i * len(texts) // SHOWN] for i in range(min(SHOWN, len(texts)))]
        read, written = self.write(chosen, self.beams)
        names = self.tokens.vocabulary
        panels = [
            ([names[n] for n in source], [names[n] for n in own], attention[:, : len(source)].cpu(), copied)
            for source, own, copied, attention in zip(read, *written, strict=True)
        ]
        log_image(self, "copying", draw_copying(panels))

    def configure_optimizers(self) -> Any:
        """AdamW with a warm-up and a cosine."""
        groups = parameter_groups(self.parameters(), self.lr, self.weight_decay)
        optimizer = AdamW(groups, betas=(0.9, 0.98), fused=True)
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, self.warmup), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
