"""``leyden verify``: labs over their seeds, compared with what they expect; also how ``lab.expect`` is set."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from leyden.bench.config.compose import compose
from leyden.bench.config.groups import file_of
from leyden.bench.run.record import Record
from leyden.bench.run.summary import bounds_text, is_kept
from leyden.bench.sweep import sweep
from leyden.bench.sweep.store import records_in
from leyden.report.text import markdown_table

SEEDS = "seed=0,1,2"
COMMENT = 45
"""Column of the values behind an ``expect``'s line."""


class Held(NamedTuple):
    """One metric of one lab, over all its seeds."""

    lab: str
    metric: str
    values: list[float | None]
    """By seed; None where a run did not come so far."""
    bounds: dict[str, float]

    @property
    def kept(self) -> bool:
        """Whether each run reached what the lab expects."""
        return all(value is not None and is_kept(self.bounds, value) for value in self.values)


def verify(overrides: Sequence[str], to_paste: bool = False) -> bool:
    """Runs labs over seeds, as a sweep, and prints what each expects and reached.

    Args:
        overrides: of a sweep, such as ``experiment=tour_gan``; without a ``seed=...``, seeds 0, 1 and 2. A
            sweep that a lab carries is left out, because its ``expect`` is about the lab's own values.
        to_paste: whether ``expect`` is printed as the labs' files have it, with the measured values.

    Returns:
        whether all runs of all labs are done and reached what is expected.

    Raises:
        ConfigError: overrides that cannot be composed; nothing is run.
    """
    typed = [*overrides] if any(text.startswith("seed=") for text in overrides) else [*overrides, SEEDS]
    name = next((text.partition("=")[2] for text in overrides if text.startswith("sweep.name=")), None)
    if name is None:
        name = time.strftime("verify_%Y-%m-%d_%H-%M-%S")
    status = sweep.run(["-m", *typed, f"sweep.name={name}", "hydra.sweeper.params=null", "report=null"])
    paths = [text for text in overrides if text.startswith("paths")]
    records = records_in(Path(compose(paths).config["paths"]["outputs"]) / "sweeps" / name)
    held = hold(records)
    print(f"\n{table(held)}")
    if to_paste:
        print(f"\n{expectations(held, ' '.join(typed))}")
    return status == 0 and all(line.kept for line in held)


def hold(records: Sequence[Record]) -> list[Held]:
    """What the labs of some records expect, with what each record reached, lab by lab.

    Args:
        records: in the order in which their values are listed.
    """
    configs = [record.config for record in records]
    held = []
    for lab in dict.fromkeys(config["lab"]["name"] for config in configs):
        runs = [
            (record, config) for record, config in zip(records, configs, strict=True) if config["lab"]["name"] == lab
        ]
        for metric, bounds in (runs[0][1]["lab"]["expect"] or {}).items():
            values = [record.metrics.get(metric) for record, _ in runs]
            held.append(Held(lab, metric, values, bounds))
    return held


def table(held: Sequence[Held]) -> str:
    """Lab, metric, its value of each seed, what is expected, and whether that is kept."""
    lines = [
        [line.lab, line.metric, _listed(line.values), bounds_text(line.bounds), "yes" if line.kept else "NO"]
        for line in held
    ]
    return markdown_table(["lab", "metric", "reached", "expected", "kept"], lines)


def expectations(held: Sequence[Held], overrides: str) -> str:
    """``expect`` of each lab, its bounds as they are, as text for the lab's file; the values are comments.

    Args:
        held: see ``hold``.
        overrides: those of the command, for the comment.
    """
    paragraphs = []
    for lab in dict.fromkeys(line.lab for line in held):
        rest = " ".join(text for text in overrides.split() if not text.startswith("experiment="))
        lines = [f"# {file_of('experiment', lab).name}"]
        lines.append("  expect:".ljust(COMMENT) + f"# measured: leyden verify experiment={lab} {rest}")
        for line in held:
            if line.lab == lab:
                bounds = ", ".join(f"{end}: {value:g}" for end, value in line.bounds.items())
                lines.append(f"    {line.metric}: {{{bounds}}}".ljust(COMMENT) + f"# {_listed(line.values)}")
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs)


def _listed(values: Sequence[float | None]) -> str:
    return ", ".join("-" if value is None else f"{value:.4g}" for value in values)
