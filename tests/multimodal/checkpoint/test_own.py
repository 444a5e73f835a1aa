"""A run of our own CLIP as the network that classifies."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from toy_captions import ToyCaptions

from leyden.core.allow_list import NotAllowedError
from leyden.data.batches.captions import Captions
from leyden.multimodal.checkpoint.find import build_matcher, matcher_of
from leyden.multimodal.clip.clip import CLIP
from training import quiet_trainer


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves, after a step."""
    folder = tmp_path_factory.mktemp("outputs") / "lab" / "run"
    data = Captions(ToyCaptions(4), tokenizer="characters", context=40, batch_size=8)
    data.prepare_data()
    model = CLIP(**data.spec, widths=[8, 16], strides=[2, 2], width=16, layers=1, embedding=8)
    trainer = quiet_trainer(max_steps=1)
    trainer.fit(model, data)
    trainer.save_checkpoint(folder / "checkpoints" / "best.ckpt")
    (folder / "config.yaml").write_text("model: {_target_: leyden.multimodal.clip.clip.CLIP}\n")
    return folder


def test_a_record_is_the_network_that_was_trained(record: Path, images: list[Tensor]) -> None:
    clip = CLIP.load_from_checkpoint(record / "checkpoints" / "best.ckpt", weights_only=True).eval()
    matcher = matcher_of(str(record.parent), 3, []).eval()
    texts = ["a red square", "on black, something"]
    with torch.no_grad():
        assert torch.equal(matcher.embed_images(images), clip.embed_images(images))
        assert torch.equal(matcher.embed_texts(texts), clip.embed_texts(texts))
        assert torch.equal(matcher.scale, clip.scale)
        again = build_matcher(matcher.spec).eval()
        again.load_state_dict(matcher.state_dict())
        assert torch.equal(again.embed_texts(texts), clip.embed_texts(texts))


def test_a_record_of_something_else_is_refused(record: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.ckpt").write_bytes((record / "checkpoints" / "best.ckpt").read_bytes())
    (tmp_path / "config.yaml").write_text("model: {_target_: os.system}\n")
    with pytest.raises(NotAllowedError, match="refused"):
        matcher_of(str(tmp_path), 3, [])


def test_a_folder_without_a_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no record"):
        matcher_of(str(tmp_path), 3, [])
