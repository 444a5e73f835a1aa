"""``leyden find-lr``: the learning-rate range test by Lightning's tuner, drawn."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from leyden.bench.config.validate import compose_and_check


def find_lr(overrides: Sequence[str], least: float, greatest: float, steps: int) -> tuple[float, Path]:
    """Trains for some steps while the rate grows exponentially; prints a rate, keeps nothing but the chart.

    Args:
        overrides: those of ``leyden run``.
        least: rate of the first step.
        greatest: rate of the last step.
        steps: how many; the test ends earlier where the loss has left.

    Returns:
        The rate at which the loss falls steepest, and the chart's file.

    Raises:
        ValueError: the loss gave nothing to choose by, or the technique has more than one optimizer.
    """
    composed = compose_and_check(overrides, whole=False, here=True)
    import numpy as np  # here, because they bring torch
    import torch
    from lightning.pytorch.tuner import Tuner
    from torchvision.transforms.v2.functional import to_pil_image

    from leyden.bench.run.run import assemble
    from leyden.training.logs import setup_logging
    from leyden.training.range_test import SKIPPED, steepest, unbiased
    from leyden.visualization.charts import draw_curves

    setup_logging(None)
    config = composed.config
    with tempfile.TemporaryDirectory() as folder:
        unlimited = {**config["trainer"], "max_epochs": -1, "limit_val_batches": 0}
        quiet = {**config, "logger": {}, "callbacks": {}, "trainer": unlimited}
        data, model, trainer = assemble(quiet, Path(folder), composed.allow)
        if not model.automatic_optimization:
            raise ValueError(f"{type(model).__name__} has several optimizers: no single rate can be found for it")
        finder = Tuner(trainer).lr_find(
            model, datamodule=data, min_lr=least, max_lr=greatest, num_training=steps, update_attr=False
        )
    if finder is None or len(finder.results["loss"]) < 2 * SKIPPED:
        raise ValueError(f"the loss left after a few of {steps} steps from {least}: begin lower, or take more steps")
    rates, losses = np.array(finder.results["lr"]), unbiased(np.array(finder.results["loss"]))
    suggestion = steepest(rates, losses)
    curve = (rates.tolist(), losses.tolist(), None)
    title = f"{config['lab']['name']}: steepest at {suggestion:.2g}"
    chart = draw_curves({"training loss, smoothed": curve}, "learning rate", "loss", title, True, None, suggestion)
    file = Path(config["paths"]["outputs"]) / "learning_rates" / f"{config['lab']['name']}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    to_pil_image(torch.as_tensor(chart)).save(file)
    print(f"learning rate {suggestion:.2g}: {file}")
    return suggestion, file
