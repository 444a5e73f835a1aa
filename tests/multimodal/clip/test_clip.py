"""CLIP as a whole: it names what it never saw, its options, predictions among prompts."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_captions import ToyCaptions

from leyden.core.technique import PredictOptions
from leyden.data.batches.captions import Captions
from leyden.multimodal.clip.clip import CLIP
from training import Kept, quiet_trainer

SMALL: dict[str, Any] = {"widths": [8, 16], "strides": [2, 2], "width": 32, "layers": 1, "embedding": 16}


def data(each: int = 8, **options: Any) -> Captions:
    given = Captions(ToyCaptions(each), tokenizer="characters", context=40, **{"batch_size": 16, **options})
    given.prepare_data()
    return given


def clip(given: Captions, **options: Any) -> CLIP:
    torch.manual_seed(0)
    return CLIP(**given.spec, **{**SMALL, **options})


@pytest.fixture(scope="module")
def trained() -> tuple[CLIP, dict[str, float]]:
    given = data(24)
    model = clip(given, lr=3e-3)
    trainer = quiet_trainer(max_epochs=12)
    trainer.fit(model, given)
    return model, trainer.test(model, given, verbose=False)[0]


def test_learns_descriptions(trained: tuple[CLIP, dict[str, float]]) -> None:
    figures = trained[1]
    assert figures["test/seen_accuracy"] > 0.9
    assert figures["test/unseen_among_unseen"] == 1  # there is one alone
    assert min(figures["test/colour_accuracy"], figures["test/ground_accuracy"]) > 0.8
    assert figures["test/chance"] == 1 / 8
    assert figures["test/chance_unseen"] == 1
    assert figures["test/pixels_accuracy"] <= 7 / 8  # the caption of a training image is never a new one
    assert figures["test/image_to_text_recall_5"] >= figures["test/image_to_text_recall_1"] > 0.8


def test_prompts_are_told_apart(trained: tuple[CLIP, dict[str, float]]) -> None:
    model = trained[0]
    split = data(1).split("test")
    images = [split[i].images for i in (0, 3)]
    prompts = ["a green square on white", "a red square on black"]
    rows, drawn, _ = model.predict(images, PredictOptions(prompts=prompts))
    assert [row["label"] for row in rows] == [prompts[1], prompts[0]]
    for row in rows:
        assert row["probabilities"].keys() == set(prompts)
        assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-6)
    assert len(drawn) == 2
    default = model.predict(images).rows[0]["probabilities"]
    assert list(default) == model.class_names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PredictOptions(prompts=["one"]), "two descriptions or more"),
        (PredictOptions(prompts=["a red square", "ЖЖ"]), "no word of it"),
        (PredictOptions(threshold=0.5), "leave --threshold out"),
    ],
)
def test_what_cannot_be_asked(options: PredictOptions, message: str) -> None:
    given = data(1)
    with pytest.raises(ValueError, match=message):
        clip(given).predict([given.split("test")[0].images], options)


def test_a_batch_of_one_is_refused() -> None:
    given = data(1, batch_size=1)
    with pytest.raises(ValueError, match=r"data\.batch_size"):
        quiet_trainer(max_steps=1).fit(clip(given), given)


@pytest.mark.parametrize(("key", "value"), [("tau", 0.0), ("tau", 2.0), ("warmup", 1.0), ("heads", 5)])
def test_options_out_of_range(key: str, value: float) -> None:
    with pytest.raises(ValueError, match="heads" if key == "heads" else f"model.{key}={value}"):
        clip(data(1), **{key: value})


def test_similarities_are_multiplied_by_100_at_most() -> None:
    given = data(1, batch_size=8)
    model = clip(given, tau=0.01, lr=1.0)
    assert model.scale.item() == pytest.approx(100, rel=1e-6)
    for _ in range(3):
        model.log_scale.data.add_(1)
        model.on_train_batch_end(None, None, 0)
        assert model.scale.item() == pytest.approx(100, rel=1e-5)
    model.log_scale.data.fill_(math.log(3))
    model.on_train_batch_end(None, None, 0)
    assert model.scale.item() == pytest.approx(3, rel=1e-6)


def test_what_decays() -> None:
    given = data(1)
    model = clip(given)
    trainer = quiet_trainer(max_steps=1)
    trainer.fit(model, given)
    decayed = {id(p) for group in trainer.optimizers[0].param_groups if group["weight_decay"] for p in group["params"]}
    assert id(model.text_encoder.token.weight) in decayed
    assert id(model.log_scale) not in decayed
    assert id(model.text_encoder.norm.weight) not in decayed


def test_a_loss_that_stays_is_told(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    given = data(4)
    model = clip(given, lr=1e-9)
    kept = Kept()
    with caplog.at_level("INFO"):
        trainer = quiet_trainer(max_epochs=2, limit_val_batches=1.0, logger=kept)
        trainer.fit(model, given)
    assert "nothing was learnt" in caplog.text
    assert model.losses.uninformed == pytest.approx([math.log(7 * 4 - 3)] * 2, abs=1e-5)  # 28 scenes, 4 of each text
    assert kept.pictures["monitor"].shape == (3, 600, 1280)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = CLIP.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    assert again.losses.state() == model.losses.state()
