import torch

from leyden.data.source.builtin.whole_images import WholeImages


def test_splits_are_whole_photographs_of_different_sizes() -> None:
    source = WholeImages()
    source.prepare()
    counts = {stage: len(source.split(stage)) for stage in ("train", "val", "test")}
    assert counts == {"train": 6, "val": 1, "test": 6}
    shapes = {tuple(source.split("train")[i].images.shape) for i in range(6)}
    assert len(shapes) > 3
    assert all(shape[0] == source.channels for shape in shapes)
    example = source.split("val")[0]
    assert (example.images.shape, example.images.dtype, len(example)) == ((3, 300, 451), torch.uint8, 1)


def test_only_the_grey_test_photographs_are_grey() -> None:
    def colour(image: torch.Tensor) -> float:
        return (image[0].float() - image[2].float()).abs().mean().item()

    test = WholeImages().split("test")
    assert [colour(test[i].images) > 5 for i in range(6)] == [True, False, False, False, False, False]
    assert all(colour(WholeImages().split("train")[i].images) > 5 for i in range(6))
