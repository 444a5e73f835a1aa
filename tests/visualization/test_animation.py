import io
import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image, ImageSequence
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor, to_pil_image

from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.visualization import animation
from leyden.visualization.animation import Frames, animate, frame_steps
from leyden.visualization.grid import grid, upscale


@pytest.fixture
def save(tmp_path: Path) -> Callable[[list[Tensor]], list[Path]]:
    def save_(images: list[Tensor]) -> list[Path]:
        files = [tmp_path / f"{number}.png" for number in range(len(images))]
        for file, image in zip(files, images, strict=True):
            to_pil_image(image).save(file)
        return files

    return save_


def frames_of(content: bytes) -> tuple[list[Tensor], list[int]]:
    """Images (3, H, W) and how many milliseconds each is shown."""
    with Image.open(io.BytesIO(content)) as image:
        shown = [
            (pil_to_tensor(frame.convert("RGB")), frame.info["duration"]) for frame in ImageSequence.Iterator(image)
        ]
        assert image.info["loop"] == 0  # for ever
    frames, durations = zip(*shown, strict=True)
    return list(frames), list(durations)


def test_greys_stay_exact_and_the_last_is_longest(save: Callable) -> None:
    generator = torch.Generator().manual_seed(0)
    images = [
        torch.randint(256, (1, 40, 60), generator=generator, dtype=torch.uint8).expand(3, -1, -1) for _ in range(5)
    ]
    frames, durations = frames_of(animate(save(images)))
    assert durations == [300, 300, 300, 300, 2500]
    for frame, image in zip(frames, images, strict=True):
        assert torch.equal(frame, image)


def test_colours_are_near_what_they_were(save: Callable) -> None:
    split = ImagePatches(64, train=16).split("train")
    last = upscale(grid(torch.stack([split[i].images for i in range(16)]), columns=4), 256)
    grey_first = torch.full_like(last, 127)
    frames, _ = frames_of(animate(save([grey_first, last // 2, last])))
    assert len(frames) == 3
    assert (frames[0].int() - grey_first.int()).abs().max() <= 8
    error = (frames[-1].float() - last.float()).square().mean()
    assert 10 * torch.log10(255**2 / error) > 30  # dB


def test_large_animations_are_shrunk_to_the_limit(save: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    files = save([torch.randint(256, (1, 60, 90), generator=generator, dtype=torch.uint8) for _ in range(6)])
    limit = len(animate(files)) // 2
    monkeypatch.setattr(animation, "MAX_BYTES", limit)
    content = animate(files)
    assert limit / 2 < len(content) <= limit
    frames, _ = frames_of(content)
    assert len(frames) == 6
    assert 20 < frames[-1].shape[1] < 60
    assert frames[-1].shape[2] == pytest.approx(1.5 * frames[-1].shape[1], abs=1.5)


def test_large_colour_images_are_shrunk(save: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "MAX_BYTES", 50_000)
    content = animate(save([torch.randint(256, (3, 120, 180), dtype=torch.uint8) for _ in range(6)]))
    assert 25_000 < len(content) <= 50_000
    assert len(frames_of(content)[0]) == 6


def test_some_of_many_frames_are_shown(save: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(animation, "MAX_FRAMES", 4)
    frames, _ = frames_of(animate(save([torch.full((3, 4, 4), value, dtype=torch.uint8) for value in range(10)])))
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 3, 6, 9]


@pytest.mark.parametrize(("total", "expected"), [(960, 12), (40, 12), (6, 5), (2, 1), (1, 0), (0, 0)])
def test_frames_lie_denser_at_the_beginning(total: int, expected: int) -> None:
    steps = sorted(frame_steps(total))
    assert len(steps) == expected
    assert all(1 <= step < total for step in steps)
    if expected == 12:
        gaps = [later - sooner for sooner, later in itertools.pairwise(steps)]
        assert gaps == sorted(gaps)


def test_frames_of_an_endless_training_double() -> None:
    assert {1, 2, 4, 1024} <= frame_steps(float("inf"))
    assert 3 not in frame_steps(float("inf"))


@pytest.mark.parametrize("loggers", [[], ["files"]])
def test_frames_are_due_at_their_steps(loggers: list[str]) -> None:
    frames, trainer = Frames(), SimpleNamespace(estimated_stepping_batches=100)
    module = SimpleNamespace(loggers=loggers, trainer=trainer, global_step=0)
    due = set()
    for module.global_step in range(1, 101):
        due |= {module.global_step} if frames.due(module) else set()
    assert due == (frame_steps(100) if loggers else set())
