"""``leyden verify``: labs, or runs of them, compared with what the labs expect; also how ``lab.expect`` is set."""

import time
from collections.abc import Collection, Sequence
from pathlib import Path

from leyden.bench.commands.run import open_record
from leyden.bench.config.compose import compose
from leyden.bench.run.lab import composed_control, left_out, with_controls
from leyden.bench.run.record import Record, new_folder
from leyden.bench.sweep import sweep
from leyden.bench.sweep.store import records_in, run_stored
from leyden.core.allow_list import check_folder
from leyden.report.labs.expectations import controls, expect_yaml, outcome_table, outcomes, unknown_metrics
from leyden.report.labs.settings import same_run

SEEDS = "seed=0,1,2"


def verify(words: Sequence[str], to_paste: bool = False, allow: Collection[str] = ()) -> bool:
    """Compares runs with what their labs expect, and runs what is missing: the labs over seeds, and their controls.

    Args:
        words: folders of finished runs; or overrides of a sweep, such as ``experiment=tour_gan``, without a
            ``seed=...`` for seeds 0, 1 and 2. A sweep that a lab carries is left out, because its ``expect`` is about
            the lab's own values.
        to_paste: whether ``expect`` is printed as the labs' files have it, with the measured values.
        allow: packages, modules or classes that a record may name besides known ones.

    Returns:
        whether all runs are done, are the labs' own, and reached what is expected.

    Raises:
        ConfigError: overrides that cannot be composed; nothing is run.
        RecordError: a folder that is no record, or a control that is being run elsewhere.
        NotAllowedError: a record or its control would run code that is not allowed, or write elsewhere.
    """
    folders = [Path(word) for word in words if "=" not in word]
    typed = [word for word in words if "=" in word]
    given = [open_record(folder, allow) for folder in folders]
    records, status = [*given], 0
    if typed or not folders:
        typed = [*typed, *([] if any(word.startswith("seed=") for word in typed) else [SEEDS])]
        swept, status = _sweep(typed)
        records += swept
    done = [record for record in records if record.status["status"] == "done"]
    reasons = {record.folder: reason for record in done if (reason := left_out(record))}
    kept = [record for record in done if record.folder not in reasons]
    needed = _run_controls(kept, given)
    pairs = with_controls(records, [*records, *needed])
    found = outcomes(pairs)
    for line in [*(f"{folder}: {reason}" for folder, reason in reasons.items()), *unknown_metrics(r for r, _ in pairs)]:
        print(line)
    print(f"\n{outcome_table(found)}")
    if to_paste:
        print(f"\n{expect_yaml(found, typed)}")
    return status == 0 and len(done) == len(records) and not reasons and all(line.kept for line in found)


def _sweep(typed: Sequence[str]) -> tuple[list[Record], int]:
    """Runs labs over seeds; their records, and the sweep's exit status."""
    name = next((text.partition("=")[2] for text in typed if text.startswith("sweep.name=")), None)
    if name is None:
        name = time.strftime("verify_%Y-%m-%d_%H-%M-%S")
    status = sweep.run(["-m", *typed, f"sweep.name={name}", "hydra.sweeper.params=null", "report=null"])
    paths = [text for text in typed if text.startswith("paths")]
    return records_in(Path(compose(paths).config["paths"]["outputs"]) / "sweeps" / name), status


def _run_controls(records: Sequence[Record], given: Collection[Record]) -> list[Record]:
    """A record of each control that the labs of some runs name: one that is there, done or begun, or a new one.

    Those ``given`` may be someone else's, and so the overrides of which their controls are made.
    """
    wanted = []
    for record in records:
        for name in controls(record.config["lab"].get("expect")):
            wanted.append(composed_control(record, name))
            if record in given:
                check_folder(record.folder, [wanted[-1].config], record.allow)
    outputs = {Path(composed.config["paths"]["outputs"]) for composed in wanted}
    files = [file for folder in sorted(outputs) for file in sorted(folder.rglob("config.yaml"))]
    stored = [Record(file.parent) for file in files if file.with_name("status.json").is_file()]
    known = [(record, record.config) for record in [*records, *stored]]
    found: list[Record] = []
    for composed in wanted:
        same = [record for record, config in known if same_run(config, composed.config)]
        if same:
            folder = min(same, key=lambda record: record.status["status"] != "done").folder
            control = Record(folder, composed.allow)
        else:
            place = Path(composed.config["paths"]["outputs"]) / "controls" / composed.config["lab"]["name"]
            control = Record.create(composed, new_folder(place))
            known.append((control, composed.config))
        found.append(control)
    if found:
        run_stored(list({record.folder: record for record in found}.values()), found[0].config["sweep"])
    return found
