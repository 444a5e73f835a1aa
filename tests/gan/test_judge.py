import pytest
import torch
from torch import Tensor

from leyden.data.examples import InMemory, Resized, decode
from leyden.data.source.digits import Digits
from leyden.gan.judge import Judge

CPU = torch.device("cpu")


def split(stage) -> InMemory:
    return decode(Resized(Digits().split(stage), 16, 1))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(split("train"), split("test"), classes=10, limit=5000, device=CPU)


def test_unseen_digits_are_near_the_floor_and_noise_is_far(judge: Judge) -> None:
    unseen = torch.cat([split("val").images, judge.train_images])
    scores = judge.test(lambda count: unseen[:count])
    assert scores["modes"] == 10
    assert scores["mode_kl"] < 0.05
    assert scores["fid_over_floor"] < 2
    assert scores["coverage"] > 0.85
    assert abs(scores["kid"]) < 0.05
    assert scores["fid_noise"] > 10 * scores["fid_floor"]
    assert scores["judge_accuracy"] > 0.97


def test_five_of_ten_digits_show_in_recall_coverage_and_modes(judge: Judge) -> None:
    half = judge.train_images[judge.train_labels < 5].repeat(2, 1, 1, 1)
    scores = judge.test(lambda count: half[:count])
    assert scores["modes"] <= 6  # the classifier errs on a few
    assert scores["mode_kl"] == pytest.approx(0.69, abs=0.05)
    assert scores["recall"] < 0.7
    assert scores["coverage"] < 0.65
    assert scores["precision"] > 0.85


def test_copies_of_training_images_show_in_the_ratio_of_distances(judge: Judge) -> None:
    assert judge.test(lambda count: judge.train_images[:count])["nn_ratio"] == pytest.approx(0, abs=1e-3)


def test_one_image_repeated_is_one_mode_with_no_coverage(judge: Judge) -> None:
    scores = judge.validation(lambda count: judge.train_images[:1].expand(count, -1, -1, -1))
    assert scores["modes"] == 1
    assert scores["coverage"] < 0.05


def test_nearest_training_image_of_a_training_image_is_itself(judge: Judge) -> None:
    found = judge.nearest(judge.train_images[:4], 2)
    assert found.shape == (4, 2, 1, 16, 16)
    assert torch.equal(found[:, 0], judge.train_images[:4])


def test_equal_numbers_of_images_and_never_more_than_the_limit() -> None:
    asked = []

    def sample(count: int) -> Tensor:
        asked.append(count)
        return torch.randint(0, 256, (count, 1, 16, 16), dtype=torch.uint8)

    judge = Judge(split("train"), split("test"), classes=10, limit=100, device=CPU)
    judge.validation(sample)
    judge.test(sample)
    assert asked == [100, 100]
    assert len(judge.train_images) == len(judge.test_images) == 100


def test_without_classes_there_are_no_modes_but_distances() -> None:
    judge = Judge(split("train"), split("test"), classes=0, limit=5000, device=CPU)
    scores = judge.test(lambda count: judge.train_images[:count])
    assert not {"modes", "mode_kl", "judge_accuracy"} & scores.keys()
    assert scores["fid_over_floor"] == pytest.approx(1)
    assert scores["fid_noise"] > 5 * scores["fid_floor"]
