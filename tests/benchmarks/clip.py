"""What a step of CLIP costs, on the lab's networks and batches, against a plain loop with open_clip's loss.

The loop does what the paper's figure 3 asks for and nothing else: the same encoders, a fused AdamW, open_clip's own
``ClipLoss`` (equal descriptions are wrong answers there), on batches out of the same loader. `make bench`,
or this file.
"""

import warnings
from statistics import median
from typing import Any

import by_hand  # beside this file
import steps
import torch
from open_clip import ClipLoss
from torch.optim import AdamW

from leyden.core.optim import parameter_groups

ROUNDS, STEPS, steps.TURN = 3, 20, 10
LAB = ["experiment=multimodal_clip_scenes", "data.source.train_each=10", *steps.QUIET]


def plain(words: list[str]) -> by_hand.Step:
    """A step of the other side, on batches out of the same loader."""
    data, model, _ = steps.bare(words)
    model.train()
    adam = AdamW(parameter_groups(model.parameters(), 1e-3, 0.2), betas=(0.9, 0.98), eps=1e-6, fused=True)
    loss_of = ClipLoss()

    def batches() -> Any:
        while True:
            yield from data.train_dataloader()

    source = batches()

    def step() -> None:
        batch = next(source)
        images, texts = model.image_encoder(batch.images), model.text_encoder(batch.tokens, batch.lengths)
        by_hand.descend(adam, loss_of(images, texts, model.log_scale.exp()))

    return step


def main() -> None:
    warnings.filterwarnings("ignore")
    print(f"ms per training step, medians of {ROUNDS} rounds, {torch.get_num_threads()} threads")
    step = plain(LAB)
    rounds = [steps.with_leyden(LAB, STEPS, step) for _ in range(ROUNDS)]
    ours, theirs = (median(side) for side in zip(*rounds, strict=True))
    ratio = median(a / b for a, b in rounds)
    print(f"CLIP        leyden {ours:8.2f}  plain loop with open_clip's loss {theirs:8.2f}  ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
