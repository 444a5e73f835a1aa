"""Self-training: quotas by class, and a target that the source alone gets wrong."""

import pytest
import torch
from torch import Tensor

from leyden.data.batches.domain_pair import Pair
from leyden.data.columns import LabelledRows, Rows
from leyden.data.splits import InMemory
from leyden.transfer.domain.text.self_training import SelfTraining, surest


def test_quotas_by_class_and_confidence() -> None:
    first = torch.tensor([0.99, 0.9, 0.8, 0.7, 0.6, 0.1])
    probabilities = torch.stack([first, 1 - first], 1)
    places, labels = surest(probabilities, torch.tensor([0.34, 0.5]), 0.0)  # two of six, three of six
    assert places.tolist() == [0, 1, 5]
    assert labels.tolist() == [0, 0, 1]
    assert surest(probabilities, torch.tensor([1.0, 1.0]), 0.75)[0].tolist() == [0, 1, 2, 5]
    assert surest(probabilities, torch.tensor([1.0, 1.0]), 1.0)[0].tolist() == []


def moved(rounds: int) -> float:
    """Accuracy on a target whose clouds are the source's, turned by 60 degrees."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 2

    def cloud(centre: Tensor) -> Tensor:
        away = torch.where(labels[:, None] == 1, centre, -centre)
        return (away + torch.randn(200, 2, generator=generator) * 0.5).double()

    source, target = cloud(torch.tensor([1.5, 0.0])), cloud(torch.tensor([0.75, 1.3]))
    task = SelfTraining(["a", "b"], feature_names=["x", "y"], rounds=rounds, portion=0.25)
    pair = Pair("", InMemory(LabelledRows(source, labels)), InMemory(Rows(target)), None)
    task.fit_task(task.net, source, labels, target, pair)
    return float((task.net(target).argmax(1) == labels).double().mean())


def test_rounds_turn_the_border() -> None:
    alone = moved(0)
    assert alone < 0.96
    assert moved(4) > alone + 0.02


@pytest.mark.parametrize("wrong", [{"rounds": -1}, {"portion": 0.0}, {"confidence": 1.5}])
def test_numbers_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="counts from 0"):
        SelfTraining(["a", "b"], feature_names=["x"], **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="only logistic has probabilities"):
        SelfTraining(["a", "b"], feature_names=["x"], classifier="svm")
