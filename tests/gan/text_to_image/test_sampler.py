import logging
from collections.abc import Callable

import pytest
import torch

from leyden.data.batches.captions import Captions
from leyden.gan.text_to_image.text_to_image import TextToImage

Tiny = Callable[..., TextToImage]


@pytest.fixture
def model(tiny: Tiny, data: Captions) -> TextToImage:
    made = tiny()
    made.sampler.learn(data.split("train").columns.tokens)  # type: ignore[attr-defined]
    return made


def test_descriptions_in_turn_or_one(model: TextToImage) -> None:
    rows = model.sample(3, seed=0).rows
    assert [row["class"] for row in rows] == model.sampler.class_names[:3]
    by_name, by_number = (model.sample(2, label, seed=0) for label in ("a red zero on gravel", "1"))
    assert torch.equal(by_name.images[1], by_number.images[1])
    with pytest.raises(ValueError, match=r"no description 'a cow'.*by --prompt"):
        model.sample(1, "a cow")


def test_a_prompt_in_any_wording(model: TextToImage, caplog: pytest.LogCaptureFixture) -> None:
    drawn = model.sample_prompt("A red SEVEN on grass", 2, seed=3)
    assert [image.shape for image in drawn.images] == [(3, 128, 128)] * 2
    assert not caplog.records
    assert torch.equal(drawn.images[0], model.sample(2, "a red seven on grass", seed=3).images[0])


def test_unknown_words_are_left_out_with_a_warning(model: TextToImage, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        drawn = model.sample_prompt("a gigantic red seven on purple grass", 1, seed=3)
    assert "no training caption has 'gigantic', 'purple': left out" in caplog.text
    assert drawn.rows[0]["class"] == "a red seven on grass"
    assert torch.equal(drawn.images[0], model.sample(1, "a red seven on grass", seed=3).images[0])


def test_nothing_known_is_an_error_that_names_what_is(model: TextToImage) -> None:
    with pytest.raises(
        ValueError, match="no word of 'a unicorn on the moon' says what to draw; known are red, zero, grass"
    ):
        model.sample_prompt("a unicorn on the moon", 1)


def test_a_walk_begins_and_ends_at_descriptions(model: TextToImage) -> None:
    first, last = "a red zero on grass", "a blue nine on brick"
    walk, rows = model.sampler.walk(first, last), model.sampler.rows([first, last])
    assert walk.shape == (4, 8, 3, 16, 16)
    for own, row in ((walk[:, 0], rows[0, :4]), (walk[:, -1], rows[1, :4])):
        assert (own.int() - row.int()).abs().max() <= 1
