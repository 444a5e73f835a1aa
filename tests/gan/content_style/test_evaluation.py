"""What swaps score that are right, that change nothing, and that are the image of the style."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.data.batches.gan.unpaired import UnpairedImages
from leyden.data.source import ImageSource
from leyden.data.source.styled.faces import StyledFaces
from leyden.data.splits import InMemory
from leyden.gan.content_style import evaluation as evaluation_module
from leyden.gan.content_style.evaluation import SwapEvaluation, Swaps, framed, pair, texture_distance
from leyden.gan.content_style.style_images import StyleImages
from training import quiet_trainer

CPU = torch.device("cpu")


class Unlabelled(ImageSource):
    """A folder of images without classes."""

    name, channels, image_size = "a folder", 3, 16

    def __init__(self, grey: int) -> None:
        self.grey = grey

    def split(self, stage: Any) -> InMemory:
        columns = StyledFaces(["oil"], 16, views=1).split(stage).columns
        return InMemory(columns._replace(images=columns.images // 2 + self.grey))


@pytest.fixture(scope="module")
def faces() -> UnpairedImages:
    data = UnpairedImages(StyledFaces(["photograph"], 16, views=2), StyledFaces(["oil", "halftone"], 16, views=2))
    data.prepare_data()
    return data


class Right:
    """Stands in for a technique: its swaps are the drawings of the filters, or contents, or images of the style."""

    channels, image_size = 3, 16
    device = CPU

    def __init__(self, data: UnpairedImages, made: str) -> None:
        self.data, self.made, self.logged = data, made, {}
        self.trainer = quiet_trainer()
        self.trainer.datamodule = data
        self.loggers: list[Any] = []
        self.global_step = 0

    def style_codes(self, images: Tensor, domain: str = "b") -> Tensor:
        return images.flatten(1).float()

    def restyle(self, images: Tensor, codes: Tensor, way: str = "ab") -> Tensor:
        styles = codes.view(images.shape).byte()
        if self.made != "right":
            return images if self.made == "contents" else styles
        drawn, faces = self.data.target.drawn("test"), self.data.source.contents("test").expand(-1, 3, -1, -1)
        number = [int((faces == image).flatten(1).all(1).nonzero()[0]) for image in images]
        style = [int((drawn == image).flatten(2).all(2).nonzero()[0, 0]) for image in styles]
        return torch.stack([drawn[kind, place] for kind, place in zip(style, number, strict=True)])

    def log_dict(self, scores: dict[str, float], **_: Any) -> None:
        self.logged.update(scores)


@pytest.fixture(scope="module")
def evaluation() -> SwapEvaluation:
    """Of the faces; it trains its classifier once."""
    return SwapEvaluation(60)


def scores_of(data: UnpairedImages, made: str, evaluation: SwapEvaluation) -> dict[str, float]:
    task = Right(data, made)
    evaluation.end(task, "test")
    return {name.removeprefix("test/"): value for name, value in task.logged.items()}


@pytest.fixture(scope="module")
def right(faces: UnpairedImages, evaluation: SwapEvaluation) -> dict[str, float]:
    return scores_of(faces, "right", evaluation)


def test_what_the_filters_draw_scores_best(right: dict[str, float]) -> None:
    assert right["likeness"] == right["identity"] == 1
    assert right["style_accuracy"] > 0.95
    assert right["kept_and_reached"] == right["style_accuracy"]
    assert right["texture_distance"] < right["texture_distance_floor"]


@pytest.mark.parametrize(("made", "row"), [("contents", "unchanged"), ("styles", "style")])
def test_floors_are_what_needs_no_network(
    faces: UnpairedImages, right: dict[str, float], evaluation: SwapEvaluation, made: str, row: str
) -> None:
    scores = scores_of(faces, made, evaluation)
    names = ["identity", "likeness", "style_accuracy", "kept_and_reached", "structure", "texture_distance"]
    assert [scores[name] for name in names] == [scores[f"{name}_{row}"] for name in names]
    assert [scores[f"{name}_{row}"] for name in names] == [right[f"{name}_{row}"] for name in names]
    assert scores["kept_and_reached"] < 0.1
    kept = 1.0 if made == "contents" else 0.0
    assert scores["likeness"] == scores["identity"] == kept
    assert (scores["style_accuracy"] > 0.5) == (made == "styles")


def test_each_content_meets_each_style_of_another(faces: UnpairedImages) -> None:
    swaps = pair(faces, "test", CPU, 60)
    assert len(swaps.content) == 60
    met = {(int(c), int(swaps.labels[s])) for c, s in zip(swaps.content, swaps.style, strict=True)}
    assert len(met) == 60
    assert not (swaps.style % 30 == swaps.content).any()
    assert swaps.drawn is not None
    assert torch.equal(swaps.drawn.flatten(0, 1), swaps.styles)


def test_domains_without_classes_are_one_style() -> None:
    data = UnpairedImages(Unlabelled(0), Unlabelled(120), image_size=16)
    data.prepare_data()
    scores = scores_of(data, "styles", SwapEvaluation(20))
    assert "likeness" not in scores
    assert scores["style_accuracy"] > 0.95
    assert scores["style_accuracy_unchanged"] < 0.05
    assert pair(data, "test", CPU, 5).labels.tolist() == [1] * 5


def test_textures_are_compared_style_by_style() -> None:
    """Swaps that have each other's texture are far away, though all of them together are the same images."""
    torch.manual_seed(0)
    noise, flat = torch.randint(0, 256, (8, 1, 16, 16)), torch.randint(100, 104, (8, 1, 1, 16)).expand(-1, -1, 16, -1)
    styles = torch.cat([noise, flat]).byte()
    labels = torch.arange(1, 3).repeat_interleave(8)
    swaps = Swaps(styles, styles, labels, torch.arange(16), torch.arange(16), None)
    assert texture_distance(swaps, styles, labels) == 0
    assert texture_distance(swaps, styles, labels.flip(0)) > 50


def test_a_frame_has_contents_left_and_styles_above() -> None:
    left, top = (torch.full((n, 1, 4, 4), shade, dtype=torch.uint8) for n, shade in ((2, 10), (3, 20)))
    body = torch.arange(100, 106, dtype=torch.uint8).view(6, 1, 1, 1).expand(-1, 1, 4, 4)
    cells = framed(left, top, body)[0, 2::5, 2::5]
    assert cells.tolist() == [[255, 20, 20, 20], [10, 100, 101, 102], [10, 103, 104, 105]]


# Images that show styles.


def test_one_image_of_each_class_in_turn(faces: UnpairedImages) -> None:
    shown, split = StyleImages(5, 3, 16), faces.domain("b", "train")
    shown.choose(split, faces.target.class_names)
    assert shown.names == ["oil", "halftone", "oil 2", "halftone 2", "oil 3"]
    assert torch.equal(shown.images, torch.stack([split[place].images for place in (0, 60, 1, 61, 2)]))


def test_without_classes_images_are_spread(faces: UnpairedImages) -> None:
    shown, split = StyleImages(3, 3, 16), faces.domain("a", "train")
    shown.choose(split, [])
    assert shown.names == ["style 1", "style 2", "style 3"]
    assert torch.equal(shown.images, torch.stack([split[place].images for place in (0, 20, 40)]))


def test_scores_need_the_data() -> None:
    task = SimpleNamespace(trainer=quiet_trainer(), device=CPU)
    task.trainer.datamodule = None
    with pytest.raises(ValueError, match="hand over UnpairedImages"):
        SwapEvaluation(10).end(task, "test")


def test_data_for_adaptation_have_their_scores_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents are A's test images, styles those of training images of B."""
    data = AdaptationImages(Unlabelled(0), Unlabelled(120), shots=4, image_size=16)
    data.prepare_data()
    seen = {}
    fake = SimpleNamespace(source=torch.zeros(6, 3, 16, 16).byte(), shots=torch.full((4, 3, 16, 16), 9).byte())
    fake.test = lambda before, after: seen.update(before=before, after=after) or {"kid": 0.5}
    monkeypatch.setattr(evaluation_module, "DomainEvaluator", lambda *_: fake)
    assert SwapEvaluation(20).of_domains(Right(data, "styles"), data) == {"kid": 0.5}
    assert torch.equal(seen["before"], fake.source)
    assert torch.equal(seen["after"], fake.shots[[0, 1, 2, 3, 0, 1]])
