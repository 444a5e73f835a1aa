from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from leyden.training.loggers import About
from leyden.training.tensorboard import TensorBoard, link_run

TITLES = ("lab/question", "lab/verdict", "run/config")


def test_tensorboard_hides_rewound_points(tmp_path: Path) -> None:
    folder = tmp_path / "tensorboard"
    for steps, rewind in (((1, 2, 3), None), ((2, 3), 1)):
        board = TensorBoard(str(tmp_path))
        if rewind is not None:
            board.rewind(rewind)
        for step in steps:
            board.log_metrics({"train/loss": float(step if rewind is None else 10 * step), "epoch": 0}, step)
        board.finalize("success")
        if rewind is None:  # files of one second are read by their number as text: 10 before 9
            next(folder.glob("events.*")).rename(folder / "events.out.tfevents.0.earlier")
    events = EventAccumulator(str(folder)).Reload()
    assert events.Tags()["scalars"] == ["train/loss"]
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 1.0), (2, 20.0), (3, 30.0)]


def test_tensorboard_draws_only_what_has_a_course(tmp_path: Path) -> None:
    board, folder = TensorBoard(str(tmp_path)), tmp_path / "tensorboard"
    typed = {"seed": 3, "model.lr": "0.1", "data": "gan/images"}
    board.begin(About("gan seed=3", typed, {"question": "Why?", "config": "```yaml\na: 1\n```"}, tmp_path / "outputs"))
    for step in (1, 2):
        board.log_metrics({"train/loss": 0.5, "val/fid": 2.0, "epoch": 0}, step)
    board.log_metrics({"test/fid": 3.0, "epoch": 1}, 2)
    final = {"val/fid": 2.0, "best/val/fid": 2.0, "steps": 2.0, "epochs": 1.0, "test/fid": 3.0}
    board.end(final, "as expected")
    board.finalize("success")
    events = EventAccumulator(str(folder)).Reload()
    assert events.Tags()["scalars"] == ["train/loss", "val/fid"]
    texts = {title: events.Tensors(f"{title}/text_summary")[0].tensor_proto.string_val[0].decode() for title in TITLES}
    assert [*texts.values()] == ["Why?", "as expected", "```yaml\na: 1\n```"]
    [table] = events.Tensors("metrics/text_summary")
    rows = table.tensor_proto.string_val[0].decode().splitlines()
    assert rows[2:] == [f"| {name} | {value:.4g} |" for name, value in final.items()]
    plugin = events.summary_metadata["_hparams_/session_start_info"].plugin_data
    written = HParamsPluginData.FromString(plugin.content).session_start_info.hparams
    assert {name: value.number_value or value.string_value for name, value in written.items()} == typed
    plugin = events.summary_metadata["_hparams_/experiment"].plugin_data
    shown = HParamsPluginData.FromString(plugin.content).experiment.metric_infos
    assert [metric.name.tag for metric in shown] == ["val/fid"]


def test_examples_come_before_charts_and_behind_curves(tmp_path: Path) -> None:
    board = TensorBoard(str(tmp_path))
    for tag in ("confusion", "samples", "test/odd"):
        board.log_image(tag, [torch.zeros(3, 4, 4, dtype=torch.uint8)], step=1)
    board.log_metrics({"val/loss": 1.0}, 1)
    board.finalize("success")
    tags = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Tags()
    assert tags["images"] == ["visual_charts/confusion", "view/samples", "visual_charts/test_odd"]
    assert sorted(tags["scalars"] + tags["images"])[:2] == ["val/loss", "view/samples"]


def events_of(folder: Path) -> Path:
    (folder / "tensorboard").mkdir(parents=True)
    return folder


def test_links_have_short_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outputs = Path("outputs")
    first, second, third = (events_of(outputs / "lab" / name) for name in ("a", "b", "c"))
    for record in (first, second, first):  # the first goes on later
        link_run(record, outputs, "lab seed=0")
    links = outputs / "tensorboard"
    assert {link.name: link.resolve() for link in links.iterdir()} == {
        "lab seed=0": (first / "tensorboard").resolve(),
        "lab seed=0 (2)": (second / "tensorboard").resolve(),
    }
    first.rename(outputs / "gone")
    link_run(third, outputs, "lab seed=0")
    assert (links / "lab seed=0").samefile(third / "tensorboard")
    link_run(events_of(tmp_path / "elsewhere"), outputs, "other")
    assert len(list(links.iterdir())) == 2
