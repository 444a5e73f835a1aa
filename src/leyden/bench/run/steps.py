"""What Lightning does around each training step, for less: it is felt where a network's own step takes milliseconds."""

import inspect
from collections.abc import Iterable
from typing import Any, TypeVar

from lightning import LightningModule
from lightning.pytorch.callbacks import Callback
from torch import nn

HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
"""What Lightning calls at every training step, on every callback and on the module."""

Hooked = TypeVar("Hooked", Callback, LightningModule)


def without_idle_hooks(every: Iterable[Hooked]) -> list[Hooked]:
    """Takes from callbacks, or from modules, those hooks of a step that do nothing.

    Lightning calls all of them, and times each call; what is not callable it passes over.
    """
    every = list(every)
    for one in every:
        kind = Callback if isinstance(one, Callback) else LightningModule
        for hook in HOOKS:
            if getattr(getattr(one, hook), "__func__", None) is getattr(kind, hook):
                setattr(one, hook, None)
    return every


def with_quick_steps(module: LightningModule) -> LightningModule:
    """Makes quick what Lightning asks of the module at each step: two things of its class, and its idle hooks.

    Around each hook it notes in the module which one that is, some forty times a step; ``nn.Module`` looks each time
    whether it was given a parameter, a buffer or a module. And it reads the signature of ``training_step``. What is
    made quick stays so for other modules of the class; what any of them does is the same.
    """
    kind: Any = type(module)
    if kind.__setattr__ is nn.Module.__setattr__:
        kind.__setattr__ = _set
    kind.training_step.__signature__ = inspect.signature(kind.training_step)
    return without_idle_hooks([module])[0]


def _set(module: nn.Module, name: str, value: Any) -> None:
    if name == "_current_fx_name":
        module.__dict__[name] = value
    else:
        nn.Module.__setattr__(module, name, value)
