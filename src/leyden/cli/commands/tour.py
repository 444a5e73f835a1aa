"""``leyden tour``: the labs of the tour and their controls, side by side, and a page about what they show."""

import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from leyden.bench.config.compose import Composed
from leyden.bench.config.groups import options
from leyden.bench.config.validate import compose_and_check
from leyden.bench.run.lab import composed_control, finished
from leyden.bench.run.record import Record, new_folder
from leyden.bench.sweep.local import Pool
from leyden.bench.sweep.store import run_stored
from leyden.core.files import write_file
from leyden.core.text.shell import command
from leyden.report.labs.expectations import controls
from leyden.report.labs.settings import same_run

PREFIX = "tour_"
"""What the names of the tour's labs begin with."""


def tour(overrides: Sequence[str] = ()) -> bool:
    """Runs the labs, prints what each asks, expects and reached, and writes ``<outputs>/tour.html``.

    Typed again, it goes on with what is not done; what is done stays as it is.

    Args:
        overrides: of all labs, such as ``seed=1`` or ``paths.outputs=FOLDER``.

    Returns:
        whether all runs are done.

    Raises:
        ConfigError: overrides that cannot be composed; nothing is run.
    """
    began = time.monotonic()
    names = [f"experiment={name}" for name in options("experiment") if name.startswith(PREFIX)]
    pool = Pool()
    checked = (compose_and_check([*overrides, name], beside=pool.expect) for name in names)
    composed = [one for one in checked if _can_run(one)]
    outputs = Path(composed[0].config["paths"]["outputs"])
    labs = [_record(outputs, one) for one in sorted(composed, key=lambda one: -one.config["lab"]["minutes"])]
    others = [
        _record(outputs, composed_control(lab, variant))
        for lab in labs
        for variant in controls(lab.config["lab"]["expect"])
    ]
    try:
        run_stored([*labs, *others], composed[0].config["sweep"], pool)
    except KeyboardInterrupt:
        print(f"`{command('tour', *overrides)}` goes on", file=sys.stderr)
        raise
    from leyden.report.labs.sections import sections  # here, because they bring torch
    from leyden.report.labs.tour import draw_tour

    parts = sections(finished(labs[::-1], [*labs, *others]))  # the shortest first
    write_file(outputs / "tour.html", draw_tour(parts, time.monotonic() - began))
    print("", *(part.text() for part in parts), sep="\n\n")
    print(f"\nAll on one page, with what to try next: {(outputs / 'tour.html').absolute()}")
    return all(record.status["status"] == "done" for record in [*labs, *others])


def _can_run(composed: Composed) -> bool:
    """Whether the packages are there that a lab needs; a line says what is left out without them."""
    lab = composed.config["lab"]
    absent = {name: extra for name, extra in lab.get("needs", {}).items() if find_spec(name) is None}
    for name, extra in absent.items():
        print(f"{lab['name']} is left out: it needs {name} (pip install '{extra}')", file=sys.stderr)
    return not absent


def _record(outputs: Path, composed: Composed) -> Record:
    """The record of an earlier tour with the same settings, or a new one."""
    place = outputs / "tour"
    stored = (Record(file.parent, composed.allow) for file in sorted(place.rglob("config.yaml")))
    name = "_".join(filter(None, [composed.config["lab"]["name"], composed.config["lab"]["variant"]]))
    same = next((record for record in stored if same_run(record.config, composed.config)), None)
    return same or Record.create(composed, new_folder(place / name))
