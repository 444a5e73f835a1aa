"""What fine-tuning starts from: a network that is trained on a source task, or weights that lie in a file."""

import math
import pickle
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.data.loader import Loader


def normalise(images: Tensor) -> Tensor:
    """uint8 images (B, C, H, W) as the networks of this family want them: float in [-1, 1]."""
    return images.float() / 127.5 - 1


def cosine_fall(progress: float) -> float:
    """The factor on a learning rate: 1 at ``progress`` 0, 0 at 1, along half a cosine (Loshchilov, Hutter 2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


def pretrain(net: nn.Module, head: nn.Module, batches: Loader, epochs: int, lr: float, weight_decay: float) -> float:
    """Trains ``head(net(images))`` on labelled batches by AdamW, in place; on every rank the same.

    Args:
        net: float images (B, C, S, S) to features (B, F).
        head: features to logits (B, classes).
        batches: uint8 images (B, C, S, S) and labels (B,); its order and augmentation depend on its seed alone.
        epochs: passes over ``batches``.
        lr: learning rate at the start; it falls to zero along a cosine.
        weight_decay: AdamW's.

    Returns:
        Accuracy on the augmented training images of the last epoch.
    """
    parameters = [*net.parameters(), *head.parameters()]
    device = parameters[0].device
    optimizer = torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay)
    total = epochs * len(batches)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: cosine_fall(step / total))
    net.train()
    right = seen = 0
    for _ in range(epochs):
        right = seen = 0
        for images, labels in batches:
            logits = head(net(normalise(images.to(device))))
            labels = labels.to(device)
            loss = F.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            right += int((logits.argmax(1) == labels).sum())
            seen += len(labels)
    return right / max(seen, 1)


def read_weights(path: str, net: nn.Module) -> dict[str, Tensor]:
    """Reads a state dict for ``net`` from a file: of the net itself, or a checkpoint of ``transfer/finetune``.

    Args:
        path: written by ``torch.save`` or by Lightning; read with ``weights_only=True``.
        net: tells which keys and shapes are wanted.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no file of weights, or keys or shapes do not fit; the message lists them.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"model.weights: no file {path!r}; give the path of saved backbone weights or of a checkpoint of "
            "transfer/finetune, or model.weights=source_task to train them in this run"
        )
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        state = stored.get("state_dict", stored)
    except (pickle.UnpicklingError, RuntimeError, EOFError, AttributeError) as error:  # broken, code inside, no dict
        raise ValueError(f"model.weights: {path} is no file of weights: {str(error).splitlines()[0]}") from error
    mine = {key.removeprefix("backbone."): value for key, value in state.items() if key.startswith("backbone.")}
    state = mine or state
    wanted = net.state_dict()
    wrong = [f"missing {key}" for key in wanted if key not in state]
    wrong += [f"unknown {key}" for key in state if key not in wanted]
    wrong += [
        f"{key} is {tuple(state[key].shape)}, wanted {tuple(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    if wrong:
        more = f" and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        raise ValueError(f"model.weights: {path} does not fit this network: {'; '.join(wrong[:8])}{more}")
    return state
