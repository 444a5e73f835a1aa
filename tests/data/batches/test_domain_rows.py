"""Two domains of rows: what a model sees of the target, the pairs of several, and what cannot be adapted."""

from collections.abc import Sequence

import pytest
import torch

from leyden.data.batches.domain_pair import few_of_each
from leyden.data.batches.domain_rows import DomainPairs, DomainRows
from leyden.data.source.rows.row_source import Protocol, RowSource


class Made(RowSource):
    """Rows whose first feature says where they come from."""

    def __init__(
        self, domain: str, classes: Sequence[str] = ("a", "b"), features: int = 3, protocol: Protocol = "split"
    ) -> None:
        super().__init__(domain, protocol)
        self.domain, self.classes, self.features = domain, classes, features

    def prepare(self) -> None:
        rows = torch.arange(40.0)[:, None] + torch.arange(self.features) + 1000 * ord(self.domain[0])
        self.set_rows(rows, torch.arange(40) % len(self.classes), self.classes)


def prepared(data: DomainRows) -> DomainRows:
    data.prepare_data()
    return data


def test_the_target_has_no_labels_in_training() -> None:
    [pair] = prepared(DomainRows(Made("s"), Made("t"))).pairs()
    assert pair.source.columns._fields == ("rows", "labels")
    assert pair.target.columns._fields == ("rows",)
    assert pair.labelled is None
    assert pair.name == "s_to_t"


def test_classes_are_found_by_their_names() -> None:
    data = prepared(DomainRows(Made("s", ("a", "b", "c")), Made("t", ("c", "a"))))
    assert data.test_splits()[0].columns.labels.unique().tolist() == [0, 2]
    assert data.spec["class_names"] == ["a", "b", "c"]


def test_a_few_labels_of_the_target() -> None:
    data = prepared(DomainRows(Made("s"), Made("t"), target_labels=2, seed=1))
    labelled = data.pairs()[0].labelled
    assert labelled.columns.labels.bincount().tolist() == [2, 2]
    train = data.pairs()[0].target.columns.rows
    assert all((row == train).all(1).any() for row in labelled.columns.rows)
    with pytest.raises(ValueError, match=r"would be tested, too; set data.target.protocol=split"):
        prepared(DomainRows(Made("s"), Made("t", protocol="whole"), target_labels=2)).pairs()


def test_few_of_each_takes_what_there_is() -> None:
    labels = torch.tensor([0, 1, 1, 1])
    assert len(few_of_each(labels, 2, 0)) == 3


@pytest.mark.parametrize("protocol", ["whole", "split"])
def test_the_ceiling_learns_from_other_rows_of_the_target(protocol: Protocol) -> None:
    data = prepared(DomainRows(Made("s", protocol=protocol), Made("t", protocol=protocol), labels="target"))
    learnt, tested = (split.columns.rows[:, 0] for split in (data.pairs()[0].source, data.test_splits()[0]))
    assert min(learnt) >= 1000 * ord("t")
    assert not set(learnt.tolist()) & set(tested.tolist())
    assert data.validates == (protocol == "split")


def test_every_ordered_pair() -> None:
    data = prepared(DomainPairs(Made("s", protocol="whole"), ["s", "t", "u"]))
    assert data.spec["tasks"] == ["s_to_t", "s_to_u", "t_to_s", "t_to_u", "u_to_s", "u_to_t"]
    assert [float(split.columns.rows[0, 0]) for split in data.test_splits()] == [1000 * ord(x) for x in "tusust"]
    assert not data.validates
    assert data.val_dataloader() == []
    assert len(data.test_dataloader()) == 6


def test_the_fingerprint_is_of_the_rows() -> None:
    prints = {prepared(DomainRows(Made("s"), Made(name))).fingerprint for name in ("t", "u")}
    assert len(prints) == 2


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (Made("s"), Made("t", ("a", "z")), "class 'z' that the source s has not"),
        (Made("s"), Made("t", ("y", "z")), "no class in common; rename the target's classes"),
        (Made("s", ("a",)), Made("t", ("a",)), r"s has the classes \['a'\]: a classifier needs two or more"),
        (Made("s"), Made("t", features=4), "s has 3 features, t 4: a map between domains needs the same ones"),
    ],
)
def test_domains_that_cannot_be_adapted(source: RowSource, target: RowSource, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DomainRows(source, target).prepare_data()


def test_words_of_the_data() -> None:
    with pytest.raises(ValueError, match=r"data.labels='both': there are source, target"):
        DomainRows(Made("s"), Made("t"), labels="both")
    with pytest.raises(ValueError, match="a pair needs two different ones"):
        DomainPairs(Made("s"), ["s", "s"])
