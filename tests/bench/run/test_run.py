from pathlib import Path
from pkgutil import resolve_name

import torch
from commands import FAST, read_json

from leyden.bench.config.groups import options
from leyden.bench.config.validate import compose_and_check
from leyden.bench.run.checkpoint import newest, technique_of
from leyden.bench.run.record import Record
from leyden.bench.run.run import run


def test_a_notebook_can_run_a_lab(tmp_path: Path) -> None:
    record = Record.create(compose_and_check([*FAST, f"paths.outputs={tmp_path}"]))
    metrics = run(record)
    assert metrics == record.metrics
    assert record.status["status"] == "done"


def test_seed_decides_everything(tmp_path: Path) -> None:
    weights = []
    for number, seed in enumerate((0, 0, 1)):
        torch.manual_seed(number)  # whatever state the process was in
        record = Record.create(compose_and_check([*FAST, f"seed={seed}", f"paths.outputs={tmp_path}"]))
        run(record)
        weights.append(torch.load(record.checkpoint("last"), weights_only=True)["state_dict"]["net.head.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


SMALL = {
    "transfer_fonts": FAST,
    "tour_gan": ["debug=smoke", "data.image_size=16", "model.base_channels=8", "model.eval_samples=100"],
    "tour_detection": ["debug=smoke", "data.source.train=16", "data.source.val=8", "data.source.test=8"],
    "multimodal_clip_scenes": [
        "debug=smoke", "data.source.handwriting=digits", "data.source.train_each=1", "data.source.val_each=1",
        "data.source.test_each=1",
    ],
    "text_gpt": ["debug=smoke", "model.layers=1", "model.sample_length=10"],
}  # fmt: skip


def test_every_checkpoint_loads_weights_only(tmp_path: Path) -> None:
    techniques = set()
    for experiment, words in SMALL.items():
        record = Record.create(compose_and_check([f"experiment={experiment}", *words, f"paths.outputs={tmp_path}"]))
        run(record)
        technique = technique_of(record.config)
        checkpoint = newest(record, technique)
        loaded = resolve_name(technique).load_from_checkpoint(checkpoint, weights_only=True)
        stored = torch.load(checkpoint, weights_only=True)["state_dict"]
        assert all(torch.equal(tensor, stored[name]) for name, tensor in loaded.state_dict().items())
        techniques.add(technique)
    assert len(techniques) == len({name.split("/")[0] for name in options("model")})  # one of each family
    assert read_json(record.folder / "status.json")["status"] == "done"
