"""Samples and their evaluation, of a generator whose images are known: class c is grey at level 20 c."""

import pytest
import torch
from torch import Tensor, nn

from leyden.gan.noise_to_image.sampler import NoiseSampler, interpolate

NAMES = [str(i) for i in range(10)]


def grey(noise: Tensor, labels: Tensor | None) -> Tensor:
    labels = torch.zeros(len(noise)) if labels is None else labels
    return (labels * 20).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)


def sampler(conditional: bool, class_names: list[str] = NAMES, generate=grey) -> NoiseSampler:
    return NoiseSampler(generate, 4, class_names, conditional)


class Seen:
    """Keeps the noise and the classes that images are asked for."""

    def __init__(self) -> None:
        self.noises: list[Tensor] = []
        self.labels: list[Tensor | None] = []

    def __call__(self, noise: Tensor, labels: Tensor | None) -> Tensor:
        self.noises.append(noise)
        self.labels.append(labels)
        return grey(noise, labels)


def levels(images: list[Tensor]) -> list[int]:
    return [int(image.unique().item()) // 20 for image in images]


def test_classes_in_turn_or_the_one_asked_for() -> None:
    model = sampler(conditional=True)
    assert levels(model.sample(count=12).images) == [*range(10), 0, 1]
    asked = model.sample(count=3, label="7")
    assert levels(asked.images) == [7, 7, 7]
    assert [row["class"] for row in asked.rows] == ["7"] * 3


def test_a_class_may_be_named_or_numbered() -> None:
    model = sampler(conditional=True, class_names=["ant", "bee", "2"])
    assert levels(model.sample(count=1, label="bee").images) == [1]
    assert levels(model.sample(count=1, label="1").images) == [1]
    assert levels(model.sample(count=1, label="2").images) == [2]
    with pytest.raises(ValueError, match="no class 'wasp': the data have ant, bee, 2"):
        model.sample(count=1, label="wasp")
    with pytest.raises(ValueError, match="no class '3'"):
        model.sample(count=1, label="3")


def test_classes_are_refused_where_there_are_none() -> None:
    with pytest.raises(ValueError, match="has no classes to ask for: leave the class out"):
        sampler(conditional=False).sample(1, label="3")
    with pytest.raises(ValueError, match="no classes to ask for"):
        sampler(conditional=True, class_names=[])


def test_a_seed_repeats_the_noise() -> None:
    seen = Seen()
    model = sampler(conditional=False, generate=seen)
    for seed in (1, 1, 2, None, None):
        model.sample(count=300, seed=seed)  # in parts
    pairs = zip(seen.noises[0::2], seen.noises[1::2], strict=True)
    first, again, other, free, free_again = (torch.cat(pair) for pair in pairs)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(free, free_again)


def test_the_sheet_has_a_row_per_class() -> None:
    seen = Seen()
    model = sampler(conditional=True, generate=seen)
    assert model.sheet().shape[0] == 3
    (noise,), (labels,) = seen.noises, seen.labels
    assert labels is not None
    assert torch.equal(labels.view(10, 8), torch.arange(10).view(10, 1).expand(10, 8))
    assert (noise.view(10, 8, 4) == model.fixed_noise[:8]).all()


def test_walks_stay_in_their_class() -> None:
    seen = Seen()
    sampler(conditional=True, generate=seen).walks()
    assert seen.labels[0] is not None
    assert torch.equal(seen.labels[0], torch.arange(8).repeat_interleave(8))


def test_interpolation_keeps_ends_and_norms() -> None:
    ends = nn.functional.normalize(torch.randn(4, 50), dim=1) * 7
    walks = interpolate(ends, steps=5).view(2, 5, 50)
    torch.testing.assert_close(walks[:, 0], ends[0::2])
    torch.testing.assert_close(walks[:, -1], ends[1::2])
    torch.testing.assert_close(walks.norm(dim=-1), torch.full((2, 5), 7.0))


def test_several_generators_are_shown_the_same_noise_and_classes() -> None:
    first, second = Seen(), Seen()
    found = sampler(conditional=True).sample_beside({"source": first, "adapted": second}, 300, seed=2)
    assert [row["class"] for row in found.rows[:11]] == [*NAMES, "0"]
    assert len(found.images) == 300
    assert found.images[0].shape[2] > 2 * 128
    for one, other in zip([*first.noises, *first.labels], [*second.noises, *second.labels], strict=True):
        assert torch.equal(one, other)
    assert max(map(len, first.noises)) <= 256
    assert torch.equal(torch.cat(first.noises), sampler(conditional=True).noise(300, torch.Generator().manual_seed(2)))
