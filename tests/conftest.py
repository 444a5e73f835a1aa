"""What many tests need: the real command line in a folder of its own, and the development data."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWN = {"PYTHONPATH": str(ROOT / "tests" / "support"), "LEYDEN_ALLOW": "killer,faults"}
"""Callbacks of the tests' own, which their records may name."""


@pytest.fixture
def leyden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess]:
    """Types a `leyden` command in an empty folder, as a process of its own."""

    def type_(*words: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "leyden", *words],
            cwd=tmp_path,
            env={**os.environ, **OWN, "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return type_


@pytest.fixture
def records(tmp_path: Path) -> Callable[[], list[Path]]:
    """The folders of all records below the test's folder, oldest first."""
    return lambda: sorted(file.parent for file in tmp_path.rglob("status.json"))


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """The private development data, or a skip."""
    folder = Path(os.environ.get("LEYDEN_DEV_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no development data in {folder} (LEYDEN_DEV_DATA)")
    return folder
