"""``leyden predict --support``: classes that a record has never seen, from a folder of examples."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchvision.utils import save_image

SMALL = [
    "experiment=transfer_fewshot_glyphs", "trainer.max_steps=1", "data.image_size=16", "data.eval_episodes=2",
    "data.source.per_face=1", "data.queries=3", "model.width=4", "callbacks=none", "logger=none",
]  # fmt: skip


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Three examples of dark and of bright images, and two of each to be classified."""
    generator = torch.Generator().manual_seed(0)
    for name, light in (("dark", 0.1), ("bright", 0.9)):
        for part, count in (("support", 3), ("new", 2)):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                save_image(light + 0.05 * torch.randn(3, 20, 24, generator=generator), folder / f"{i}.png")
    return tmp_path


def test_new_classes_from_a_folder_of_examples(
    leyden_here: Callable, shapes: Path, records: Callable[[], list[Path]]
) -> None:
    assert leyden_here("run", *SMALL).returncode == 0
    (record,) = records()
    done = leyden_here("predict", str(record), "--support", str(shapes / "support"), "--input", str(shapes / "new"))
    assert done.returncode == 0, done.stderr
    rows = json.loads((record / "predictions" / "predictions.json").read_text())
    assert [set(row["probabilities"]) for row in rows] == [{"bright", "dark"}] * 4
    assert [row["label"] for row in rows] == ["bright", "bright", "dark", "dark"]

    (shapes / "support" / "empty").mkdir()
    refused = leyden_here("predict", str(record), "--support", str(shapes / "support"))
    assert refused.returncode != 0
    assert "no image in empty: add one, or move the folder away" in refused.stderr
    refused = leyden_here("predict", str(record), "--support", str(shapes / "new" / "dark"))
    assert "a folder of images for each of two classes or more" in refused.stderr


def test_what_learns_from_no_examples_says_so(
    leyden_here: Callable, shapes: Path, records: Callable[[], list[Path]]
) -> None:
    small = ["model.strategy=scratch", "trainer.max_steps=1", "callbacks=none", "logger=none", "model.embedding=0"]
    assert leyden_here("run", "experiment=transfer_fonts", *small).returncode == 0
    refused = leyden_here("predict", str(records()[0]), "--support", str(shapes / "support"))
    assert refused.returncode != 0
    assert "Finetune takes no examples of new classes: leave --support out" in refused.stderr
