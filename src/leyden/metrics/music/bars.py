"""Scores of bars in four voices: empty and stuck ones, scales, copying.

Bars are int64 (N, V, T) MIDI pitches in steps of a sixteenth, from the highest voice to the lowest, 0 for silence.
"""

import torch
from torch import Tensor

from leyden.data.source.music.chords import pitch_classes
from leyden.data.source.music.score import MAJOR_SCALE


def empty_share(bars: Tensor) -> float:
    """Share of bars (N, V, T) in which a voice is silent all through."""
    return (bars == 0).all(-1).any(-1).float().mean().item()


def stuck_share(bars: Tensor) -> float:
    """Share of bars (N, V, T) in which nothing changes: all voices keep one pitch, or silence, from begin to end."""
    return (bars == bars[..., :1]).all(-1).all(-1).float().mean().item()


def scale_consistency(bars: Tensor) -> float:
    """Share of a bar's sounding time in the major scale that holds most of it: mean of bars (N, V, T) that sound.

    C-RNN-GAN (Mogren 2016, section 4.2) has the same of standard scales; natural minor ones are major ones.
    """
    scales = torch.zeros(12, 12, device=bars.device)
    for root in range(12):
        scales[root, [(root + step) % 12 for step in MAJOR_SCALE]] = 1
    weights = pitch_classes(bars).sum(1)
    sounding = weights.sum(1)
    inside = (weights @ scales.T).amax(1)[sounding > 0] / sounding[sounding > 0]
    return inside.mean().item() if len(inside) else 0.0


def nearest_distance(bars: Tensor, others: Tensor, chunk: int = 128) -> Tensor:
    """The share of the steps, all voices together, in which the most alike of the others has another pitch: (N,).

    Args:
        bars: (N, V, T).
        others: (M, V, T), 1 or more.
        chunk: bars that are compared at a time.
    """
    flat, known = bars.flatten(1).to(torch.int16), others.flatten(1).to(torch.int16)
    parts = [(part[:, None] != known[None]).float().mean(-1).amin(1) for part in flat.split(chunk)]
    return torch.cat(parts)


def neighbour_ratio(bars: Tensor, train: Tensor, real: Tensor) -> float:
    """Mean distance of bars to the nearest of training over that of held-out bars: 0 copies, 1 is as far as real music.

    Args:
        bars: (N, V, T), those that are scored.
        train: (M, V, T).
        real: (K, V, T), held out.
    """
    floor = nearest_distance(real, train).mean().item()
    return nearest_distance(bars, train).mean().item() / floor if floor else float("nan")


def distinct_share(bars: Tensor) -> float:
    """Different bars over all bars (N, V, T)."""
    return len(torch.unique(bars.flatten(1), dim=0)) / len(bars)


def song_scores(bars: Tensor, real: Tensor, train: Tensor) -> dict[str, float]:
    """What is to be said of bars without comparing histograms, and the same of held-out ones, under ``_real``.

    Args:
        bars: (N, V, T), those that are scored.
        real: (M, V, T), held out.
        train: (K, V, T).

    Returns:
        ``empty``, ``stuck``, ``scale``, ``distinct``, each also of the real bars; ``neighbour_ratio``; and ``copies``,
        the share of bars that training has note for note, also of the real ones.
    """
    scores = {"neighbour_ratio": neighbour_ratio(bars, train, real)}
    for name, some in {"": bars, "_real": real}.items():
        scores |= {
            f"empty{name}": empty_share(some),
            f"stuck{name}": stuck_share(some),
            f"scale{name}": scale_consistency(some),
            f"distinct{name}": distinct_share(some),
            f"copies{name}": (nearest_distance(some, train) == 0).float().mean().item(),
        }
    return scores


def as_bars(passages: Tensor, steps: int) -> Tensor:
    """Bars (N * bars, V, steps) of passages (N, V, bars * steps)."""
    return passages.unflatten(-1, (-1, steps)).transpose(1, 2).flatten(0, 1)
