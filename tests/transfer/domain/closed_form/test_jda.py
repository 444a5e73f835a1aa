"""JDA: its matrix against the paper's written out, the guards of classes nobody is taken for, and the published row."""

from pathlib import Path

import pytest
import torch
from domain_toy import LABELS, SOURCE, TARGET
from office_caltech import accuracy
from torch import Tensor

from leyden.transfer.domain.closed_form.jda import JointComponents, joint_matrix
from leyden.transfer.domain.closed_form.tca import TransferComponents


def dense(labels: Tensor, pseudo: Tensor) -> Tensor:
    """C M_0 + sum_c M_c, divided by its Frobenius norm, entry by entry (eq. 9)."""
    ns, nt = len(labels), len(pseudo)
    whole = torch.zeros(ns + nt, ns + nt, dtype=torch.float64)
    e = torch.tensor([1 / ns] * ns + [-1 / nt] * nt, dtype=torch.float64)
    whole += 2 * torch.outer(e, e)
    for c in (0, 1):
        own, guessed = (labels == c).double(), (pseudo == c).double()
        if guessed.sum():
            e = torch.cat([own / own.sum(), -guessed / guessed.sum()])
            whole += torch.outer(e, e)
    return whole / whole.norm()


@pytest.mark.parametrize("pseudo", [[0, 1, 1, 0], [1, 1, 1, 1]])
def test_the_matrix_is_the_paper_s(pseudo: list[int]) -> None:
    """A class that no target example is taken for has no matrix, and nothing is divided by 0."""
    guessed = torch.tensor(pseudo)
    root = joint_matrix(LABELS, guessed, 4)
    torch.testing.assert_close(root @ root.T, dense(LABELS, guessed))


def test_the_first_matrix_compares_the_means_alone() -> None:
    root = joint_matrix(LABELS, None, 4)
    assert root.shape == (10, 1)
    assert float((root @ root.T).norm()) == pytest.approx(1)


def test_one_round_without_unit_length_is_tca() -> None:
    """M_0 has the Frobenius norm 1/ns + 1/nt, by which mu is larger."""
    one = JointComponents("linear", 2, 1.0, None, rounds=1, unit_length=False).fit(SOURCE, LABELS, TARGET)
    tca = TransferComponents("linear", 2, 1 / 6 + 1 / 4, None).fit(SOURCE, LABELS, TARGET)
    scale = one.source.norm() / tca.source.norm()
    torch.testing.assert_close(one.source.abs(), tca.source.abs() * scale)


def test_classes_meet_that_tca_leaves_apart() -> None:
    """A feature in which the domains' means agree and those of the classes do not: JDA drops it, TCA keeps it."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(80) % 2
    sign = 2.0 * labels - 1
    source, target = (torch.randn(80, 4, dtype=torch.float64, generator=generator) * 0.4 for _ in range(2))
    source[:, 0] += 1.5 * sign
    target[:, 0] += 1.5 * sign
    source[:, 1] += 1.2 * sign
    target[:, 1] -= 0.6 * sign

    def apart(adaptation: TransferComponents) -> float:
        codes = adaptation.fit(source, labels, target)
        of_class = [codes.source[labels == c].mean(0) - codes.target[labels == c].mean(0) for c in (0, 1)]
        return float(torch.stack(of_class).square().sum() / torch.cat(codes[:2]).var(0).sum())

    joint = apart(JointComponents("primal", 2, 0.1, None, rounds=3, unit_length=False))
    assert joint < 0.05 * apart(TransferComponents("primal", 2, 0.1, None))


def test_codes_have_length_one_and_new_examples_too() -> None:
    adaptation = JointComponents("linear", 2, 1.0, None, rounds=2)
    adapted = adaptation.fit(SOURCE, LABELS, TARGET)
    torch.testing.assert_close(adapted.target.norm(dim=1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(adaptation(TARGET), adapted.target)


def test_no_round() -> None:
    with pytest.raises(ValueError, match=r"model.rounds=0: should be 1 or more"):
        JointComponents("linear", 2, 1.0, None, rounds=0)


def test_office_rows(dev_data: Path) -> None:
    """Measured with this protocol: webcam to dslr 89.81 %, dslr to webcam 90.85 % (the paper: 89.17, 89.49)."""
    found = [accuracy(dev_data, *pair, JointComponents("linear", 100, 1.0, None)) for pair in (("w", "d"), ("d", "w"))]
    assert [round(100 * value, 2) for value in found] == [89.81, 90.85]
