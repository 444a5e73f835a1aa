import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.visualization import animation
from leyden.visualization.animation import animate
from leyden.visualization.grid import grid, upscale


@pytest.fixture
def save(tmp_path: Path) -> Callable[[list[Tensor]], list[Path]]:
    def save_(pictures: list[Tensor]) -> list[Path]:
        files = [tmp_path / f"{number}.png" for number in range(len(pictures))]
        for file, picture in zip(files, pictures, strict=True):
            to_pil_image(picture).save(file)
        return files

    return save_


def frames_of(content: bytes) -> tuple[list[Tensor], list[int]]:
    """Pictures (3, H, W) and how many milliseconds each is shown."""
    with Image.open(io.BytesIO(content)) as picture:
        shown = [
            (pil_to_tensor(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(picture)
        ]
        assert picture.info["loop"] == 0  # for ever
    frames, durations = zip(*shown, strict=True)
    return list(frames), list(durations)


def test_grey_pictures_stay_what_they_are_and_the_last_is_shown_longest(save: Callable) -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = [
        torch.randint(256, (1, 40, 60), generator=generator, dtype=torch.uint8).expand(3, -1, -1) for _ in range(5)
    ]
    frames, durations = frames_of(animate(save(pictures)))
    assert durations == [300, 300, 300, 300, 2500]
    for frame, picture in zip(frames, pictures, strict=True):
        assert torch.equal(frame, picture)


def test_colours_are_near_what_they_were(save: Callable) -> None:
    split = ImagePatches(64, train=16).split("train")
    last = upscale(grid(torch.stack([split[i].images for i in range(16)]), columns=4), 256)
    grey_first = torch.full_like(last, 127)
    frames, _ = frames_of(animate(save([grey_first, last // 2, last])))
    assert len(frames) == 3
    assert (frames[0].int() - grey_first.int()).abs().max() <= 8
    error = (frames[-1].float() - last.float()).square().mean()
    assert 10 * torch.log10(255**2 / error) > 30  # dB


def test_a_large_animation_has_fewer_greys_then_its_own_size_then_less(
    save: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)
    small = [torch.randint(256, (1, 60, 90), generator=generator, dtype=torch.uint8) for _ in range(6)]
    files = save([upscale(picture, 180) for picture in small])
    at_most = len(animate(files))
    seen = []
    for limit in (at_most, at_most - 1, at_most // 2, at_most // 8):
        monkeypatch.setattr(animation, "MOST_BYTES", limit)
        content = animate(files)
        assert len(content) <= limit
        frames, _ = frames_of(content)
        assert len(frames) == 6
        seen.append(frames)
    whole, coarse, own, shrunk = (frames[-1] for frames in seen)
    assert torch.equal(whole, upscale(small[-1], 180).expand(3, -1, -1))
    assert whole.shape == coarse.shape
    assert len(coarse.unique()) in (32, 64)
    assert 0 < (whole.int() - coarse.int()).abs().max() <= 4
    assert torch.equal(own, small[-1].expand(3, -1, -1))
    assert 20 < shrunk.shape[1] < 60
    assert shrunk.shape[2] == pytest.approx(1.5 * shrunk.shape[1], abs=1.5)


def test_large_colour_pictures_are_shrunk_to_the_limit(save: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "MOST_BYTES", 50_000)
    content = animate(save([torch.randint(256, (3, 120, 180), dtype=torch.uint8) for _ in range(6)]))
    assert 25_000 < len(content) <= 50_000
    assert len(frames_of(content)[0]) == 6


def test_of_many_pictures_some_are_shown_with_the_first_and_the_last(
    save: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(animation, "MOST_FRAMES", 4)
    frames, _ = frames_of(animate(save([torch.full((3, 4, 4), value, dtype=torch.uint8) for value in range(10)])))
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 3, 6, 9]
