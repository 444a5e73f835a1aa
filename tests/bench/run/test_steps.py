import inspect
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, LambdaCallback
from lightning.pytorch.demos.boring_classes import BoringModel, RandomDataset
from torch import Tensor, nn
from torch.utils.data import DataLoader

from leyden.bench.run.steps import HOOKS, with_quick_steps, without_idle_hooks


def fitted(module: LightningModule, *callbacks: Callback) -> dict[str, Tensor]:
    off = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    torch.manual_seed(0)
    Trainer(accelerator="cpu", max_epochs=1, callbacks=list(callbacks), **off).fit(
        module, DataLoader(RandomDataset(32, 2))
    )
    return module.state_dict()


def test_only_hooks_that_do_something_are_called() -> None:
    class Counts(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            pass

    class More(Counts):
        pass

    said = LambdaCallback(on_before_backward=lambda *_: None)
    more, lambdas = without_idle_hooks([More(), said])
    assert {hook for hook in HOOKS if callable(getattr(more, hook))} == {"on_train_batch_end"}
    assert {hook for hook in HOOKS if callable(getattr(lambdas, hook))} == {"on_before_backward"}


def test_lightning_passes_over_hooks_that_were_taken_away() -> None:
    seen: list[str] = []

    class Watch(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            seen.append("start")

        def on_train_epoch_end(self, *_: Any) -> None:
            seen.append("epoch")

    class Watched(BoringModel):
        def on_train_batch_end(self, *_: Any) -> None:
            seen.append("end")

    module = with_quick_steps(Watched())
    fitted(module, *without_idle_hooks([Watch()]))
    assert seen == ["start", "end", "start", "end", "epoch"]
    assert {hook for hook in HOOKS if callable(getattr(module, hook))} == {"on_train_batch_end"}


def test_quick_steps_learn_the_same_and_know_the_hook_they_are_in() -> None:
    class Noting(BoringModel):
        def training_step(self, batch: Tensor, batch_idx: int) -> Any:
            self.noted = self._current_fx_name
            return super().training_step(batch, batch_idx)

    class Quick(Noting):
        pass

    torch.manual_seed(1)
    usual = Noting()
    quick = with_quick_steps(Quick())
    quick.load_state_dict(usual.state_dict())
    for (name, weight), (other, same) in zip(fitted(usual).items(), fitted(quick).items(), strict=True):
        assert name == other
        assert torch.equal(weight, same)
    assert quick.noted == usual.noted == "training_step"
    assert quick._current_fx_name is usual._current_fx_name is None


@pytest.mark.parametrize("quick", [False, True])
def test_what_lightning_notes_does_not_go_through_the_module(quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Quick(BoringModel):
        pass

    names: list[str] = []
    usual = nn.Module.__setattr__
    with monkeypatch.context() as patched:
        patched.setattr(
            nn.Module, "__setattr__", lambda one, name, value: (names.append(name), usual(one, name, value))
        )
        module = with_quick_steps(Quick()) if quick else Quick()
        names.clear()
        fitted(module)
    assert ("_current_fx_name" in names) is not quick


def test_a_module_with_quick_steps_still_takes_up_what_it_is_given() -> None:
    class Quick(BoringModel):
        pass

    module = with_quick_steps(Quick())
    module.scale = nn.Parameter(torch.ones(1))
    module.more = nn.Linear(1, 1)
    assert {"scale", "more.weight"} < set(dict(module.named_parameters()))


def test_the_signature_that_lightning_reads_is_kept_and_right() -> None:
    class Quick(BoringModel):
        def training_step(self, batch: Any, batch_idx: Any) -> Any:
            return super().training_step(batch, batch_idx)

    module = with_quick_steps(Quick())
    assert list(Quick.training_step.__signature__.parameters) == ["self", "batch", "batch_idx"]  # type: ignore[attr-defined]
    assert list(inspect.signature(module.training_step).parameters) == ["batch", "batch_idx"]


def test_a_class_that_takes_what_it_is_given_in_its_own_way_keeps_it() -> None:
    class Strict(BoringModel):
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)

    own = Strict.__setattr__
    assert type(with_quick_steps(Strict())).__setattr__ is own
