import shlex
from pathlib import Path
from typing import Any

import pytest

from leyden.report.labs.ending import ending, verdict
from leyden.report.runs import Run

SPEC = {"monitor": {"metric": "val/accuracy", "mode": "max"}, "main_image": "confusion", "verbs": "evaluate, predict"}
LAB = {
    "name": "mine",
    "question": "Is it better?",
    "expect": {"test/accuracy": {"min": 0.5, "above": {"scratch": 0.1}}},
}


def run_in(folder: Path, lab: dict[str, Any]) -> Run:
    """A run that has ended, with images of two steps."""
    (folder / "images").mkdir(parents=True)
    for name in ("confusion_000004", "confusion_000012", "wrong_000012", "learning_curves"):
        (folder / "images" / f"{name}.png").touch()
    (folder / "metrics.json").touch()
    config = {"seed": 4, "lab": lab, "paths": {"outputs": "my outputs"}}
    return Run(config=config, metrics={"test/accuracy": 0.6, "train/loss": 0.1}, folder=folder)


def test_question_headline_images_and_what_is_next(tmp_path: Path) -> None:
    folder = tmp_path / "my runs" / "1"
    lines = ending(run_in(folder, LAB), ["experiment=mine", "seed=4", "model.widths=[8,16]"], SPEC, None)
    assert [line.rstrip() for line in lines] == [
        "Is it better?",
        "",
        "  metric         reached  expected                       passed",
        "  test/accuracy  0.6      at least 0.5                   yes",
        "  test/accuracy  0.6      above scratch by at least 0.1  ?",
        "",
        f"image    {folder}/images/confusion_000012.png",
        f"curves   {folder}/images/learning_curves.png",
        f"metrics  {folder}/metrics.json",
        "",
        "next",
        f"  its control   leyden verify '{folder}'",
        f"  predict       leyden predict '{folder}'",
        "  another seed  leyden run experiment=mine 'model.widths=[8,16]' seed=5",
    ]


def test_other_settings_leave_question_and_expectations_out(tmp_path: Path) -> None:
    text = "\n".join(ending(run_in(tmp_path / "1", LAB), [], SPEC, "settings other than mine's: seed"))
    assert text.startswith("settings other than mine's: seed\n")
    assert not any(word in text for word in ("better", "expected", "at least", "verify"))
    assert "  test/accuracy  0.6\n" in text


def test_run_without_a_lab(tmp_path: Path) -> None:
    lab = {"name": "no_experiment", "question": None, "expect": {}, "image": "wrong"}
    lines = ending(run_in(tmp_path / "1", lab), ["~experiment"], SPEC | {"verbs": "evaluate"}, "its file is not here")
    assert lines[0] == "  metric         reached"
    assert f"image    {tmp_path}/1/images/wrong_000012.png" in lines  # the lab's word comes first
    assert not any("its file" in line or "predict" in line for line in lines)


def test_commands_fit_what_is_there(tmp_path: Path) -> None:
    first, second = (run_in(tmp_path / name, LAB) for name in "12")
    (second["folder"] / "tensorboard").mkdir()
    commands = [line.split(maxsplit=1)[1] for line in ending(second, [], SPEC, None) if line.startswith("  ")]
    assert f"leyden compare {tmp_path}" in commands
    assert not any("another seed" in line for line in ending(first, [], SPEC, None))
    assert "  TensorBoard  tensorboard --logdir 'my outputs/tensorboard'" in ending(second, [], SPEC, None)
    assert not any("--logdir" in line for line in ending(first, [], SPEC, None))


@pytest.mark.parametrize("words", [["~experiment"], ["model.widths=[8,16]", "lab.variant=no mining"]])
def test_commands_can_be_pasted(words: list[str], tmp_path: Path) -> None:
    lines = ending(run_in(tmp_path / "1", LAB), words, SPEC, None)
    command = next(line for line in lines if "another seed" in line).removeprefix("  another seed  ")
    assert shlex.split(command) == ["leyden", "run", *words, "seed=5"]


def test_verdict_for_a_logger() -> None:
    text = verdict(LAB, {"test/accuracy": 0.4}, "val/accuracy", None)
    assert text.startswith("Is it better?\n\n| metric ")
    assert "| 0.4     | at least 0.5                  | NO     |" in text
    assert verdict({"name": "none"}, {"test/accuracy": 0.4}, "val/accuracy", "no file").startswith("| metric")
    assert verdict(LAB, {"test/accuracy": 0.4}, "val/accuracy", "other settings").startswith("other settings\n")
