"""What the tests of whole labs share: their data from outside, their order, and the time that all may take together."""

import re
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from leyden.bench.config.groups import file_of
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
AFTER = {
    "transfer_reuse": "transfer_task_a",
    "detection_nms": "detection_ssd",
    "multimodal_zeroshot_images": "multimodal_clip_scenes",
}
"""Labs that start from another's record."""


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
    chosen = re.findall(r"override /(model|data/source|data)(?:@\S+)?: (\S+)", file_of("experiment", name).read_text())
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


def in_turn(names: Sequence[str | None]) -> list[int]:
    """Which of these tests comes at each place: those of labs in the labs' order, the others (None) where they were."""
    places = [place for place, name in enumerate(names) if name]
    order = {name: rank for rank, name in enumerate(in_order({name for name in names if name}))}
    turns = dict(zip(places, sorted(places, key=lambda place: order[names[place]]), strict=True))
    return [turns.get(place, place) for place in range(len(names))]


class Allowance:
    """The minutes that all labs may take together."""

    def __init__(self, total: float) -> None:
        self.total, self.began, self.said = total, time.monotonic(), 0.0

    def spend(self, said: float) -> None:
        """Skips a test that says it takes so many minutes and would end too late, as slow as those before were."""
        taken = (time.monotonic() - self.began) / 60
        takes = said * max(1.0, taken / self.said if self.said else 1.0)
        if taken + takes > self.total:
            pytest.skip(f"{taken:.0f} of LEYDEN_LABS_MINUTES={self.total:g} are over, and this takes {takes:.1f}")
        self.said += said
