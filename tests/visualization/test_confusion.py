import torch

from leyden.visualization.confusion import draw_confusion


def cells(image: torch.Tensor, count: int, cell: int = 44) -> torch.Tensor:
    """The colour near a corner of each cell, (rows, columns, 3): beside the number."""
    grid = image[:, -12 - count * cell : -12, -12 - count * cell : -12]
    return grid[:, 4::cell, 4::cell].permute(1, 2, 0).long()


def test_rows_are_truth_columns_are_answers() -> None:
    colours = cells(draw_confusion(torch.tensor([[5, 5, 0], [0, 9, 0], [0, 0, 7]]), ["a", "b", "c"]), 3)
    red, green, blue = colours[0, 1]
    assert red > green
    assert red > blue
    assert colours[1, 0].tolist() == [246, 246, 246]  # nobody of b was taken for a
    for i in range(3):
        assert colours[i, i, 2] > colours[i, i, 0]  # the diagonal is blue


def test_colour_tells_the_share_of_the_row() -> None:
    colours = cells(draw_confusion(torch.tensor([[10, 0], [90, 10]]), ["a", "b"]), 2)
    assert colours[0, 0, 0] < colours[1, 1, 0]  # the same count, but all of row a and a tenth of row b


def test_many_and_long_names_fit() -> None:
    names = [f"a rather long name {i}" for i in range(12)]
    image = draw_confusion(torch.eye(12), names)
    assert image.dtype == torch.uint8
    assert image.shape[0] == 3
    assert image.shape[1] > 12 * 44 + 100  # room above for upright names
    assert draw_confusion(torch.eye(200), [str(i) for i in range(200)]).shape[1] < 1500
    assert draw_confusion(torch.zeros(2, 2), ["a", "b"]).shape[0] == 3
