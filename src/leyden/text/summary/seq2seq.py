"""Any encoder-decoder of the library ``transformers`` that sums up: T5, BART and their like, by name or folder.

T5 (Raffel et al. 2020, "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer") is told
what to do by the words before the text, ``prefix: "summarize: "``; BART (Lewis et al. 2020) knows after fine-tuning
alone. Training minimises the cross-entropy of each token given the true ones before it; beams write.
"""

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.data.columns import IGNORED, TokenPairs
from leyden.data.ragged import padded
from leyden.data.specs import TokenizerSpec
from leyden.data.text.published import published_folder, published_tokenizer, require_transformers
from leyden.data.text.tokenizer import Subwords, Tokenizer, build_tokenizer
from leyden.text.checkpoints import refuse_other_tokenizer
from leyden.text.nets.library import load_library_net
from leyden.text.summary.base import SummaryTask
from leyden.visualization.logging import logs_now

AT_ONCE = 32
"""Texts that are summed up side by side."""


class Seq2Seq(SummaryTask):
    """Fine-tunes an encoder-decoder; without training (``trainer.max_epochs=0``) it is tested as it is.

    Args:
        tokenizer: given by the data; the checkpoint's own (``data.tokenizer``).
        context: tokens of a text that are read; given by the data.
        summary_context: tokens of a summary, its end included; given by the data.
        checkpoint: a folder in the layout of the library transformers, or a name on the hub, such as ``t5-small`` or
            ``facebook/bart-base``; "none": a T5 of the sizes below with random weights.
        prefix: words before each text, such as "summarize: " for T5.
        layers: blocks of encoder and of decoder, of "none".
        heads: of each attention, of "none".
        width: channels, of "none".
        lr: AdamW's greatest rate.
        weight_decay: AdamW's, of matrices.
        warmup: part of the steps in which the rate grows; then it falls to 0 along half a cosine.
        beams: texts that are kept at each step of writing.
        config: what the network is, kept in checkpoints; not to be set.

    Raises:
        FileNotFoundError: there is nothing at ``checkpoint``.
        ImportError: the library is not installed.
        ValueError: no encoder-decoder, another tokenizer, or a value outside its range.
    """

    def __init__(
        self,
        tokenizer: TokenizerSpec,
        context: int,
        summary_context: int,
        checkpoint: str = "none",
        prefix: str = "",
        layers: int = 2,
        heads: int = 4,
        width: int = 64,
        lr: float = 3e-4,
        weight_decay: float = 0.01,
        warmup: float = 0.1,
        beams: int = 4,
        config: str | None = None,
    ) -> None:
        super().__init__()
        if beams < 1 or not 0 <= warmup < 1:
            raise ValueError(f"model.beams={beams} counts from 1, model.warmup={warmup} is in [0, 1)")
        self.tokens = build_tokenizer(tokenizer)
        if config is not None:
            self.net = build_seq2seq(json.loads(config))
        elif checkpoint == "none":
            self.net = build_seq2seq(t5_config(self.tokens, layers, heads, width))
        else:
            self.net = published_seq2seq(checkpoint, self.tokens, "model.checkpoint")
        self.save_hyperparameters(logger=False)
        self.hparams["config"] = self.net.config.to_json_string(use_diff=False)  # so a checkpoint needs no other file
        self.context, self.summary_context, self.beams = context, summary_context, beams
        self.lr, self.weight_decay, self.warmup = lr, weight_decay, warmup
        self.prefix = self.tokens.encode(prefix.strip()) if prefix.strip() else []

    def framed(self, tokens: Tensor, lengths: Tensor, lead: Sequence[int], pad: int) -> Tensor:
        """``[CLS] lead tokens [SEP]`` of each row, padded behind: (B, T + special tokens and lead).

        Args:
            tokens: (B, T) int64.
            lengths: (B,), of each row; what is behind counts for nothing.
            lead: tokens before each row.
            pad: what stands behind.
        """
        lead = [*lead] if self.tokens.start is None else [self.tokens.start, *lead]
        width = tokens.shape[1]
        framed = tokens.new_full((len(tokens), len(lead) + width + 1), pad)
        framed[:, : len(lead)] = tokens.new_tensor(lead)
        framed[:, len(lead) : -1] = tokens.where(torch.arange(width, device=tokens.device) < lengths[:, None], pad)
        return framed.scatter(1, len(lead) + lengths[:, None], self.tokens.end)

    def reads(self, tokens: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """The library's arguments for texts: (B, T) int64 and their lengths (B,)."""
        framed = self.framed(tokens, lengths, self.prefix, self.tokens.pad)
        return {"input_ids": framed, "attention_mask": (framed != self.tokens.pad).long()}

    def loss(self, batch: TokenPairs) -> Tensor:
        """Mean cross-entropy per token of the summaries, whose end is there already."""
        labels = self.framed(batch.summaries[:, :-1], batch.summary_lengths - 1, [], IGNORED)
        return self.net(**self.reads(batch.tokens, batch.lengths), labels=labels).loss

    def training_step(self, batch: TokenPairs, batch_index: int) -> Tensor:
        """The loss of a batch."""
        loss = self.loss(batch)
        if logs_now(self):
            self.log("train/loss", loss.detach(), prog_bar=True)
        return loss

    def validation_step(self, batch: TokenPairs, batch_index: int) -> None:
        """ROUGE of the batch's summaries and the loss per token."""
        super().validation_step(batch, batch_index)
        self.log("val/loss", self.loss(batch), batch_size=len(batch.tokens), sync_dist=True)

    @torch.no_grad()
    def summarise(self, texts: Sequence[str]) -> list[str]:
        """What the network writes; nothing of an empty text."""
        found = []
        for i in range(0, len(texts), AT_ONCE):
            part = texts[i : i + AT_ONCE]
            rows = [row[: self.context] for row in self.tokens.encode_all(part)]
            written = self.net.generate(
                **self.reads(*padded(rows, self.tokens.pad, self.device)),
                num_beams=self.beams,
                do_sample=False,
                max_new_tokens=self.summary_context,
            )
            summaries = [self.tokens.decode(row).strip() for row in written.tolist()]
            found += [summary if text.strip() else "" for summary, text in zip(summaries, part, strict=True)]
        return found

    def configure_optimizers(self) -> Any:
        """AdamW with a warm-up and a cosine."""
        optimizer = AdamW(parameter_groups(self.parameters(), self.lr, self.weight_decay), fused=True)
        steps = self.trainer.estimated_stepping_batches
        schedule = scheduled(optimizer, lambda t: warmup_cosine(t, self.warmup), steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def t5_config(tokens: Tokenizer, layers: int, heads: int, width: int) -> dict[str, Any]:
    """The configuration of a T5 for a tokenizer.

    Raises:
        ValueError: the heads do not divide the width.
    """
    if width % heads:
        raise ValueError(f"model.heads={heads} do not divide model.width={width}: choose a multiple")
    return {
        "model_type": "t5", "vocab_size": tokens.size, "d_model": width, "d_kv": width // heads, "d_ff": 4 * width,
        "num_layers": layers, "num_decoder_layers": layers, "num_heads": heads, "pad_token_id": tokens.pad,
        "eos_token_id": tokens.end, "decoder_start_token_id": tokens.pad,
    }  # fmt: skip


def build_seq2seq(config: dict[str, Any]) -> Any:
    """An encoder-decoder of the library with random weights, by its configuration.

    Raises:
        ImportError: the library is not installed.
    """
    library = require_transformers("model.checkpoint")
    values = {name: value for name, value in config.items() if name != "model_type"}
    return library.AutoModelForSeq2SeqLM.from_config(library.AutoConfig.for_model(config["model_type"], **values))


def published_seq2seq(checkpoint: str, tokens: Tokenizer, key: str) -> Any:
    """An encoder-decoder with its weights, which must know the tokenizer's tokens and no other.

    Args:
        checkpoint: a folder, or a name on the hub.
        tokens: by which the texts are read.
        key: the config key that named it, for messages.

    Raises:
        FileNotFoundError, ImportError: see ``published_folder``.
        ValueError: no encoder-decoder, or another tokenizer.
    """
    folder = published_folder(checkpoint, key)
    theirs = Subwords(published_tokenizer(folder, key))
    net = load_library_net(folder, key, "AutoModelForSeq2SeqLM").train()
    known = net.get_input_embeddings().weight.shape[0]
    refuse_other_tokenizer(tokens, theirs, known, checkpoint, key)
    return net
