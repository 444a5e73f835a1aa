"""The end of a run in a few lines: the lab's question, its headline against what is expected, images, what is next."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from leyden.core.text.shell import command, shell_word
from leyden.report.labs.expectations import controls
from leyden.report.labs.headline import headline
from leyden.report.record_images import LEARNING_CURVES, last_image
from leyden.report.runs import Run
from leyden.report.text import markdown_table

HEADER = ("metric", "reached", "expected", "passed")


def ending(run: Run, overrides: Sequence[str], environment: Mapping[str, Any], left_out: str | None) -> list[str]:
    """The lines for a terminal.

    Args:
        run: done.
        overrides: of its command.
        environment: of its record: ``monitor``, ``main_image`` and ``verbs`` of the technique.
        left_out: why the lab's question and expectations do not apply; None where they do.
    """
    lab, folder = run["config"]["lab"], run["folder"]
    asks = bool(lab.get("question") or lab.get("expect"))
    lines = [left_out or str(lab.get("question") or "").strip(), ""] if asks else []
    shown = headline(lab, run["metrics"], environment.get("monitor", {}).get("metric", ""), left_out is None)
    files = [
        ("image", main_image(folder, lab, environment)),
        ("curves", folder / LEARNING_CURVES if (folder / LEARNING_CURVES).is_file() else None),
        ("metrics", folder / "metrics.json"),
    ]
    commands = dict(next_commands(run, overrides, environment, left_out is None))
    width = max(map(len, commands)) + 2
    return [
        *lines,
        *aligned([line.cells() for line in shown]),
        "",
        *(f"{name:<9}{file}" for name, file in files if file is not None),
        "",
        "next",
        *(f"  {name:<{width}}{command}" for name, command in commands.items()),
    ]


def verdict(lab: Mapping[str, Any], metrics: Mapping[str, float], monitor: str, left_out: str | None) -> str:
    """The lab's question, or why it does not apply, and the headline; in markdown.

    Args:
        lab: of the run's config.
        metrics: of the run.
        monitor: the metric that chose the best checkpoint.
        left_out: as for ``ending``.
    """
    asks = bool(lab.get("question") or lab.get("expect"))
    lines = [line.cells() for line in headline(lab, metrics, monitor, left_out is None)]
    parts = [left_out or str(lab.get("question") or "").strip()] if asks else []
    return "\n\n".join([*parts, markdown_table(HEADER, lines)])


def main_image(folder: Path, lab: Mapping[str, Any], environment: Mapping[str, Any]) -> Path | None:
    """The newest image of the tag ``lab.image``, else of the one that the technique names; None where there is none."""
    return last_image(folder, lab.get("image") or environment.get("main_image"))


def next_commands(
    run: Run, overrides: Sequence[str], environment: Mapping[str, Any], own: bool
) -> Iterator[tuple[str, str]]:
    """What to type after a run, each with a word for it, ``lab.next`` first; quoted for the shell.

    Args:
        run: done.
        overrides: of its command.
        environment: of its record.
        own: whether the run has its lab's settings.
    """
    lab, folder = run["config"]["lab"], run["folder"]
    if own:
        yield from (lab.get("next") or {}).items()
    if own and controls(lab.get("expect")):
        yield "its control", command("verify", folder)
    if "predict" in environment.get("verbs", ""):
        yield "predict", command("predict", folder)
    if len(list(folder.parent.glob("*/metrics.json"))) > 1:
        yield "compare", command("compare", folder.parent)
    else:
        kept = [text for text in overrides if not text.startswith("seed=")]
        seed = f"seed={run['config'].get('seed', 0) + 1}"
        yield "another seed", command("run", *kept, seed)
    if (folder / "tensorboard").is_dir():
        yield (
            "TensorBoard",
            f"tensorboard --logdir {shell_word(Path(run['config']['paths']['outputs']) / 'tensorboard')}",
        )


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Metric, reached, expected, passed as columns; without the last two where nothing is expected."""
    rows = [list(row) for row in (HEADER, *lines)]
    if not any(row[2] for row in lines):
        rows = [row[:2] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
