"""Silhouettes for ``leyden predict``: an image of a file has one view."""

from pathlib import Path

import torch
from torchvision.transforms.v2.functional import to_pil_image

from leyden.data.inputs import in_chunks, input_examples, input_files
from leyden.data.issues import Tally
from leyden.data.source.volumes.shapes3d import Shapes3d


def test_image_of_a_file_is_one_grey_channel(tmp_path: Path) -> None:
    colour = torch.zeros(3, 6, 9, dtype=torch.uint8)
    colour[:, 2:4, 3:5] = 255
    (tmp_path / "new").mkdir()
    to_pil_image(colour).save(tmp_path / "new/chair.png")
    [found] = input_files(tmp_path / "new", tmp_path / "out", "silhouettes", Tally())
    assert found.path == "chair.png"
    torch.testing.assert_close(found.read(), colour[:1])


def test_image_without_a_shape_is_left_out(tmp_path: Path) -> None:
    for name, value in (("empty", 0), ("full", 255)):
        to_pil_image(torch.full((3, 6, 9), value, dtype=torch.uint8)).save(tmp_path / f"{name}.png")
    to_pil_image((torch.eye(6) * 255).to(torch.uint8)).save(tmp_path / "line.png")
    said: list[str] = []
    [chunk] = in_chunks(input_files(tmp_path, tmp_path / "out", "silhouettes", Tally()), said.append)
    assert [path for path, _ in chunk] == ["line.png"]
    assert [line.split(":")[0] for line in said] == ["left out empty.png", "left out full.png"]


def test_examples_have_all_their_views() -> None:
    split = Shapes3d(train_each=1, val_each=1, test_each=1).split("test")
    found = input_examples(split, 2, "silhouettes")
    assert [example.path for example in found] == ["test_00000.png", "test_00001.png"]
    torch.testing.assert_close(found[1].read(), split[1].silhouettes)
