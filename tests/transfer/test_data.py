import pytest
import torch

from leyden.data.examples import InMemory, Resized
from leyden.data.source.digits import Digits
from leyden.transfer.data import TransferImages, few_per_class


def test_classes_are_shared_out_without_overlap() -> None:
    data = TransferImages(Digits(), source_classes=5)
    assert data.source_names == list("01234")
    assert data.facts["class_names"] == list("56789")
    test, whole = data.split("test"), Digits().split("test")
    assert torch.equal(test.images, whole.images[whole.targets >= 5])
    assert torch.equal(test.targets, whole.targets[whole.targets >= 5] - 5)


def test_classes_by_name() -> None:
    data = TransferImages(Digits(), source_classes=["7", "1"])
    assert data.facts["class_names"] == list("02345689")
    images, labels = next(iter(data.source_task(64, 1)))
    assert labels.unique().tolist() == [0, 1]
    sevens = {bytes(image.numpy()) for image in Digits().split("train").images[Digits().split("train").targets == 7]}
    assert all((bytes(image.numpy()) in sevens) == (label == 0) for image, label in zip(images, labels, strict=True))


def test_without_source_task_all_classes_are_learnt() -> None:
    data = TransferImages(Digits())
    assert data.facts["class_names"] == Digits().class_names
    assert len(data.split("train")) == 1078
    with pytest.raises(ValueError, match=r"no source task .* set data.source_classes, or model.weights=null"):
        data.source_task(64, 1)


@pytest.mark.parametrize("in_memory", [True, False])
def test_few_labels_are_drawn_by_the_seed_and_repeated(in_memory: bool) -> None:
    data = TransferImages(Digits(), 5, labels_per_class=2, epoch_size=25, in_memory=in_memory, seed=1)
    split = data.split("train")
    assert isinstance(split, InMemory if in_memory else Resized)
    assert len(split) == 25
    shown = [bytes(split[i][0].numpy()) for i in range(25)]
    assert len(set(shown)) == 10
    assert [shown.count(image) for image in shown[:10]] == [3] * 5 + [2] * 5
    assert [split[i][1] for i in range(10)] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    other = TransferImages(Digits(), 5, labels_per_class=2, epoch_size=25, seed=2).split("train")
    assert {bytes(other[i][0].numpy()) for i in range(25)} != set(shown)


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
    known = {bytes(image.numpy()) for image in Digits().split("train").images}
    assert all(bytes(image.numpy()) in known for images, _ in data.once() for image in images)
    augmented = [bytes(image.numpy()) for images, _ in data.train_dataloader() for image in images]
    assert len(set(augmented)) == 20  # five digits, four times each, each time differently
    assert not set(augmented) & known


def test_source_task_holds_views_of_source_classes_only() -> None:
    data = TransferImages(Digits(), 5, labels_per_class=1)
    loader = data.source_task(1, 4)
    train = Digits().split("train")
    known = {bytes(image.numpy()): label for image, label in zip(train.images, train.targets.tolist(), strict=True)}
    assert len(loader) == int((train.targets < 5).sum())
    for image, label in loader:
        back = image[0].rot90(-int(label) % 4, (1, 2)).contiguous()
        assert known[bytes(back.numpy())] == int(label) // 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source_classes": ["5", "ten"]}, r"digits has no class 'ten', it has \['0'"),
        ({"source_classes": 9}, r"1 of the 10 classes of digits are left for the target task"),
        ({"source_classes": 5, "labels_per_class": 1000}, r"labels_per_class=1000, but class '5' has \d+ training"),
    ],
)
def test_impossible_choices(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TransferImages(Digits(), **arguments).split("train")


def test_both_tasks_are_shaken_alike() -> None:
    data = TransferImages(Digits(), 5, degrees=10, zoom=0.2, shift=0.1)
    assert data.augment is not None
    assert vars(data.augment) == pytest.approx({"degrees": 10, "zoom": 0.2, "shift": 0.1})
    assert vars(data.source_task(4, 1).augment.then) == vars(data.augment)


@pytest.mark.parametrize("in_memory", [True, False])
def test_source_task_may_take_all_splits(in_memory: bool) -> None:
    data = TransferImages(Digits(), 5, source_splits=["train", "val", "test"], in_memory=in_memory)
    images = torch.cat([images for images, _ in data.source_task(1, 1)])
    source = Digits()
    known = [source.split(stage) for stage in ("train", "val", "test")]
    assert len(images) == sum(int((split.targets < 5).sum()) for split in known) == 901
    with pytest.raises(ValueError, match="choose among train, val, test"):
        TransferImages(Digits(), 5, source_splits=["all"])
