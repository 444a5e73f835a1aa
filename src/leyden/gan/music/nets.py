"""MidiNet's networks: convolutions over time whose first and last kernels are as high as the piano roll."""

from itertools import combinations, pairwise

import torch
from torch import Tensor, nn

from leyden.data.source.music.score import VOICES
from leyden.gan.music.roll import EXTRA, LARGEST, WALK, rows_of_logits

INTERVALS = 12 * VOICES * (VOICES - 1) // 2 + WALK * VOICES
"""Channels of ``intervals``."""


def lengths(steps: int) -> list[int]:
    """Steps of the layers' maps, from a bar's down to 2 or an odd number: 16, 8, 4, 2 of a bar of 16."""
    found = [steps]
    while found[-1] % 2 == 0 and found[-1] > 2:
        found.append(found[-1] // 2)
    return found


def halve(before: int, after: int) -> nn.Conv2d:
    """A convolution over time that halves its length."""
    return nn.Conv2d(before, after, (1, 4), stride=(1, 2), padding=(0, 1))


class Conditioner(nn.Module):
    """The bar before (N, V, rows, T) to maps (N, width, 1, L) for each length L, the longest first."""

    def __init__(self, rows: int, steps: int, width: int) -> None:
        super().__init__()
        first = nn.Sequential(nn.Conv2d(VOICES, width, (rows, 1)), nn.BatchNorm2d(width), nn.LeakyReLU(0.2, True))
        self.layers = nn.ModuleList([first])
        for _ in lengths(steps)[1:]:
            self.layers.append(nn.Sequential(halve(width, width), nn.BatchNorm2d(width), nn.LeakyReLU(0.2, True)))

    def forward(self, before: Tensor) -> list[Tensor]:
        """Maps of the bar before (N, V, rows, T)."""
        maps = []
        for layer in self.layers:
            before = layer(before)
            maps.append(before)
        return maps


class Generator(nn.Module):
    """Noise (N, latent_dim), chords (N,) and the bar before (N, V, 2 + pitches, T) to logits (N, V, rows, T).

    The chord's embedding and the conditioner's map of the same length are joined to the input of each layer.
    """

    def __init__(
        self, chords: int, pitches: int, steps: int, latent_dim: int, base_channels: int, condition_channels: int
    ) -> None:
        super().__init__()
        sizes = lengths(steps)[::-1]
        self.embed = nn.Embedding(chords, condition_channels)
        self.conditioner = Conditioner(pitches + EXTRA, steps, condition_channels)
        more = 2 * condition_channels
        self.first = nn.Sequential(
            nn.Linear(latent_dim + condition_channels, 2 * base_channels * sizes[0]),
            nn.Unflatten(1, (2 * base_channels, 1, sizes[0])),
            nn.BatchNorm2d(2 * base_channels),
            nn.ReLU(True),
        )
        widths = [2 * base_channels] * (len(sizes) - 1) + [base_channels]
        self.layers = nn.ModuleList()
        for before, after in pairwise(widths):
            up = nn.ConvTranspose2d(before + more, after, (1, 4), stride=(1, 2), padding=(0, 1))
            self.layers.append(nn.Sequential(up, nn.BatchNorm2d(after), nn.ReLU(True)))
        self.last = nn.ConvTranspose2d(widths[-1] + more, VOICES, (rows_of_logits(VOICES, pitches), 1))

    def forward(self, noise: Tensor, chords: Tensor, before: Tensor) -> Tensor:
        """Logits (N, V, rows, T), whose rows ``leyden.gan.music.roll.activate`` explains."""
        chord, maps = self.embed(chords), self.conditioner(before)[::-1]
        hidden = self.first(torch.cat([noise, chord], dim=1))
        for layer, seen in zip([*self.layers, self.last], maps, strict=True):
            everywhere = chord[:, :, None, None].expand(-1, -1, 1, seen.shape[-1])
            hidden = layer(torch.cat([hidden, seen, everywhere], dim=1))
        return hidden


def intervals(roll: Tensor) -> Tensor:
    """Which intervals there are in each step: (N, 172, 1, T) of rolls (N, V, 2 + pitches, T).

    12 for each pair of voices, what sounds together, octaves apart the same; then 25 for each voice, how far it is from
    the step before, from 12 semitones down, or more, to 12 up, or more. Of rolls of 0 and 1 they are 0 and 1, and they
    have a gradient to both notes.
    """
    pitches = roll[:, :, EXTRA:]
    classes = pitches.unflatten(2, (-1, 12)).sum(2)  # (N, V, 12, T)
    turned = torch.stack([classes.roll(-shift, 2) for shift in range(12)], dim=2)  # (N, V, 12 shifts, 12, T)
    together = [(turned[:, high] * classes[:, None, low]).sum(2) for high, low in combinations(range(VOICES), 2)]
    moved = correlated(pitches, torch.cat([pitches[..., :1], pitches[..., :-1]], dim=-1))
    return torch.cat([*together, moved.flatten(1, 2)], dim=1).unsqueeze(2)


def correlated(now: Tensor, before: Tensor) -> Tensor:
    """sum_p now[p + d] before[p] for intervals d from 12 down, or more, to 12 up, or more: (N, V, 25, T).

    Args:
        now: (N, V, pitches, T).
        before: of the same shape.
    """
    count = now.shape[2]
    spectra = [torch.fft.rfft(each.movedim(2, -1), 2 * count) for each in (now, before)]
    lags = torch.fft.irfft(spectra[0] * spectra[1].conj(), 2 * count)  # d at place d modulo 2 * count
    down, up = lags[..., count + 1 :], lags[..., :count]
    far = down[..., : 1 - LARGEST].sum(-1, keepdim=True), up[..., LARGEST:].sum(-1, keepdim=True)
    return torch.cat([far[0], down[..., 1 - LARGEST :], up[..., :LARGEST], far[1]], dim=-1).movedim(-1, 2)


class Discriminator(nn.Module):
    """A bar, the one before it (N, V, rows, T) and the chords (N,) to logits (N,), positive means real."""

    def __init__(self, chords: int, pitches: int, steps: int, base_channels: int, condition_channels: int) -> None:
        super().__init__()
        self.steps = steps
        self.embed = nn.Embedding(chords, condition_channels)
        self.first = nn.Sequential(nn.Conv2d(VOICES, base_channels, (pitches + EXTRA, 1)), nn.LeakyReLU(0.2, True))
        self.intervals = nn.Sequential(nn.Conv2d(INTERVALS, base_channels, 1), nn.LeakyReLU(0.2, True))
        widths = [2 * base_channels + condition_channels, *[2 * base_channels] * (len(lengths(steps)) - 1)]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [halve(before, after), nn.LeakyReLU(0.2, True)]
        self.layers = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(widths[-1] * 2 * lengths(steps)[-1], 1)

    def forward(self, bars: Tensor, before: Tensor, chords: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N,), and the first layers' maps of the bar itself (N, 2 * base_channels, 1, T)."""
        both = torch.cat([before, bars], dim=-1)
        first = torch.cat([self.first(both), self.intervals(intervals(both))], dim=1)
        chord = self.embed(chords)[:, :, None, None].expand(-1, -1, 1, first.shape[-1])
        return self.head(self.layers(torch.cat([first, chord], dim=1))).squeeze(1), first[..., self.steps :]
