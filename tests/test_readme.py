"""The README's own words, followed to the letter."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import read_json

README = (Path(__file__).parents[1] / "README.md").read_text()


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", section("In a notebook"), re.DOTALL))
def test_a_notebook_example_runs(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = example.replace("lightning.Trainer(", "lightning.Trainer(fast_dev_run=True, ")
    assert short != example
    monkeypatch.chdir(tmp_path)
    exec(short, {"__name__": "__main__"})  # in a process that has run other things before, like any notebook


def test_there_is_a_notebook_example_per_family() -> None:
    for family in ("transfer", "gan", "detection"):
        assert f"from leyden.{family}." in section("In a notebook")


def test_adding_a_technique_works_as_written(tmp_path: Path, leyden: Callable, records: Callable) -> None:
    text = section("Add a technique")
    for name, content in re.findall(r"`(mylab/\S+)`\n```\w+\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    [command] = re.findall(r"```bash\nPYTHONPATH=mylab leyden (.*?)\n```", text)
    done = leyden(*[word.strip("'") for word in command.split()], PYTHONPATH="mylab")
    assert done.returncode == 0, done.stderr
    assert "as expected" in done.stdout
    assert "NOT" not in done.stdout
    [folder] = records()
    assert read_json(folder / "metrics.json")["test/accuracy"] > 0.9
