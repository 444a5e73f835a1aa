"""How techniques log images, text and embeddings, and know in which steps Lightning logs numbers."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from lightning import LightningModule
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor


@runtime_checkable
class LogsImages(Protocol):
    """A logger with the signature that Lightning's loggers use for images."""

    def log_image(self, key: str, images: Sequence[Any], step: int | None = None) -> None:
        """Keeps ``images`` under ``key``."""
        ...


@runtime_checkable
class LogsFiles(Protocol):
    """A logger that keeps files of any kind."""

    def log_file(self, key: str, extension: str, content: bytes, step: int | None = None) -> None:
        """Keeps ``content`` under ``key``."""
        ...


def logs_now(module: LightningModule) -> bool:
    """Whether Lightning hands what is logged in this training step to the loggers; asked before an optimizer steps."""
    every: int = module.trainer.log_every_n_steps  # type: ignore[attr-defined]  # a connector sets it
    return every > 0 and (module.global_step + 1) % every == 0


def log_image(module: LightningModule, tag: str, image: Tensor) -> None:
    """Hands a uint8 image (3, H, W) to every logger that takes images, at the module's optimizer step.

    Args:
        module: attached to a trainer; without loggers nothing happens.
        tag: such as ``samples``, ``predictions``, ``confusion``; the same for all families.
        image: RGB.
    """
    if not module.trainer.is_global_zero or module.trainer.sanity_checking:
        return
    for logger in module.loggers:
        if isinstance(logger, LogsImages):
            logger.log_image(tag, [image], step=module.global_step)
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(tag, image, module.global_step)


def log_file(module: LightningModule, tag: str, extension: str, content: bytes) -> None:
    """Hands a file, such as a sound, to every logger that keeps files, at the module's optimizer step.

    Args:
        module: attached to a trainer; without loggers nothing happens.
        tag: such as ``song_0``.
        extension: of the file's name, such as ``mid``.
        content: of the file.
    """
    if not module.trainer.is_global_zero or module.trainer.sanity_checking:
        return
    for logger in module.loggers:
        if isinstance(logger, LogsFiles):
            logger.log_file(tag, extension, content, step=module.global_step)


def log_embedding(module: LightningModule, tag: str, features: Tensor, labels: Sequence[str]) -> None:
    """Hands features (N, F) with a label for each to TensorBoard's projector, at the module's optimizer step."""
    if not module.trainer.is_global_zero or module.trainer.sanity_checking:
        return
    for logger in module.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_embedding(features, list(labels), global_step=module.global_step, tag=tag)


def log_text(module: LightningModule, tag: str, text: str) -> None:
    """Hands markdown text to TensorBoard's text page, at the module's optimizer step."""
    if not module.trainer.is_global_zero or module.trainer.sanity_checking:
        return
    for logger in module.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.experiment.add_text(tag, text, module.global_step)
