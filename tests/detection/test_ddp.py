"""Two processes that talk through gloo: a test has the numbers of one process, whoever deals the images out."""

from pathlib import Path

import pytest
from detections import random_scenes
from ranks import run_two_ranks
from typist import Typist

from leyden.metrics.detection.scores import detection_scores

SCRIPT = """
import sys, torch
from lightning import Trainer
from torch.utils.data import DataLoader
from detections import random_scenes
from leyden.data.columns import Scenes
from leyden.data.splits import InMemory
from leyden.data.loader import Loader
from leyden.detection.detector import Detector

rank, folder = int(sys.argv[1]), sys.argv[2]
answers, truths = random_scenes(3, images=7, whole=True)  # many equal scores

class Oracle(Detector):
    def __init__(self):
        super().__init__(["a", "b", "c"], 1, 8)
        self.layer = torch.nn.Linear(1, 1)
    def outputs(self, images):
        return images[:, 0, 0, 0]
    def postprocess(self, outputs):
        return [answers[number] for number in outputs.tolist()]

images = torch.arange(7, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8).contiguous()
numbered = [{**truth, "image_id": torch.tensor(i)} for i, truth in enumerate(truths)]
ours = Loader(InMemory(Scenes(images, truths)), 2)
# Lightning gives torch's loader a sampler that deals out 4 + 4 images of 7.
padded = DataLoader(InMemory(Scenes(images, numbered)), 2, collate_fn=lambda pairs: (torch.stack([p[0] for p in pairs]), [p[1] for p in pairs]))
logged = []
for loader in (ours, padded):
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy="ddp", enable_checkpointing=False, logger=False,
        enable_progress_bar=False, enable_model_summary=False,
    )
    logged.append(trainer.test(Oracle(), loader, verbose=False)[0])
torch.save(logged, f"{folder}/{rank}.pt")
"""  # noqa: E501


def test_two_ranks_log_what_one_would(typist: Typist, tmp_path: Path) -> None:
    expected = detection_scores(*random_scenes(3, images=7, whole=True), 3)
    for rank in run_two_ranks(typist, SCRIPT, tmp_path):
        for logged in rank:
            for name in ("ap", "ap50", "ar10", "voc_ap50", "voc07_ap50"):
                assert logged[f"test/{name}"] == pytest.approx(float(expected[name]), abs=1e-6), name
