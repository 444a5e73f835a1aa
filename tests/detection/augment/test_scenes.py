from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from painted import NAMES, SCENES, seen_box, write_voc
from torch import Tensor
from torchvision import tv_tensors
from torchvision.ops import box_iou
from torchvision.transforms import v2

from leyden.data.columns import Scenes
from leyden.data.source.annotations.voc import VOC
from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.data.splits import InMemory
from leyden.detection.augment.chain import Chain
from leyden.detection.augment.geometric import Rescale, ZoomAndCrop, iou_window
from leyden.detection.augment.mosaic import Mosaic, join_tiles
from leyden.detection.augment.photometric import Distortion
from leyden.detection.data import DetectionData

DARK = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "swap": 0.0}
"""No change of light: classes are told by their colour."""
KINDS = {
    "flip": {"flip": True},
    "upside_down": {"upside_down": True},
    "zoom_out": {"zoom_out": 3.0},
    "iou_crop": {"iou_crop": True},
    "mosaic": {"mosaic": 1.0},
    "multi_scale": {"multi_scale": [64, 96, 160]},
    "all": {
        "flip": True,
        "upside_down": True,
        "zoom_out": 2.0,
        "iou_crop": True,
        "mosaic": 0.5,
        "multi_scale": [96, 128],
    },
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_voc(tmp_path_factory.mktemp("painted") / "set"))


def epochs(root: str, count: int, **keys: object) -> Iterator[tuple[Tensor, list[dict[str, Tensor]]]]:
    """Batches of so many epochs."""
    data = DetectionData(VOC(root, classes=NAMES), image_size=96, **{"batch_size": 2, **DARK, **keys})  # type: ignore
    data.prepare_data()
    loader = data.train_dataloader()
    for _ in range(count):
        yield from loader


def check_boxes(images: Tensor | list[Tensor], targets: list[dict[str, Tensor]]) -> int:
    """Every class has a colour, so what a box should be can be read off the pixels; returns how many were."""
    checked = 0
    for image, target in zip(images, targets, strict=True):
        assert (target["boxes"] >= 0).all()
        assert (target["boxes"] <= image.shape[1]).all()
        assert len(target["labels"].unique()) == len(target["labels"])
        for box, label in zip(target["boxes"], target["labels"].tolist(), strict=True):
            assert (box[2:] - box[:2]).min() >= 1
            if (box[2:] - box[:2]).min() >= 5:  # what is thinner may have lost its colour to the resizing
                seen = seen_box(image, label)
                assert seen is not None, (NAMES[label], box)
                assert (box - torch.tensor(seen)).abs().max() <= 3, (NAMES[label], box, seen)
                checked += 1
    return checked


@pytest.mark.parametrize("kind", ["flip", "upside_down", "zoom_out", "iou_crop", "multi_scale"])
def test_boxes_stay_on_their_objects(kind: str, root: str) -> None:
    assert sum(check_boxes(*batch) for batch in epochs(root, 30, **KINDS[kind])) > 100


def test_boxes_stay_on_objects_in_mosaics(root: str) -> None:
    data = DetectionData(VOC(root, classes=NAMES), image_size=96, **DARK)
    tiles = [data.split("train")[i] for i in range(4)]
    generator = torch.Generator().manual_seed(0)
    then = Chain([ZoomAndCrop(2.0, True), Distortion(0, 0, 0, 0, 0, True)])
    checked = 0
    for _ in range(60):
        order = torch.randperm(4, generator=generator).tolist()
        numbers = torch.rand(14 + then.draws, generator=generator).tolist()
        image, target = join_tiles([tiles[i] for i in order], numbers[:2], numbers[2:14])
        assert check_boxes([image], [target]) + check_boxes(
            *then(Scenes(image[None], [target]), torch.tensor([numbers[14:]]))
        )
        checked += len(target["labels"])
    assert checked > 200  # of eight objects each


@pytest.mark.parametrize("kind", ["zoom_out", "iou_crop", "mosaic", "all"])
def test_something_changes_and_differs_from_epoch_to_epoch(kind: str, root: str) -> None:
    seen = [{tuple(image.flatten().tolist()) for image in images} for images, _ in epochs(root, 6, **KINDS[kind])]
    assert len(set().union(*seen)) > 6  # of 4 pictures in 6 epochs


def test_augmentation_depends_on_seed_epoch_index(root: str) -> None:
    """Neither on the batch it is in, nor on who decodes it, nor on what else was drawn."""
    keys = {**KINDS["all"], "multi_scale": None, "brightness": 0.2, "hue": 20.0}
    torch.manual_seed(0)
    first = [(i, t) for images, targets in epochs(root, 3, **keys) for i, t in zip(images, targets, strict=True)]
    for other in ({"batch_size": 4}, {"batch_size": 1}, {"in_memory": False}, {"in_memory": False, "workers": 2}):
        torch.rand(17)
        again = [
            (i, t)
            for images, targets in epochs(root, 3, **{**keys, **other})
            for i, t in zip(images, targets, strict=True)
        ]
        assert len(first) == len(again)
        for (image, target), (same_image, same_target) in zip(first, again, strict=True):
            assert torch.equal(image, same_image)
            assert torch.equal(target["boxes"], same_target["boxes"])
            assert torch.equal(target["labels"], same_target["labels"])
    differ = [image for images, _ in epochs(root, 3, **{**keys, "seed": 1}) for image in images]
    assert not all(torch.equal(a, b) for (a, _), b in zip(first, differ, strict=True))


def test_global_random_numbers_are_left_alone(root: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    for _ in epochs(root, 1, **KINDS["all"]):
        pass
    assert torch.equal(torch.rand(3), expected)


def test_photometric_augmentation_alone_is_what_it_was() -> None:
    """The labs on digit scenes were measured with it."""
    source = DigitScenes(64, train=12, val=3, test=3, smallest=0.3)
    data = DetectionData(source, batch_size=4)
    data.prepare_data()
    loader, plain = data.train_dataloader(), source.split("train")
    order = torch.randperm(12, generator=loader._generator(0, 0))
    u = torch.rand(12, 10, generator=loader._generator(0, 1))
    for indices, (images, targets) in zip(order.split(4), loader, strict=True):
        expected, boxes = Distortion(0.125, 0.5, 0.5, 18.0, 0.5, False)(plain.take(indices), u[indices])
        assert torch.equal(images, expected)
        assert all(torch.equal(a["boxes"], b["boxes"]) for a, b in zip(targets, boxes, strict=True))


def test_pictures_without_objects_pass_through_everything(root: str, tmp_path: Path) -> None:
    empty = {stage: [s._replace(boxes=[] if s.name != "a" else s.boxes) for s in p] for stage, p in SCENES.items()}
    bare = str(write_voc(tmp_path / "bare", empty))
    counts = [len(t["labels"]) for _, targets in epochs(bare, 5, **KINDS["all"]) for t in targets]
    assert 0 in counts
    assert max(counts) > 0


def test_zoom_out_makes_smaller_and_crops_make_larger() -> None:
    images = torch.full((64, 3, 60, 60), 10, dtype=torch.uint8)
    target = {"boxes": torch.tensor([[20.0, 20, 40, 40]]), "labels": torch.tensor([3])}
    u = torch.rand(64, 2, generator=torch.Generator().manual_seed(0))
    _, smaller = ZoomAndCrop(4.0, False)(Scenes(images, [target] * 64), u)
    sides = torch.stack([(t["boxes"][0, 2:] - t["boxes"][0, :2]).max() for t in smaller])
    assert sides.min() > 20 / 4 - 0.1
    assert sides.max() <= 20
    assert 20 < (sides < 19.9).sum() < 44  # half of them
    _, cropped = ZoomAndCrop(1.0, True)(Scenes(images, [target] * 64), u)
    assert all(len(t["labels"]) == 1 for t in cropped)  # a window that misses the only object is none
    larger = torch.stack([(t["boxes"][0, 2:] - t["boxes"][0, :2]).max() for t in cropped])
    assert larger.max() > 30
    grey, _ = ZoomAndCrop(4.0, True)(Scenes(images[:, :1], [target] * 64), u)
    assert grey.shape == (64, 1, 60, 60)


@pytest.mark.parametrize("least", [0.1, 0.3, 0.5])
def test_a_window_keeps_its_promise_of_overlap(least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """ssd.pytorch's crop never looks at the IoU (its issue 119)."""
    monkeypatch.setattr("leyden.detection.augment.geometric.OVERLAPS", (least,))
    generator = torch.Generator().manual_seed(1)
    found = 0
    for _ in range(100):
        low = 40 * torch.rand(3, 2, generator=generator)
        boxes = torch.cat([low, low + 10 + 50 * torch.rand(3, 2, generator=generator)], 1)
        window = torch.tensor([iou_window(boxes, 100, generator)])
        sizes = window[0, 2:] - window[0, :2]
        if (sizes == 100).all():  # no window does
            continue
        found += 1
        assert (window >= 0).all()
        assert (window <= 100).all()
        assert sizes.min() >= 29
        assert 0.5 <= sizes[0] / sizes[1] <= 2
        assert box_iou(window.float(), boxes).max() >= least
    assert found > 20


def test_windows_are_as_torchvision_draws_them() -> None:
    boxes = torch.tensor([[30.0, 20, 70, 60], [5.0, 70, 25, 90]])
    canvas = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(100, 100))
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = [], []
    for _ in range(300):
        ours.append(iou_window(boxes, 100, generator))
        crop = v2.RandomIoUCrop().make_params([torch.zeros(3, 100, 100), canvas])
        corner = [crop.get("left", 0), crop.get("top", 0)]
        theirs.append([*corner, corner[0] + crop.get("width", 100), corner[1] + crop.get("height", 100)])
    a, b = (torch.tensor(windows).float() for windows in (ours, theirs))
    # Where a choice fails theirs may draw it again; ours goes on to another.
    torch.testing.assert_close(a.mean(0), b.mean(0), atol=5, rtol=0)
    torch.testing.assert_close(a.std(0), b.std(0), atol=5, rtol=0)
    whole = [(windows[:, 2] - windows[:, 0] == 100).float().mean().item() for windows in (a, b)]
    assert whole[0] == pytest.approx(whole[1], abs=0.08)


def test_mosaic_shows_four_images_never_enlarged() -> None:
    colours = torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1) * 30
    images = colours.expand(8, 3, 40, 40).contiguous()
    whole = [{"boxes": torch.tensor([[0.0, 0, 40, 40]]), "labels": torch.tensor([i])} for i in range(8)]
    mosaic = Mosaic(0.5)
    mosaic.split = InMemory(Scenes(images, whole))
    u = torch.rand(8, 18, generator=torch.Generator().manual_seed(0))
    made, targets = mosaic(Scenes(images, whole), u)
    for i in range(8):
        parts = made[i, 0].unique().tolist()
        if u[i, 0] >= 0.5:
            assert parts == [30 * i]
            assert targets[i] is whole[i]
            continue
        assert made[i, 0, 0, 0] == 30 * i
        assert len(parts) <= 4
        for box, label in zip(targets[i]["boxes"].int().tolist(), targets[i]["labels"].tolist(), strict=True):
            assert (made[i, :, box[1] : box[3], box[0] : box[2]] == 30 * label).all()
    assert all(image.unique().tolist() == [30 * i] for i, image in enumerate(images))  # not changed in place


def test_rescale_gives_batch_one_size() -> None:
    images = torch.zeros(3, 3, 64, 64, dtype=torch.uint8)
    targets = [{"boxes": torch.tensor([[8.0, 16, 32, 64]]), "labels": torch.tensor([0])}] * 3
    rescale = Rescale([32, 64, 128])
    for first, side in ((0.0, 32), (0.5, 64), (0.999, 128)):
        scaled, moved = rescale(Scenes(images, targets), torch.tensor([[first], [0.1], [0.9]]))
        assert scaled.shape == (3, 3, side, side)
        assert moved[2]["boxes"].tolist() == [[8 * side / 64, 16 * side / 64, 32 * side / 64, side]]


def test_chain_splits_the_random_numbers() -> None:
    class Reads:
        def __init__(self, draws: int) -> None:
            self.draws = draws
            self.seen: list[list[float]] = []

        def __call__(self, batch: Scenes, u: Tensor) -> Scenes:
            self.seen = u.tolist()
            return batch._replace(images=batch.images + 1)

    parts = [Reads(2), Reads(1)]
    chain = Chain(parts)
    assert chain.draws == 3
    images, _ = chain(Scenes(torch.zeros(1, dtype=torch.uint8), []), torch.tensor([[1.0, 2.0, 3.0]]))
    assert images.item() == 2
    assert [part.seen for part in parts] == [[[1, 2]], [[3]]]


@pytest.mark.parametrize("keys", [{"zoom_out": 0.5}, {"mosaic": 1.5}, {"multi_scale": []}, {"multi_scale": [0]}])
def test_numbers_out_of_range(keys: dict, root: str) -> None:
    with pytest.raises(ValueError, match=r"data\.mosaic=.* data\.zoom_out=.* data\.multi_scale="):
        DetectionData(VOC(root), **keys)
