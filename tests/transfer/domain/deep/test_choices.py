"""Choices among settings: each criterion by its own metric, the oracle by the target's."""

from pathlib import Path

import pytest

from leyden.report.runs import Run
from leyden.transfer.domain.deep.choices import SelectionTable, choice

FIGURES = {  # of (seed, setting): val/accuracy, val/entropy, val/im, val/snd, test/accuracy
    (0, "weak"): (0.9, 0.5, 1.0, 3.0, 0.4),
    (0, "strong"): (0.8, 0.1, 2.0, 2.0, 0.7),
    (0, "one class"): (0.7, 0.0, 0.1, 4.0, 0.1),
    (1, "weak"): (0.9, 0.5, 1.5, 3.0, 0.6),
    (1, "strong"): (0.95, 0.2, 1.0, 4.0, 0.5),
    (1, "one class"): (0.7, 0.0, 0.1, 2.0, 0.1),
}
NAMES = ("val/accuracy", "val/entropy", "val/im", "val/snd", "test/accuracy")


def sweep() -> list[Run]:
    return [
        Run(
            config={"seed": seed, "lab": {"variant": name, "title": "Which"}},
            metrics=dict(zip(NAMES, values, strict=True)),
            folder=Path(f"sweep/{number}_lab"),
        )
        for number, ((seed, name), values) in enumerate(FIGURES.items())
    ]


def table(text: str) -> dict[str, list[str]]:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return {first: cells for first, *cells in lines[2:]}


def test_each_criterion_chooses_by_its_own_metric() -> None:
    found = table(str(SelectionTable("lab.variant")(sweep())["report.md"]))
    assert found["source"] == ["highest val/accuracy", "weak (0.400)", "strong (0.500)", "0.450"]
    assert found["entropy"] == ["lowest val/entropy", "one class (0.100)", "one class (0.100)", "0.100"]
    assert found["im"] == ["highest val/im", "strong (0.700)", "weak (0.600)", "0.650"]
    assert found["snd"] == ["highest val/snd", "one class (0.100)", "strong (0.500)", "0.300"]
    assert found["oracle"] == ["highest test/accuracy", "strong (0.700)", "weak (0.600)", "0.650"]
    assert found["a setting drawn by chance"] == ["", "0.400", "0.400", "0.400"]


def test_a_criterion_that_was_not_logged_has_no_choice() -> None:
    files = SelectionTable("lab.variant")(sweep())
    assert table(str(files["report.md"]))["dev"] == ["lowest val/dev", "-", "-", "-"]
    assert not any(line.startswith("dev") for line in str(files["report.csv"]).splitlines())
    assert choice([], "val/im", "max") is None


def test_an_unknown_key_is_told() -> None:
    with pytest.raises(ValueError, match=r"no run has the key lab\.variation.*did you mean lab\.variant"):
        SelectionTable("lab.variation")(sweep())
