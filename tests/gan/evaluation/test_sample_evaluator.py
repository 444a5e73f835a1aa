from pathlib import Path

import pytest
import torch
from torch import Tensor

from leyden.data.columns import Images
from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import InMemory, Resized, decode
from leyden.gan.evaluation.sample_evaluator import Generated, SampleEvaluator, Sampler
from leyden.metrics.generated import pretrained_features as inherited_features
from leyden.metrics.generated.fidelity import frechet_distance, kernel_distance, manifolds, nearest_ratio
from leyden.metrics.generated.sliced_wasserstein import sliced_wasserstein

CPU = torch.device("cpu")
WITH_BASELINES = {"fid", "kid", "precision", "recall", "density", "coverage", "swd"}


def split(stage) -> InMemory:
    return decode(Resized(Digits().split(stage), 16, 1))


def give(images: Tensor, labels: Tensor | None = None) -> Sampler:
    return lambda count: Generated(images[:count], None if labels is None else labels[:count])


@pytest.fixture(scope="module")
def evaluator() -> SampleEvaluator:
    return SampleEvaluator(split("train"), split("test"), classes=10, limit=5000, device=CPU)


@pytest.fixture(scope="module")
def unseen(evaluator: SampleEvaluator) -> dict[str, float]:
    val = split("val")
    return evaluator.test(
        give(
            torch.cat([val.columns.images, evaluator.train_images]),
            torch.cat([val.columns.labels, evaluator.train_labels]),
        )
    )


def test_unseen_digits_are_near_the_floor_and_noise_is_far(unseen: dict[str, float]) -> None:
    assert unseen["modes"] == 10
    assert unseen["mode_kl"] < 0.05
    assert unseen["fid_over_floor"] == unseen["fid"] / unseen["fid_floor"] < 2
    assert unseen["coverage"] > 0.85
    assert abs(unseen["kid"]) < 0.05
    assert unseen["judge_accuracy"] > 0.97
    assert unseen["conditional_accuracy"] > 0.97
    assert unseen["samples"] == 539
    assert unseen["swd"] < 2 * unseen["swd_floor"]
    for name in ("fid", "swd"):
        assert unseen[f"{name}_noise"] > 10 * unseen[f"{name}_floor"]
    for name in ("precision", "recall", "density", "coverage"):
        assert unseen[f"{name}_noise"] < 0.1
        assert unseen[f"{name}_floor"] > 0.9
    assert unseen["neighbour_ratio_noise"] > 2


def test_every_score_has_its_floor_and_its_noise_baseline(unseen: dict[str, float]) -> None:
    pairs = {f"{name}_{kind}" for name in WITH_BASELINES for kind in ("floor", "noise")}
    plain = {"neighbour_ratio", "neighbour_ratio_noise", "fid_over_floor", "modes", "mode_kl", "samples"}
    assert unseen.keys() == WITH_BASELINES | pairs | plain | {"judge_accuracy", "conditional_accuracy"}


def test_scores_are_those_of_the_metrics(evaluator: SampleEvaluator, unseen: dict[str, float]) -> None:
    test, train = evaluator.features(evaluator.test_images), evaluator.features(evaluator.train_images)
    assert unseen["fid_floor"] == pytest.approx(frechet_distance(test, train[:539]).item())
    assert unseen["kid_floor"] == pytest.approx(kernel_distance(test, train[:539]).item())
    assert unseen["density_floor"] == pytest.approx(manifolds(test, train[:539]).density.item())
    images = torch.cat([split("val").columns.images, evaluator.train_images])[:539]
    assert unseen["neighbour_ratio"] == pytest.approx(nearest_ratio(evaluator.features(images), test, train).item())
    assert unseen["swd"] == pytest.approx(sliced_wasserstein(evaluator.test_images, images, 31)[16])  # 31 x 539 > 2^14


def test_baselines_are_computed_once(evaluator: SampleEvaluator, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = give(split("train").columns.images)
    first = evaluator.test(fresh)
    calls: list[int] = []
    distances = evaluator._distances
    monkeypatch.setattr(evaluator, "_distances", lambda images: calls.append(len(images)) or distances(images))
    assert evaluator.test(fresh) == first
    assert calls == [539]


def test_five_of_ten_digits_show_in_recall_coverage_and_modes(evaluator: SampleEvaluator) -> None:
    scores = evaluator.test(give(evaluator.train_images[evaluator.train_labels < 5].repeat(2, 1, 1, 1)))
    assert scores["modes"] <= 6  # the classifier errs on a few
    assert scores["mode_kl"] == pytest.approx(0.69, abs=0.05)
    assert scores["recall"] < 0.7
    assert scores["coverage"] < 0.65
    assert scores["precision"] > 0.85


def test_copies_of_training_images_show_in_the_ratio_of_distances(evaluator: SampleEvaluator) -> None:
    assert evaluator.test(give(evaluator.train_images))["neighbour_ratio"] == pytest.approx(0, abs=1e-3)


def test_one_image_repeated_is_one_mode_with_no_coverage(evaluator: SampleEvaluator) -> None:
    scores = evaluator.validation(give(evaluator.train_images[:1].expand(2000, -1, -1, -1)))
    assert scores["modes"] == 1
    assert scores["coverage"] < 0.05
    assert scores["precision"] == 1


def test_validation_is_against_as_many_training_images(evaluator: SampleEvaluator) -> None:
    scores = evaluator.validation(give(evaluator.train_images, evaluator.train_labels))
    manifold = {"precision", "recall", "density", "coverage"}
    assert scores.keys() == manifold | {"fid", "modes", "mode_kl", "conditional_accuracy", "samples"}
    assert scores["samples"] == len(split("train")) == 1078
    assert scores["fid"] == pytest.approx(0, abs=1e-6)
    assert scores["coverage"] == 1


def test_conditional_accuracy_is_the_share_named_as_what_was_asked_for(evaluator: SampleEvaluator) -> None:
    real = split("test")
    named = evaluator.features.classify(real.columns.images)
    assert named is not None
    right = (named == real.columns.labels).float().mean().item()
    assert evaluator.test(give(real.columns.images, real.columns.labels))["conditional_accuracy"] == pytest.approx(
        right
    )
    wrong = (real.columns.labels + 1) % 10
    assert evaluator.test(give(real.columns.images, wrong))["conditional_accuracy"] < 0.02
    assert "conditional_accuracy" not in evaluator.test(give(real.columns.images))


def test_nearest_training_image_of_a_training_image_is_itself(evaluator: SampleEvaluator) -> None:
    found = evaluator.nearest(evaluator.train_images[:4], 2)
    assert found.shape == (4, 2, 1, 16, 16)
    assert torch.equal(found[:, 0], evaluator.train_images[:4])


def test_equal_numbers_of_images_and_never_more_than_the_limit(tmp_path: Path) -> None:
    asked = []

    def generate(count: int) -> Generated:
        asked.append(count)
        return Generated(torch.randint(0, 256, (count, 1, 16, 16), dtype=torch.uint8))

    evaluator = SampleEvaluator(split("train"), split("test"), classes=10, limit=100, device=CPU)
    assert evaluator.validation(generate)["samples"] == evaluator.test(generate)["samples"] == 100
    assert asked == [100, 100]
    assert len(evaluator.train_images) == len(evaluator.test_images) == 100


def test_without_classes_there_are_no_modes_but_distances() -> None:
    evaluator = SampleEvaluator(split("train"), split("test"), classes=0, limit=5000, device=CPU)
    scores = evaluator.test(give(evaluator.train_images, evaluator.train_labels))
    assert not {"modes", "mode_kl", "judge_accuracy", "conditional_accuracy"} & scores.keys()
    assert scores["fid_over_floor"] == pytest.approx(1)
    assert scores["fid_noise"] > 5 * scores["fid_floor"]
    assert evaluator.description == (
        f"features of principal components of the pixels ({evaluator.features.key}, d = 64); "
        "539 test and 1078 training images"
    )


def test_a_cached_evaluator_is_the_same(evaluator: SampleEvaluator, tmp_path: Path) -> None:
    fresh = give(split("val").columns.images.repeat(6, 1, 1, 1))
    expected = evaluator.validation(fresh)
    for _ in range(2):  # the first one learns and keeps, the second one finds
        cached = SampleEvaluator(split("train"), split("test"), 10, 5000, CPU, cache=tmp_path)
        assert cached.validation(fresh) == expected
        assert cached.description == evaluator.description
    assert [file.name for file in tmp_path.iterdir()] == [f"evaluator_{evaluator.features.key}.pt"]
    assert f"a classifier ({evaluator.features.key}, d = 64, test accuracy 0.9" in evaluator.description


def test_images_below_16_pixels_have_no_pyramid() -> None:
    small = [InMemory(Images(torch.randint(0, 256, (100, 1, 8, 8), dtype=torch.uint8))) for _ in range(2)]
    evaluator = SampleEvaluator(small[0], small[1], classes=0, limit=100, device=CPU)
    assert "swd" not in evaluator.test(give(small[1].columns.images))


def first(train: int, test: int) -> list[InMemory]:
    return [InMemory(split(stage).take(torch.arange(count))) for stage, count in (("train", train), ("test", test))]


@pytest.mark.parametrize("classes", [0, 10])
@pytest.mark.parametrize(("train", "test", "dimensions"), [(78, 39, 38), (12, 100, 11), (6, 6, 5), (100, 65, 64)])
def test_small_data_have_fewer_features(train: int, test: int, classes: int, dimensions: int) -> None:
    evaluator = SampleEvaluator(*first(train, test), classes, 5000, CPU)
    assert f"d = {dimensions}" in evaluator.description
    scores = evaluator.test(give(split("val").columns.images[:test])) | evaluator.validation(
        give(split("val").columns.images[:train])
    )
    assert all(torch.tensor(value).isfinite() for value in scores.values())


@pytest.mark.parametrize(("train", "test", "limit"), [(5, 30, 5000), (30, 5, 5000), (100, 100, 5)])
def test_what_is_said_about_few_images_helps(train: int, test: int, limit: int) -> None:
    """The message is followed, and it does not come again."""
    with pytest.raises(ValueError, match="by nearest neighbours needs 6 training and 6 test images, ") as error:
        SampleEvaluator(*first(train, test), 0, limit, CPU)
    if limit == 5:
        assert str(error.value).endswith("model.eval_samples=5 takes fewer: set model.eval_samples=6")
        SampleEvaluator(*first(train, test), 0, 6, CPU)
    else:  # no number of samples would help
        assert str(error.value).endswith(f"the data have {train} and {test}: take a larger data/source")
        SampleEvaluator(*first(6, 6), 0, limit, CPU)


def test_another_extractor_adds_its_distances_under_its_name(dev_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = dev_data / "weights" / "squeezenet1_1_imagenet.pth"
    if not file.is_file():
        pytest.skip(f"no {file}")
    monkeypatch.setitem(inherited_features.SIDES, "squeezenet1_1", 48)  # a twentieth of the work
    evaluator = SampleEvaluator(
        split("train"), split("test"), 10, 5000, CPU, extractor="squeezenet1_1", weights=str(file)
    )
    val = split("val").columns.images
    scores = evaluator.test(give(torch.cat([val, evaluator.train_images])))
    inherited = {name for name in scores if "squeezenet1_1" in name}
    kinds = ("", "_floor", "_noise")
    assert inherited == {
        *(f"{name}_squeezenet1_1{kind}" for name in WITH_BASELINES - {"swd"} for kind in kinds),
        "fid_squeezenet1_1_over_floor",
    }
    assert scores["fid_squeezenet1_1_over_floor"] < 2
    assert scores["fid_squeezenet1_1_noise"] > 10 * scores["fid_squeezenet1_1_floor"]
    assert f"those of squeezenet1_1 with weights {file} (d = 512)" in evaluator.description
    assert "fid_squeezenet1_1" not in evaluator.validation(give(evaluator.train_images))
    with pytest.raises(ValueError, match=r"by the 512 features of squeezenet1_1 needs 513 training .*samples=513, or"):
        SampleEvaluator(split("train"), split("test"), 10, 500, CPU, extractor="squeezenet1_1", weights=str(file))
