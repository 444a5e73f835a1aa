"""The data that a trainer was given, for techniques that need more of them than batches."""

from typing import TypeVar

from lightning import LightningDataModule, Trainer

Kind = TypeVar("Kind", bound=LightningDataModule)


def attached_data(trainer: Trainer, kind: type[Kind]) -> Kind | None:
    """The trainer's DataModule; None where it works on plain loaders or on a DataModule of another kind.

    Args:
        trainer: in ``fit``, ``validate`` or ``test``, or before.
        kind: the class that the technique can use.
    """
    data = trainer.datamodule  # type: ignore[attr-defined]  # Lightning's data connector sets it, to None at first
    return data if isinstance(data, kind) else None
