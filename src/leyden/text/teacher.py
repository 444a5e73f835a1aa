"""The teacher of a small language model, trained on the same text in the same run."""

import logging

import torch
from torch.nn import functional as F
from torch.optim import AdamW

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.data.loader import Loader
from leyden.text.gpt import GPTNet

log = logging.getLogger(__name__)


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
