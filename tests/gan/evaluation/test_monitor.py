import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from leyden.gan.evaluation.monitor import DECAY, ROWS, TrainingMonitor, Verdict

GOOD = {"precision": 0.6, "coverage": 0.5, "modes": 10.0}
NOTHING = {"precision": 0.0, "coverage": 0.0, "modes": 1.0}


def watched(ranking: float, steps: int = 100) -> TrainingMonitor:
    """After so many steps in which D ranks that share of the pairs rightly and calls as many images rightly."""
    monitor = TrainingMonitor()
    real = torch.ones(100)
    fake = torch.where(torch.arange(100) < ranking * 100, -1.0, 3.0)
    for _ in range(steps):
        monitor.watch(real, fake, 0.0)
    return monitor


def verdict_of(ranking: float, *scores: dict[str, float]) -> Verdict:
    """Of ten classes, after validations at steps 100, 200, ..."""
    monitor = watched(ranking)
    for number, score in enumerate(scores):
        monitor.record(100 * (number + 1), score)
    return monitor.verdict(10)


def curve(*fids: float, **scores: float) -> list[dict[str, float]]:
    return [{**GOOD, **scores, "fid": fid} for fid in fids]


# What is seen of the discriminator.


@pytest.mark.parametrize("shift", [-1.0, 0.0, 0.5, 3.0])
def test_ranking_is_the_area_under_the_roc_curve(shift: float) -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(60, generator=generator).round(decimals=1) + shift  # with ties
    fake = torch.randn(40, generator=generator).round(decimals=1)
    seen = TrainingMonitor().watch(real, fake, 0.0)
    expected = roc_auc_score([1] * 60 + [0] * 40, torch.cat([real, fake]).numpy())
    assert seen["d_ranking"].item() == pytest.approx(expected)
    assert seen["distance_from_equilibrium"].item() == pytest.approx(abs(2 * expected - 1))


def test_ranking_of_two_gaussians_is_the_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, 4000, generator=generator)
    expected = torch.distributions.Normal(0, 1).cdf(torch.tensor(1 / 2**0.5))  # P(N(1, 1) > N(0, 1))
    assert TrainingMonitor().watch(real + 1, fake, None)["d_ranking"].item() == pytest.approx(expected.item(), abs=0.01)


def test_accuracies_are_shares_on_the_right_side_of_the_threshold() -> None:
    real, fake = torch.tensor([0.4, 0.6, 0.7, 0.8]), torch.tensor([0.1, 0.9])
    seen = TrainingMonitor().watch(real, fake, 0.5)
    assert seen["d_accuracy_real"] == 0.75
    assert seen["d_accuracy_fake"] == 0.5
    assert TrainingMonitor().watch(real, fake, None).keys() == {"d_ranking", "distance_from_equilibrium"}
    blind = TrainingMonitor().watch(torch.zeros(3), torch.zeros(3), 0.0)  # one logit for all
    assert blind["distance_from_equilibrium"] == 0
    assert (blind["d_accuracy_real"], blind["d_accuracy_fake"]) == (0, 1)


def test_averages_are_exponential_and_without_bias() -> None:
    monitor, seen = TrainingMonitor(), []
    generator = torch.Generator().manual_seed(0)
    for _ in range(7):
        real, fake = torch.randn(2, 10, generator=generator)
        seen.append(monitor.watch(real, fake, None)["d_ranking"].item())
    weights = [DECAY**age for age in range(6, -1, -1)]
    expected = sum(w * s for w, s in zip(weights, seen, strict=True)) / sum(weights)
    assert (monitor.averages / monitor.weights)[0].item() == pytest.approx(expected, rel=1e-5)
    assert monitor.weights[1:].tolist() == [0, 0]  # accuracies were never defined


def test_watching_builds_no_graph_and_takes_half_precision() -> None:
    real, fake = torch.randn(2, 256, requires_grad=True)
    seen = TrainingMonitor().watch(real.bfloat16(), fake.bfloat16(), 0.0)
    assert not any(value.requires_grad or value.dim() for value in seen.values())


# What follows.


def test_a_sound_run_is_balanced() -> None:
    name, text = verdict_of(0.7, *curve(20, 5, 2.4, 2.2, 2.1, 2.05))
    assert name == "balanced"
    assert text == (
        "The FID of 2.05 is the best so far. Samples draw 10 of 10 classes, cover 0.50 of the real images, 0.60 of "
        "them look real. The discriminator ranks 0.70 of all pairs of images rightly (0.5: it cannot tell), and is "
        "right about 1.00 of the real and 0.70 of the generated ones."
    )


def test_a_discriminator_that_knows_the_data_by_heart_is_balanced_with_a_good_generator() -> None:
    assert verdict_of(0.99, *curve(5, 2.1, 2.0, 2.05)).name == "balanced"


def test_a_run_cut_short_has_not_converged() -> None:
    name, text = verdict_of(0.8, *curve(280, 180, 100, 41, 13, coverage=0.17, modes=9.0))
    assert name == "not converged"
    assert text.startswith("The FID still falls, from 100 at step 300 to 13: train longer.")
    # Also where D wins for the time being, as in the first hundred steps.
    assert verdict_of(1.0, *curve(280, 180, 100, 41, 13, **NOTHING)).name == "not converged"


def test_a_run_that_was_better_or_never_good_has_not_converged() -> None:
    name, text = verdict_of(0.7, *curve(20, 3, 6, 6))
    assert name == "not converged"
    assert "The FID is 6; at best it was 3, at step 200." in text
    assert verdict_of(0.7, *curve(18, 17, 17, 17, precision=0.3, coverage=0.12)).name == "not converged"


def test_a_discriminator_that_always_wins_is_too_strong() -> None:
    name, text = verdict_of(1.0, *curve(257, 262, 270, 271, **NOTHING))
    assert name == "discriminator too strong"
    assert text.startswith("The discriminator ranks 1.00 of all pairs of images rightly")
    assert "no longer learns from it: lower model.lr_discriminator" in text
    assert "The FID is 271; at best it was 257, at step 100." in text
    # Good once, then torn apart in quality, not in variety.
    assert verdict_of(0.99, *curve(20, 3, 6, 6)).name == "discriminator too strong"
    # One validation is no trend.
    assert verdict_of(1.0, *curve(257, **NOTHING)).name == "not converged"


def test_a_collapse_after_a_good_start_is_named_with_what_was_lost() -> None:
    good = curve(20, 5, 4, coverage=0.41)
    name, text = verdict_of(1.0, *good, *curve(30, 60, precision=0.9, coverage=0.08, modes=3.0))
    assert name == "generator collapsed"
    assert text.startswith("Samples draw 3 of 10 classes, cover 0.08 of the real images (it was 0.41 at step 100)")
    assert "at best it was 4, at step 300" in text
    # Also where the one image that is left looks like none of the data.
    assert verdict_of(1.0, *good, *curve(90, 90, **NOTHING)).name == "generator collapsed"


def test_a_collapse_from_the_start_shows_in_classes_or_in_coverage() -> None:
    assert verdict_of(0.9, *curve(92, precision=0.96, coverage=0.01, modes=1.0)).name == "generator collapsed"
    assert verdict_of(0.6, *curve(60, 55, 54, precision=0.8, coverage=0.3, modes=4.0)).name == "generator collapsed"
    # One image of each class: all modes, hardly any coverage.
    assert verdict_of(0.6, *curve(60, 55, 54, precision=0.9, coverage=0.05)).name == "generator collapsed"


def test_a_generator_that_is_narrow_but_learns_is_not_called_collapsed() -> None:
    assert verdict_of(0.4, *curve(75, 48, 28, precision=0.3, coverage=0.04, modes=9.0)).name == "not converged"


@pytest.mark.parametrize(
    ("ranking", "fids", "scores", "name"),
    [
        (0.7, [20, 3, 2.1, 2], {"precision": 0.6, "coverage": 0.5}, "balanced"),
        (0.7, [60, 50, 50], {"precision": 0.9, "coverage": 0.05}, "generator collapsed"),
        (1.0, [250, 260, 260], {"precision": 0.0, "coverage": 0.0}, "discriminator too strong"),
        (0.7, [60, 40, 20], {"precision": 0.3, "coverage": 0.2}, "not converged"),
        (0.7, [20, 3, 2.1, 2], {}, "balanced"),
        (1.0, [250, 260, 260], {}, "discriminator too strong"),
    ],
)
def test_verdict_without_classes(ranking: float, fids: list[float], scores: dict[str, float], name: str) -> None:
    monitor = watched(ranking)
    for number, fid in enumerate(fids):
        monitor.record(100 * (number + 1), {"fid": fid, **scores})
    found = monitor.verdict()
    assert found.name == name
    assert "nan" not in found.text
    assert "class" not in found.text
    assert "  " not in found.text


def test_without_the_number_of_classes_the_most_that_were_drawn_count() -> None:
    monitor = watched(0.8)
    for step, modes in enumerate((10.0, 9.0, 2.0)):
        monitor.record(step, {"fid": 10.0 + step, "precision": 0.9, "coverage": 0.3, "modes": modes})
    name, text = monitor.verdict()
    assert name == "generator collapsed"
    assert "draw 2 of 10 classes" in text


def test_losses_without_a_threshold_have_no_accuracies_to_tell() -> None:
    monitor = TrainingMonitor()
    monitor.watch(torch.ones(4), torch.zeros(4), None)
    for step in (100, 200):
        monitor.record(step, {"fid": 250.0, **NOTHING})
    name, text = monitor.verdict(10)
    assert name == "discriminator too strong"
    assert "is right about" not in text
    assert "nan" not in text


def test_before_any_step_or_validation_there_is_a_verdict_too() -> None:
    text = "No validation has scored the samples. The discriminator was not watched."
    assert TrainingMonitor().verdict() == ("not converged", text)


# What travels in a checkpoint.


def test_a_resumed_run_comes_to_the_same_verdict_bit_for_bit() -> None:
    def logits(step: int) -> Tensor:
        return torch.randn(2, 16, generator=torch.Generator().manual_seed(step))

    def go(monitor: TrainingMonitor, steps: range) -> TrainingMonitor:
        for step in steps:
            monitor.watch(*logits(step), 0.0)
            if step % 10 == 9:
                monitor.record(step, {**GOOD, "fid": 100 / step})
        return monitor

    whole = go(TrainingMonitor(), range(100))
    resumed = TrainingMonitor()
    resumed.load_state_dict(go(TrainingMonitor(), range(45)).state_dict())
    go(resumed, range(45, 100))
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0, equal_nan=True)
    assert resumed.verdict(10) == whole.verdict(10)
    assert not list(whole.parameters())


def test_of_many_validations_every_second_one_is_forgotten_and_the_last_one_kept() -> None:
    monitor = TrainingMonitor()
    for step in range(1, ROWS + 4):
        monitor.record(step, {"fid": 1000.0 / step})
    kept = monitor.history[: int(monitor.count), 0].tolist()
    assert kept == [*range(2, ROWS + 1, 2), ROWS + 1, ROWS + 2, ROWS + 3]
    for step in range(ROWS + 4, 1000):
        monitor.record(step, {"fid": 1.0})
    assert int(monitor.count) <= ROWS
    assert monitor.history[int(monitor.count) - 1, 0] == 999
    assert monitor.verdict().name == "balanced"
