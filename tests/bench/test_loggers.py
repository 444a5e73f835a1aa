from pathlib import Path
from types import SimpleNamespace

import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torchvision.transforms.v2.functional import pil_to_tensor

from leyden.bench.loggers import Files, TensorBoard


def test_curves_are_rows_at_the_step_that_a_person_counts(tmp_path: Path) -> None:
    files = Files(str(tmp_path))
    files.trainer = SimpleNamespace(global_step=1)
    files.log_metrics({"train/loss": 0.5, "epoch": 0}, step=0)
    assert (tmp_path / "metrics.csv").read_text() == "step,metric,value\n1,train/loss,0.5\n"


def test_going_on_drops_what_came_after_the_checkpoint_and_a_cut_row(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,metric,value\n10,a,1\n20,a,2\n30,a,3\n20,b")
    Files(str(tmp_path)).rewind(20)
    assert (tmp_path / "metrics.csv").read_text() == "step,metric,value\n10,a,1\n20,a,2\n"


def test_a_picture_is_a_png_named_by_tag_and_step(tmp_path: Path) -> None:
    image = torch.arange(48, dtype=torch.uint8).view(3, 4, 4)
    Files(str(tmp_path)).log_image("val/samples", [image], step=7)
    assert torch.equal(pil_to_tensor(Image.open(tmp_path / "pictures" / "val_samples_000007.png")), image)


def test_tensorboard_lies_in_the_folder_itself_and_forgets_what_is_rewound(tmp_path: Path) -> None:
    for steps, rewind in (((1, 2, 3), None), ((2, 3), 1)):
        board = TensorBoard(str(tmp_path))
        if rewind is not None:
            board.rewind(rewind)
        for step in steps:
            board.log_metrics({"train/loss": float(step if rewind is None else 10 * step), "epoch": 0}, step)
        board.finalize("success")
    assert not list(tmp_path.glob("*/"))
    events = EventAccumulator(str(tmp_path)).Reload()
    assert events.Tags()["scalars"] == ["train/loss"]
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 1.0), (2, 20.0), (3, 30.0)]
