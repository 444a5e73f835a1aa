import pytest
import torch

from leyden.data.source.attributes.table import Attributes, one_hot

TABLE = Attributes(["horse", "zebra"], ["stripes", "hooves"], torch.tensor([[0.0, 1.0], [1.0, 1.0]]))


def test_rows_come_in_the_order_asked_for() -> None:
    other = TABLE.of(["zebra", "horse"])
    assert other.class_names == ["zebra", "horse"]
    assert other.values.tolist() == [[1, 1], [0, 1]]


def test_class_without_attributes_names_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"1 of 2 classes have no attributes, such as 'zebras': .* 'zebra'"):
        TABLE.of(["horse", "zebras"])


def test_one_hot_of_two_factors() -> None:
    assert one_hot([(0, 1), (1, 0)], [2, 3]).tolist() == [[1, 0, 0, 1, 0], [0, 1, 1, 0, 0]]
