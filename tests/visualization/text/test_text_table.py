"""Texts in a table, and maps of what was copied."""

import pytest
import torch

from leyden.visualization.text.copying import draw_copying
from leyden.visualization.text.text_table import LINE, MARGIN, MOST_LINES, STRONG, WIDTH, draw_text_table


def coloured(image: torch.Tensor) -> torch.Tensor:
    """(H, W) where letters have the colour of what is strong."""
    return (image == torch.tensor(STRONG, dtype=torch.uint8)[:, None, None]).all(0)


def test_each_line_takes_its_height() -> None:
    one = draw_text_table([{"text": "short", "summary": "s"}])
    two = draw_text_table([{"text": "short", "summary": "s"}, {"text": "word " * 40, "summary": "s"}])
    assert one.dtype == torch.uint8
    assert tuple(one.shape) == (3, MARGIN + 2 * LINE + MARGIN, WIDTH)
    assert two.shape[1] - one.shape[1] == 3 * LINE + MARGIN  # forty words take two lines
    assert draw_text_table([]).shape[2] == WIDTH


def test_long_texts_end_with_an_ellipsis() -> None:
    some, more = (draw_text_table([{"text": "word " * count}]) for count in (1000, 2000))
    assert torch.equal(some, more)
    assert some.shape[1] == 2 * MARGIN + MOST_LINES * LINE
    draw_text_table([{"text": "x" * 5000}])  # no line is wide enough for it


def test_what_is_strong_is_coloured() -> None:
    rows = [{"text": "abc", "summary": "abc"}]
    assert not coloured(draw_text_table(rows)).any()
    found = coloured(draw_text_table(rows, strong=["summary"])).any(1).nonzero()
    assert MARGIN + LINE <= int(found.min()) < int(found.max()) < MARGIN + 2 * LINE


def test_attention_is_drawn_darker_where_there_is_more() -> None:
    attention = torch.eye(4)[[2, 3, 3]]
    panel = (["the", "red", "house", "is"], ["house", "is", "is"], attention, [1.0, 0.5, 0.0])
    image = draw_copying([panel])
    assert tuple(image.shape)[::2] == (3, 1100)
    flat = draw_copying([(*panel[:2], torch.full((3, 4), 0.25), panel[3])])
    assert not torch.equal(image, flat)
    draw_copying([panel, (["nothing"], [], torch.zeros(0, 1), [])])
    with pytest.raises(ValueError, match="no summary to draw"):
        draw_copying([])
