"""What is asked of a generator in validations and in the test."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from leyden.data.batches.gan.images import GanImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import labels_of
from leyden.gan.evaluation.sample_evaluator import Sampler
from leyden.gan.noise_to_image.evaluation import SamplingEvaluation
from leyden.gan.noise_to_image.options import SamplingOptions
from leyden.gan.noise_to_image.sampler import NoiseSampler


class Grey:
    """Class c is grey at level 20 c; keeps the noise."""

    def __init__(self) -> None:
        self.noises: list[Tensor] = []

    def __call__(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        self.noises.append(noise)
        labels = torch.zeros(len(noise)) if labels is None else labels
        return (labels * 20).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)


def sampler(conditional: bool, generate: Grey | None = None) -> NoiseSampler:
    return NoiseSampler(generate or Grey(), 4, [str(i) for i in range(10)], conditional)


class Counts:
    """Scores a draw by its number."""

    def __init__(self) -> None:
        self.count = 0

    def test(self, sample: Sampler) -> dict[str, float]:
        sample(6)
        self.count += 1
        return {"fid": self.count - 1.0, "samples": 6.0}


def test_scores_of_several_draws_are_their_means() -> None:
    seen = Grey()
    evaluation = SamplingEvaluation(sampler(False, seen), SamplingOptions(eval_draws=3))
    assert evaluation.test_scores(Counts()) == {"fid": 1.0, "samples": 6.0}  # of 0, 1 and 2
    first, *others = seen.noises
    assert all(not torch.equal(first, noise) for noise in others)
    assert torch.equal(first, torch.randn(6, 4, generator=torch.Generator().manual_seed(6)))
    evaluation.test_scores(Counts())  # draws the same again
    assert all(torch.equal(a, b) for a, b in zip(seen.noises[:3], seen.noises[3:], strict=True))


def test_classes_are_as_frequent_as_in_the_data() -> None:
    data = GanImages(Digits(), image_size=8)
    evaluation = SamplingEvaluation(sampler(True), SamplingOptions(eval_samples=1000))
    evaluation.evaluator(SimpleNamespace(trainer=SimpleNamespace(datamodule=data), device=torch.device("cpu")))
    made, again = evaluation.generated(5000), evaluation.generated(5000)
    assert made.labels is not None
    assert torch.equal(made.labels, again.labels)
    assert torch.equal(made.images[:, 0, 0, 0] // 20, made.labels)
    frequency = labels_of(data.split("train")).bincount(minlength=10) / len(data.split("train"))
    torch.testing.assert_close(made.labels.bincount(minlength=10) / 5000, frequency, atol=0.02, rtol=0)


def test_scores_need_a_data_module() -> None:
    evaluation = SamplingEvaluation(sampler(False), SamplingOptions())
    with pytest.raises(ValueError, match="hand over a DataModule"):
        evaluation.evaluator(SimpleNamespace(trainer=SimpleNamespace(datamodule=None)))
