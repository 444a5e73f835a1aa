from pathlib import Path

import numpy as np
import skimage
import torch

from leyden.data.source.builtin.faces import Faces


def test_splits_are_all_patches_once_and_balanced() -> None:
    parts = [Faces().split(stage) for stage in ("train", "val", "test")]
    assert [part.columns.labels.bincount().tolist() for part in parts] == [[60, 60], [10, 10], [30, 30]]
    assert len({bytes(image.numpy()) for part in parts for image in part.columns.images}) == 200
    assert parts[0].columns.images.shape == (120, 1, 25, 25)
    assert parts[0].columns.images.dtype == torch.uint8
    assert parts[0].columns.images.max() > 240


def test_labels_follow_the_files_documentation() -> None:
    """scikit-image: "the first 100 are faces, the last 100 are not"."""
    patches = np.load(Path(skimage.__file__).parent / "data" / "lfw_subset.npy")
    faces = {bytes((patch * 255).round().astype(np.uint8)) for patch in patches[:100]}
    assert Faces().class_names == ["face", "other"]
    for stage in ("train", "val", "test"):
        split = Faces().split(stage)
        told = [bytes(image.numpy()) in faces for image in split.columns.images]
        assert told == (split.columns.labels == 0).tolist()


def test_faces_alone() -> None:
    parts = {stage: (Faces().split(stage), Faces(others=False).split(stage)) for stage in ("train", "val", "test")}
    for whole, faces in parts.values():
        assert torch.equal(faces.columns.images, whole.columns.images[whole.columns.labels == 0])
        assert not faces.columns.labels.any()
    assert [len(faces) for _, faces in parts.values()] == [60, 10, 30]
    assert Faces(others=False).class_names == ["face"]
