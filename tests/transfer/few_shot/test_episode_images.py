from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision.utils import save_image

from leyden.data.batches.episodes import Episode
from leyden.data.columns import LabelledImages
from leyden.data.source import ImageSource
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.files.image_folder import ImageFolder
from leyden.data.splits import InMemory
from leyden.transfer.few_shot.episode_images import EpisodeImages

CLASSES = {"train": range(6), "val": range(6, 9), "test": range(9, 12)}


class Marked(ImageSource):
    """Ten 4x4 images of each of twelve classes: one pixel says which image, another in a corner which class."""

    name, channels, image_size = "marked", 1, 4
    class_names = [f"class {label}" for label in range(12)]  # noqa: RUF012

    def split(self, stage: str) -> InMemory[LabelledImages]:
        labels = torch.tensor(CLASSES[stage]).repeat_interleave(10)
        images = torch.zeros(len(labels), 1, 4, 4, dtype=torch.uint8)
        images[:, 0, 0, 0] = labels + 1
        images[:, 0, 1, 1] = torch.arange(len(labels)) % 10 + 1
        return InMemory(LabelledImages(images, labels))


def episodes(data: EpisodeImages, stage: str = "train", epochs: int = 1) -> list[Episode]:
    loader = data.loader(stage)
    return [episode for _ in range(epochs) for episode in loader]


def identity(images: Tensor) -> Tensor:
    """(B, 2): class and number, which turning does not change."""
    return torch.stack([images.flatten(1)[:, [0, 3, 12, 15]].amax(1), images.flatten(1)[:, [5, 6, 9, 10]].amax(1)], 1)


@pytest.mark.parametrize("in_memory", [True, False])
def test_an_episode_has_n_classes_k_shots_q_queries(in_memory: bool) -> None:
    data = EpisodeImages(Marked(), ways=3, train_ways=4, shots=2, queries=3, episodes=5, in_memory=in_memory)
    for episode in episodes(data):
        assert episode.support_images.shape == (8, 1, 4, 4)
        assert episode.query_images.shape == (12, 1, 4, 4)
        assert episode.support_labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
        assert episode.query_labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
        support, query = identity(episode.support_images), identity(episode.query_images)
        for label in range(4):
            own = torch.cat([support[episode.support_labels == label], query[episode.query_labels == label]])
            assert len(own[:, 0].unique()) == 1  # one class
            assert len(own[:, 1].unique()) == 5  # and no image twice
        assert len(support[:, 0].unique()) == 4
    assert len(episodes(data, "val")[0].query_labels) == 9


def test_an_episode_depends_on_seed_epoch_and_index_alone() -> None:
    def drawn(seed: int = 0, stage: str = "train") -> list[Tensor]:
        data = EpisodeImages(Marked(), ways=3, episodes=4, eval_episodes=4, seed=seed)
        return [episode.query_images for episode in episodes(data, stage, epochs=2)]

    first, again, other = drawn(), drawn(), drawn(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first[:4], first[4:], strict=True))
    tested = drawn(stage="test")
    assert all(torch.equal(a, b) for a, b in zip(tested[:4], tested[4:], strict=True))
    resumed = EpisodeImages(Marked(), ways=3, episodes=4)
    resumed.load_state_dict({"epoch": 1, "position": 1})
    assert torch.equal(next(iter(resumed.train_dataloader())).query_images, first[5])


def test_classes_are_disjoint_and_bring_all_their_examples() -> None:
    data = EpisodeImages(Digits(), val_classes=2, test_classes=["0", "4", "9"], ways=2)
    assert [data.class_names(stage) for stage in ("train", "val", "test")] == [list("12356"), ["7", "8"], list("049")]
    sizes = [len(data.split(stage)) for stage in ("train", "val", "test")]
    assert sum(sizes) == 1797
    known = [{bytes(image.numpy()) for image in data.split(stage).columns.images} for stage in ("train", "val", "test")]
    assert not known[0] & known[1]
    assert not known[0] & known[2]
    assert data.spec == {"channels": 1, "image_size": 8}


def test_a_turned_class_is_a_class_of_its_own_in_training() -> None:
    data = EpisodeImages(Marked(), ways=3, train_ways=24, rotations=True, episodes=1, eval_episodes=3)
    (episode,) = episodes(data)
    corners = episode.query_images[:, 0].flatten(1)[:, [0, 3, 12, 15]]
    marked = torch.cat([identity(episode.query_images)[:, :1], corners.argmax(1, keepdim=True)], 1)
    assert len(marked.unique(dim=0)) == 24
    for turned in range(24):
        assert len(marked[episode.query_labels == turned].unique(dim=0)) == 1
    assert all((episode.query_images[:, 0, 0, 0] > 0).all() for episode in episodes(data, "test"))


def test_more_shots_leave_the_rest_of_an_episode_as_it_is() -> None:
    data = EpisodeImages(Marked(), ways=3, shots=1, queries=3, eval_episodes=5)
    more = EpisodeImages(Marked(), ways=3, shots=1, test_shots=4, queries=3, eval_episodes=5)
    for one, other in zip(episodes(data, "test"), episodes(more, "test"), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:4], other[:4], strict=True))
        assert len(one.extra_images) == 0
        assert other.extra_labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        whole = other.with_extra()
        assert whole.support_labels.bincount().tolist() == [4, 4, 4]
        for label in range(3):
            support = identity(whole.support_images[whole.support_labels == label])
            own = torch.cat([support, identity(whole.query_images[whole.query_labels == label])])
            assert len(own[:, 0].unique()) == 1
            assert len(own[:, 1].unique()) == 7
    assert len(episodes(more, "val")[0].extra_images) == 0
    with pytest.raises(ValueError, match=r"data.test_shots=2 should be more than data.shots=2"):
        EpisodeImages(Marked(), shots=2, test_shots=2)


def test_classes_in_all_parts_are_refused_with_the_cure() -> None:
    cure = r"the class '0' is in train and in val.* data.val_classes=3 data.test_classes=3 data.ways=3"
    with pytest.raises(ValueError, match=cure):
        EpisodeImages(Digits()).split("train")
    data = EpisodeImages(Digits(), val_classes=3, test_classes=3, ways=3)  # which is the cure
    data.setup("fit")
    assert len(data.class_names("train")) == 4
    with pytest.raises(ValueError, match=r"no class 'x' left"):
        EpisodeImages(Digits(), val_classes=["x"], test_classes=["3"]).split("val")
    with pytest.raises(ValueError, match="set both"):
        EpisodeImages(Digits(), test_classes=3)


def test_two_classes_and_sixty_images_get_an_answer(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / name).mkdir()
        for i in range(30):
            save_image(torch.rand(3, 16, 16), tmp_path / name / f"{i}.png")
    data = EpisodeImages(ImageFolder(str(tmp_path)))
    data.prepare_data()
    answer = r"2 classes are too few.*experiment=own_images data.source.root=FOLDER.*leyden predict RECORD --support"
    with pytest.raises(ValueError, match=answer):
        data.setup("fit")


def test_all_that_no_episode_can_be_made_of_is_told_before_training() -> None:
    with pytest.raises(ValueError, match="of 5 classes needs as many, there are 3"):
        EpisodeImages(Marked()).loader("test")
    with pytest.raises(ValueError, match=r"in val an episode of 5 .*; in test an episode of 5 .*: lower data.ways"):
        EpisodeImages(Marked()).setup("fit")
    with pytest.raises(ValueError, match=r"in test an episode takes 6 \+ 5 .* 3 classes 'class 9' has 10, 'class 10'"):
        EpisodeImages(Marked(), ways=3, test_shots=6).setup("fit")  # which only the test takes
