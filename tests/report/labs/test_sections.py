from pathlib import Path
from typing import Any

from leyden.report.labs.sections import Finished, sections
from leyden.report.runs import Run

SPEC = {"monitor": {"metric": "val/accuracy", "mode": "max"}, "main_image": "confusion", "verbs": "evaluate, predict"}
LAB = {
    "name": "mine",
    "title": "A lab",
    "question": "Is it better?",
    "expect": {"test/accuracy": {"min": 0.5, "above": {"scratch": 0.25}}},
    "next": {"more": "leyden run experiment=more"},
}


def done(folder: Path, lab: dict[str, Any], accuracy: float) -> Run:
    """A run with an image and learning curves."""
    (folder / "images").mkdir(parents=True)
    for name in ("confusion_000012", "learning_curves"):
        (folder / "images" / f"{name}.png").touch()
    return Run(
        config={"seed": 0, "lab": lab}, metrics={"test/accuracy": accuracy, "best/val/accuracy": 0.5}, folder=folder
    )


def test_each_lab_has_a_section(tmp_path: Path) -> None:
    runs = [done(tmp_path / name, lab, 0.75) for name, lab in (("0", LAB), ("1", {"name": "other"}), ("2", LAB))]
    control = done(tmp_path / "3", LAB, 0.25)
    mine, other = sections(
        [
            Finished(runs[0], [], SPEC, None, {"scratch": control}),
            Finished(runs[1], [], SPEC, None, {}),
            Finished(runs[2], [], SPEC, None, {"scratch": done(tmp_path / "4", LAB, 0.625)}),
        ]
    )
    assert (mine.name, mine.title, mine.question) == ("mine", "A lab", "Is it better?")
    assert mine.rows == [
        ["test/accuracy", "0.75, 0.75", "at least 0.5", "yes"],
        ["test/accuracy of scratch", "0.25, 0.625", "", ""],
        ["test/accuracy", "0.5, 0.125 (mean 0.3125)", "above scratch by at least 0.25", "yes"],
    ]
    images = [(what, file.parent.parent) for what, file in mine.images]
    assert images == [
        ("mine: test/accuracy 0.75", tmp_path / "0"),
        ("scratch: test/accuracy 0.25", tmp_path / "3"),
    ]
    assert mine.curves == tmp_path / "0" / "images" / "learning_curves.png"
    assert mine.commands[0] == ("more", "leyden run experiment=more")
    assert other.rows == [["test/accuracy", "0.75", "", ""], ["best/val/accuracy", "0.5", "", ""]]


def test_control_that_did_not_end_leaves_a_question_mark(tmp_path: Path) -> None:
    [section] = sections([Finished(done(tmp_path / "0", LAB, 0.25), [], SPEC, None, {})])
    assert [row[1:] for row in section.rows] == [
        ["0.25", "at least 0.5", "NO"],
        ["", "above scratch by at least 0.25", "?"],
    ]


def test_other_settings_are_shown_only_where_there_is_nothing_else(tmp_path: Path) -> None:
    own = Finished(done(tmp_path / "0", LAB, 0.75), [], SPEC, None, {})
    other = Finished(done(tmp_path / "1", LAB, 0.125), [], SPEC, "settings other than mine's: seed", {})
    assert not any("0.125" in row[1] for row in sections([other, own])[0].rows)
    [section] = sections([other])
    assert section.question == "settings other than mine's: seed"
    assert section.rows == [["test/accuracy", "0.125", "", ""]]
    assert not any(what == "more" for what, _ in section.commands)


def test_section_on_a_terminal(tmp_path: Path) -> None:
    [section] = sections(
        [Finished(done(tmp_path / "0", LAB, 0.75), [], SPEC, None, {"scratch": done(tmp_path / "1", LAB, 0.5)})]
    )
    assert section.text().splitlines() == [
        "mine: A lab",
        "Is it better?",
        "",
        "  metric                    reached  expected                        passed",
        "  test/accuracy             0.75     at least 0.5                    yes",
        "  test/accuracy of scratch  0.5",
        "  test/accuracy             0.25     above scratch by at least 0.25  yes",
        "",
        f"mine: test/accuracy 0.75    {tmp_path}/0/images/confusion_000012.png",
        f"scratch: test/accuracy 0.5  {tmp_path}/1/images/confusion_000012.png",
        f"curves                      {tmp_path}/0/images/learning_curves.png",
    ]
