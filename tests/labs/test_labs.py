"""Every lab, whole, from the command line: it reaches what it says that a sound run reaches.

First the tour, then labs that the last twenty commits touched, then the others; the shortest of each first.
``LEYDEN_LABS_MINUTES`` limits how long all may take together: a lab that would not fit, as slow as this machine has
turned out to be, is skipped and says so.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from leyden.bench.config.compose import compose
from leyden.bench.config.groups import file_of, options
from leyden.report.labs.expectations import expectations

ROOT = Path(__file__).parents[2]
PHOTOGRAPHS = ["paths.data={data}/hymenoptera_256", "model.weights={data}/weights/mobilenet_v2_imagenet_fp16.pth"]
CELLS = ["paths.data={data}", PHOTOGRAPHS[1]]
FROM_OUTSIDE = {
    "transfer_ants_bees": PHOTOGRAPHS,
    "transfer_four_cases_imagenet": PHOTOGRAPHS,
    "detection_blood_cells": CELLS,
    "detection_transfer": CELLS,
    "gan_srgan_t91": ["paths.data={data}/super_resolution"],
    "transfer_domain_office": ["paths.data={data}/office_caltech_surf"],
    "transfer_domain_products": ["paths.data={data}"],
    "transfer_domain_amazon": ["paths.data={data}"],
    "text_reviews_transfer": ["paths.data={data}"],
    "transfer_fewshot_omniglot": ["paths.data=."],
}
"""Labs whose data or weights do not come with a package, and the overrides that say where they are."""
UNPACKED = {"transfer_fewshot_omniglot": "omniglot/images_background_small?.zip"}
"""Archives that a lab's user unpacks first, into a folder of their own name."""
AFTER = {
    "transfer_reuse": "transfer_task_a",
    "detection_nms": "detection_ssd",
    "multimodal_zeroshot_images": "multimodal_clip_scenes",
}
"""Labs that start from another's record."""
MADE_OF = {"detection_race"}
"""Labs whose jobs are other labs, word for word (tests/bench/config/test_variants.py)."""
OWN = {"own_images", "own_boxes"}
"""Recipes for data of the user's own: nobody can say what they reach."""
LONG = {"detection_blood_cells"}
"""Labs that do not fit into the hour that CI has for all of them."""


def minutes(name: str) -> float:
    """How long a lab says that it takes, with its controls and the one before it."""
    lab = yaml.safe_load(file_of("experiment", name).read_text())["lab"]
    controls = {line.control for line in expectations(lab["expect"])} - {None}
    return lab["minutes"] * (1 + len(controls)) + (minutes(AFTER[name]) if name in AFTER else 0)


def changed_files(commits: int = 20) -> set[str]:
    """Files that the last commits changed, from the repository's root; none outside a checkout."""
    log = ["git", "log", f"-{commits}", "--name-only", "--format="]
    return set(subprocess.run(log, cwd=ROOT, capture_output=True, text=True, check=False).stdout.split())


def files_of(name: str) -> set[str]:
    """A lab's own file, its model's and data's, and the module of its technique."""
    chosen = re.findall(r"override /(model|data|data/source): (\S+)", file_of("experiment", name).read_text())
    configs = {f"conf/{group}/{option}.yaml" for group, option in chosen}
    targets = {target for file in configs for target in re.findall(r"_target_: (\S+)\.\w+", (ROOT / file).read_text())}
    return {f"experiments/{name}.yaml", *configs, *(f"src/{target.replace('.', '/')}.py" for target in targets)}


def in_order(names: set[str]) -> list[str]:
    """The tour, what the last commits touched, the rest; the shortest of each first."""
    changed = changed_files()

    def key(name: str) -> tuple[bool, bool, float, str]:
        tour = name.startswith("tour_")
        return not tour, not (tour or files_of(name) & changed), minutes(name), name

    return sorted(names, key=key)


LABS = [
    pytest.param(name, marks=[pytest.mark.long] if name in LONG else [])
    for name in in_order({*options("experiment")} - MADE_OF - OWN)
]


class Allowance:
    """The minutes that all labs may take together."""

    def __init__(self, total: float) -> None:
        self.total, self.began, self.said = total, time.monotonic(), 0.0

    def spend(self, said: float) -> None:
        """Skips a test that says it takes so many minutes and would end too late, as slow as those before were."""
        taken = (time.monotonic() - self.began) / 60
        takes = said * max(1.0, taken / self.said if self.said else 1.0)
        if taken + takes > self.total:
            pytest.skip(f"{taken:.0f} of LEYDEN_LABS_MINUTES={self.total:g} are over, and this takes {takes:.0f}")
        self.said += said


@pytest.fixture(scope="module")
def allowance() -> Allowance:
    return Allowance(float(os.environ.get("LEYDEN_LABS_MINUTES", "inf")))


@pytest.mark.lab
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("experiment", LABS)
def test_a_lab_reaches_what_it_expects(
    experiment: str,
    leyden: Callable,
    records: Callable,
    allowance: Allowance,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    assert compose([f"experiment={experiment}"]).config["lab"]["expect"], "a lab says what a sound run reaches"
    words = [f"experiment={experiment}"]
    if experiment in FROM_OUTSIDE:
        dev_data = request.getfixturevalue("dev_data")
        words += [word.format(data=dev_data) for word in FROM_OUTSIDE[experiment]]
        for archive in dev_data.glob(UNPACKED[experiment]) if experiment in UNPACKED else ():
            shutil.unpack_archive(archive, tmp_path / archive.parent.name)
    allowance.spend(minutes(experiment))
    if experiment in AFTER:
        assert leyden("run", f"experiment={AFTER[experiment]}").returncode == 0
    done = leyden("run", *words)
    assert done.returncode == 0, done.stderr
    folder = records()[-1] if experiment not in AFTER else next(f for f in records() if f.parent.name == experiment)
    verified = leyden("verify", str(folder))
    print(verified.stdout)
    assert verified.returncode == 0, verified.stdout


def test_labs_from_outside_are_listed() -> None:
    labs = {*options("experiment")} - OWN
    data = {name: str(compose([f"experiment={name}", "paths.data=OUTSIDE"]).config["data"]) for name in labs}
    assert {name for name in labs if "OUTSIDE" in data[name]} == FROM_OUTSIDE.keys()


def test_the_tour_comes_first() -> None:
    names = in_order({*options("experiment")} - MADE_OF - OWN)
    tour = [name for name in names if name.startswith("tour_")]
    assert names[: len(tour)] == tour
    assert minutes(tour[0]) <= minutes(tour[-1])


def test_a_lab_s_files_are_where_they_are_said_to_be() -> None:
    for name in ("gan_dcgan", "detection_ssd"):
        assert all((ROOT / file).is_file() for file in files_of(name))
    assert "src/leyden/gan/noise_to_image/dcgan.py" in files_of("gan_dcgan")


def test_what_does_not_fit_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    hour = Allowance(60)
    hour.spend(5)
    now = 20 * 60.0  # four times as slow as it said
    hour.spend(9)
    with pytest.raises(pytest.skip.Exception, match="20 of LEYDEN_LABS_MINUTES=60 are over"):
        hour.spend(30)
    with pytest.raises(pytest.skip.Exception):
        Allowance(3).spend(4)
