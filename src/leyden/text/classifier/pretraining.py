"""Pre-training in the run that fine-tunes: the encoder learns to fill in hidden tokens of the lab's own texts."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.data.columns import IGNORED, MaskedTokens
from leyden.data.ragged import BucketLoader
from leyden.data.text.masking.corruption import MaskedSequences
from leyden.data.text.masking.pieces import cut_texts
from leyden.data.text.tokenizer import Tokenizer
from leyden.nets.auxiliary import load_network, save_network
from leyden.nets.strategies.computed import key_of
from leyden.text.checkpoints import build_encoder
from leyden.text.masked_scores import masked_loss
from leyden.text.nets.bert import BertEncoder, BertForPretraining
from leyden.text.nets.encoder import Encoder
from leyden.training.progress import metered

log = logging.getLogger(__name__)

MASKED = 0.15
"""Of the tokens that are asked for, as in the paper."""
WARMUP, WEIGHT_DECAY, CLIP = 0.1, 0.01, 1.0
"""Part of the steps in which the rate grows; AdamW's decay of matrices; the gradient's greatest length."""


class Recipe(NamedTuple):
    """How the masked language model is trained."""

    steps: int
    """Of the optimizer."""
    lr: float
    """AdamW's greatest rate; behind the warm-up it falls to 0 along half a cosine."""
    batch_size: int
    """Texts of a step."""
    seed: int
    """Of their order, and of what is hidden."""


def pretrain(
    encoder: Encoder, tokenizer: Tokenizer, texts: Sequence[str], recipe: Recipe, folder: Path | None
) -> float | None:
    """Gives an encoder what a masked language model of its size learns (Devlin et al. 2019, task 1), without dropout.

    Args:
        encoder: a BERT of ours, changed in place; modules of strategies stay as they are.
        tokenizer: of the texts.
        texts: without labels.
        recipe: how it is trained; 0 steps leave it as it is.
        folder: where networks are kept, under a key of everything that decides them; None keeps none.

    Returns:
        The mean loss of the last tenth of the steps, nats per hidden token; None where the network was found, or there
        was no step.

    Raises:
        ValueError: another encoder, or a tokenizer without a mask.
    """
    if not isinstance(encoder, BertEncoder):
        raise ValueError(f"model.weights=masked_lm trains a BERT, not {encoder.name}: set another")
    if tokenizer.mask is None:
        raise ValueError(
            "model.weights=masked_lm needs a token for what is hidden, such as [MASK]: set data.tokenizer=wordpiece or "
            "bpe, or model.weights=none"
        )
    if not recipe.steps:
        return None
    with torch.random.fork_rng():  # it begins with the recipe's own numbers: whoever asks for the same gets the same
        torch.manual_seed(recipe.seed)
        bare = build_encoder(encoder.spec, encoder.context)
        assert isinstance(bare, BertEncoder)
        net = BertForPretraining(bare).to(next(encoder.parameters()).device)
    loss, file = None, None
    if folder is not None:
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        file = folder / f"masked_lm_{key_of(net, texts=digest, tokenizer=tokenizer.spec, recipe=recipe)}.pt"
    if load_network(net, file) is None:
        loss = _fit(net, tokenizer, texts, recipe)
        log.info("masked language model: loss %.3f nats in the last tenth of %d steps", loss, recipe.steps)
        if file is not None:
            save_network(net, file)
    unexpected = encoder.load_state_dict(bare.state_dict(), strict=False).unexpected_keys  # LoRA's are not there
    assert not unexpected
    return loss


def _fit(net: BertForPretraining, tokenizer: Tokenizer, texts: Sequence[str], recipe: Recipe) -> float:
    frame = 1 + (tokenizer.start is not None)
    pieces = cut_texts(tokenizer.encode_all(texts), tokenizer, net.encoder.context - frame)
    loader = BucketLoader(
        MaskedSequences(pieces, tokenizer, MASKED), recipe.batch_size, train=True, seed=recipe.seed, whole=True
    )
    device = next(net.parameters()).device
    optimizer = torch.optim.AdamW(
        parameter_groups(net.parameters(), recipe.lr, WEIGHT_DECAY), betas=(0.9, 0.98), fused=True
    )
    schedule = scheduled(optimizer, lambda t: warmup_cosine(t, WARMUP), recipe.steps)
    net.train()
    losses = []
    for batch in metered(_endless(loader, recipe.steps), "masked language model", 1, recipe.steps):
        tokens, targets, real = batch.tokens.to(device), batch.targets.to(device), batch.real.to(device)
        asked = targets != IGNORED
        logits = net.token_logits(net.encoder(tokens, real)[asked])  # of what is hidden alone, a seventh of the work
        loss = masked_loss(logits, targets[asked])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return float(torch.stack(losses[-max(1, recipe.steps // 10) :]).mean())


def _endless(loader: BucketLoader, steps: int) -> Iterator[MaskedTokens]:
    """So many batches, epoch after epoch."""
    taken = 0
    while True:
        for batch in loader:
            yield batch
            taken += 1
            if taken == steps:
                return
