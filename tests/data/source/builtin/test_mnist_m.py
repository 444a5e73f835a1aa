import torch

from leyden.data.source.builtin.mnist_5000 import Mnist5000
from leyden.data.source.builtin.mnist_m import STRIPS, MnistM, blend, strips
from leyden.data.splits import STAGES


def test_strokes_turn_the_colours_round() -> None:
    background = torch.tensor([[200, 10, 90]], dtype=torch.uint8).view(1, 3, 1, 1).expand(1, 3, 1, 2)
    digit = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2)
    assert blend(background, digit).flatten(2)[0].T.tolist() == [[200, 10, 90], [55, 245, 165]]


def test_digits_and_splits_are_those_of_mnist_5000() -> None:
    coloured, grey = MnistM().split("test").columns, Mnist5000().split("test").columns
    assert coloured.images.shape == (1000, 3, 28, 28)
    assert torch.equal(coloured.labels, grey.labels)
    # black and white pixels differ most: where the digit is white, the image is the background's negative
    backgrounds = blend(coloured.images, grey.images)  # the same operation takes it back where the digit is 0 or 255
    sure = (grey.images == 0) | (grey.images == 255)
    again = blend(backgrounds, grey.images)
    assert torch.equal(again[sure.expand_as(again)], coloured.images[sure.expand_as(again)])
    assert coloured.images.float().std(0).mean() > 30  # photographs, not one colour


def test_same_seed_same_images() -> None:
    first, same, other = (MnistM(seed).split("val").columns.images for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_no_pixel_of_a_photograph_is_in_two_splits() -> None:
    edges = [STRIPS[stage] for stage in STAGES]
    assert edges[0][1] == edges[1][0]
    assert edges[1][1] == edges[2][0]
    widths = [[strip.shape[2] for strip in strips(stage)] for stage in STAGES]
    assert [len(own) for own in widths] == [8, 8, 8]
    assert min(min(own) for own in widths) >= 28
