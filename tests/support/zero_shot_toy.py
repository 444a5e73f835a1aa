"""Rows whose features are their class's attributes, mixed linearly, and noise: zero-shot learning can be perfect."""

from itertools import product
from typing import Any

import torch
from lightning import Trainer

from leyden.data.batches.attributes import AttributeRows
from leyden.data.columns import LabelledRows
from leyden.data.source.attributes.table import Attributes, one_hot
from leyden.data.source.rows.row_source import RowSource
from training import quiet_trainer

COMBINATIONS = list(product(range(4), range(3), range(2)))
"""24 classes of three factors."""
UNSEEN = [1, 6, 10, 15, 20]
FEATURES = 12


class FactorRows(RowSource):
    """Rows of 24 classes in each split; those of ``UNSEEN`` in the test alone."""

    def __init__(self, shuffle_unseen: bool = False, noise: float = 0.1) -> None:
        super().__init__("factor_rows", "split")
        generator = torch.Generator().manual_seed(0)
        values = one_hot(COMBINATIONS, [4, 3, 2])
        mixing = torch.randn(values.shape[1], FEATURES, generator=generator)
        splits = {}
        for stage, each in (("train", 8), ("val", 3), ("test", 4)):
            classes = [place for place in range(24) if stage == "test" or place not in UNSEEN]
            labels = torch.tensor(classes).repeat_interleave(each)
            rows = values[labels] @ mixing + noise * torch.randn(len(labels), FEATURES, generator=generator)
            if stage == "test" and shuffle_unseen:
                unseen = torch.isin(labels, torch.tensor(UNSEEN)).nonzero().flatten()
                labels[unseen] = labels[unseen].flip(0)
            splits[stage] = LabelledRows(rows, labels)
        self.set_splits(splits, [f"class {i}" for i in range(24)], [f"feature {i}" for i in range(FEATURES)])
        self.attributes = Attributes(list(self.class_names), [*"abcd", *"uvw", *"xy"], values)


def seen_data(**options: Any) -> AttributeRows:
    """Its data, prepared."""
    data = AttributeRows(FactorRows(**options), batch_size=16)
    data.prepare_data()
    return data


def described(technique: Any, epochs: int = 1, **options: Any) -> tuple[Any, Trainer, AttributeRows]:
    """A technique for rows, a trainer and the data, nothing fitted."""
    torch.manual_seed(0)
    data = seen_data()
    task = technique(**data.spec, backbone="none", **options)
    return task, quiet_trainer(max_epochs=epochs), data
