import pytest
import torch
from torch import Tensor

from leyden.data.source.builtin.faces import Faces
from leyden.data.source.styled.faces import OfStyles, StyledFaces, view
from leyden.data.source.styled.filters import draw


def bytes_of(images: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_splits_have_all_styles() -> None:
    drawn = StyledFaces(views=2, image_size=16)
    for stage, faces in (("train", 60), ("val", 10), ("test", 30)):
        images, labels = drawn.split(stage).columns
        assert images.shape == (4 * faces, 3, 16, 16)
        assert labels.bincount().tolist() == [faces] * 4


def test_test_faces_are_the_same_in_each_style() -> None:
    photographs, drawn = StyledFaces(["photograph"]), StyledFaces(["oil", "halftone"])
    faces = photographs.split("test").columns.images
    assert faces.shape == (30, 1, 48, 48)
    for number, style in enumerate(drawn.class_names):
        assert torch.equal(drawn.drawn("test")[number], torch.stack([draw(face, style) for face in faces]))
    assert isinstance(drawn, OfStyles)
    assert not isinstance(Faces(), OfStyles)


def test_no_face_trains_both_domains() -> None:
    """Views of one face are alike; those of the two domains' faces are not."""
    photographs, drawn = (StyledFaces(styles, 25).contents("train") for styles in (["photograph"], ["oil"]))
    faces = Faces(others=False).split("train").columns.images
    known = torch.cat([faces, faces.flip(-1)]).flatten(1).float()
    known = torch.nn.functional.normalize(known - known.mean(1, keepdim=True), dim=1)
    for images, half in ((photographs, 0), (drawn, 1)):
        seen = images.flatten(1).float()
        nearest = (torch.nn.functional.normalize(seen - seen.mean(1, keepdim=True), dim=1) @ known.T).argmax(1)
        assert (nearest % 2 == half).float().mean() > 0.9


def test_views_differ_by_seed_alone() -> None:
    one, same, other = (StyledFaces(["oil"], 16, 2, seed).split("train").columns.images for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not bytes_of(one) & bytes_of(other)


def test_a_view_is_the_face_moved_a_little() -> None:
    face = Faces(others=False).split("train").columns.images[:1].float()
    views = torch.cat([view(face, 25, torch.Generator().manual_seed(seed)) for seed in range(40)]).float()
    moved = [(seen - face[0]).abs().mean().item() for seen in views]
    mirrored = [(seen.flip(-1) - face[0]).abs().mean().item() for seen in views]
    assert max(map(min, moved, mirrored)) < 35
    assert len(bytes_of(views)) == 40


@pytest.mark.parametrize("styles", [[], ["pastel"], ["photograph", "oil"]])
def test_styles_that_do_not_go_are_refused(styles: list[str]) -> None:
    with pytest.raises(ValueError, match="give photograph, or one or more of engraving"):
        StyledFaces(styles)


def test_faces_without_views_are_refused() -> None:
    with pytest.raises(ValueError, match="a view or more"):
        StyledFaces(views=0)
