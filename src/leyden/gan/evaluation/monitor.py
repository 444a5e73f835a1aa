"""A monitor of adversarial training for what loss curves do not show: can D still tell, and does G still learn?

At equilibrium the discriminator cannot tell real from generated images (Goodfellow et al. 2014, theorem 1). How far it
is from that is read off its logits, in a way that holds for every loss: the share of pairs of a real and a generated
image that it ranks rightly. What the generator has learned is read off the validation scores of its samples. The
thresholds below were chosen on recorded runs of a DCGAN on digits at 16 pixels: sound, cut short, with a discriminator
too fast or too slow, without batch normalisation, and with four losses.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

DECAY = 0.95
"""Of the running averages: about the last 20 steps that were watched."""
ROWS = 64
"""Validations that are remembered; when there are more, every second one is forgotten."""
RANKS_ALL = 0.97
"""Share of pairs from which on D gives G little to learn from: sound runs stayed below 0.9, stalled ones above this."""
FALLING = 0.2
"""Fall of the FID over the last quarter of the steps, relative, that says "still learning": sound runs at their end had
0.03 to 0.1, those cut short 0.25 to 0.5."""
WORSE = 1.5
"""A FID of so many times the best one is no fluctuation: those are within a fifth."""
LOOKS_REAL = 0.3
"""Precision from which on samples are images of the data, if perhaps few; garbage has below 0.1."""
FEW_MODES = 0.5
"""Share of the classes; collapsed generators drew 1 or 2 of 10, poor ones 7 or more."""
NARROW = 0.25
"""Coverage over precision: samples that look real but are alike reach 0.01 to 0.1, varied ones 0.4 to 0.9."""
LOW_COVERAGE = 0.2
"""Of the real images: less is no model of the data, whatever the reason."""
GOOD_COVERAGE = 0.5
"""A generator that reaches so many real images has learned, even if D has learned the training images by heart."""

Name = Literal["balanced", "discriminator too strong", "generator collapsed", "not converged"]


class Verdict(NamedTuple):
    """Whether training is balanced, and why."""

    name: Name
    text: str
    """The evidence, in whole sentences."""


class Scores(NamedTuple):
    """One validation; nan where something was not measured."""

    step: float
    fid: float
    precision: float
    coverage: float
    modes: float


class TrainingMonitor(nn.Module):
    """Watches an adversarial training; its state is in buffers, so a resumed run comes to the same verdict."""

    averages: Tensor
    """(3,) of ``WATCHED``, before the correction for having begun at 0."""
    weights: Tensor
    """(3,) what that correction divides by; 0 where nothing was seen."""
    history: Tensor
    """(ROWS, 5) validations as ``Scores``, the first ``count`` rows."""
    count: Tensor
    """() int64."""

    WATCHED = ("d_ranking", "d_accuracy_real", "d_accuracy_fake")

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("averages", torch.zeros(3))
        self.register_buffer("weights", torch.zeros(3))
        self.register_buffer("history", torch.zeros(ROWS, len(Scores._fields)))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def watch(self, real: Tensor, fake: Tensor, threshold: float | None) -> dict[str, Tensor]:
        """Takes in the discriminator's logits of one step; waits for no device.

        Args:
            real: (N,) logits of real images.
            fake: (M,) logits of generated images.
            threshold: the logit above which D says "real"; None where only differences of logits mean something.

        Returns:
            () each: ``d_ranking``, the share of the N M pairs in which the real image has the higher logit, a tie
            counting half (the area under the ROC curve); ``distance_from_equilibrium`` = |2 ranking - 1|, from 0, D
            cannot tell, to 1; with a threshold also ``d_accuracy_real`` and ``d_accuracy_fake``, shares of right calls.
        """
        real, fake = real.float(), fake.float()
        difference = real.unsqueeze(1) - fake
        seen = {"d_ranking": (difference.sign().mean() + 1) / 2}
        if threshold is not None:
            seen["d_accuracy_real"] = (real > threshold).float().mean()
            seen["d_accuracy_fake"] = (fake <= threshold).float().mean()
        new = torch.stack(list(seen.values()))
        self.averages[: len(new)].lerp_(new.to(self.averages), 1 - DECAY)
        self.weights[: len(new)].mul_(DECAY).add_(1 - DECAY)
        return seen | {"distance_from_equilibrium": (2 * seen["d_ranking"] - 1).abs()}

    def record(self, step: int, scores: Mapping[str, float]) -> None:
        """Takes in a validation.

        Args:
            step: of the training.
            scores: of ``SampleEvaluator.validation``: ``fid``, and ``precision``, ``coverage`` and ``modes`` where they
                are known.
        """
        if self.count == ROWS:
            self.history[: ROWS // 2] = self.history[1::2].clone()
            self.count.fill_(ROWS // 2)
        row = Scores(step, *(scores.get(name, torch.nan) for name in Scores._fields[1:]))
        self.history[self.count] = torch.tensor(row).to(self.history)
        self.count += 1

    def verdict(self, classes: int = 0) -> Verdict:
        """Whether training is balanced, after the last validation.

        Args:
            classes: how many the data have; 0 takes the most that samples ever showed for all.
        """
        past = [Scores(*row) for row in self.history[: int(self.count)].tolist()]
        ranking, *accuracies = (self.averages / self.weights).tolist()
        of_d = _describe_discriminator(ranking, accuracies)
        if not past:
            return _verdict("not converged", "No validation has scored the samples.", of_d)
        now, nearest, widest = past[-1], min(past, key=_fid), max(past, key=_coverage)
        before = next(row for row in reversed(past) if row.step <= 0.75 * now.step or row is past[0])
        falling, worse = now.fid < (1 - FALLING) * before.fid, now.fid > WORSE * nearest.fid
        stalled = len(past) > 1 and not falling  # of a single validation nobody knows
        most = classes or max(row.modes for row in past)
        fid, samples = _describe_fid(now, nearest), _describe_samples(now, widest, most)

        lost = worse and now.coverage < widest.coverage / 2 and widest.coverage >= LOW_COVERAGE
        alike = now.modes <= FEW_MODES * most or (now.coverage < NARROW * now.precision and not falling)
        if lost or (alike and now.precision >= LOOKS_REAL):
            return _verdict("generator collapsed", samples, fid, of_d)
        if ranking >= RANKS_ALL and stalled and (worse or not now.coverage >= GOOD_COVERAGE):
            cure = "The generator no longer learns from it: lower model.lr_discriminator or raise model.translation."
            return _verdict("discriminator too strong", of_d, cure, fid, samples)
        if falling:
            fell = f"from {before.fid:.3g} at step {before.step:.0f} to {now.fid:.3g}"
            return _verdict("not converged", f"The FID still falls, {fell}: train longer.", samples, of_d)
        if worse or now.coverage < LOW_COVERAGE:
            return _verdict("not converged", fid, samples, of_d)
        return _verdict("balanced", fid, samples, of_d)


def _verdict(name: Name, *sentences: str) -> Verdict:
    return Verdict(name, " ".join(sentence for sentence in sentences if sentence))


def _fid(scores: Scores) -> float:
    return scores.fid


def _coverage(scores: Scores) -> float:
    return scores.coverage


def _describe_fid(now: Scores, nearest: Scores) -> str:
    if now.step == nearest.step:
        return f"The FID of {now.fid:.3g} is the best so far."
    return f"The FID is {now.fid:.3g}; at best it was {nearest.fid:.3g}, at step {nearest.step:.0f}."


def _describe_samples(now: Scores, widest: Scores, classes: float) -> str:
    """What samples show and reach, as far as it was measured."""
    parts = [f"draw {now.modes:.0f} of {classes:.0f} classes"] if now.modes == now.modes else []
    if now.coverage == now.coverage:
        share, once = f"{now.coverage:.2f}", f"{widest.coverage:.2f}"
        better = f" (it was {once} at step {widest.step:.0f})" if once != share else ""
        parts.append(f"cover {share} of the real images{better}")
    if now.precision == now.precision:
        parts.append(f"{now.precision:.2f} of them look real")
    return f"Samples {', '.join(parts)}." if parts else ""


def _describe_discriminator(ranking: float, accuracies: list[float]) -> str:
    if ranking != ranking:
        return "The discriminator was not watched."
    right = ""
    if accuracies[0] == accuracies[0]:
        right = f", and is right about {accuracies[0]:.2f} of the real and {accuracies[1]:.2f} of the generated ones"
    return f"The discriminator ranks {ranking:.2f} of all pairs of images rightly (0.5: it cannot tell){right}."
