import torch

from leyden.data.batches.gan.images import Flip, GanImages
from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.digits import Digits


def test_digits_enlarged_with_their_labels() -> None:
    images, labels = next(iter(GanImages(Digits(), image_size=32, batch_size=10).train_dataloader()))
    assert images.shape == (10, 1, 32, 32)
    assert images.dtype == torch.uint8
    assert labels.shape == (10,)


def test_half_of_the_images_are_mirrored_if_wanted() -> None:
    images = torch.arange(12, dtype=torch.uint8).view(2, 1, 2, 3)
    labels = torch.tensor([3, 4])
    flipped, kept = Flip()(LabelledImages(images, labels), torch.tensor([[0.4], [0.6]]))
    assert torch.equal(flipped[0], images[0].flip(-1))
    assert torch.equal(flipped[1], images[1])
    assert kept is labels
    assert GanImages(Digits(), flip=True).augment is not None
    assert GanImages(Digits()).augment is None
