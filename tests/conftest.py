"""What many tests need: the real command line in a folder of its own, and the development data."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from typist import LEYDEN, Process, Typist

from leyden.cli import main

ROOT = Path(__file__).parents[1]
OWN = {"PYTHONPATH": str(ROOT / "tests" / "support"), "LEYDEN_ALLOW": "killer,faults"}
"""Callbacks of the tests' own, which their records may name."""
for name in ("LEYDEN_SEARCHPATH", "LEYDEN_OUTPUTS"):  # whoever runs the tests may have set them
    os.environ.pop(name, None)


LOGGERS = (None, "lightning", "lightning.pytorch", "lightning.fabric")
"""Those that a run sets up for the whole process; the first is the root."""


def restored() -> Iterator[None]:
    """Leaves the process as it was: a command that runs in it sets what would last until it ends, and so would a test.

    That is the environment, where modules are found, what was typed, the working directory and where logs go.
    """
    environment, path, typed, place = dict(os.environ), [*sys.path], [*sys.argv], os.getcwd()
    loggers = {
        logger: ([*logger.handlers], logger.level, logger.propagate) for logger in map(logging.getLogger, LOGGERS)
    }
    yield
    os.chdir(place)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:], sys.argv[:] = path, typed
    logging.captureWarnings(False)
    for logger, (handlers, level, propagate) in loggers.items():
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture(autouse=True, scope="module")
def between_modules() -> Iterator[None]:
    """What the fixtures of a module set does not reach another."""
    yield from restored()


@pytest.fixture(autouse=True)
def between_tests() -> Iterator[None]:
    """What a test sets does not reach another, in whatever order they run."""
    yield from restored()


@pytest.fixture(scope="session")
def typist() -> Iterator[Typist]:
    """What starts processes at once."""
    typist = Typist({**os.environ, **OWN, "COLUMNS": "200"})
    yield typist
    typist.close()


@pytest.fixture
def leyden(typist: Typist, tmp_path: Path) -> Callable[..., CompletedProcess[str]]:
    """Types a `leyden` command in an empty folder, as a process of its own."""
    return lambda *words, **environment: typist.type(
        list(words), tmp_path, {**os.environ, **OWN, "COLUMNS": "200", **environment}
    )


@pytest.fixture
def start_leyden(typist: Typist, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Types a `leyden` command in an empty folder, which goes on beside the test and is killed at its end."""
    with ExitStack() as stack:
        yield lambda *words, **environment: stack.enter_context(
            typist.start([*LEYDEN, *words], tmp_path, {**os.environ, **OWN, "COLUMNS": "200", **environment})
        )


@pytest.fixture
def leyden_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., CompletedProcess[str]]:
    """Types a `leyden` command in an empty folder, in the test's own process.

    Sweeps that are typed so share one server of jobs; each that is a process of its own starts another, which imports
    torch anew.
    """

    def run(*words: str, **environment: str) -> CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        for name, value in {**OWN, "COLUMNS": "200", **environment}.items():
            monkeypatch.setenv(name, value)
        capfd.readouterr()
        return CompletedProcess(words, main(list(words)), *capfd.readouterr())

    return run


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
