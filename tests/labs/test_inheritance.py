"""What a transfer lab inherits is taken away, its settings left as they are: then it must not reach what it expects."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from whole_labs import AFTER, FROM_OUTSIDE, Allowance, minutes

from leyden.bench.commands.verify import verify
from leyden.bench.config.compose import compose
from leyden.bench.run.record import Record
from leyden.bench.run.run import run

FINETUNE = ("leyden.transfer.finetune.finetune.load_pretrained", lambda *_: None)
TAKEN: dict[str, tuple[str, Callable[..., Any]]] = {
    "transfer_fonts": FINETUNE,
    "tour_transfer": FINETUNE,
    "transfer_ants_bees": FINETUNE,
    "transfer_finetune": FINETUNE,
    "transfer_four_cases": FINETUNE,
    "transfer_four_cases_imagenet": FINETUNE,
    "transfer_reuse": FINETUNE,
    "transfer_shots": FINETUNE,
    "transfer_which_layer": FINETUNE,
    "transfer_fewshot_glyphs": (
        "leyden.transfer.few_shot.base.FewShotTask.configure_optimizers",
        lambda module: torch.optim.SGD(module.parameters(), lr=0.0),
    ),
    **dict.fromkeys(
        ["transfer_domain_digits", "transfer_domain_digits_mnist"],
        ("leyden.transfer.domain.deep.mmd.mmd", lambda source, target, *_: 0 * (source.sum() + target.sum())),
    ),
    "transfer_dann": ("leyden.transfer.domain.deep.dann.reversal_strength", lambda *_: 0.0),
    "transfer_tca": (
        "leyden.transfer.domain.closed_form.tca.discrepancy",
        lambda rows, _: rows.new_zeros(rows.shape[1]),
    ),
    "detection_transfer": ("leyden.detection.nets.backbone_features.load_pretrained", lambda *_: None),
}
"""Of each lab the function that brings what it inherits, and one in its place that does not."""
SMALL = """\
# @package _global_
defaults:
  - override /data/source: digits
  - override /callbacks: none
  - override /logger: none
lab:
  expect:
    test/accuracy: {min: 0.3, above: {random: 0.1}}
  variants:
    random: {model.weights: none}
model: {strategy: head, source_epochs: 1, source_views: 1, cache: null, embedding: 0}
data: {source_classes: 5, labels_per_class: 5, epoch_size: 64}
trainer: {max_epochs: 2, check_val_every_n_epoch: 2}
"""


def test_small_lab_fails_without_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The bound alone would let it pass: five classes are told apart by what the head learns."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "small.yaml").write_text(SMALL)
    words = [f"hydra.searchpath=[file://{tmp_path / 'own'}]", "experiment=small"]
    with monkeypatch.context() as taken:
        taken.setattr(*FINETUNE)
        record = Record.create(compose(words))
        run(record)

    def run_here(records: Sequence[Record], settings: dict) -> None:
        for record in records:
            if record.status["status"] != "done":
                run(record)

    monkeypatch.setattr("leyden.bench.commands.verify.run_stored", run_here)
    assert not verify([str(record.folder)])
    lines = [line.split("|")[1:-1] for line in capsys.readouterr().out.splitlines() if line.startswith("| small")]
    assert [(expected.strip(), kept.strip()) for *_, expected, kept in lines] == [
        ("at least 0.3", "yes"),
        ("above random by at least 0.1", "NO"),
    ]


@pytest.mark.lab
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("experiment", TAKEN)
def test_lab_fails_without_what_it_inherits(
    experiment: str,
    leyden: Callable,
    allowance: Allowance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [f"experiment={experiment}"]
    if experiment in FROM_OUTSIDE:
        words += [word.format(data=request.getfixturevalue("dev_data")) for word in FROM_OUTSIDE[experiment]]
    allowance.spend(minutes(experiment))
    if experiment in AFTER:
        assert leyden("run", f"experiment={AFTER[experiment]}").returncode == 0
    with monkeypatch.context() as taken:
        taken.setattr(*TAKEN[experiment])
        record = Record.create(compose(words))
        run(record)
    verified = leyden("verify", str(record.folder))
    assert verified.returncode == 1
    assert "| NO " in verified.stdout, verified.stdout
