"""Two processes that talk through gloo, as ``trainer=ddp_cpu`` starts them: plain DDP, with no unused parameters."""

import sys
from pathlib import Path

import pytest
import torch
from ranks import run_two_ranks
from typist import Typist

SCRIPT = """
import sys, torch
from lightning import Trainer, seed_everything
from leyden.transfer.few_shot.episode_images import EpisodeImages
from leyden.data.source.builtin.glyphs import Glyphs
from leyden.transfer.few_shot.maml import MAML
from leyden.transfer.few_shot.matching import MatchingNetwork
from leyden.transfer.few_shot.protonet import ProtoNet

rank, folder = sys.argv[1], sys.argv[2]
alone = rank == "alone"
source, found = Glyphs(16, per_face=1), []
for technique, options in [
    (ProtoNet, {}), (MatchingNetwork, {"context_steps": 2}), (MAML, {}),
    (MAML, {"second_order": False, "batch_norm": "running", "ways": 3}),
]:
    seed_everything(0, verbose=False)
    data = EpisodeImages(source, ways=3, queries=2, episodes=8, eval_episodes=6, test_shots=3)
    model = technique(**data.spec, width=4, **options)
    trainer = Trainer(
        accelerator="cpu", devices=1 if alone else 2, strategy="auto" if alone else "ddp", max_epochs=1,
        accumulate_grad_batches=2 if alone else 1, num_sanity_val_steps=0, enable_checkpointing=False, logger=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(model, data)
    steps = trainer.global_step
    weights = {name: value.detach().clone() for name, value in model.named_parameters()}
    tested = trainer.test(model, data, verbose=False)[0]
    found.append({"weights": weights, "tested": tested, "steps": steps})
torch.save(found, f"{folder}/{rank}.pt")
"""


def test_ranks_learn_as_one_process_does_from_as_many_episodes(
    tmp_path: Path, typist: Typist, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rank takes an episode of a step: the gradient is that of two episodes in one process."""
    mine, theirs = run_two_ranks(typist, SCRIPT, tmp_path)
    monkeypatch.setattr(sys, "argv", ["", "alone", str(tmp_path)])
    exec(SCRIPT, {})
    alone = torch.load(tmp_path / "alone.pt", weights_only=True)
    for one, other, single in zip(mine, theirs, alone, strict=True):
        assert one["steps"] == other["steps"] == single["steps"] == 4
        assert one["tested"] == pytest.approx(other["tested"])
        for name, value in one["weights"].items():
            assert torch.equal(value, other["weights"][name]), name
            torch.testing.assert_close(value, single["weights"][name], atol=1e-4, rtol=1e-2, msg=name)
