"""``leyden evaluate``: a record's best checkpoint, tested once more."""

import json

import lightning
from rich.console import Console
from rich.table import Table

from leyden.bench.run.checkpoint import best, technique_of
from leyden.bench.run.devices import as_begun
from leyden.bench.run.record import Record
from leyden.bench.run.run import assemble
from leyden.core.files import write_file
from leyden.training.logs import setup_logging


def evaluate(record: Record) -> dict[str, float]:
    """Tests the best checkpoint again, prints the metrics beside the recorded ones, writes them to evaluation.json."""
    setup_logging(None)
    config = {**as_begun(record), "logger": {}, "callbacks": {}}
    checkpoint = best(record, technique_of(config))
    lightning.seed_everything(config["seed"], workers=True, verbose=False)
    data, model, trainer = assemble(config, record.folder, record.allow)
    metrics = trainer.test(model, data, ckpt_path=checkpoint, weights_only=True, verbose=False)[0]
    write_file(record.folder / "evaluation.json", json.dumps(metrics, indent=2))
    table = Table("metric", "now", "recorded", box=None, header_style="bold", pad_edge=False)
    for name, value in metrics.items():
        table.add_row(name, f"{value:.4g}", f"{record.metrics[name]:.4g}" if name in record.metrics else "")
    Console().print(table)
    return dict(metrics)
