import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from leyden.bench.run.resume import LastCheckpoint


def written(
    every: int | None,
    seconds: float,
    monkeypatch: pytest.MonkeyPatch,
    took: float = 0,
    validates_every: float = math.inf,
) -> list[int]:
    """Steps at which last.ckpt is written, every so many; of six epochs of four steps that take so long each."""
    clock, steps = [0.0], []
    monkeypatch.setattr("leyden.bench.run.resume.time.monotonic", lambda: clock[0])
    loop = SimpleNamespace(done=False, total_batch_idx=0)

    def save(path: Path, weights_only: bool) -> None:
        steps.append(trainer.global_step)
        clock[0] += took

    trainer: Any = SimpleNamespace(
        check_val_every_n_epoch=None,
        val_check_batch=validates_every,
        fit_loop=loop,
        strategy=SimpleNamespace(broadcast=lambda flag: flag),
        save_checkpoint=save,
    )
    keeper, module = LastCheckpoint(Path("last.ckpt"), every), Any
    for epoch in range(6):
        for batch in range(4):
            clock[0] += seconds / 4
            loop.total_batch_idx = 4 * epoch + batch
            trainer.global_step, trainer.is_last_batch = loop.total_batch_idx + 1, batch == 3
            keeper.on_train_batch_end(trainer, module, None, None, batch)  # type: ignore[arg-type]
        loop.done = epoch == 5
        keeper.on_train_epoch_end(trainer, module)  # type: ignore[arg-type]
    return steps


@pytest.mark.parametrize(
    ("seconds", "validates_every", "expected"),
    [
        (1.0, math.inf, [5, 10, 15, 20, 24]),  # 20 is an epoch's end, after its validation; 24 the end of all
        (7.0, math.inf, [4, 5, 8, 10, 15, 20, 24]),  # epochs' ends too, where the last one is 5 s old
        (1.0, 5, [6, 11, 16, 20, 24]),  # not while a validation is still to come: a step later, or at the epoch's end
    ],
)
def test_last_checkpoint_by_steps(
    seconds: float, validates_every: float, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written(5, seconds, monkeypatch, validates_every=validates_every) == expected


@pytest.mark.parametrize(
    ("seconds", "took", "expected"),
    [
        (1.0, 0, [24]),  # six seconds in all, and no look at the clock in the last of them
        (3.0, 0, [8, 16, 24]),  # at epochs' ends, between the looks at every tenth step
        (16.0, 0, [4, 8, 10, 12, 16, 20, 24]),
        (16.0, 0.5, [4, 12, 20, 24]),  # 25 s apart, because half a second is a fiftieth of that
    ],
)
def test_last_checkpoint_by_the_clock(
    seconds: float, took: float, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert written(None, seconds, monkeypatch, took) == expected
