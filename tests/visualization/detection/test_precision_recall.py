import pytest
import torch

from leyden.visualization.detection import precision_recall
from leyden.visualization.detection.precision_recall import draw_precision_recall, draw_proposal_recall


def test_the_mean_and_the_worst_classes_are_drawn(monkeypatch: pytest.MonkeyPatch):
    given: dict = {}

    def curves(drawn: dict, *words: str, **more: str) -> torch.Tensor:
        given.update(drawn)
        return torch.zeros(3, 600, 900, dtype=torch.uint8)

    monkeypatch.setattr(precision_recall, "draw_curves", curves)
    precision = torch.linspace(1, 0.5, 24)[:, None].expand(-1, 101).clone()
    precision[3] = torch.nan
    draw_precision_recall(precision, [f"class {i}" for i in range(24)])
    # 23 classes have objects; the twenty of the least area are 4 to 23.
    assert [name.split(" (")[0] for name in given] == [*[f"class {i}" for i in range(4, 24)], "mean of 23"]
    recall, mean, _ = given[list(given)[-1]]
    assert (recall[0], recall[50], recall[100], len(mean)) == (0, 0.5, 1, 101)
    assert mean[0] == pytest.approx(float(precision[:, 0].nanmean()))


def test_pictures_of_one_class_and_of_proposals():
    assert draw_precision_recall(torch.rand(1, 101), ["x"]).shape == (3, 600, 900)
    recall = torch.tensor([[0.2, 0.1], [0.8, 0.4], [0.9, 0.5]])
    assert draw_proposal_recall(recall, [1, 10, 100], [0.5, 0.7]).float().std() > 1


def test_without_objects_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="no class has objects"):
        draw_precision_recall(torch.full((2, 101), torch.nan), ["a", "b"])
