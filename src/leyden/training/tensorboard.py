"""TensorBoard: curves of what has a course, images, and once the texts and the final numbers."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only
from torch import Tensor
from torch.utils.tensorboard.summary import hparams

from leyden.training.loggers import About, RunLogger

FOLDER = "tensorboard"
"""Of the events, in the record; and of links to those of all runs, with short names, in the folder of outputs."""
EXAMPLES = ("samples", "predictions", "test_predictions", "translations", "comparison", "wrong", "episode")
"""Tags of images that show examples; all others are charts or explain something."""
GROUPS = ("view", "visual_charts")
"""Of examples, and of other images: TensorBoard sorts groups by name, so that these come behind train and val."""
TITLES = {"question": "lab/question", "verdict": "lab/verdict", "config": "run/config"}
"""Tags of texts, for the same reason."""


class TensorBoard(RunLogger, TensorBoardLogger):
    """TensorBoard events in the record's folder ``tensorboard``.

    Args:
        save_dir: the record's folder.
        purge_step: TensorBoard hides earlier points from this step on.
    """

    def __init__(self, save_dir: str, purge_step: int | None = None) -> None:
        TensorBoardLogger.__init__(
            self, save_dir, name="", version=FOLDER, default_hp_metric=False, purge_step=purge_step
        )
        self._typed: dict[str, Any] = {}

    def rewind(self, step: int) -> None:
        """Makes TensorBoard hide the points after ``step`` that a killed run left."""
        TensorBoard.__init__(self, self.save_dir, step + 1)  # its file is not open yet

    @rank_zero_only
    def begin(self, about: About) -> None:
        """Writes the texts; hyperparameters wait for the end, where it is known what they led to."""
        self._typed = about.typed
        for title, text in about.texts.items():
            self.experiment.add_text(TITLES.get(title, title), text, 0)
        link_run(Path(self.save_dir), about.outputs, about.name)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Draws each metric at the step that it belongs to; the epoch and what is measured once are no curves."""
        fresh = self.not_ahead(metrics)
        curves = {key: value for key, value in fresh.items() if key != "epoch" and not key.startswith("test/")}
        super().log_metrics(curves, self.step(step))

    @rank_zero_only
    def log_image(self, key: str, images: Sequence[Tensor], step: int | None = None) -> None:
        """Shows uint8 images (3, H, W), examples before charts."""
        group = GROUPS[key not in EXAMPLES]
        for number, image in enumerate(images):
            tag = f"{group}/{key.replace('/', '_')}" + (f"_{number}" if len(images) > 1 else "")
            self.experiment.add_image(tag, image, self.step(step))

    @rank_zero_only
    def end(self, metrics: Mapping[str, float], verdict: str) -> None:
        """Writes the final metrics as a table, the verdict, and what was typed with the validation's curves."""
        rows = [f"| {name} | {value:.4g} |" for name, value in metrics.items()]
        self.experiment.add_text("metrics", "\n".join(["| metric | value |", "|---|---|", *rows]), self.step(None))
        if verdict:
            self.experiment.add_text(TITLES["verdict"], verdict, self.step(None))
        plain = {
            key: value if isinstance(value, bool | int | float) else str(value) for key, value in self._typed.items()
        }
        for summary in hparams(plain, {name: value for name, value in metrics.items() if name.startswith("val/")}):
            self.experiment.file_writer.add_summary(summary)

    @rank_zero_only
    def flush(self) -> None:
        """Writes the events to the file."""
        self.experiment.flush()


def link_run(folder: Path, outputs: Path, name: str) -> None:
    """Links the events of a record below ``outputs/tensorboard``, by a name that TensorBoard has room for.

    Args:
        folder: of the record; one that lies elsewhere is not linked.
        outputs: where runs leave their records.
        name: of the run; where another run has it already, a number is added.
    """
    if not folder.absolute().is_relative_to(outputs.absolute()) or not (events := folder / FOLDER).is_dir():
        return
    links = outputs / FOLDER
    links.mkdir(exist_ok=True)
    target, number = Path(os.path.relpath(events, links)), 1
    while True:
        link = links / (name if number == 1 else f"{name} ({number})")
        if link.is_symlink() and not link.exists():  # the record was deleted or moved
            link.unlink(missing_ok=True)
        try:
            link.symlink_to(target, target_is_directory=True)
        except FileExistsError:
            if link.is_symlink() and link.readlink() == target:
                return
            number += 1
        except OSError:  # a file system without links: TensorBoard shows the long names of the records
            return
        else:
            return
