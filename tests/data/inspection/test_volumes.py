"""A look at volumes: counts, empty shapes, copies across splits, the report and the sheet."""

import torch

from leyden.data.columns import Volumes
from leyden.data.inspection.inspect import inspect
from leyden.data.inspection.volumes import VolumeInspection
from leyden.data.source.volumes.shapes3d import Shapes3d
from leyden.data.splits import InMemory, Stage
from leyden.report.inspection.report import inspection_report, inspection_sheet


class Spoiled(Shapes3d):
    """The first test shape is the first training shape, the second is empty."""

    def split(self, stage: Stage) -> InMemory[Volumes]:
        columns = super().split(stage).columns
        if stage == "test":
            volumes = columns.volumes.clone()
            volumes[0], volumes[1] = super().split("train").columns.volumes[0], 0
            columns = columns._replace(volumes=volumes)
        return InMemory(columns)


def test_volumes_are_counted_and_drawn() -> None:
    source = Shapes3d(train_each=3, val_each=2, test_each=2)
    seen = inspect(source)
    assert isinstance(seen, VolumeInspection)
    assert seen.issues == []
    assert {stage: count.tolist() for stage, count in seen.counts.items()} == {
        "train": [3, 3, 3, 3, 0],
        "val": [2, 2, 2, 2, 0],
        "test": [2, 2, 2, 2, 2],
    }
    report, sheet = inspection_report(source, seen), inspection_sheet(source, seen)
    assert ["bed", "0", "0", "2"] in [[cell.strip() for cell in line.split("|")[1:-1]] for line in report.splitlines()]
    assert sheet.dtype == torch.uint8
    assert sheet.shape[0] == 3


def test_empty_and_copied_volumes_are_issues() -> None:
    seen = inspect(Spoiled(train_each=3, val_each=2, test_each=2))
    assert [(issue.kind, issue.effect) for issue in seen.issues] == [
        ("shape of two splits", "warning"),
        ("empty shape", "warning"),
    ]
