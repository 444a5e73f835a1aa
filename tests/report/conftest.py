"""Sweeps to report on, without running one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leyden.report.runs import Run


@pytest.fixture
def sweep() -> Callable[..., list[Run]]:
    """Runs of a transfer lab from (strategy, labels per class, source, seed, score) each; score None: it failed."""

    def make(*jobs: tuple[str, int | None, str, int, float | None]) -> list[Run]:
        runs = []
        for number, (strategy, labels, source, seed, score) in enumerate(jobs):
            config: dict[str, Any] = {
                "seed": seed,
                "lab": {"title": "Two ways", "question": "Which?"},
                "model": {"strategy": strategy, "widths": [8, 16]},
                "data": {"labels_per_class": labels, "source": {"_target_": f"leyden.data.{source}"}},
            }
            metrics = {} if score is None else {"test/accuracy": score, "steps": 3.0}
            runs.append(Run(config=config, metrics=metrics, folder=Path(f"sweep/{number}_lab")))
        return runs

    return make
