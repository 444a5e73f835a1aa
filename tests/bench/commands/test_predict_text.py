"""``leyden predict`` of a language model: prompts, files of begins, samples."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import FAST

from leyden.bench.commands import predict as verb
from leyden.bench.commands.predict import predict
from leyden.bench.config.validate import compose_and_check
from leyden.bench.run.record import Record
from leyden.core.technique import Predictions
from leyden.data.text.tokenizer_sources import train_tokenizer
from leyden.text.gpt import GPT

LETTERS = train_tokenizer("characters", ["abcdefghijklmnopqrstuvwxyz "])


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Of a fresh GPT, whose draws are as good as any."""
    torch.manual_seed(0)
    model = GPT(LETTERS.spec, 8, layers=1, heads=1, width=8, sample_length=12).eval()
    monkeypatch.setattr(verb, "load_best", lambda record: model)
    return Record.create(compose_and_check([*FAST, f"paths.outputs={tmp_path / 'runs'}"]))


def rows(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "predictions.json").read_text())
    return found


def test_a_prompt_is_continued(record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(record, output=tmp_path / "one", count=3, seed=1, prompts=["once upon"]) is True
    printed = capsys.readouterr().out
    first = rows(tmp_path / "one")
    assert [row["path"] for row in first] == ["continuation_000", "continuation_001", "continuation_002"]
    assert printed.startswith("".join(f"{row['prompt']}{row['continuation']}\n\n" for row in first))
    assert "--seed 1 draws the same again" in printed
    assert len({row["continuation"] for row in first}) == 3
    predict(record, output=tmp_path / "same", count=3, seed=1, prompts=["once upon"])
    predict(record, output=tmp_path / "other", count=3, seed=2, prompts=["once upon"])
    assert rows(tmp_path / "same") == first != rows(tmp_path / "other")


def test_one_continuation_unless_more_are_asked_for(record: Record, tmp_path: Path) -> None:
    predict(record, output=tmp_path / "out", prompts=[""])
    assert len(rows(tmp_path / "out")) == 1
    predict(record, output=tmp_path / "samples", seed=3)
    assert len(rows(tmp_path / "samples")) == 16


def test_each_line_of_a_file_is_continued(record: Record, tmp_path: Path) -> None:
    (tmp_path / "begins.txt").write_text("the cat\n\na dog\n")
    assert predict(record, tmp_path / "begins.txt", tmp_path / "one") is True
    first = rows(tmp_path / "one")
    assert [(row["path"], row["prompt"]) for row in first] == [("begins.txt:1", "the cat"), ("begins.txt:3", "a dog")]
    predict(record, tmp_path / "begins.txt", tmp_path / "same")
    predict(record, tmp_path / "begins.txt", tmp_path / "other", seed=5)
    assert rows(tmp_path / "same") == first != rows(tmp_path / "other")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "3"}, "a prompt is continued: leave --class out"),
        ({"source": Path(__file__), "threshold": 0.5}, "has no use for it: leave --threshold and --prompt out"),
        ({"seed": -1}, "--seed -1: a number from 0 to 4294967295"),
        ({"count": 0}, "--count 0: ask for 1 or more"),
    ],
)
def test_what_a_prompt_has_no_use_for(options: dict[str, Any], message: str, record: Record, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        predict(record, output=tmp_path / "out", prompts=["a"], **options)


def test_only_language_models_continue(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "load_best", lambda record: torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="Linear neither continues a text nor samples"):
        predict(record, prompts=["a"])


class Described(torch.nn.Module):
    """Samples whose brightness is the length of the description."""

    def sample_prompt(self, prompt: str, count: int, seed: int | None = None) -> Predictions:
        images = [torch.full((3, 4, 4), len(prompt), dtype=torch.uint8) for _ in range(count)]
        return Predictions([{"seed": seed}] * count, images)


def test_each_description_is_sampled(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "load_best", lambda record: Described())
    predict(record, output=tmp_path / "out", count=2, seed=3, prompts=["a", "red"])
    made = rows(tmp_path / "out")
    assert [(row["prompt"], row["seed"]) for row in made] == [("a", 3), ("a", 3), ("red", 3), ("red", 3)]
    assert len(list((tmp_path / "out/images").iterdir())) == 4
    with pytest.raises(ValueError, match="say it by --prompt"):
        predict(record, output=tmp_path / "none")
