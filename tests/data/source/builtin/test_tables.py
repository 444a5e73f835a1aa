import pytest
import torch

from leyden.data.source.builtin.tables import Tables


@pytest.mark.parametrize(("name", "rows", "features", "classes"), [("breast_cancer", 569, 30, 2), ("wine", 178, 13, 3)])
def test_rows_features_and_classes(name: str, rows: int, features: int, classes: int) -> None:
    source = Tables(name)
    parts = [source.split(stage) for stage in ("train", "val", "test")]
    assert sum(len(part) for part in parts) == rows
    assert len(source.class_names) == classes
    assert len(source.feature_names) == features
    assert parts[0].columns.rows.shape[1:] == (features,)
    assert parts[0].columns.rows.dtype == torch.float32
    whole = torch.cat([part.columns.labels for part in parts]).bincount()
    assert (parts[0].columns.labels.bincount() - 0.6 * whole).abs().max() <= 1


def test_standardised_by_the_training_split_alone() -> None:
    train, test = Tables("wine").split("train").columns.rows, Tables("wine").split("test").columns.rows
    assert train.mean(0).abs().max() < 1e-5
    assert (train.std(0, correction=0) - 1).abs().max() < 1e-5
    assert test.mean(0).abs().max() > 0.05


def test_unknown_table() -> None:
    with pytest.raises(ValueError, match="'iris': there are the tables breast_cancer, wine"):
        Tables("iris")
