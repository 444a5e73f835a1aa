import pytest
import torch
from painted import NAMES, SCENES, voc_xml, write_voc

from leyden.data.columns import Scenes
from leyden.data.source.annotations.voc import VOC
from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import InMemory
from leyden.detection.data import DetectionData


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


def test_difficult_objects_left_out_of_training(tmp_path):
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


def test_training_subsets_are_seeded_and_nested():
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
def test_nan_box_stops_training(wrong: float, monkeypatch):
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


def test_training_without_boxes_is_refused(monkeypatch):
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
