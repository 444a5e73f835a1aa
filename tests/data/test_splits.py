import pytest
import torch

from leyden.data.columns import LabelledImages, Scenes
from leyden.data.splits import InMemory, Resized, Subset, decode, fit_image, labels_of, select


class Lazy:
    """A split that decodes one by one, and counts how often."""

    def __init__(self, images: torch.Tensor) -> None:
        self.images = images
        self.decoded: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> LabelledImages:
        self.decoded.append(index)
        return LabelledImages(self.images[index], torch.tensor(index % 3))


def random_images(count: int = 6, channels: int = 1, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator)


def test_in_memory_take_equals_one_by_one() -> None:
    split = InMemory(LabelledImages(random_images(), torch.arange(6) * 2))
    images, targets = split.take(torch.tensor([4, 0, 4]))
    assert torch.equal(images, torch.stack([split[i].images for i in (4, 0, 4)]))
    assert targets.tolist() == [split[i].labels for i in (4, 0, 4)] == [8, 0, 8]


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="columns of different lengths"):
        InMemory(LabelledImages(random_images(), torch.arange(5)))


@pytest.mark.parametrize("lazy", [False, True])
def test_chosen_examples_have_new_labels(lazy: bool) -> None:
    whole = Lazy(random_images()) if lazy else InMemory(LabelledImages(random_images(), torch.arange(6)))
    split = select(whole, torch.tensor([5, 1, 5]), torch.tensor([0, 1, 0]))
    assert isinstance(split, Subset if lazy else InMemory)
    assert len(split) == 3
    assert labels_of(split).tolist() == [0, 1, 0]
    if isinstance(whole, Lazy):
        assert whole.decoded == []
    assert torch.equal(split[1][0], random_images()[1])
    assert [split[i].labels for i in range(3)] == [0, 1, 0]


def test_labels_of_what_has_none() -> None:
    with pytest.raises(ValueError, match="no class labels"):
        labels_of(InMemory(Scenes(random_images(1), [{"boxes": torch.zeros(0, 4)}])))


def test_boxes_are_scaled_along() -> None:
    image = torch.zeros(3, 20, 40, dtype=torch.uint8)
    boxes = {"boxes": torch.tensor([[4.0, 2.0, 40.0, 20.0]]), "labels": torch.tensor([1])}
    resized, target = Resized(InMemory(Scenes(image[None], [boxes])), 10, 3)[0]
    assert resized.shape == (3, 10, 10)
    assert target["boxes"].tolist() == [[1.0, 1.0, 10.0, 10.0]]
    assert target["labels"].tolist() == [1]
    assert target["scale"].tolist() == [0.25, 0.5]
    _, same = Resized(InMemory(Scenes(torch.zeros(1, 3, 10, 10, dtype=torch.uint8), [boxes])), 10, 3)[0]
    assert same is boxes


def test_fit_image_converts_channels() -> None:
    colour = random_images(1, 3)[0]
    assert torch.equal(fit_image(random_images(1)[0], 8, 3), random_images(1)[0].expand(3, -1, -1))
    grey = fit_image(colour, 8, 1)[0].float()
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    assert (grey - (colour * weights).sum(0)).abs().max() <= 1


@pytest.mark.parametrize("tall", [False, True])
def test_a_crop_is_the_centre_square_with_proportions_kept(tall: bool) -> None:
    """A 40x80 image at half its shorter side: 20x20 pixels from its middle, here enlarged to 40."""
    image = torch.zeros(1, 40, 80, dtype=torch.uint8)
    image[:, 10:30, 30:50] = 255
    image[:, 10:30, 40:50] = 100
    seen = fit_image(image.transpose(1, 2) if tall else image, 40, 1, crop=0.5)
    seen = seen.transpose(1, 2) if tall else seen
    assert seen.shape == (1, 40, 40)
    assert (seen[:, 2:-2, 2:18] == 255).all()  # resizing blurs a pixel or so at each edge
    assert (seen[:, 2:-2, 22:-2] == 100).all()
    assert (fit_image(image, 40, 1)[:, 12:28, 16:19] == 255).all()  # without it, the whole is squeezed


def test_a_whole_crop_of_a_square_is_the_image() -> None:
    assert torch.equal(fit_image(random_images(), 8, 1, crop=1.0), random_images())
    assert torch.equal(fit_image(random_images(1, 1, 8), 6, 1, crop=0.75), random_images(1, 1, 8)[..., 1:7, 1:7])


def test_images_with_boxes_are_never_cropped() -> None:
    image = random_images(1, 1, 8)
    boxes = {"boxes": torch.tensor([[0.0, 0.0, 8.0, 8.0]]), "labels": torch.tensor([1])}
    resized, target = Resized(InMemory(Scenes(image, [boxes])), 8, 1, crop=0.5)[0]
    assert torch.equal(resized, image[0])
    assert torch.equal(target["boxes"], boxes["boxes"])


@pytest.mark.parametrize(("size", "channels", "crop"), [(8, 1, None), (5, 1, None), (13, 3, None), (5, 3, 0.8)])
def test_decoding_at_once_equals_one_by_one(size: int, channels: int, crop: float | None) -> None:
    images = random_images(7)
    at_once = decode(Resized(InMemory(LabelledImages(images, torch.arange(7) % 3)), size, channels, crop))
    one_by_one = decode(Resized(Lazy(images), size, channels, crop))
    assert torch.equal(at_once.columns.images, one_by_one.columns.images)
    assert torch.equal(labels_of(at_once), labels_of(one_by_one))
