"""The sheet of what was found: frames and letters say right or wrong."""

import torch
from torch import Tensor

from leyden.multimodal.clip.retrieved import RIGHT, WRONG, FoundImages, FoundTexts, draw_retrieval


def count(sheet: Tensor, colour: tuple[int, int, int]) -> int:
    return int((sheet == torch.tensor(colour)[:, None, None]).all(0).sum())


def test_right_is_green_and_wrong_is_red() -> None:
    image = torch.zeros(1, 8, 8, dtype=torch.uint8)
    for right, colour, other in ((True, RIGHT, WRONG), (False, WRONG, RIGHT)):
        sheet = draw_retrieval([FoundImages("x", [image] * 3, [right] * 3)], [FoundTexts(image, ["text"], [right])])
        assert sheet.dtype == torch.uint8
        assert count(sheet, colour) > 3 * 4 * 72  # three frames, and letters
        assert count(sheet, other) == 0
