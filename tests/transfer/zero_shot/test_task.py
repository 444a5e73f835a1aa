"""What all techniques of zero-shot learning share: candidates, calibration, prediction, features, drawings."""

import math
from pathlib import Path

import pytest
import torch
from zero_shot_toy import UNSEEN, described

from leyden.core.technique import PredictOptions
from leyden.data.batches.attributes import AttributeImages
from leyden.data.columns import LabelledImages
from leyden.data.source.scenes.coloured_digits import ColouredDigits
from leyden.transfer.zero_shot.eszsl import ESZSL
from leyden.transfer.zero_shot.features import Numbered
from leyden.transfer.zero_shot.figures import ZeroShotFigures
from leyden.transfer.zero_shot.heatmap import draw_heat, in_units
from training import quiet_trainer


@pytest.fixture(scope="module")
def fitted():
    task, trainer, data = described(ESZSL, refit=False)
    trainer.fit(task, data)
    return task.eval(), data


def test_forward_is_calibrated_and_knows_candidates_alone(fitted) -> None:
    task, data = fitted
    rows = data.split("test").columns.rows
    scores, plain = task(rows), task.class_scores(rows)
    validating = torch.zeros(24, dtype=torch.bool).index_fill(0, torch.tensor(data.division.val), True)
    seen, unseen = task.candidates("test")
    assert (scores[:, validating] == -math.inf).all()
    torch.testing.assert_close(scores[:, unseen], plain[:, unseen])
    torch.testing.assert_close(scores[:, seen], plain[:, seen] - task.calibration)


def test_rows_are_predicted_with_the_runner_up_of_the_other_group(fitted) -> None:
    task, data = fitted
    rows, labels = data.split("test").columns
    predictions = task.predict(list(rows))
    assert predictions.images == []
    for row, label in zip(predictions.rows, labels.tolist(), strict=True):
        new = data.source.class_names.index(row["label"]) in UNSEEN
        assert row["training"] == ("never seen" if new else "seen")
        assert (data.source.class_names.index(row["otherwise"]) in UNSEEN) is not new
        assert row["lead"] >= 0
        if label in UNSEEN:
            assert row["label"] == f"class {label}"


def test_what_cannot_be_predicted(fitted) -> None:
    task, _ = fitted
    with pytest.raises(ValueError, match="has 3 features, the rows of the training 12"):
        task.predict([torch.zeros(3)])
    with pytest.raises(ValueError, match="leave --threshold out"):
        task.predict([torch.zeros(12)], PredictOptions(0.5))
    with pytest.raises(ValueError, match="not fitted"):
        described(ESZSL)[0].predict([torch.zeros(12)])
    with pytest.raises(ValueError, match="what was fitted to images"):
        task.export_network()


def scenes(**options: object) -> AttributeImages:
    data = AttributeImages(ColouredDigits(16, 2, 1, 1, held_out=40, smallest=0.9, largest=1.0), **options)
    data.prepare_data()
    return data


def small(data: AttributeImages, **options: object) -> ESZSL:
    return ESZSL(**{**data.spec, "widths": (8,), "strides": (2,), "source_epochs": 1, **options})


def test_images_by_a_network_that_is_trained_and_kept(tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        data = scenes()
        torch.manual_seed(0)
        task = small(data, cache=str(tmp_path))
        quiet_trainer(max_epochs=1).fit(task, data)
        found.append(task)
    assert len(list(tmp_path.glob("seen_*.pt"))) == 1
    torch.testing.assert_close(found[0].state_dict(), found[1].state_dict(), rtol=0, atol=0)
    images = list(data.split("test").columns.images[:2])
    predictions = task.predict(images)
    assert len(predictions.images) == 2
    assert set(predictions.rows[0]) == {"label", "training", "otherwise", "lead"}


def test_pixels_need_no_network() -> None:
    data = scenes()
    task = small(data, backbone="none")
    assert task.features.size == 3 * 16 * 16
    features, labels = task.features.of(data.split("val"), task.device)
    assert features.shape == (len(labels), 768)
    assert 0 <= features.min() <= features.max() <= 1


def test_rows_take_no_network() -> None:
    with pytest.raises(ValueError, match=r"set model.backbone=none"):
        ESZSL(["a", "b"], ["x"], feature_names=["f"])


def test_scores_of_attributes_in_their_own_unit() -> None:
    true = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    known = torch.tensor([True, True, False])
    found = in_units(7 * true - 3, true, known)
    torch.testing.assert_close(found, true)
    constant = in_units(true, torch.ones_like(true), known)
    assert (constant == 0.5).all()


def test_heat_of_many_classes_and_attributes() -> None:
    names, attributes = [f"class {i}" for i in range(90)], [f"attribute {i}" for i in range(312)]
    image = draw_heat({"true": torch.rand(90, 312), "seen": torch.rand(90, 312)}, names, attributes, "title")
    assert image.dtype == torch.uint8
    assert image.shape[0] == 3
    assert max(image.shape) < 3000


def test_sheet_tells_what_unseen_examples_were_taken_for() -> None:
    figures = ZeroShotFigures(["cat", "dog", "zebra"], ["stripes"])
    images, unseen = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.tensor([False, False, True])
    labels, taken = torch.tensor([0, 2, 2, 2]), torch.tensor([0, 2, 1, 2])
    figures.update(images, torch.tensor([[0.1], [0.9], [0.8], [0.2]]), labels, taken, unseen)
    assert figures.captions == ["zebra\nright", "zebra\ntaken for\ndog", "zebra\nright"]
    assert (figures.right / figures.counts)[[0, 2]].tolist() == pytest.approx([1, 2 / 3])


def test_areas_of_attributes_are_those_of_the_roc() -> None:
    figures = ZeroShotFigures(["cat", "zebra"], ["stripes", "legs"])
    figures.update(
        torch.zeros(4, 5), torch.tensor([[0.1, 1], [0.6, 1], [0.5, 1], [0.9, 1]]), torch.tensor([0, 0, 1, 1]),
        torch.tensor([0, 0, 1, 1]), torch.tensor([True, True]),
    )  # fmt: skip
    assert figures.areas(torch.tensor([[0.0, 4.0], [1.0, 4.0]])) == {"stripes": 0.75}  # all have four legs


def test_a_network_learns_numbers_of_the_seen_classes() -> None:
    numbered = Numbered([1, 4, 6], 8, torch.device("cpu"))
    batch = LabelledImages(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor([6, 1, 4]))
    assert numbered(batch, torch.empty(3, 0)).labels.tolist() == [2, 0, 1]
