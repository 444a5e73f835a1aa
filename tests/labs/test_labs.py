"""Every lab, whole, from the command line: it reaches what it says that a sound run reaches.

The order and the limit of their time, ``LEYDEN_LABS_MINUTES``, are those of ``conftest.py``.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from whole_labs import AFTER, FROM_OUTSIDE, ROOT, Allowance, files_of, in_order, in_turn, minutes

from leyden.bench.config.compose import compose
from leyden.bench.config.groups import options

UNPACKED = {"transfer_fewshot_omniglot": "omniglot/images_background_small?.zip"}
"""Archives that a lab's user unpacks first, into a folder of their own name."""
MADE_OF = {"detection_race"}
"""Labs whose jobs are other labs, word for word (tests/bench/config/test_variants.py)."""
OWN = {"own_images", "own_boxes"}
"""Recipes for data of the user's own: nobody can say what they reach."""
LONG = {"detection_blood_cells"}
"""Labs that do not fit into the hour that CI has for all of them."""
LABS = [
    pytest.param(name, marks=[pytest.mark.long] if name in LONG else [])
    for name in sorted({*options("experiment")} - MADE_OF - OWN)
]


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
    configs = {name: [ROOT / file for file in files_of(name) if file.endswith(".yaml")] for name in labs}
    found = {name for name, files in configs.items() if any("${paths.data}" in file.read_text() for file in files)}
    assert found == FROM_OUTSIDE.keys()


def test_the_tour_comes_first() -> None:
    names = in_order({*options("experiment")} - MADE_OF - OWN)
    tour = [name for name in names if name.startswith("tour_")]
    assert names[: len(tour)] == tour
    assert minutes(tour[0]) <= minutes(tour[-1])


def test_tests_of_one_lab_stand_together() -> None:
    names = [None, "gan_dcgan", "tour_gan", None, "gan_dcgan", "tour_gan"]
    assert in_turn(names) == [0, 2, 5, 3, 1, 4]
    assert in_turn([]) == []


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
