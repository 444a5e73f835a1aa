"""Subspace alignment against golden values, the closed form of its map, and the rows of Office-Caltech10."""

from pathlib import Path

import pytest
import torch
from domain_toy import LABELS, SOURCE, TARGET
from office_caltech import accuracy
from scipy.linalg import subspace_angles

from leyden.transfer.domain.closed_form.subspace import Alignment, principal_directions


def test_principal_angles_of_the_toy() -> None:
    of_source, of_target = principal_directions(SOURCE, 2), principal_directions(TARGET, 2)
    between = of_source.T @ of_target
    assert float(between.square().sum()) == pytest.approx(1.9893340622, rel=1e-9)
    assert torch.linalg.svdvals(between).tolist() == pytest.approx([1, 0.99465273], rel=1e-7)
    assert subspace_angles(of_source, of_target).max() == pytest.approx(
        float(torch.tensor(0.99465273).acos()), rel=1e-4
    )


def test_the_map_minimises_the_distance_of_the_subspaces() -> None:
    of_source, of_target = principal_directions(SOURCE, 2), principal_directions(TARGET, 2)
    best = torch.linalg.lstsq(of_source, of_target).solution
    torch.testing.assert_close(of_source.T @ of_target, best)
    adapted = Alignment(2).fit(SOURCE, LABELS, TARGET)
    torch.testing.assert_close(adapted.source, (SOURCE - SOURCE.mean(0)) @ of_source @ best)


def test_equal_domains_are_left_where_they_are() -> None:
    adapted = Alignment(2).fit(SOURCE, LABELS, SOURCE.clone())
    torch.testing.assert_close(adapted.source, adapted.target)


def test_new_examples_are_those_of_the_target() -> None:
    adaptation = Alignment(2)
    torch.testing.assert_close(adaptation.fit(SOURCE, LABELS, TARGET).target, adaptation(TARGET))


@pytest.mark.parametrize(
    ("count", "message"), [(0, "should be 1 or more"), (4, "4 examples of 3 features of the target")]
)
def test_more_directions_than_there_are(count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Alignment(count).fit(torch.randn(9, 9).double(), LABELS, TARGET)


def test_office_rows(dev_data: Path) -> None:
    rows = {20: (77.07, 79.66), 40: (82.17, 85.42), 80: (88.54, 88.47)}
    for count, row in rows.items():
        found = [accuracy(dev_data, *pair, Alignment(count)) for pair in (("w", "d"), ("d", "w"))]
        assert [round(100 * value, 2) for value in found] == list(row)
