"""What language models cost: steps against a plain loop and against nanoGPT's own, generation with and without a cache.

All in one process, in turns of some steps (``steps.py``), at nanoGPT's recipe for a CPU: 4 layers of 128 channels,
context 64, 12 windows a step, characters. `make bench`, or this file.
"""

import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import nanogpt  # beside this file
import numpy as np
import steps
import torch
from torch.nn import functional as F

from leyden.core.optim import parameter_groups, scheduled, warmup_cosine
from leyden.text.gpt import GPT

ROUNDS, STEPS = 3, 100
RECIPE = [
    "experiment=text_gpt",
    "model.layers=4",
    "model.gelu=none",
    "data.batch_size=12",
    "model.lr=1e-3",
    *steps.QUIET,
]
GENERATED = 256
"""Tokens, in a context as long."""


def plain_loop(words: list[str]) -> Callable[[], None]:
    """What everybody writes with the same network: random windows of a tensor, AdamW, a cosine, clipping."""
    data, model, trainer = steps.bare(words)
    net: Any = model.train()
    tokens, count = data.split("train").tokens.long(), data.batch_size  # type: ignore[attr-defined]
    optimizer = torch.optim.AdamW(parameter_groups(net.parameters(), 1e-3, 0.1), betas=(0.9, 0.95), fused=True)
    schedule = scheduled(optimizer, lambda t: warmup_cosine(t, 0.05), trainer.max_steps)
    reach = torch.arange(net.context + 1)

    def step() -> None:
        batch = tokens[torch.randint(len(tokens) - net.context, (count, 1)) + reach]
        loss = F.cross_entropy(net(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()

    return step


def nanogpt_loop(words: list[str], folder: Path) -> Callable[[], None]:
    """nanoGPT's loop on the same text, from its file of uint16."""
    data, model, trainer = steps.bare(words)
    file = folder / "train.bin"
    tokens: Any = data.split("train").tokens  # type: ignore[attr-defined]
    tokens.numpy().astype(np.uint16).tofile(file)
    own: Any = model
    theirs = nanogpt.NanoGPT(own.tokenizer.size, own.context, 4, 4, 128)
    sizes = [sum(p.numel() for p in net.parameters()) for net in (own.net, theirs)]
    assert sizes[0] == sizes[1], sizes
    return nanogpt.loop(theirs.train(), file, data.batch_size, 1e-3, trainer.max_steps)


def training(name: str, make: Callable[[], Callable[[], None]]) -> None:
    """Milliseconds per step of ours and another's, and their ratio."""
    rounds = [steps.with_leyden(RECIPE, STEPS, make()) for _ in range(ROUNDS)]
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    ratio, speed = median(a / b for a, b in rounds), 12 * 64 / ours
    print(f"{name:12}  leyden {ours:6.2f} ms ({speed:.1f} tokens a ms)  other {theirs:6.2f} ms  ratio {ratio:.2f}")


def generation() -> None:
    """Seconds for a text with keys and values kept, and with all of it read anew for each token."""
    torch.manual_seed(0)
    letters = {"kind": "characters", "content": "[" + ", ".join(f'"{chr(97 + i)}"' for i in range(26)) + "]"}
    model = GPT(letters, GENERATED, layers=4, heads=4, width=128).eval()  # type: ignore[arg-type]
    start = torch.zeros(1, 1, dtype=torch.int64)

    def with_cache() -> torch.Tensor:
        return torch.cat([*islice(model.draws(start, torch.Generator().manual_seed(0)), GENERATED - 1)])

    @torch.no_grad()
    def without() -> torch.Tensor:
        tokens, generator = start, torch.Generator().manual_seed(0)
        for _ in range(GENERATED - 1):
            tokens = torch.cat([tokens, model.draw(model(tokens)[:, -1], generator)[None]], 1)
        return tokens[0, 1:]

    times = []
    for _ in range(ROUNDS):
        seconds, texts = [], []
        for write in (with_cache, without):
            began = time.perf_counter()
            texts.append(write())
            seconds.append(time.perf_counter() - began)
        assert torch.equal(*texts)
        times.append(seconds)
    ours, theirs = (median(side) for side in zip(*times, strict=True))
    ratio = median(b / a for a, b in times)
    print(f"{GENERATED - 1} tokens  with a cache {ours:.2f} s, without {theirs:.2f} s, {ratio:.1f} times faster")


def main() -> None:
    warnings.filterwarnings("ignore")
    steps.logging.disable()
    print(f"medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    training("plain loop", lambda: plain_loop(RECIPE))
    with tempfile.TemporaryDirectory() as folder:
        training("nanoGPT", lambda: nanogpt_loop(RECIPE, Path(folder)))
    generation()


if __name__ == "__main__":
    main()
