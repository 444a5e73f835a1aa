"""Weights & Biases and MLflow, by Lightning's own loggers; a run that is resumed goes on in the same run there."""

import json
from abc import ABC
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from lightning.pytorch.loggers import MLFlowLogger, WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch import Tensor
from torchvision.transforms.v2.functional import to_pil_image

from leyden.core.files import write_file
from leyden.training.loggers import About, RunLogger

TRACKED = "tracked.json"
"""In the record: the id of its run in each tracker."""


class Tracker(RunLogger, ABC):
    """What both have in common: numbers are theirs at once, and what a killed run logged behind a checkpoint stays."""

    folder: Path
    """The record's."""

    def flush(self) -> None:
        """They send numbers by themselves."""

    def rewind(self, step: int) -> None:
        """They keep what was logged; the steps that are repeated are logged twice."""

    def known(self, tracker: str) -> str | None:
        """The run's id in ``tracker``, as the record says; None before there is one."""
        run = str(self._tracked().get(tracker, ""))
        return run if run.isalnum() else None

    @rank_zero_only
    def remember(self, tracker: str, run: str) -> None:
        """Writes down which run it is, for when it goes on."""
        write_file(self.folder / TRACKED, json.dumps({**self._tracked(), tracker: run}, indent=2))

    def _tracked(self) -> dict[str, Any]:
        file = self.folder / TRACKED
        return json.loads(file.read_text()) if file.is_file() else {}

    def curves(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """What has a course; what is measured once comes at the end."""
        return {name: value for name, value in self.not_ahead(metrics).items() if not name.startswith("test/")}


class Wandb(Tracker, WandbLogger):
    """Weights & Biases; its own files are in the record's folder ``wandb``, from which ``wandb sync`` uploads.

    Args:
        save_dir: the record's folder.
        project: in which runs are gathered.
        entity: user or team; None: the default one of whoever is logged in.
        mode: online, offline or disabled; None: as WANDB_MODE says, or online.

    Raises:
        ValueError: the package is missing.
    """

    def __init__(
        self, save_dir: str, project: str = "leyden", entity: str | None = None, mode: str | None = None
    ) -> None:
        self.folder = Path(save_dir)
        run = self.known("wandb") or uuid4().hex[:8]
        try:
            WandbLogger.__init__(self, save_dir=save_dir, project=project, id=run, entity=entity, mode=mode)
        except ModuleNotFoundError as error:
            raise missing("wandb") from error
        self._run = run

    @rank_zero_only
    def begin(self, about: About) -> None:
        """Names the run and notes its hyperparameters and texts."""
        self.remember("wandb", self._run)
        self.experiment.name = about.name
        self._drop_link()
        self.experiment.notes = about.texts.get("question", "")
        self.log_hyperparams(about.typed)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Draws each metric at the step that it belongs to."""
        if curves := self.curves(metrics):
            WandbLogger.log_metrics(self, curves, self.step(step))

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[Tensor], step: int | None = None, **named: Any) -> None:
        """Shows uint8 images (3, H, W)."""
        import wandb  # here, because it takes long

        shown = [wandb.Image(to_pil_image(image.cpu())) for image in images]
        WandbLogger.log_metrics(self, {key: shown}, self.step(step))  # type: ignore[dict-item]  # as its log_image does

    @rank_zero_only
    def end(self, metrics: Mapping[str, float], verdict: str) -> None:
        """Writes the final metrics into the run's summary."""
        self.experiment.summary.update({**metrics, "verdict": verdict})
        self.experiment.finish()  # or the next run of this process would be logged into this one
        self._drop_link()

    def _drop_link(self) -> None:
        """Removes wandb's link to a log in the user's cache: a record with links that lead out of it is refused."""
        for file in (self.folder / "wandb").glob("*/logs/*"):  # a whole name would find no link to a file that is gone
            if file.is_symlink():
                file.unlink()


class MLflow(Tracker, MLFlowLogger):
    """MLflow, in a local file or on a server.

    Args:
        save_dir: the record's folder.
        experiment_name: in which runs are gathered.
        tracking_uri: a server's address, or ``sqlite:///FILE``; None: as MLFLOW_TRACKING_URI says, or ``mlflow.db``
            where the command was typed, with images in ``mlruns`` beside it.

    Raises:
        ValueError: the package is missing.
    """

    def __init__(self, save_dir: str, experiment_name: str = "leyden", tracking_uri: str | None = None) -> None:
        self.folder = Path(save_dir)
        try:
            import mlflow  # here, because it takes long and may be missing
        except ModuleNotFoundError as error:
            raise missing("mlflow") from error
        uri, run = tracking_uri or mlflow.get_tracking_uri(), self.known("mlflow")
        try:
            run = run and mlflow.MlflowClient(uri).get_run(run).info.run_id
        except mlflow.MlflowException:  # it was deleted, or goes on elsewhere
            run = None
        MLFlowLogger.__init__(self, experiment_name, tracking_uri=uri, run_id=run)

    @rank_zero_only
    def begin(self, about: About) -> None:
        """Names the run and notes its hyperparameters and texts."""
        run = str(self.run_id)
        self.remember("mlflow", run)
        self.experiment.set_tag(run, "mlflow.runName", about.name)
        self.experiment.set_tag(run, "mlflow.note.content", about.texts.get("question", ""))
        self.log_hyperparams(about.typed)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Draws each metric at the step that it belongs to."""
        if curves := self.curves(metrics):
            MLFlowLogger.log_metrics(self, curves, self.step(step))

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[Tensor], step: int | None = None) -> None:
        """Shows uint8 images (3, H, W)."""
        for image in images:
            self.experiment.log_image(
                self.run_id, to_pil_image(image.cpu()), key=key.replace("/", "_"), step=self.step(step)
            )

    @rank_zero_only
    def end(self, metrics: Mapping[str, float], verdict: str) -> None:
        """Logs the final metrics, and the verdict as a tag."""
        MLFlowLogger.log_metrics(self, metrics, self.step(None))
        self.experiment.set_tag(self.run_id, "verdict", verdict)


def missing(package: str) -> ValueError:
    """What to do where a tracker's package is not there."""
    return ValueError(f"logger={package} needs a package more: pip install 'leyden[{package}]'")
