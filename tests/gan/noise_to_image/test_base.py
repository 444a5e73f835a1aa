"""What techniques that sample from noise share, on one whose samples are known: class c is grey at level 20 c."""

import typing
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from training import quiet_trainer

from leyden.data.batches.gan_images import GanImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import labels_of
from leyden.gan.adversarial import AdversarialModule
from leyden.gan.evaluation.sample_evaluator import Sampler
from leyden.gan.noise_to_image.base import Judged, NoiseToImage, interpolate

NAMES = [str(i) for i in range(10)]


class Grey(NoiseToImage):
    def __init__(self, conditional: bool, class_names: list[str] = NAMES, **options) -> None:
        super().__init__(class_names, 4, conditional, **options)
        self.play(nn.Linear(4, 64), nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.Flatten(0)))

    def fake(self, real: Tensor, given: None) -> Tensor:
        return self.generator(self.noise(len(real))).view(-1, 1, 8, 8)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        labels = torch.zeros(len(noise)) if labels is None else labels
        return (labels * 20).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)


@pytest.fixture(scope="module")
def data() -> GanImages:
    return GanImages(Digits(), image_size=8)


def levels(images: list[Tensor]) -> list[int]:
    return [int(image.unique().item()) // 20 for image in images]


def test_the_options_of_a_technique_are_those_of_its_bases() -> None:
    own = typing.get_type_hints(NoiseToImage.__init__)
    game = typing.get_type_hints(AdversarialModule.__init__)
    known = {name: hint for name, hint in (game | own).items() if name in typing.get_type_hints(Judged)}
    assert known == typing.get_type_hints(Judged)


def test_a_conditional_technique_is_asked_for_classes_in_turn_or_for_one() -> None:
    model = Grey(conditional=True)
    assert levels(model.sample(count=12).images) == [*range(10), 0, 1]
    asked = model.sample(count=3, label="7")
    assert levels(asked.images) == [7, 7, 7]
    assert [row["class"] for row in asked.rows] == ["7"] * 3


def test_a_class_may_be_named_or_numbered() -> None:
    model = Grey(conditional=True, class_names=["ant", "bee", "2"])
    assert levels(model.sample(count=1, label="bee").images) == [1]
    assert levels(model.sample(count=1, label="1").images) == [1]
    assert levels(model.sample(count=1, label="2").images) == [2]
    with pytest.raises(ValueError, match="no class 'wasp': the data have ant, bee, 2"):
        model.sample(count=1, label="wasp")
    with pytest.raises(ValueError, match="no class '3'"):
        model.sample(count=1, label="3")


def test_who_was_not_told_the_classes_cannot_be_asked_for_one() -> None:
    with pytest.raises(ValueError, match="was not told the classes: leave the class out"):
        Grey(conditional=False).sample(1, label="3")
    with pytest.raises(ValueError, match="no classes to ask for"):
        Grey(conditional=True, class_names=[])


def test_scores_of_several_draws_are_their_means() -> None:
    noises: list[Tensor] = []

    class Noisy(Grey):
        def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
            noises.append(noise)
            return super().generate(noise, labels)

    class Counts:
        def test(self, sample: Sampler) -> dict[str, float]:
            sample(6)
            return {"fid": len(noises) - 1.0, "samples": 6.0}

    model = Noisy(conditional=False, eval_draws=3)
    model._judge = Counts()  # type: ignore[assignment]
    assert model._tested() == {"fid": 1.0, "samples": 6.0}  # of 0, 1 and 2
    first, *others = noises
    assert all(not torch.equal(first, noise) for noise in others)
    assert torch.equal(first, torch.randn(6, 4, generator=torch.Generator().manual_seed(6)))
    model._tested()  # draws the same again
    assert all(torch.equal(a, b) for a, b in zip(noises[:3], noises[3:], strict=True))
    with pytest.raises(ValueError, match="eval_draws=0 counts draws, from 1"):
        Grey(conditional=False, eval_draws=0)


def test_a_seed_repeats_the_noise() -> None:
    noises: list[Tensor] = []

    class Noisy(Grey):
        def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
            noises.append(noise)
            return super().generate(noise, labels)

    model = Noisy(conditional=False)
    for seed in (1, 1, 2, None, None):
        model.sample(count=300, seed=seed)  # in parts
    first, again, other, free, free_again = (torch.cat(pair) for pair in zip(noises[0::2], noises[1::2], strict=True))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(free, free_again)


def test_the_sheet_has_a_row_per_class_and_a_noise_per_column() -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    class Noisy(Grey):
        def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
            assert labels is not None
            seen.append((noise, labels))
            return super().generate(noise, labels)

    model = Noisy(conditional=True)
    assert model.sheet().shape[0] == 3
    ((noise, labels),) = seen
    assert torch.equal(labels.view(10, 8), torch.arange(10).view(10, 1).expand(10, 8))
    assert (noise.view(10, 8, 4) == model.fixed_noise[:8]).all()


def test_the_judge_asks_for_classes_as_often_as_the_data_has_them(data: GanImages, tmp_path: Path) -> None:
    model = Grey(conditional=True, eval_samples=1000)
    quiet_trainer(max_steps=1).fit(model, data)
    made, again = model._generated(5000), model._generated(5000)
    assert made.labels is not None
    assert torch.equal(made.labels, again.labels)
    assert torch.equal(made.images[:, 0, 0, 0] // 20, made.labels)
    share = labels_of(data.split("train")).bincount(minlength=10) / len(data.split("train"))
    torch.testing.assert_close(made.labels.bincount(minlength=10) / 5000, share, atol=0.02, rtol=0)


def test_interpolation_keeps_ends_and_norms() -> None:
    ends = nn.functional.normalize(torch.randn(4, 50), dim=1) * 7
    walks = interpolate(ends, steps=5).view(2, 5, 50)
    torch.testing.assert_close(walks[:, 0], ends[0::2])
    torch.testing.assert_close(walks[:, -1], ends[1::2])
    torch.testing.assert_close(walks.norm(dim=-1), torch.full((2, 5), 7.0))


@pytest.mark.parametrize(("score", "mode"), [("fid", "min"), ("precision", "max"), ("coverage", "max")])
def test_the_best_checkpoint_is_chosen_by_the_score_that_was_asked_for(score: str, mode: str) -> None:
    model = Grey(conditional=False, choose_by=score)
    assert (model.monitor, model.mode) == (f"val/{score}", mode)


def test_an_unknown_score_to_choose_by_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"model\.choose_by=kid: one of fid, precision, recall, density, coverage"):
        Grey(conditional=False, choose_by="kid")
