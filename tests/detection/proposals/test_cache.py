import logging
import sys

import pytest
import torch

from leyden.data.columns import Scenes
from leyden.data.source.builtin.digit_scenes import DigitScenes
from leyden.data.splits import InMemory
from leyden.detection.data import DetectionData
from leyden.detection.proposals import cache as module
from leyden.detection.proposals.cache import Proposals
from leyden.detection.proposals.selective_search import selective_search
from leyden.metrics.detection.accumulator import DetectionAccumulator
from leyden.metrics.detection.scores import detection_scores

SOURCE = DigitScenes(64, train=6, val=3, test=2, smallest=0.3)
SCENES = SOURCE.split("val")
STILL = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "swap": 0.0}


class OneByOne:
    """A split that is not in memory."""

    def __init__(self, split):
        self.split = split

    def __len__(self):
        return len(self.split)

    def __getitem__(self, index):
        return self.split[index]


@pytest.fixture
def idle(monkeypatch):
    """Calling it makes every further search fail."""

    def refuse(*_, **__):
        raise AssertionError("searched again")

    return lambda: monkeypatch.setattr(module, "selective_search", refuse)


def equal(one: Proposals, other: Proposals) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.boxes, other.boxes, strict=True))


def test_each_image_has_its_own():
    found = Proposals(SCENES, {"k": [100], "min_size": 20})
    assert len(found) == 3
    for i in range(3):
        assert torch.equal(found[i], selective_search(SCENES.columns.images[i], k=[100], min_size=20))
    some = Proposals(SCENES, {"k": [100], "min_size": 20}, limit=5)
    assert torch.equal(some[1], selective_search(SCENES.columns.images[1], k=[100], min_size=20, limit=5))


def test_proposals_are_made_once(tmp_path, idle, caplog):
    caplog.set_level(logging.INFO)
    made = Proposals(SCENES, cache=tmp_path / "new")
    (file,) = (tmp_path / "new").iterdir()
    idle()
    kept = Proposals(OneByOne(SCENES), cache=tmp_path / "new")
    assert equal(made, kept)
    assert kept[0].dtype == torch.float32
    assert torch.equal(Proposals(SCENES, limit=4, cache=tmp_path / "new")[2], module.first(made[2], 4))
    assert "selective search in 3 images" in caplog.text
    assert f"proposals from {file}" in caplog.text


def test_other_images_settings_or_versions_are_other_files(tmp_path, monkeypatch):
    Proposals(SCENES, cache=tmp_path)
    Proposals(SCENES, {"sigma": 0.5}, cache=tmp_path)
    Proposals(InMemory(Scenes(SCENES.columns.images.flip(0), SCENES.columns.targets)), cache=tmp_path)
    Proposals(InMemory(Scenes(SCENES.columns.images.view(3, 3, 32, 128), SCENES.columns.targets)), cache=tmp_path)
    monkeypatch.setattr("cv2.__version__", "0")
    Proposals(SCENES, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("content", [b"", b"no archive", "half"])
def test_broken_cache_file_is_replaced(content, tmp_path, caplog):
    made = Proposals(SCENES, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    again = Proposals(SCENES, cache=tmp_path)
    assert equal(made, again)
    assert f"searched anew, because {file} cannot be used" in caplog.text
    caplog.clear()
    assert equal(made, Proposals(SCENES, cache=tmp_path))
    assert "anew" not in caplog.text


def test_a_file_of_other_images_is_refused(tmp_path):
    Proposals(SCENES, cache=tmp_path / "a")
    Proposals(SOURCE.split("test"), cache=tmp_path / "b")
    (mine,), (others,) = (tmp_path / "a").iterdir(), (tmp_path / "b").iterdir()
    others.replace(mine)
    with pytest.raises(ValueError, match=r"proposals-\w+.npz: these are proposals of other images, 2 of them"):
        Proposals(SCENES, cache=tmp_path / "a")


def test_proposals_of_other_images_are_refused():
    found = Proposals(SCENES)
    with pytest.raises(ValueError, match="proposals of other images: these are of 3 images, the split has 2"):
        found.beside(SOURCE.split("test"))
    with pytest.raises(ValueError, match="proposals of other images"):
        found.beside(InMemory(Scenes(SCENES.columns.images.flip(0), SCENES.columns.targets)))
    same = found.beside(InMemory(Scenes(SCENES.columns.images.clone(), SCENES.columns.targets)))
    assert torch.equal(same[1][1]["proposals"], found[1])


def test_targets_get_them_in_memory_or_not():
    found = Proposals(SCENES)
    beside = found.beside(SCENES)
    assert isinstance(beside, InMemory)
    lazily = Proposals(OneByOne(SCENES)).beside(OneByOne(SCENES))
    assert not isinstance(lazily, InMemory)
    for i in range(3):
        for image, target in (beside[i], lazily[i]):
            assert torch.equal(image, SCENES.columns.images[i])
            assert torch.equal(target["proposals"], found[i])
            assert torch.equal(target["boxes"], SCENES.columns.targets[i]["boxes"])
    assert "proposals" not in SCENES.columns.targets[0]


def test_recall_counts_what_is_overlapped():
    plain = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)  # the whole picture is all that is proposed

    def recall(*boxes: list[list[float]], iou: float = 0.5) -> float:
        targets = [{"boxes": torch.tensor(b), "labels": torch.zeros(len(b), dtype=torch.int64)} for b in boxes]
        return Proposals(InMemory(Scenes(plain, targets))).recall(iou)

    assert recall([[0.0, 0, 32, 32]], [[0.0, 0, 32, 20], [0, 0, 32, 15], [1, 1, 9, 9]]) == 0.5
    assert recall([[0.0, 0, 32, 32]], [[0.0, 0, 32, 20]], iou=0.7) == 0.5


@pytest.mark.parametrize("in_memory", [True, False])
def test_batches_of_all_stages_have_them(in_memory, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    data = DetectionData(
        SOURCE, batch_size=3, in_memory=in_memory, proposals="selective_search", proposals_cache=str(tmp_path)
    )
    data.prepare_data()
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        images, targets = next(iter(loader))
        assert len(images) == len(targets)
        for target in targets:
            assert target.keys() == {"boxes", "labels", "proposals"}
            assert (0, 0, 64, 64) in map(tuple, target["proposals"].tolist())
    _, targets = next(iter(data.val_dataloader()))
    assert torch.equal(targets[0]["proposals"], selective_search(SCENES.columns.images[0]))
    assert len(list(tmp_path.iterdir())) == 3
    assert "of the objects are overlapped by 0.5" in caplog.text


def test_proposals_at_the_networks_size():
    data = DetectionData(SOURCE, image_size=96, proposals="selective_search", search={"k": [100]}, proposals_limit=7)
    image, target = data.split("val")[0]
    assert torch.equal(target["proposals"], selective_search(image, k=[100], limit=7))
    assert target["proposals"].max() > 64


def test_a_grey_source_has_them_too():
    grey = DigitScenes(64, train=2, val=2, test=2, smallest=0.3)
    grey.channels = 1
    image, target = DetectionData(grey, proposals="selective_search").split("val")[0]
    assert image.shape == (1, 64, 64)
    assert torch.equal(target["proposals"], selective_search(image))


def test_proposals_are_mirrored_with_images():
    data = DetectionData(SOURCE, batch_size=6, **STILL, flip=True, proposals="selective_search")
    data.prepare_data()
    plain = data.split("train")
    mirrored = 0
    for image, target in zip(*next(iter(data.train_dataloader())), strict=True):
        gap = (
            (image.int() - torch.stack([plain.columns.images, plain.columns.images.flip(3)]).int())
            .abs()
            .amax((2, 3, 4))
        )
        side, original = divmod(int(gap.argmin()), len(plain))
        for key in ("boxes", "proposals"):
            expected = plain.columns.targets[original][key]
            if side:
                expected = torch.stack([64 - expected[:, 2], expected[:, 1], 64 - expected[:, 0], expected[:, 3]], 1)
            assert torch.equal(target[key], expected)
        mirrored += side
    assert 0 < mirrored < 6
    data = DetectionData(SOURCE, batch_size=6, proposals="selective_search")
    _, targets = next(iter(data.train_dataloader()))
    assert {len(t["proposals"]) for t in targets} == {len(t["proposals"]) for t in plain.columns.targets}


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        ({"mosaic": 0.5, "iou_crop": True}, "set data.mosaic=0 data.iou_crop=false$"),
        ({"zoom_out": 4.0, "multi_scale": [64, 96]}, "set data.zoom_out=1 data.multi_scale=null$"),
    ],
)
def test_changes_that_move_boxes_are_refused(changes, cure):
    with pytest.raises(ValueError, match="made for the images as they are.*" + cure):
        DetectionData(SOURCE, proposals="selective_search", **changes)
    DetectionData(SOURCE, **changes)


def test_no_proposals_at_all_are_refused():
    with pytest.raises(ValueError, match=r"data\.proposals_limit=0: at least 1"):
        DetectionData(SOURCE, proposals="selective_search", proposals_limit=0)


def test_a_missing_package_is_found_at_once(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match=r"pip install 'leyden\[proposals\]'"):
        DetectionData(SOURCE, proposals="selective_search")
    DetectionData(SOURCE)


def test_scores_are_the_same_with_them():
    targets = [target for _, target in Proposals(SCENES).beside(SCENES)]
    scale = torch.tensor([2.0, 2.0])
    scores = []
    for truths in (SCENES.columns.targets, targets):
        judged = DetectionAccumulator()
        answers = [{**t, "scores": torch.linspace(0.9, 0.5, len(t["labels"]))} for t in SCENES.columns.targets]
        judged.add(answers, [{**truth, "scale": scale} for truth in truths])
        scores.append(detection_scores(*judged.whole(), 10))
    assert scores[0].keys() == scores[1].keys()
    for name, value in scores[0].items():
        torch.testing.assert_close(value, scores[1][name], equal_nan=True)
