"""A nearest-mean classifier of points: small enough to see, and all that an estimator owes the bench."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningDataModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from leyden.core.estimator import EstimatorTask, register_estimates

POINTS = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 0.0], [4.0, 2.0], [5.0, 1.0]])
LABELS = torch.tensor([0, 0, 1, 1, 1])


class Points(LightningDataModule):
    points, labels = POINTS, LABELS

    def train_dataloader(self) -> Any:
        return DataLoader(TensorDataset(POINTS, LABELS), batch_size=1)

    val_dataloader = test_dataloader = train_dataloader


class NearestMean(EstimatorTask):
    monitor, mode = "val/accuracy", "max"
    fits = 0

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.classes = classes
        register_estimates(self, "means")

    def estimate(self, data: Any) -> dict[str, float]:
        self.fits += 1
        self.means = torch.stack([data.points[data.labels == c].mean(0) for c in range(self.classes)])
        return {"train/spread": float((data.points - self.means[data.labels]).square().mean())}

    def forward(self, x: Tensor) -> Tensor:
        self.check_fitted()
        return torch.cdist(x, self.means).argmin(1)

    def validation_step(self, batch: Any, batch_index: int) -> None:
        self.log("val/accuracy", (self(batch[0]) == batch[1]).float().mean())


def trainer(folder: Path, **arguments: Any) -> tuple[Trainer, ModelCheckpoint]:
    best = ModelCheckpoint(folder, "best", monitor="val/accuracy", mode="max")
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
    return Trainer(accelerator="cpu", callbacks=[best], **(quiet | arguments)), best


def test_one_step_fits_validates_and_ends(tmp_path: Path) -> None:
    model, (fits, best) = NearestMean(2), trainer(tmp_path, max_epochs=10)
    fits.fit(model, Points())
    torch.testing.assert_close(model.means, torch.tensor([[0.0, 1.0], [13 / 3, 1.0]]))
    assert (model.fits, fits.global_step, fits.current_epoch) == (1, 1, 1)
    assert fits.callback_metrics["val/accuracy"] == 1
    assert fits.callback_metrics["train/spread"] > 0
    assert best.best_model_score == 1
    assert float(model.unused.detach()) == 0


def test_a_checkpoint_has_the_estimate(tmp_path: Path) -> None:
    model, (fits, best) = NearestMean(2), trainer(tmp_path, max_epochs=1)
    fits.fit(model, Points())
    loaded = NearestMean.load_from_checkpoint(best.best_model_path, weights_only=True)
    assert torch.equal(loaded.means, model.means)
    assert torch.equal(loaded(POINTS), LABELS)
    resumes, _ = trainer(tmp_path / "more", max_epochs=1)
    other = NearestMean(2)
    resumes.fit(other, Points(), ckpt_path=best.best_model_path, weights_only=True)
    assert (other.fits, resumes.global_step) == (0, 1)
    assert torch.equal(other.means, model.means)


def test_it_is_fitted_to_a_data_module(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="NearestMean is fitted to a DataModule"):
        trainer(tmp_path, max_epochs=1)[0].fit(NearestMean(2), Points().train_dataloader())


def test_nothing_is_predicted_before_the_fit() -> None:
    with pytest.raises(ValueError, match="NearestMean is not fitted: train it"):
        NearestMean(2)(POINTS)
