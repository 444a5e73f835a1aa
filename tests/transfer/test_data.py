import re
from pathlib import Path

import pytest
import torch
from torchvision.io import write_png

from leyden.core.splits import few_per_class
from leyden.data.columns import LabelledImages
from leyden.data.loader import Loader
from leyden.data.source import ImageSource
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.files.image_folder import ImageFolder
from leyden.data.splits import InMemory, Resized, fit_image
from leyden.transfer.data import TransferImages


class Colours(ImageSource):
    """Coloured 6x12 pictures of three classes, one of which digits have as well; two of each class in each split."""

    name = "colours"
    channels = 3
    image_size = 6
    prepared = 0

    def __init__(self, train: tuple[int, ...] = (0, 0, 1, 1, 2, 2)) -> None:
        self.class_names = ["red", "3", "blue"]
        self.labels = {"train": torch.tensor(train), "val": torch.arange(6) % 3, "test": torch.arange(6) % 3}

    def prepare(self) -> None:
        self.prepared += 1

    def split(self, stage: str) -> InMemory:
        labels = self.labels[stage]
        generator = torch.Generator().manual_seed(len(stage))
        images = torch.randint(0, 256, (len(labels), 3, 6, 12), dtype=torch.uint8, generator=generator)
        return InMemory(LabelledImages(images, labels))


def test_classes_are_shared_out_without_overlap() -> None:
    data = TransferImages(Digits(), source_classes=5)
    assert data.source_names == list("01234")
    assert data.spec["class_names"] == list("56789")
    test, whole = data.split("test"), Digits().split("test")
    assert torch.equal(test.columns.images, whole.columns.images[whole.columns.labels >= 5])
    assert torch.equal(test.columns.labels, whole.columns.labels[whole.columns.labels >= 5] - 5)


def test_classes_by_name() -> None:
    data = TransferImages(Digits(), source_classes=["7", "1"])
    assert data.spec["class_names"] == list("02345689")
    images, labels = next(iter(data.source_task(64, 1)))
    assert labels.unique().tolist() == [0, 1]
    sevens = {
        bytes(image.numpy())
        for image in Digits().split("train").columns.images[Digits().split("train").columns.labels == 7]
    }
    assert all((bytes(image.numpy()) in sevens) == (label == 0) for image, label in zip(images, labels, strict=True))


def test_without_source_task_all_classes_are_learnt() -> None:
    data = TransferImages(Digits())
    assert data.spec["class_names"] == Digits().class_names
    assert len(data.split("train")) == 1078
    with pytest.raises(ValueError, match=r"no source task .* set data.source_classes, or model.weights=null"):
        data.source_task(64, 1)


@pytest.mark.parametrize("in_memory", [True, False])
def test_few_labels_are_drawn_by_the_seed_and_repeated(in_memory: bool) -> None:
    data = TransferImages(Digits(), 5, labels_per_class=2, epoch_size=25, in_memory=in_memory, seed=1)
    split = data.split("train")
    assert isinstance(split, InMemory if in_memory else Resized)
    assert len(split) == 25
    shown = [bytes(split[i].images.numpy()) for i in range(25)]
    assert len(set(shown)) == 10
    assert [shown.count(image) for image in shown[:10]] == [3] * 5 + [2] * 5
    assert [split[i].labels for i in range(10)] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    other = TransferImages(Digits(), 5, labels_per_class=2, epoch_size=25, seed=2).split("train")
    assert {bytes(other[i].images.numpy()) for i in range(25)} != set(shown)


@pytest.mark.parametrize("labels_per_class", [10, None])
def test_an_epoch_leaves_no_labelled_example_out(labels_per_class: int | None) -> None:
    train = TransferImages(Digits(), 5, labels_per_class=labels_per_class, epoch_size=32).split("train")
    assert len({bytes(image.numpy()) for image in train.columns.images}) == (50 if labels_per_class else 537)


def test_fewer_labels_are_among_more() -> None:
    labels = torch.arange(60) % 3
    few, many = (set(few_per_class(labels, count, 0, "abc").tolist()) for count in (2, 7))
    assert few < many
    assert torch.bincount(labels[list(many)]).tolist() == [7, 7, 7]


def test_evaluation_is_not_thinned() -> None:
    data = TransferImages(Digits(), 5, labels_per_class=1, epoch_size=8, degrees=90)
    assert sum(len(labels) for _, labels in data.val_dataloader()) == 90
    assert sum(len(labels) for _, labels in data.test_dataloader()) == 269


def test_training_is_augmented_and_a_look_at_the_examples_is_not() -> None:
    data = TransferImages(Digits(), 5, labels_per_class=1, epoch_size=20, batch_size=20, degrees=30, shift=0.1)
    known = {bytes(image.numpy()) for image in Digits().split("train").columns.images}
    assert all(bytes(image.numpy()) in known for images, _ in data.once() for image in images)
    augmented = [bytes(image.numpy()) for images, _ in data.train_dataloader() for image in images]
    assert len(set(augmented)) == 20  # five digits, four times each, each time differently
    assert not set(augmented) & known


def test_source_task_holds_views_of_source_classes_only() -> None:
    data = TransferImages(Digits(), 5, labels_per_class=1)
    loader = data.source_task(1, 4)
    train = Digits().split("train")
    known = {
        bytes(image.numpy()): label
        for image, label in zip(train.columns.images, train.columns.labels.tolist(), strict=True)
    }
    assert len(loader) == int((train.columns.labels < 5).sum())
    for image, label in loader:
        back = image[0].rot90(-int(label) % 4, (1, 2)).contiguous()
        assert known[bytes(back.numpy())] == int(label) // 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source_classes": ["5", "ten"]}, r"digits has no class 'ten', it has \['0'"),
        ({"source_classes": 9}, r"1 of the 10 classes of digits are left for the target task"),
        ({"source_classes": 5, "labels_per_class": 1000}, r"labels_per_class=1000, but class '5' has \d+ training"),
        ({"source_splits": ["all"]}, "source_splits=.'all'.: choose among train, val, test"),
        ({"views": 0}, "data.views=0: one or more, or null"),
        ({"crop": 1.5}, r"data.crop=1.5: a fraction of the shorter side, in \(0, 1\], or null"),
        ({"crop": 0.0}, "data.crop=0.0"),
    ],
)
def test_impossible_choices(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransferImages(Digits(), **arguments).split("train")


@pytest.mark.parametrize(
    ("classes", "wanted", "message"),
    [
        (2, 5, r"0 of the 2 classes .*: give a folder with four classes or more; or learn all of them on ImageNet's"),
        (
            6,
            5,
            r"1 of the 6 classes .*: set data.source_classes=4; or learn all of them on ImageNet's",
        ),
        (
            3,
            ["5"],
            r"no class '5', it has \['c0', 'c1', 'c2'\]: choose among these; or learn all of them on ImageNet's",
        ),
    ],
)
def test_own_folder_with_too_few_classes(classes: int, wanted: int | list[str], message: str, tmp_path: Path) -> None:
    for name in range(classes):
        (tmp_path / "my set" / f"c{name}").mkdir(parents=True)
        for i in range(3):
            write_png(torch.zeros(3, 8, 8, dtype=torch.uint8), str(tmp_path / "my set" / f"c{name}" / f"{i}.png"))
    data = TransferImages(ImageFolder(str(tmp_path / "my set")), source_classes=wanted)
    data.prepare_data()
    command = re.escape(f"leyden run experiment=own_images 'data.source.root=\"{tmp_path}/my set\"'")
    with pytest.raises(ValueError, match=f"{message}.*{command}"):
        data.split("train")


def test_both_tasks_are_shaken_alike() -> None:
    data = TransferImages(Digits(), 5, degrees=10, zoom=0.2, shift=0.1, flip=True, border="reflection")
    assert data.source_task(4, 1).augment.then is data.augment is data.shake
    told = {"degrees": 10, "zoom": 0.2, "shift": 0.1, "flip": True, "border": "reflection"}
    assert {key: value for key, value in vars(data.shake).items() if key != "draws"} == told


@pytest.mark.parametrize(("flip", "augmented"), [(True, True), (False, False)])
def test_mirroring_alone_is_an_augmentation(flip: bool, augmented: bool) -> None:
    assert (TransferImages(Digits(), flip=flip).augment is not None) == augmented


@pytest.mark.parametrize("in_memory", [True, False])
def test_source_task_may_take_all_splits(in_memory: bool) -> None:
    data = TransferImages(Digits(), 5, source_splits=["train", "val", "test"], in_memory=in_memory)
    images = torch.cat([images for images, _ in data.source_task(1, 1)])
    source = Digits()
    known = [source.split(stage) for stage in ("train", "val", "test")]
    assert len(images) == sum(int((split.columns.labels < 5).sum()) for split in known) == 901


def test_the_source_task_may_come_from_another_source() -> None:
    """It is brought to the target's size and channels; a class of its that the target has too is not learnt there."""
    upstream = Colours()
    data = TransferImages(Digits(), ["blue", "3"], upstream=upstream)
    data.prepare_data()
    assert upstream.prepared == 1
    assert data.source_names == ["blue", "3"]
    assert data.spec["class_names"] == list("012456789")
    [(images, labels)] = data.source_task(4, 1)
    given = upstream.split("train")
    expected = {
        bytes(fit_image(given.columns.images[i], 8, 1).numpy()): [2, 1].index(int(given.columns.labels[i]))
        for i in (2, 3, 4, 5)
    }
    assert {bytes(image.numpy()): int(label) for image, label in zip(images, labels, strict=True)} == expected
    assert TransferImages(Digits(), 1, upstream=upstream).spec["class_names"] == list("0123456789")
    with pytest.raises(ValueError, match=r"colours has no class '7', it has \['red', '3', 'blue'\]"):
        TransferImages(Digits(), ["7"], upstream=upstream).source_names  # noqa: B018


@pytest.mark.parametrize("in_memory", [True, False])
def test_crop_reaches_every_split_and_the_source_task(in_memory: bool) -> None:
    data = TransferImages(Colours(), crop=0.5, in_memory=in_memory)
    for stage in ("train", "val", "test"):
        raw = Colours().split(stage)
        assert all(
            torch.equal(data.split(stage)[i].images, fit_image(raw.columns.images[i], 6, 3, 0.5))
            for i in range(len(raw))
        )
    [(images, _)] = TransferImages(Digits(), 1, upstream=Colours(), crop=0.5, image_size=6).source_task(2, 1)
    wanted = {bytes(fit_image(Colours().split("train").columns.images[i], 6, 1, 0.5).numpy()) for i in (0, 1)}
    assert {bytes(image.numpy()) for image in images} == wanted


def test_views_come_in_turn_and_do_not_depend_on_how_many_there_are() -> None:
    def epochs(views: int | None, count: int) -> list[set[bytes]]:
        data = TransferImages(Digits(), 5, labels_per_class=2, batch_size=10, degrees=30, views=views)
        loader: Loader = data.train_dataloader()
        return [{bytes(image.numpy()) for images, _ in loader for image in images} for _ in range(count)]

    two, three, new = epochs(2, 4), epochs(3, 3), epochs(None, 4)
    assert two[0] == two[2]
    assert two[1] == two[3]
    assert not two[0] & two[1]
    assert three[:2] == two[:2]
    assert not three[2] & (two[0] | two[1])
    assert len(set.union(*new)) == 40


def test_the_seed_of_the_augmentation_alone_changes_what_views_show() -> None:
    one, other = (TransferImages(Digits(), 5, degrees=10, views=2, seed=seed) for seed in (0, 1))
    assert one.fingerprint == other.fingerprint
    assert one.signature != other.signature
    assert one.signature == TransferImages(Digits(), 5, degrees=10, views=3, seed=0).signature


@pytest.mark.parametrize("labels_per_class", [None, 1])
def test_a_class_without_training_examples_is_named(labels_per_class: int | None) -> None:
    data = TransferImages(Colours(train=(0, 0, 2)), labels_per_class=labels_per_class)
    with pytest.raises(ValueError, match="no training example of 3: a class that is never seen cannot be learnt"):
        data.split("train")
