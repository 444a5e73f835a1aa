"""``leyden verify``: labs over their seeds, compared with what they expect; also how ``lab.expect`` is set."""

import time
from collections.abc import Sequence
from pathlib import Path

from leyden.bench.config.compose import compose
from leyden.bench.sweep import sweep
from leyden.bench.sweep.store import records_in
from leyden.report.expectations import expect_yaml, outcome_table, outcomes
from leyden.report.runs import Run

SEEDS = "seed=0,1,2"


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
    found = outcomes([Run(config=r.config, metrics=r.metrics, folder=r.folder) for r in records])
    print(f"\n{outcome_table(found)}")
    if to_paste:
        print(f"\n{expect_yaml(found, ' '.join(typed))}")
    return status == 0 and all(line.kept for line in found)
