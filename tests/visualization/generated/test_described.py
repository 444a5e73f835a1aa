import torch

from leyden.visualization.generated.described import SIDE, draw_described


def test_each_row_lies_below_its_text() -> None:
    stacks = torch.zeros(2, 3, 3, 16, 16, dtype=torch.uint8)
    stacks[1, :, 0] = 200
    drawn = draw_described(
        {"seen": (["a black square", "a red square"], stacks), "never seen": (["a"], stacks[:1, :1])}
    )
    assert drawn.dtype == torch.uint8
    assert drawn.shape[1] > 2 * SIDE
    red, black = (drawn == torch.tensor(colour).view(3, 1, 1) for colour in ([200, 0, 0], [0, 0, 0]))
    across, rows = red.all(0).any(0).nonzero(), red.all(0).any(1).nonzero()
    assert len(across) == len(rows) * 3  # three images of 48 pixels
    assert black.all(0).any(1).nonzero()[0] < rows[0]  # text and the row of black images come first


def test_without_texts_rows_touch() -> None:
    stacks = torch.zeros(2, 2, 1, 40, 40, dtype=torch.uint8)
    texts, none = (draw_described({"": (rows, stacks)}) for rows in (["a", "b"], ["", ""]))
    assert texts.shape[1] - none.shape[1] == 2 * 20
