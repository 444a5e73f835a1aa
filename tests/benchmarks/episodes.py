"""Few-shot learning: what an episode costs beside a step, and steps per second of `leyden run` and of a plain loop.

Both train the same network by the same loss on episodes of the same tensor; the plain loop draws them as everybody
does. They take turns of some steps in one process (`steps.py`), and Leyden runs with everything that it has on by
default. `make bench` runs it.
"""

import logging
import os
import time
import warnings
from collections.abc import Callable
from statistics import median

import torch
from steps import QUIET, bare, with_leyden  # beside this file
from torch.nn import functional as F
from torch.optim import Adam

ROUNDS, STEPS = 3, 120
LAB = ["experiment=transfer_fewshot_glyphs", *QUIET]


def plain_step() -> Callable[[], None]:
    """A prototypical network, a step of it."""
    data, model, _ = bare(LAB)
    columns = data.split("train").columns
    members = [(columns.labels == label).nonzero().flatten() for label in columns.labels.unique()]
    ways, shots, queries = data.train_ways, data.shots, data.queries
    adam = Adam(model.train().embedding.parameters(), 1e-3)

    def next_step() -> None:
        chosen = torch.randperm(len(members))[:ways].tolist()
        picked = torch.stack([members[c][torch.randperm(len(members[c]))[: shots + queries]] for c in chosen])
        features = model.embedding(columns.images[picked.flatten()]).view(ways, shots + queries, -1)
        centres = features[:, :shots].mean(1)
        logits = -torch.cdist(features[:, shots:].flatten(0, 1), centres).square()
        loss = F.cross_entropy(logits, torch.arange(ways).repeat_interleave(queries))
        adam.zero_grad()
        loss.backward()
        adam.step()

    return next_step


def per_episode() -> float:
    """Milliseconds for an episode alone."""
    data, _, _ = bare([*LAB, "data.episodes=2000"])
    loader = data.train_dataloader()
    began = time.perf_counter()
    count = sum(1 for _ in loader)
    return (time.perf_counter() - began) / count * 1e3


def main() -> None:
    warnings.filterwarnings("ignore")
    logging.disable()
    print(f"ms, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    rounds = [with_leyden(LAB, STEPS, plain_step()) for _ in range(ROUNDS)]
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    ratio, episode = median(a / b for a, b in rounds), median(per_episode() for _ in range(ROUNDS))
    print(f"step of ProtoNet: leyden {ours:.2f}  plain {theirs:.2f}  ratio {ratio:.3f}")
    print(f"an episode, 15 classes of 6 images: {episode:.3f}, {episode / ours:.1%} of a step")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
