"""What descriptions are made of, and a small classifier that finds it in images."""

import hashlib
import logging
import math
import re
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import torch
from PIL import ImageColor
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.nets.auxiliary import load_network, save_network, train_auxiliary

log = logging.getLogger(__name__)

DIMENSIONS = 64
"""Features of an image, before the factors are read from them."""
VERSION = 1
"""Of the classifier and its training: to be raised with any change, so that none is taken from a cache."""
STEPS, BATCH = 1000, 64


def factor_table(class_names: list[str], factors: dict[str, list[str]]) -> Tensor:
    """Which value of each factor a description has: (descriptions, factors) int64, places among the factor's words.

    Raises:
        ValueError: a description has none of a factor's words, or several.
    """
    table = []
    for name in class_names:
        words = re.findall(r"\w+", name.lower())
        found = [[place for place, value in enumerate(values) if value in words] for values in factors.values()]
        for factor, places in zip(factors, found, strict=True):
            if len(places) != 1:
                raise ValueError(f"{name!r} has {len(places)} words of {factor}; each description should have one")
        table.append([places[0] for places in found])
    return torch.tensor(table, dtype=torch.int64).view(len(class_names), len(factors))


def what_is_new(table: Tensor, unseen: list[int]) -> tuple[int, ...]:
    """The fewest factors whose combination is new in each unseen description: places among the factors.

    Args:
        table: of ``factor_table``.
        unseen: places of descriptions that no training image has.

    Returns:
        such as (0, 1) where pairs of the first two are held out; () where nothing is unseen.
    """
    if not unseen:
        return ()
    seen = [place for place in range(len(table)) if place not in set(unseen)]
    for count in range(1, table.shape[1] + 1):
        for chosen in combinations(range(table.shape[1]), count):
            known = {tuple(row) for row in table[seen][:, chosen].tolist()}
            if not any(tuple(row) in known for row in table[unseen][:, chosen].tolist()):
                return chosen
    return tuple(range(table.shape[1]))


class FactorClassifier(nn.Module):
    """uint8 images (N, C, S, S) to logits of each factor's values; made by ``learn_factors``.

    Besides its pixels it sees how colourful each is (the range of its channels), without which digits that differ from
    their ground by colour alone are found late.

    Args:
        channels: of the images.
        image_size: side of the images in pixels.
        sizes: how many values each factor has.
    """

    def __init__(self, channels: int, image_size: int, sizes: list[int]) -> None:
        super().__init__()
        self.sizes, layers = sizes, []
        halvings = max(1, round(math.log2(image_size / 4)))
        widths = [channels + 1, *(min(32 * (stage + 1), 96) for stage in range(halvings))]
        for before, after in pairwise(widths):
            layers += [nn.Conv2d(before, after, 3, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)]
        pooled = [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16 * widths[-1], DIMENSIONS)]
        self.body = nn.Sequential(*layers, *pooled)
        self.head = nn.Sequential(nn.ReLU(), nn.Linear(DIMENSIONS, sum(sizes)))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Logits (N, values) of each factor."""
        return self.head(self.look(images)).split(self.sizes, 1)

    def look(self, images: Tensor) -> Tensor:
        """Features (N, DIMENSIONS) of uint8 images (N, C, S, S)."""
        pixels = images.float() / 127.5 - 1
        colourful = pixels.amax(1, keepdim=True) - pixels.amin(1, keepdim=True) - 1
        return self.body(torch.cat([pixels, colourful], 1))

    @torch.no_grad()
    def log_probabilities(self, images: Tensor) -> list[Tensor]:
        """ln p (N, values) of each factor."""
        device = next(self.parameters()).device
        parts = [[logits.log_softmax(1) for logits in self(part.to(device))] for part in images.split(256)]
        return [torch.cat(found) for found in zip(*parts, strict=True)]

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Features (N, DIMENSIONS) of uint8 images (N, C, S, S), 256 at a time."""
        device = next(self.parameters()).device
        return torch.cat([self.look(part.to(device)) for part in images.split(256)])


def learn_factors(
    images: Tensor, values: Tensor, factors: dict[str, list[str]], device: torch.device, cache: Path | None = None
) -> FactorClassifier:
    """A classifier of factors: a function of its images and their factors alone, so that all runs are scored by it.

    Where a colour was never seen on a shape, it would take the colour for a sign of other shapes. So half of each batch
    has its channels exchanged, from which all factors are learned but colours.

    Args:
        images: (N, C, S, S) uint8 training images.
        values: (N, factors) int64.
        factors: words by factor.
        device: where to compute.
        cache: folder where it is kept as ``factors_<key>.pt``; None trains it in any case.
    """
    with train_auxiliary(device):
        images, values = images.to(device, copy=True), values.to(device, copy=True)
        sizes = [len(words) for words in factors.values()]
        hues = [images.shape[1] == 3 and is_colour(words) for words in factors.values()]
        classifier = FactorClassifier(images.shape[1], images.shape[-1], sizes).to(device)
        file = None if cache is None else cache / f"factors_{_key(images, values, sizes, hues)}.pt"
        if load_network(classifier, file) is None:
            log.info("evaluator: a classifier of what descriptions are made of is trained: %d steps", STEPS)
            _train(classifier, images, values, hues)
            if file is not None:
                save_network(classifier, file)
        return classifier.eval().requires_grad_(False)


def is_colour(words: list[str]) -> bool:
    """Whether all words name colours, as Pillow and CSS know them."""
    return all(word in ImageColor.colormap for word in words)


def exchange_channels(images: Tensor) -> Tensor:
    """Images (N, 3, S, S) with the channels of each in an order of its own."""
    orders = torch.rand(len(images), 3, device=images.device).argsort(1)
    return images.gather(1, orders[:, :, None, None].expand_as(images))


def _train(classifier: FactorClassifier, images: Tensor, values: Tensor, hues: list[bool]) -> None:
    """Adam with a one-cycle rate, on shifted images; ``hues`` says which factors are colours."""
    optimizer = torch.optim.Adam(classifier.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=STEPS)
    for chosen, shift in _batches(len(images), images.shape[-1], images.device):
        batch = images[chosen].roll(shift, (-2, -1))
        if any(hues):
            batch = torch.cat([batch[: BATCH // 2], exchange_channels(batch[BATCH // 2 :])])
        logits, limits = classifier(batch), [BATCH // 2 if hue else BATCH for hue in hues]
        losses = [
            F.cross_entropy(each[:limit], values[chosen[:limit], k])
            for k, (each, limit) in enumerate(zip(logits, limits, strict=True))
        ]
        loss = torch.stack(losses).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()


def _batches(count: int, size: int, device: torch.device) -> Iterator[tuple[Tensor, list[int]]]:
    for _ in range(STEPS):
        shift = torch.randint(-(size // 16), size // 16 + 1, (2,)).tolist()
        yield torch.randint(count, (BATCH,), device=device), shift


def _key(images: Tensor, values: Tensor, sizes: list[int], hues: list[bool]) -> str:
    digest = hashlib.sha256(f"{VERSION} {sizes} {hues} {tuple(images.shape)}".encode())
    for part in (images, values):
        digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]
