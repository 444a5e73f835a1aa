"""The chart of how a language model learns."""

import pytest
import torch

from leyden.text.figures import Moment, draw_learning, spread
from leyden.text.floors import floor_lines, floor_rows

BITS = {1: 4.0, 2: 3.5, 3: 3.2, 4: 3.1, 5: 3.15, 6: 3.3, 7: 3.6}


def test_floors_name_the_best() -> None:
    assert floor_lines(BITS) == {"1-grams": 4.0, "2-grams": 3.5, "3-grams": 3.2, "4-grams, the best": 3.1}
    assert floor_lines(BITS | {3: 3.0})["3-grams, the best"] == 3.0
    assert floor_rows(BITS) == {"3gram": 3.2, "5gram": 3.15, "best_ngram": 3.1}


def test_any_text_can_be_drawn() -> None:
    moments = [Moment(10 * i, 4 - i / 10, ["$x^{2}$ \0 \u4f60\n" * 30, ""]) for i in range(7)]
    image = draw_learning(moments, floor_lines(BITS), "Title")
    assert (image.dtype, image.shape) == (torch.uint8, (3, 880, 900))
    assert not torch.equal(image, draw_learning(moments[:3], floor_lines(BITS), "Title"))
    assert draw_learning([Moment(1, 2.0, [""])], {}, "").shape == image.shape


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(ValueError, match="no validation yet"):
        draw_learning([], {}, "")


def test_labels_keep_apart() -> None:
    assert spread({"b": 3.2, "a": 3.0, "c": 3.05}, 0.25) == {"a": 3.0, "c": 3.25, "b": 3.5}
    assert spread({"a": 3.0, "b": 4.0}, 0.5) == {"a": 3.0, "b": 4.0}
