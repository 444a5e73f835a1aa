import torch

from leyden.visualization.labelled import draw_labelled, draw_sheet


def test_small_images_are_enlarged_by_whole_pixels() -> None:
    image = torch.arange(64, dtype=torch.uint8).reshape(1, 8, 8)
    drawn = draw_labelled(image, "x", side=160)
    enlarged = image.expand(3, -1, -1).repeat_interleave(20, 1).repeat_interleave(20, 2)
    assert torch.equal(drawn[:, :160, :160], enlarged)
    assert drawn.shape[1] > 160
    assert (drawn[:, 160:] < 100).any()  # words below it


def test_large_images_keep_their_pixels() -> None:
    image = torch.randint(0, 256, (3, 300, 200), dtype=torch.uint8)
    assert torch.equal(draw_labelled(image, "two\nlines")[:, :300, :200], image)


def test_sheet_wraps_rows_and_keeps_order() -> None:
    images = [torch.full((1, 8, 8), 20 * i, dtype=torch.uint8) for i in range(1, 9)]
    sheet = draw_sheet(images, [str(i) for i in range(8)], "nothing", columns=3, side=80)
    starts = [(8, 8), (8, 96), (8, 184)]
    assert [int(sheet[0, y + 5, x + 5]) for y, x in starts] == [20, 40, 60]
    assert sheet.shape[1] > 3 * 80
    assert sheet.shape[2] == 3 * 88 + 8


def test_sheet_of_different_sizes() -> None:
    sheet = draw_sheet([torch.zeros(3, 20, 10, dtype=torch.uint8), torch.zeros(1, 5, 9, dtype=torch.uint8)], "ab", "")
    assert sheet.shape[0] == 3


def test_empty_sheet_says_so() -> None:
    assert (draw_sheet([], [], "No wrong predictions.") < 100).any()
