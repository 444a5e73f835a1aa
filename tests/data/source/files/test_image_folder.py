import gc
import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from leyden.core.splits import stratified
from leyden.data.batches.domains import DomainImages
from leyden.data.batches.gan.images import GanImages
from leyden.data.images import ImageDataModule
from leyden.data.loader import Loader
from leyden.data.source.annotations.coco import COCO
from leyden.data.source.files import listing
from leyden.data.source.files.image_files import ImageFiles
from leyden.data.source.files.image_folder import ImageFolder, ImageList
from leyden.data.source.files.listing import Listing, list_images
from leyden.data.splits import InMemory, Resized, Subset


def paint(root: Path, *folders: str, count: int = 10) -> str:
    """``count`` small images of different sizes in each folder; how red one is tells which it is."""
    for place, folder in enumerate(folders):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.new("RGB", (8 + i, 10), (20 * place + i, 0, 255)).save(root / folder / f"{i}.png")
    return str(root)


def reds(source: ImageFolder, stage: str) -> list[int]:
    split = source.split(stage)
    return [int(split[i].images[0, 0, 0]) for i in range(len(split))]


def test_class_folders_are_shared_out(tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "ants", "bees"))
    source.prepare()
    assert source.class_names == ["ants", "bees"]
    assert [source.split(s).labels.bincount().tolist() for s in ("train", "val", "test")] == [[6, 6], [1, 1], [3, 3]]
    seen = reds(source, "train") + reds(source, "val") + reds(source, "test")
    assert sorted(seen) == [*range(10), *range(20, 30)]
    assert all(
        (red >= 20) == label for red, label in zip(reds(source, "test"), source.split("test").labels, strict=True)
    )
    assert reds(source, "train") == reds(ImageFolder(str(tmp_path)), "train")


def test_three_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "train/a", "train/b", "val/a", "val/b", "test/a", "test/b"))
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [20, 20, 20]
    assert set(reds(source, "val")) == {*range(40, 50), *range(60, 70)}


@pytest.mark.parametrize("empty", [False, True])
def test_class_that_a_test_lacks_is_a_warning(empty: bool, tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "train/a", "train/b", "test/b"))
    if empty:
        (tmp_path / "test" / "a").mkdir()
    splits, issues = source.inspect()
    assert splits["test"].labels.tolist() == [1] * 10
    assert [(issue.effect, str(issue)) for issue in issues] == [
        ("warning", f"{tmp_path / 'test'}: test has no image of 'a'")
    ]


def test_class_that_training_lacks_is_an_error(tmp_path: Path) -> None:
    root = paint(tmp_path, "a", "b", "c")
    for file in (tmp_path / "b").iterdir():
        file.rename(file.with_suffix(".raw"))
    with pytest.raises(ValueError, match=r"/b holds no image .*passed over: 10 x with another ending, not read"):
        ImageFolder(root).prepare()


def test_class_whose_name_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"the folder's name is not UTF-8 \(in Latin 1 it is 'straße'\): rename it"):
        ImageFolder(paint(tmp_path, "a", "stra\udcdfe")).prepare()


def test_classes_are_the_same_in_another_spelling(tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "train/Caf\u00e9", "train/dog", "test/cafe\u0301", "test/DOG "))
    assert source.split("test").labels.tolist() == [0] * 10 + [1] * 10
    assert ImageFolder(paint(tmp_path / "letters", "a", "A")).split("test").labels.bincount().tolist() == [3, 3]


@pytest.mark.parametrize("other", ["val", "valid", "test"])
def test_validation_never_is_the_test(other: str, tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, "train/a", "train/b", f"{other}/a", f"{other}/b"))
    assert [len(source.split(stage)) for stage in ("train", "val", "test")] == [18, 2, 20]
    assert sorted(reds(source, "train") + reds(source, "val")) == [*range(10), *range(20, 30)]
    assert min(reds(source, "test")) == 40


@pytest.mark.parametrize(
    ("folders", "count", "sizes"),
    [
        (["train/a", "train/b", "test/a", "test/b"], 4, [6, 2, 8]),
        (["train/a", "train/b", "val/a", "val/b"], 2, [2, 2, 4]),
        (["a", "b"], 3, [2, 2, 2]),
        (["a", "b"], 6, [8, 2, 2]),
    ],
)
def test_few_images_of_a_class_are_in_every_split(
    folders: list[str], count: int, sizes: list[int], tmp_path: Path
) -> None:
    source = ImageFolder(paint(tmp_path, *folders, count=count))
    for stage, size in zip(("train", "val", "test"), sizes, strict=True):
        assert len(source.split(stage)) == size
        assert source.split(stage).labels.unique().tolist() == [0, 1]


def test_too_few_images_to_share_are_told_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"left for val: .* each of train, val, test, but there are 2 at most: add"):
        ImageFolder(paint(tmp_path / "two", "a", "b", count=2)).prepare()
    with pytest.raises(ValueError, match=r"left for val: .* each of train, val, but there are 1 at most: add images"):
        ImageFolder(paint(tmp_path / "one", "train/a", "train/b", "test/a", "test/b", count=1)).prepare()
    _, issues = ImageFolder(paint(paint(tmp_path / "odd", "a", count=1) and tmp_path / "odd", "b", "c")).inspect()
    assert [issue.what for issue in issues] == ["val has no image of 'a'", "test has no image of 'a'"]


@pytest.mark.parametrize("holdout", [0, 1, -0.1, float("nan")])
def test_something_is_held_out_and_something_learnt(holdout: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"data\.source\.holdout={holdout}: .* such as 0\.1"):
        ImageFolder(str(tmp_path), holdout=holdout)


def test_images_become_one_size(tmp_path: Path) -> None:
    data = ImageDataModule(ImageFolder(paint(tmp_path, "a", "b")))
    data.prepare_data()
    assert data.split("train")[0].images.shape == (3, 64, 64)
    grey = ImageDataModule(ImageFolder(str(tmp_path), channels=1), image_size=16)
    grey.prepare_data()
    assert grey.split("train")[0].images.shape == (1, 16, 16)


def test_real_photographs(dev_data: Path) -> None:
    source = ImageFolder(str(dev_data / "hymenoptera_256" / "hymenoptera_data"))
    source.prepare()
    assert source.class_names == ["ants", "bees"]
    assert sum(len(source.split(stage)) for stage in ("train", "val")) == 244
    assert len(source.split("test")) == 153
    assert min(source.split("train")[0].images.shape[1:]) == 256


def test_people_as_classes(dev_data: Path) -> None:
    source = ImageFolder(str(dev_data / "att_faces"), channels=1)
    source.prepare()
    assert len(source.class_names) == 40
    assert source.split("test").labels.bincount().tolist() == [3] * 40
    assert source.split("test")[0].images.shape == (1, 112, 92)


def test_log_has_one_line_of_what_was_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = paint(tmp_path, "a", "b", "a/.ipynb_checkpoints", "__MACOSX/a")
    (tmp_path / "b" / "notes.txt").touch()
    Image.fromarray(np.full((8, 8), 2**15, dtype=np.uint16)).save(tmp_path / "b" / "16.png")
    data = ImageDataModule(ImageFolder(root), image_size=8)
    with caplog.at_level(logging.INFO):
        data.prepare_data()
        for stage in ("train", "val", "test"):
            data.split(stage)
        data.prepare_data()
    *_, last = [record.message for record in caplog.records if " not read (" in record.message]
    assert "2 x hidden or of another program, not read" in last
    assert "1 x with another ending, not read" in last
    assert "1 x of 16 bits, scaled to 8" in last
    assert len([record for record in caplog.records if record.message == last]) == 1


def test_missing_root(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such folder"):
        ImageFolder(str(tmp_path / "nowhere")).prepare()


@pytest.mark.parametrize("folders", [["."], ["only"], ["train/only", "val/only"], ["train", "test"]])
def test_classifier_needs_two_classes_and_a_gan_none(folders: list[str], tmp_path: Path) -> None:
    source = ImageFolder(paint(tmp_path, *folders))
    with pytest.raises(ValueError, match=r"a classifier needs two or more: .* A GAN .* experiment=gan_dcgan"):
        DomainImages(source, source).prepare_data()
    data = GanImages(source, image_size=16)
    data.prepare_data()
    batch = next(iter(data.train_dataloader()))
    assert batch.images.shape[1:] == (3, 16, 16)
    assert ("labels" in batch._fields) == ("only" in folders[0])
    assert len(set(reds(source, "train")) & set(reds(source, "test"))) == 0


def test_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no image with an ending among .*\.webp"):
        ImageFolder(str(tmp_path)).prepare()


def test_a_class_that_training_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"test/c: the class 'c' is not among those of training: \['a', 'b'\]"):
        ImageFolder(paint(tmp_path, "train/a", "train/b", "test/a", "test/b", "test/c")).prepare()


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n and then nonsense"])
def test_a_broken_image_is_named(content: bytes, tmp_path: Path) -> None:
    root = paint(tmp_path, "a", "b")
    for file in (tmp_path / "b").iterdir():
        file.write_bytes(content)
    data = ImageDataModule(ImageFolder(root))
    data.prepare_data()
    with pytest.raises(ValueError, match=r"b/\d\.png: this image cannot be read"):
        data.split("train")


def settled(root: Path) -> None:
    """Makes all folders look as if nobody had changed them for a minute."""
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        before = folder.stat().st_mtime - 60
        os.utime(folder, (before, before))


def indexed(root: Path) -> ImageFolder:
    """A source whose index lies beside its root; prepared."""
    source = ImageFolder(str(root), index_cache=str(root.parent / "cache"))
    source.prepare()
    return source


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten images each of a and b, and an index of them."""
    paint(tmp_path / "set", "a", "b")
    settled(tmp_path / "set")
    indexed(tmp_path / "set")
    assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".npz"]
    return tmp_path / "set"


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that were looked into."""
    seen: list[str] = []
    plain = listing._walk

    def walk(root: str, inside: str, *found: Any) -> Iterator[tuple[bytes, int]]:
        seen.append(inside)
        return plain(root, inside, *found)

    monkeypatch.setattr(listing, "_walk", walk)
    return seen


def counts(source: ImageFolder) -> dict[str, int]:
    """How many images there are of each class."""
    labels = torch.cat([source.split(stage).labels for stage in ("train", "val", "test")])
    return dict(zip(source.class_names, labels.bincount().tolist(), strict=True))


def test_files_come_in_the_order_of_sorted_paths(tmp_path: Path) -> None:
    """At any depth, of any name: what pathlib finds and how it sorts decides which image is in which split."""
    names = ["b.png", "a.JPG", "a/z.png", "a/b/c.webp", "a-b.png", "a b.tif", "a.b/x.png", "Z.png", ".x.png", ".png",
             "ä.png", "\udcff.png", "z/.hidden/1.png", "notes.txt", "png", "10.png", "9.png"]  # fmt: skip
    for name in names:
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "set" / "nowhere.png").symlink_to("gone.png")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "y.png").touch()
    (tmp_path / "set" / "link").symlink_to(tmp_path / "elsewhere")  # to a folder: not followed
    endings = {".jpg", ".png", ".webp", ".tif"}
    expected = sorted(
        path
        for path in (tmp_path / "set").rglob("*")
        if path.suffix.lower() in endings and not any(part.startswith(".") for part in path.parts)
    )
    found = list_images(tmp_path / "set")
    assert list(found) == list(map(str, expected))
    assert len(found) == len(names) - 5 + 1
    assert list(found.take(np.array([3, 0]))) == [str(expected[3]), str(expected[0])]


def test_a_class_folder_may_be_a_link(tmp_path: Path) -> None:
    paint(tmp_path, "set/a", "elsewhere")
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere")
    assert counts(indexed(tmp_path / "set")) == {"a": 10, "b": 10}


def test_a_second_start_looks_into_no_folder(images: Path, walks: list[str]) -> None:
    first, second = ImageFolder(str(images)), indexed(images)
    assert walks == []
    for stage in ("train", "val", "test"):
        assert reds(second, stage) == reds(first, stage)
        assert torch.equal(second.split(stage).labels, first.split(stage).labels)
    assert walks == ["a", "b"]  # the one without an index


def test_a_folder_that_moved_is_looked_through_again(images: Path, walks: list[str]) -> None:
    moved = images.rename(images.with_name("other"))
    assert set(reds(indexed(moved), "train")) <= {*range(10), *range(20, 30)}
    assert walks == ["a", "b"]


def test_another_folder_under_the_same_name_is_looked_through_again(images: Path) -> None:
    paint(images.with_name("new"), "a", "b", count=7)
    images.rename(images.with_name("old"))
    images.with_name("new").rename(images)
    assert counts(indexed(images)) == {"a": 7, "b": 7}


@pytest.mark.parametrize("backdated", [False, True])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda root: (root / "a" / "0.png").unlink(), {"a": 9, "b": 10}),
        (lambda root: (root / "a" / "0.png").rename(root / "b" / "x.png"), {"a": 9, "b": 11}),
        (lambda root: paint(root, "a/deep/er", count=3), {"a": 13, "b": 10}),
        (lambda root: paint(root, "c", count=4), {"a": 10, "b": 10, "c": 4}),
        (lambda root: (root / "b").rename(root / "c"), {"a": 10, "c": 10}),
        (lambda root: (root / "a" / "0.png").rename(root / "a" / "0.txt"), {"a": 9, "b": 10}),
    ],
)
def test_changes_are_seen(
    change: Callable[[Path], object], expected: dict[str, int], backdated: bool, images: Path
) -> None:
    """Also where a tool such as rsync sets the folders' times back afterwards."""
    before = {path: path.stat() for path in (images, *images.iterdir())}
    change(images)
    for path, status in before.items():
        if backdated and path.exists():
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert counts(indexed(images)) == expected


def test_a_renamed_image_is_found_under_its_new_name(images: Path) -> None:
    (images / "a" / "0.png").rename(images / "a" / "00.png")
    split = indexed(images).split("train").split
    assert isinstance(split, ImageList)
    assert str(images / "a" / "00.png") in list(split.files)
    assert all(map(os.path.exists, split.files))


def test_no_index_of_a_folder_that_may_still_be_changing(tmp_path: Path) -> None:
    """Where a file system counts whole seconds, the next image could come without a later time."""
    paint(tmp_path / "set", "a", "b")
    assert counts(indexed(tmp_path / "set")) == {"a": 10, "b": 10}
    assert not (tmp_path / "cache").exists()


class Mine:
    """Writes a file when it is read by pickle."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return os.mkdir, (str(self.file),)


def rewrite(file: Path, **changed: np.ndarray) -> None:
    """Puts other parts into an index."""
    with np.load(file) as stored:
        parts = {name: stored[name] for name in stored.files}
    np.savez(file, **{**parts, **changed})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"PK no archive"),
        lambda file: file.write_bytes(file.read_bytes()[:-300]),
        lambda file: file.write_bytes(file.read_bytes().replace(b"\x00a0.png", b"\x00a1.png")[:900]),
        lambda file: file.write_bytes(pickle.dumps(Mine(file.with_name("ran")))),
        lambda file: rewrite(file, paths=np.array([Mine(file.with_name("ran"))], dtype=object)),
        lambda file: np.savez(file, about=np.zeros(3, np.uint8)),
        lambda file: rewrite(file, tops=np.array([5])),
        lambda file: rewrite(file, tops=np.full(20, 7)),
        lambda file: rewrite(file, sizes=np.zeros(20)),
        lambda file: rewrite(file, times=np.zeros((1, 2), np.int64)),
        lambda file: rewrite(file, paths=np.full(20, b"../cache/0.png")),
        lambda file: rewrite(file, paths=np.full(20, b"/etc/0.png")),
        lambda file: rewrite(file, folders=np.array([b"a", b"b/../../cache"])),
        lambda file: rewrite(file, folders=np.array([b"a", b"/"])),
        lambda file: rewrite(file, folders=np.array([1, 2])),
        lambda file: rewrite(file, skips=np.frombuffer(b"[1]", np.uint8)),
        lambda file: rewrite(file, skips=np.frombuffer(b'{"a": [1, 2]}', np.uint8)),
        lambda file: rewrite(file, skips=np.frombuffer(b"nonsense", np.uint8)),
        lambda file: rewrite(file, about=np.frombuffer(b'[2, "/elsewhere", "a", "b"]', np.uint8)),
    ],
)
def test_a_broken_or_foreign_index_is_made_anew(
    spoil: Callable[[Path], object], images: Path, walks: list[str]
) -> None:
    (file,) = (images.parent / "cache").iterdir()
    spoil(file)
    assert counts(indexed(images)) == {"a": 10, "b": 10}
    assert walks == ["a", "b"]
    assert not file.with_name("ran").exists()
    assert set(reds(indexed(images), "train")) <= {*range(10), *range(20, 30)}
    assert walks == ["a", "b"]  # and the new one is good


POOL = """
import multiprocessing, sys
from leyden.data.source.files.image_files import ImageFiles
from leyden.data.source.files.image_folder import ImageFolder

def count(root, cache):
    source = ImageFolder(root, index_cache=cache)
    return sum(len(source.split(stage)) for stage in ("train", "val", "test"))

with multiprocessing.get_context("fork").Pool(4) as pool:
    print(pool.starmap(count, [sys.argv[1:]] * 12))
"""


def test_processes_at_once_do_not_mind_each_other(images: Path) -> None:
    """Forked from a process of their own: from this one they would have other tests' threads and signal handlers."""
    cache = images.parent / "cache"
    for file in cache.iterdir():
        file.unlink()
    done = subprocess.run([sys.executable, "-c", POOL, images, cache], capture_output=True, text=True, check=False)
    assert done.stdout == f"{[20] * 12}\n", done.stderr
    (file,) = cache.iterdir()  # nothing half written is left
    assert file.suffix == ".npz"


def test_a_cache_that_cannot_be_written_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder below a file cannot be made even by root, whom no permission keeps away."""
    root = paint(tmp_path / "set", "a", "b")
    settled(tmp_path / "set")
    (tmp_path / "file").touch()
    source = ImageFolder(root, index_cache=str(tmp_path / "file" / "cache"))
    assert counts(source) == {"a": 10, "b": 10}
    assert "the next start has to look for the images again" in caplog.text


def many(count: int) -> Listing:
    """So many files in a hundred folders, none of which is there."""
    tops = np.arange(count) // (count // 100)
    paths = np.array([b"class_%d/%07d.jpg" % (top, i) for i, top in enumerate(tops)])
    return Listing("set", paths, np.zeros(count, np.int64), tops, np.array([], "S"))


def test_a_hundred_thousand_files_are_a_few_objects() -> None:
    """What forked workers touch must hold no Python object per file: each look would copy a page of their memory."""
    files = many(100_000)
    labels = torch.from_numpy(files.tops)
    train, _ = stratified(labels, (0.9, 0.1))
    split = Resized(Subset(ImageList(files, 3), train, labels[train]), 32, 3)
    assert files[99_999] == "set/class_99/0099999.jpg"
    seen: dict[int, object] = {}
    inner: list[object] = [split]
    while inner:  # everything that can be reached from the split, but for classes and functions
        thing = inner.pop()
        if id(thing) not in seen and not isinstance(thing, type) and not callable(thing):
            seen[id(thing)] = thing
            inner += gc.get_referents(thing)
    assert len(seen) < 1000
    assert sum(part.nbytes for part in (files.paths, files.sizes, files.tops)) < 4e6


def test_a_split_over_the_limit_is_decoded_as_needed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """12 images of 3 x 64 x 64 bytes are 0.000147 GB."""
    root = paint(tmp_path, "a", "b")
    with caplog.at_level(logging.INFO):
        assert isinstance(ImageDataModule(ImageFolder(root, in_memory_limit=0.000148)).split("train"), InMemory)
        assert "more than" not in caplog.text
        assert isinstance(ImageDataModule(ImageFolder(root, in_memory_limit=0.000146)).split("train"), Resized)
    assert "more than data.source.in_memory_limit=0.000146 (data.in_memory=true" in caplog.text
    assert isinstance(ImageDataModule(ImageFolder(root, in_memory_limit=0), in_memory=True).split("train"), InMemory)


def test_the_fingerprint_of_what_is_not_decoded_tells_files_apart(tmp_path: Path) -> None:
    """200 training images, of which 64 are looked at; the names and sizes of the others count."""

    def fingerprint(root: Path) -> str:
        return ImageDataModule(ImageFolder(str(root)), image_size=8, in_memory=False).fingerprint

    for place in ("one", "same", "renamed", "other"):
        paint(tmp_path / place, "train/a", "train/b", count=100)
        paint(tmp_path / place, "val/a", "val/b", "test/a", "test/b", count=1)
    (tmp_path / "renamed/train/a/98.png").rename(tmp_path / "renamed/train/a/99x.png")
    Image.new("RGB", (99, 90), "red").save(tmp_path / "other/train/b/98.png")
    one, same, renamed, other = (fingerprint(tmp_path / place) for place in ("one", "same", "renamed", "other"))
    assert one == same
    assert len({one, renamed, other}) == 3


def test_epochs_of_streamed_images_are_those_of_memory(images: Path) -> None:
    """The order is one of (seed, epoch), whether an index, workers or memory gives the images."""

    def epochs(source: ImageFolder, kept: bool, workers: int) -> list[torch.Tensor]:
        data = ImageDataModule(source, image_size=8, batch_size=4, in_memory=kept, workers=workers, seed=5)
        loader = data.train_dataloader()
        assert isinstance(loader, Loader)
        return [images for _ in range(2) for images, _ in loader]

    plain = epochs(ImageFolder(str(images)), True, 0)
    assert torch.equal(torch.stack(plain), torch.stack(epochs(indexed(images), False, 1)))


def test_classes_that_differ_by_case_only_are_doubtful(tmp_path: Path) -> None:
    _, issues = ImageFolder(paint(tmp_path / "cats", "Cat", "cat", "cat ", "dog")).inspect()
    assert [(issue.kind, issue.effect) for issue in issues] == [("doubtful name", "warning")] * 2
    assert "'Cat' and 'cat ' differ by case or spaces only" in str(issues[1])
    assert ImageFolder(paint(tmp_path / "letters", "a", "A")).inspect()[1] == []


def test_links_to_folders_are_counted_as_such(tmp_path: Path) -> None:
    root = Path(paint(tmp_path / "set", "ant", "bee"))
    (root / "ant" / "all").symlink_to(root)
    source = ImageFolder(str(root))
    source.prepare()
    assert str(source.tally) == f"1 x link to a folder, not followed ({root / 'ant' / 'all'})"


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    root = Path(paint(tmp_path / "set", "ant", "bee"))
    os.mkfifo(root / "ant" / "pipe.png")
    source = ImageFolder(str(root))
    assert sum(len(source.split(stage)) for stage in ("train", "val", "test")) == 20
    assert "1 x with another ending, not read" in str(source.tally)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["JPEGImages/a.png", "JPEGImages/b.png", "Annotations/a.xml", "Annotations/b.xml"], "perhaps data/source=voc"),
        (["images/a.png", "labels/a.txt", "labels/b.txt"], "perhaps data/source=yolo"),
        (["a/1.heic", "b/1.png"], "a holds no image .*: move it away, or convert its images"),
        (["a/1.heic", "b/1"], "holds no image .*: convert or rename what it holds"),
    ],
)
def test_folders_of_something_else_are_told(files: list[str], message: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name, "PNG")
    with pytest.raises(ValueError, match=message):
        ImageFolder(str(tmp_path)).prepare()


def test_a_folder_without_images_is_not_told_to_be_image_folder(tmp_path: Path) -> None:
    root = paint(tmp_path, "ant", "bee")
    (tmp_path / "node_modules").mkdir()
    with pytest.raises(ValueError, match=r"node_modules holds no image .*: move it away, or convert its images$"):
        ImageFolder(root).prepare()
    with pytest.raises(FileNotFoundError, match="perhaps data/source=image_folder reads it"):
        COCO(root).prepare()


def test_an_archive_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "set.zip").touch()
    for source in (ImageFolder(str(tmp_path / "set.zip")), ImageFiles(str(tmp_path / "set.zip"))):
        with pytest.raises(FileNotFoundError, match="this is a file: unpack it, and give the folder"):
            source.prepare()
