from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightning.pytorch.loggers.logger import DummyLogger

from leyden.transfer import evaluation
from leyden.transfer.evaluation import LEAST_SIDE, SHOWN, ClassifierEvaluator, saliency


def evaluated(*rows: tuple[int, list[float]]) -> ClassifierEvaluator:
    """Each row: the target, and the probabilities of a, b and c; the image is as dark as the row's number."""
    evaluator = ClassifierEvaluator("abc")
    images = torch.arange(len(rows), dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)
    evaluator.update(images, torch.tensor([p for _, p in rows]), torch.tensor([target for target, _ in rows]))
    return evaluator


def test_counts_have_truth_in_rows_and_accuracies_only_of_what_occurred() -> None:
    evaluator = evaluated((0, [0.9, 0.1, 0.0]), (0, [0.1, 0.8, 0.1]), (1, [0.2, 0.7, 0.1]))
    assert evaluator.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert evaluator.class_accuracies() == {"a": 0.5, "b": 1.0}


def test_the_most_confident_mistakes_come_first_and_over_batches() -> None:
    evaluator = evaluated((0, [0.4, 0.6, 0.0]), (0, [0.0, 0.0, 1.0]), (1, [0.1, 0.9, 0.0]))
    images = torch.full((SHOWN, 1, 8, 8), 200, dtype=torch.uint8)
    evaluator.update(images, torch.tensor([[0.2, 0.8, 0.0]]).expand(SHOWN, -1), torch.full((SHOWN,), 2))
    assert [round(a.confidence, 2) for a in evaluator.wrong] == [1.0] + [0.8] * (SHOWN - 1)
    assert (evaluator.wrong[0].target, evaluator.wrong[0].predicted, int(evaluator.wrong[0].image[0, 0, 0])) == (
        0,
        2,
        1,
    )
    assert [(a.target, a.predicted) for a in evaluator.right] == [(1, 1)]
    assert int(evaluator.confusion.sum()) == 3 + SHOWN


class Sheet(DummyLogger):
    """Takes pictures as the record's logger does."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures: dict[str, torch.Tensor] = {}

    def log_image(self, key: str, images: list[torch.Tensor], step: int | None = None) -> None:
        self.pictures[key] = images[0]


@pytest.mark.parametrize(("embedding", "image_size"), [(0, 8), (12, 32)])
def test_a_test_leaves_its_pictures(
    embedding: int, image_size: int, new_data: Callable, new_model: Callable, new_trainer: Callable
) -> None:
    data, sheet = new_data(image_size=image_size), Sheet()
    model, trainer = new_model(data, embedding=embedding), new_trainer(max_epochs=1, logger=sheet)
    trainer.fit(model, data)
    for _ in range(2):  # a second test does not add to the first
        trainer.test(model, data, verbose=False)
        assert int(model.evaluator.confusion.sum()) == 269
    wanted = {"confusion", "class_accuracy", "wrong"} | ({"embedding"} if embedding else set())
    wanted |= {"saliency"} if image_size >= LEAST_SIDE else set()  # heat would cover all of 8 pixels
    assert set(sheet.pictures) == wanted
    assert all(picture.dtype == torch.uint8 and picture.shape[0] == 3 for picture in sheet.pictures.values())


def test_unchanged_features_are_drawn_once(
    monkeypatch: pytest.MonkeyPatch, new_data: Callable, new_model: Callable, new_trainer: Callable
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(
        evaluation, "draw_points", lambda panels, *_: drawn.append(list(panels)) or torch.zeros(3, 1, 1)
    )
    for strategy in ("head", "full"):
        data = new_data()
        model, trainer = new_model(data, embedding=12, strategy=strategy), new_trainer()
        trainer.fit(model, data)
        trainer.test(model, data, verbose=False)
    assert drawn == [["before"], ["before", "after"]]


@pytest.mark.parametrize("strategy", ["head", "full", "adapter"])
def test_saliency_needs_no_learning_weights_and_changes_nothing(
    strategy: str, new_data: Callable, new_model: Callable
) -> None:
    net = new_model(new_data(), strategy=strategy).net.eval()
    images = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():  # as in a test
        heat = saliency(net, images)
        again = saliency(net, images[1:])
    assert heat is not None
    assert heat.shape == (3, 4, 4)
    assert all(float(one.max()) in (0.0, 1.0) and float(one.min()) >= 0 for one in heat)
    assert float(heat.max()) == 1
    torch.testing.assert_close(heat[1:], again)
    assert all(parameter.grad is None for parameter in net.parameters())
    assert not any(stage._forward_hooks for stage in net.backbone.stages.values())


def test_saliency_is_that_of_the_last_map_of_more_than_one_pixel(new_data: Callable, new_model: Callable) -> None:
    images = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    heat = saliency(new_model(new_data(), widths=[4, 4, 8], strides=[2, 1, 4]).net.eval(), images)
    assert heat is not None
    assert heat.shape == (2, 4, 4)
