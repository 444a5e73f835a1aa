"""The teacher of a small language model: trained on the same text in the same run, or read from a record."""

import logging
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.optim import AdamW

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.data.loader import Loader
from leyden.data.specs import TokenizerSpec
from leyden.data.text.tokenizer import build_tokenizer
from leyden.nets.weights import best_checkpoint
from leyden.text.checkpoints import build_encoder
from leyden.text.gpt import GPTNet

log = logging.getLogger(__name__)

KEY = "model.teacher"


def train_teacher(
    net: GPTNet, batches: Loader, steps: int, lr: float, weight_decay: float, warmup: float, clip: float = 1.0
) -> None:
    """Trains a network in place, as ``GPT`` trains, without validation.

    Args:
        net: with random weights.
        batches: of ``Tokens``, taken anew when they are over.
        steps: optimizer steps.
        lr: AdamW's greatest rate; it grows, then falls to 0 along half a cosine.
        weight_decay: AdamW's, of weights and embeddings.
        warmup: part of the steps in which the rate grows.
        clip: largest norm of all gradients.
    """
    optimizer = AdamW(parameter_groups(net.parameters(), lr, weight_decay), betas=(0.9, 0.95), fused=True)
    schedule = scheduled(optimizer, lambda t: warmup_cosine(t, warmup), steps)
    device, done, loss = next(net.parameters()).device, 0, torch.zeros(())
    net.train()
    while done < steps:
        for batch in batches:
            tokens = batch.tokens.to(device)
            loss = F.cross_entropy(net(tokens[:, :-1])[0].flatten(0, 1), tokens[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
            optimizer.step()
            schedule.step()
            done += 1
            if done == steps:
                break
    log.info("teacher: %d steps, %.3f nats per token in the last batch", steps, loss.item())


def read_teacher(folder: Path, tokenizer: TokenizerSpec, context: int) -> GPTNet:
    """The network of a GPT's record; none of the record's code is run.

    Args:
        folder: a record, or one that holds several: the newest.
        tokenizer: of the student.
        context: of the student; the teacher's must be as long.

    Raises:
        FileNotFoundError: there is no record.
        ValueError: it is of another technique, or has another tokenizer or a shorter context.
    """
    file = best_checkpoint(folder, KEY)
    saved = torch.load(file, map_location="cpu", weights_only=True)
    h = saved.get("hyper_parameters", {})
    if h.get("encoder", {"kind": None})["kind"] != "gpt" or "net.place.weight" not in saved["state_dict"]:
        raise ValueError(f"{KEY}: {file} is of no GPT: give a run of model=text/gpt, or {KEY}=train")
    if build_tokenizer(h["tokenizer"]).vocabulary != build_tokenizer(tokenizer).vocabulary:
        raise ValueError(
            f"{KEY}: {file.parent.parent} has another tokenizer, so its probabilities are of other tokens: set "
            f"data.tokenizer={file.parent.parent}"
        )
    if h["context"] < context:
        raise ValueError(f"{KEY}: {file.parent.parent} looks back on {h['context']} tokens: set data.context to that")
    encoder: Any = build_encoder(h["encoder"], h["context"])
    net: GPTNet = encoder.net
    state = {name.removeprefix("net."): value for name, value in saved["state_dict"].items() if name.startswith("net.")}
    net.load_state_dict(state)
    return net
