import builtins
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from leyden.core.allow_list import refuse_links
from leyden.training.loggers import About
from leyden.training.trackers import MLflow, Wandb

ABOUT = About("gan seed=3", {"seed": 3, "model.lr": 0.1}, {"question": "Why?"}, Path("outputs"))
IMAGE = torch.zeros(3, 4, 4, dtype=torch.uint8)


def test_mlflow_goes_on_in_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # quicker than a database
    uri = (tmp_path / "runs").as_uri()
    for value in (0.5, 0.25):
        logger = MLflow(str(tmp_path), tracking_uri=uri)
        logger.begin(ABOUT)
        logger.log_metrics({"val/loss": value, "test/loss": 9.0}, step=7)
        logger.log_image("val/samples", [IMAGE], step=7)
    logger.end({"test/loss": 0.125}, "as expected")
    logger.finalize("success")
    client = mlflow.MlflowClient(uri)
    [experiment] = [found for found in client.search_experiments() if found.name == "leyden"]
    [run] = client.search_runs([experiment.experiment_id])
    assert json.loads((tmp_path / "tracked.json").read_text()) == {"mlflow": run.info.run_id}
    assert (run.info.run_name, run.info.status) == ("gan seed=3", "FINISHED")
    assert run.data.params == {"seed": "3", "model.lr": "0.1"}
    assert run.data.metrics == {"val/loss": 0.25, "test/loss": 0.125}
    assert run.data.tags["verdict"] == "as expected"
    assert [point.value for point in client.get_metric_history(run.info.run_id, "test/loss")] == [0.125]
    assert list((tmp_path / "runs").rglob("images/val_samples*.png"))


class Config(dict):
    def update(self, params: dict[str, Any], allow_val_change: bool) -> None:  # type: ignore[override]
        assert allow_val_change
        super().update(params)


class Told:
    """Notes what is told to Weights & Biases, in place of a run, which is a process of its own."""

    name = notes = ""

    def __init__(self, **given: Any) -> None:
        self.given, self.config, self.summary, self.rows = given, Config(), dict[str, Any](), list[Any]()
        self.finished = False
        logs = Path(given["dir"]) / "wandb" / "offline-run-1" / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        (logs / "debug-core.log").symlink_to(Path(given["dir"]).parent / "core.log")
        (logs.parents[1] / "latest-run").unlink(missing_ok=True)
        (logs.parents[1] / "latest-run").symlink_to(logs.parent)

    def log(self, row: dict[str, Any]) -> None:
        self.rows.append(row)

    def finish(self) -> None:
        self.finished = True


def test_wandb_goes_on_in_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    runs: list[Told] = []
    monkeypatch.setattr(wandb, "init", lambda **given: runs.append(Told(**given)) or runs[-1])
    for _ in range(2):
        logger = Wandb(str(tmp_path), entity="us", mode="offline")
        logger.begin(ABOUT)
        refuse_links(tmp_path)
    logger.log_metrics({"val/loss": 0.5, "test/loss": 9.0}, step=7)
    logger.log_image("samples", [IMAGE], step=7)
    logger.end({"test/loss": 0.125}, "as expected")
    first, told = runs
    expected = {"project": "leyden", "entity": "us", "mode": "offline", "dir": str(tmp_path), "resume": "allow"}
    assert expected.items() <= told.given.items()
    assert told.given["id"] == first.given["id"] == json.loads((tmp_path / "tracked.json").read_text())["wandb"]
    assert (told.name, told.notes, told.config) == ("gan seed=3", "Why?", ABOUT.typed)
    assert told.rows[0] == {"val/loss": 0.5, "trainer/global_step": 7}
    assert [type(image) for image in told.rows[1]["samples"]] == [wandb.Image]
    assert told.summary == {"test/loss": 0.125, "verdict": "as expected"}
    assert told.finished


@pytest.mark.parametrize(("logger", "extra"), [(Wandb, "wandb"), (MLflow, "mlflow")])
def test_missing_package_names_the_extra(
    logger: type, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == extra:
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(f"lightning.pytorch.loggers.{extra}._{extra.upper()}_AVAILABLE", False)
    with pytest.raises(ValueError, match=rf"logger={extra} needs a package more: pip install 'leyden\[{extra}\]'"):
        logger(str(tmp_path))
