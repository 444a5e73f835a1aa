"""Scores of an attribute that translations change: on translations of which all is known."""

import pytest
import torch
from torch import Tensor

from leyden.data.source.pairs_of_images.faces_sunglasses import FacesSunglasses
from leyden.data.splits import Stage, fit_image
from leyden.gan.image_to_image.attribute import AttributeEvaluator, outside_rows


class Bars:
    """Noise without a bar (A) or with a white one across rows 6 and 7 of 16."""

    edited_rows = (6 / 16, 8 / 16)

    def both_domains(self, stage: Stage) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(int(stage == "test"))
        a = torch.randint(0, 150, (20, 1, 16, 16), generator=generator, dtype=torch.uint8)
        b = a.clone()
        b[:, :, 6:8] = 255
        return a, b


@pytest.fixture(scope="module")
def evaluator() -> AttributeEvaluator:
    return AttributeEvaluator(Bars(), 16, 1, torch.device("cpu"))


def test_true_images_score_best(evaluator: AttributeEvaluator) -> None:
    scores = evaluator.scores(lambda images, way: evaluator.images[way[1]])
    ones = ["attribute_accuracy", "changed_ab", "changed_ba", "restored_a", "restored_b"]
    ends = ["outside_ab", "outside_ba"]
    zeros = [f"l1_{end}" for end in ends] + [f"cycle_{part}_{side}" for part in ("outside", "inside") for side in "ab"]
    assert scores == dict.fromkeys(ones, 1.0) | dict.fromkeys(zeros, 0.0)


def test_no_translation_changes_nothing(evaluator: AttributeEvaluator) -> None:
    scores = evaluator.scores(lambda images, way: images, ("ab",))
    assert scores == {"attribute_accuracy": 1.0, "changed_ab": 0.0, "l1_outside_ab": 0.0}


def test_differences_are_of_their_rows(evaluator: AttributeEvaluator) -> None:
    """51 grey values are 0.4 of the range of -1..1; "ab" changes what is outside, "ba" what is not."""

    def brighter(images: Tensor, way: str) -> Tensor:
        rows = (evaluator.outside == (way == "ab"))[:, None]
        return torch.where(rows, images + 51, images)

    evaluator.images["b"][:, :, 6:8] = 200  # so that nothing is too bright for uint8
    scores = evaluator.scores(brighter)
    assert scores["l1_outside_ab"] == pytest.approx(0.4)
    assert scores["l1_outside_ba"] == 0
    assert scores["cycle_outside_a"] == pytest.approx(0.4)
    assert scores["cycle_inside_a"] == pytest.approx(0.4)


def test_a_classifier_that_cannot_tell_is_told(caplog: pytest.LogCaptureFixture) -> None:
    class Alike(Bars):
        def both_domains(self, stage: Stage) -> tuple[Tensor, Tensor]:
            a, _ = super().both_domains(stage)
            return a, a

    assert AttributeEvaluator(Alike(), 8, 1, torch.device("cpu")).accuracy == 0.5
    assert "right in 50 % of the test images" in caplog.text


def test_rows_that_resizing_smears_are_left_out() -> None:
    assert outside_rows(0.25, 0.5, 16).nonzero().flatten().tolist() == [0, 1, 2, 9, 10, 11, 12, 13, 14, 15]
    rows = outside_rows(*FacesSunglasses.edited_rows, 32)
    a, b = (fit_image(images, 32, 1) for images in FacesSunglasses().both_domains("test"))
    assert torch.equal(a[:, :, rows], b[:, :, rows])
    assert int(rows.sum()) > 16
