"""As many damaged files as fit a few seconds; ``tests/benchmarks/damaged_files.py`` damages more."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def script() -> ModuleType:
    file = Path(__file__).parents[1] / "benchmarks" / "damaged_files.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", [0, 1])
def test_each_damaged_file_is_named_or_used(seed: int, script: ModuleType, tmp_path: Path) -> None:
    count, wrong = script.run(70, seed, tmp_path)
    assert count >= 70
    assert wrong == []
