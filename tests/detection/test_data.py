import colorsys

import pytest
import torch
from painted import NAMES, SCENES, voc_xml, write_voc

from leyden.data.columns import Scenes
from leyden.data.source.annotations.voc import VOC
from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import InMemory
from leyden.detection.data import DetectionData, Distortion

NONE = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "swap": 0.0, "flip": False}
IMAGES = torch.randint(40, 160, (6, 3, 8, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TARGETS = [{"boxes": torch.tensor([[1.0, 2, 4, 6]]), "labels": torch.tensor([i])} for i in range(6)]


def draws(**columns: float) -> torch.Tensor:
    """All changes off (the coin at 4..7 says no), but for the given columns."""
    u = torch.full((6, 10), 0.9)
    for name, value in columns.items():
        u[:, int(name[1:])] = value
    return u


def test_without_changes_nothing_changes():
    images, targets = Distortion(**NONE)(Scenes(IMAGES, TARGETS), torch.rand(6, 10))
    assert (images.int() - IMAGES.int()).abs().max() <= 1
    assert targets is TARGETS


def test_brightness_and_contrast():
    brighter, _ = Distortion(**{**NONE, "brightness": 0.2})(Scenes(IMAGES, TARGETS), draws(c0=1.0, c4=0.0))
    assert (brighter.int() - IMAGES.int() - 51).abs().max() <= 1
    stronger, _ = Distortion(**{**NONE, "contrast": 0.5})(Scenes(IMAGES, TARGETS), draws(c1=1.0, c5=0.0))
    assert (stronger.float() - 1.5 * IMAGES).abs().max() <= 1


def test_saturation_zero_is_grey_and_hue_keeps_brightness():
    grey, _ = Distortion(**{**NONE, "saturation": 1.0})(Scenes(IMAGES, TARGETS), draws(c2=0.0, c6=0.0))
    assert (grey.float() - IMAGES.float().mean(1, keepdim=True)).abs().max() <= 1
    turned, _ = Distortion(**{**NONE, "hue": 18.0})(Scenes(IMAGES, TARGETS), draws(c3=1.0, c7=0.0))
    assert (turned.float().mean(1) - IMAGES.float().mean(1)).abs().max() <= 1
    assert (turned.int() - IMAGES.int()).abs().max() > 5
    red = torch.tensor([200, 20, 20], dtype=torch.uint8).view(1, 3, 1, 1)
    orange, _ = Distortion(**{**NONE, "hue": 18.0})(Scenes(red, TARGETS[:1]), draws(c3=1.0, c7=0.0)[:1])
    assert colorsys.rgb_to_hsv(*orange.flatten().tolist())[0] * 360 == pytest.approx(18, abs=6)


def test_swap_permutes_the_channels():
    swapped, _ = Distortion(**{**NONE, "swap": 1.0})(Scenes(IMAGES, TARGETS), draws(c8=0.99))
    assert (swapped.int() - IMAGES.flip(1).int()).abs().max() <= 1
    assert torch.equal(swapped.sort(1).values, IMAGES.sort(1).values)


def test_boxes_are_mirrored_with_their_image():
    images, targets = Distortion(**{**NONE, "flip": True})(Scenes(IMAGES, TARGETS), draws(c9=0.1))
    assert (images.int() - IMAGES.flip(3).int()).abs().max() <= 1
    assert targets[0]["boxes"].tolist() == [[6, 2, 9, 6]]
    assert TARGETS[0]["boxes"].tolist() == [[1, 2, 4, 6]]
    _, same = Distortion(**{**NONE, "flip": True})(Scenes(IMAGES, TARGETS), draws(c9=0.9))
    assert same[0]["boxes"].tolist() == [[1, 2, 4, 6]]


def test_one_example_changes_by_its_own_numbers_alone():
    distortion = Distortion(0.1, 0.5, 0.5, 18.0, 0.5, True)
    u = torch.rand(6, 10, generator=torch.Generator().manual_seed(1))
    together, targets = distortion(Scenes(IMAGES, TARGETS), u)
    alone, target = distortion(Scenes(IMAGES[3:4], TARGETS[3:4]), u[3:4])
    assert torch.equal(together[3:4], alone)
    assert torch.equal(targets[3]["boxes"], target[0]["boxes"])


def test_grey_images_may_change_too():
    images, _ = Distortion(0.1, 0.5, 0.5, 18.0, 0.5, False)(Scenes(IMAGES[:, :1], TARGETS), torch.rand(6, 10))
    assert images.shape == (6, 1, 8, 10)


def test_batches_and_facts():
    data = DetectionData(DigitScenes(64, train=10, val=3, test=3, smallest=0.3), batch_size=4)
    data.prepare_data()
    assert data.spec == {"class_names": list("0123456789"), "channels": 3, "image_size": 64}
    images, targets = next(iter(data.train_dataloader()))
    assert (images.shape, images.dtype, len(targets)) == ((4, 3, 64, 64), torch.uint8, 4)


def test_boxes_are_scaled_with_their_images():
    source = DigitScenes(64, train=2, val=2, test=2, smallest=0.3)
    large = DetectionData(source, image_size=96).split("val")
    for (image, target), (_, small) in zip(large, source.split("val"), strict=True):
        assert image.shape == (3, 96, 96)
        torch.testing.assert_close(target["boxes"], small["boxes"] * 1.5)


def test_training_leaves_out_difficult_objects_and_evaluation_marks_them(tmp_path):
    root = write_voc(tmp_path / "set")
    for name, scene in (("a", SCENES["train"][0]), ("e", SCENES["val"][0])):
        (root / "Annotations" / f"{name}.xml").write_text(voc_xml(scene, difficult=True))
    data = DetectionData(VOC(str(root), classes=NAMES), image_size=32, batch_size=4)
    data.prepare_data()
    _, targets = next(iter(data.train_dataloader()))
    assert sorted(label for target in targets for label in target["labels"].tolist()) == [2, 3, 4, 5, 6, 7]
    assert [len(target["labels"]) for target in targets].count(0) == 1
    _, targets = next(iter(data.val_dataloader()))
    assert targets[0]["difficult"].tolist() == [True]
    assert targets[0]["boxes"].flatten().tolist() == pytest.approx([10 * 32 / 90] * 2 + [40 * 32 / 90] * 2)
    assert (targets[0]["boxes"] / targets[0]["scale"].repeat(2)).flatten().tolist() == pytest.approx([10, 10, 40, 40])
    assert targets[1]["boxes"].shape == (0, 4)


def test_a_source_without_boxes_is_refused():
    with pytest.raises(ValueError, match="produces images, DetectionData consumes boxes"):
        DetectionData(Digits())


def test_some_of_the_training_images_are_drawn_by_seed_and_fewer_are_part_of_more():
    source = DigitScenes(64, train=30, val=3, test=4, smallest=0.3)
    source.prepare()

    def drawn(images: int | None, seed: int = 0) -> dict[bytes, list]:
        split = DetectionData(source, images=images, seed=seed).split("train")
        pairs = (split[i] for i in range(len(split)))
        return {image.numpy().tobytes(): target["boxes"].tolist() for image, target in pairs}

    few, more, every = drawn(5), drawn(12), drawn(None)
    assert [len(few), len(more), len(every)] == [5, 12, 30]
    assert few.items() <= more.items() <= every.items()  # pictures with their own boxes
    assert few == drawn(5)
    assert few.keys() != drawn(5, seed=1).keys()
    assert list(more) == [image for image in every if image in more]  # in the source's order
    assert [len(DetectionData(source, images=5).split(stage)) for stage in ("val", "test")] == [3, 4]
    for wrong in (0, 31):
        with pytest.raises(ValueError, match=rf"data.images={wrong}: there are 30 training images, take 1 to all"):
            DetectionData(source, images=wrong).split("train")


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_a_box_that_is_no_number_stops_training_and_not_its_loss(wrong: float, monkeypatch):
    source = DigitScenes(64, train=3, val=3, test=4, smallest=0.3)
    bad = [{"boxes": torch.tensor([[1.0, 2, 4, 6], [5, wrong, 9, 9]]), "labels": torch.tensor([0, 1])}]
    good = [{"boxes": torch.tensor([[1.0, 2, 4, 6]]), "labels": torch.tensor([0])}] * 2
    monkeypatch.setattr(
        source, "split", lambda stage: InMemory(Scenes(torch.zeros(3, 3, 64, 64, dtype=torch.uint8), good + bad))
    )
    with pytest.raises(ValueError, match=rf"training image 2 has a box \[5.0, {wrong}, 9.0, 9.0\].*check-data"):
        DetectionData(source).split("train")
    bad[0]["difficult"] = torch.tensor([False, True])
    source.split("train").columns.targets[2]["boxes"][1, 1] = wrong
    assert len(DetectionData(source).split("train")) == 3  # what is not learnt does no harm


def test_training_images_without_any_box_are_refused_and_so_are_too_few(monkeypatch):
    source = DigitScenes(64, train=3, val=3, test=4, smallest=0.3)
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    hard = {"boxes": torch.ones(1, 4), "labels": torch.tensor([0]), "difficult": torch.tensor([True])}
    monkeypatch.setattr(
        source, "split", lambda stage: InMemory(Scenes(torch.zeros(2, 3, 64, 64, dtype=torch.uint8), [nothing, hard]))
    )
    with pytest.raises(ValueError, match=r"none of 2 training images has a box to learn from.*check-data shows"):
        DetectionData(source).split("train")
    with pytest.raises(ValueError, match=r"none of 1 training images .*data\.images=1 may be too few"):
        DetectionData(source, images=1).split("train")
    assert len(DetectionData(source).split("val")) == 2  # a validation may be of empty scenes
