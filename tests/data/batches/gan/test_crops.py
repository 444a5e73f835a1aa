import pytest
import torch
from lightning import LightningModule, Trainer
from torch import Tensor
from torch.nn import functional as F

from leyden.data.batches.gan.crops import RandomCrops, SuperResolution, enlarge, shrink, whole_multiple
from leyden.data.columns import Images
from leyden.data.source import ImageSource
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.data.source.builtin.whole_images import WholeImages
from leyden.data.splits import VariedImages

SIZES = {"train": [(40, 52), (33, 30), (64, 31)], "val": [(37, 45)], "test": [(41, 50), (36, 36)]}


class Numbered(ImageSource):
    """Images whose every pixel tells which it is: channel 0 its number, 1 the row, 2 the column."""

    name, channels, image_size = "numbered", 3, 16

    def split(self, stage: str) -> VariedImages:
        return VariedImages([image(i, *size) for i, size in enumerate(SIZES[stage])])


def image(number: int, height: int, width: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([torch.full_like(rows, number), rows, columns]).to(torch.uint8)


def batches(data: SuperResolution, epochs: int = 1) -> list[Tensor]:
    loader = data.train_dataloader()
    return [batch.images for _ in range(epochs) for batch in loader]


def test_crops_are_squares_of_their_images_in_all_eight_ways() -> None:
    whole = [image(i, *size) for i, size in enumerate(SIZES["train"])]
    crops = RandomCrops(whole, 16)
    numbers = torch.arange(600) % 3
    images = crops.sample(torch.arange(600), torch.rand(600, 3, generator=torch.Generator().manual_seed(0))).images
    assert images.shape == (600, 3, 16, 16)
    ways = set()
    for number, crop in zip(numbers.tolist(), images, strict=True):
        assert (crop[0] == number).all()
        top, left = int(crop[1].min()), int(crop[2].min())
        true = whole[number][:, top : top + 16, left : left + 16]
        turned = [way.rot90(k, (1, 2)) for way in (true, true.flip(2)) for k in range(4)]
        fits = [i for i, way in enumerate(turned) if torch.equal(way, crop)]
        assert len(fits) == 1
        ways.add(fits[0])
    assert ways == set(range(8))


def test_every_place_can_be_taken_up_to_the_edges() -> None:
    crops = RandomCrops([image(0, 18, 17)], 16)
    u = torch.rand(400, 3, generator=torch.Generator().manual_seed(0))
    u[0, :2] = 1 - 2**-24  # the largest float32 below 1
    images = crops.sample(torch.zeros(400, dtype=torch.int64), u).images
    tops, lefts = images[:, 1].flatten(1).amin(1), images[:, 2].flatten(1).amin(1)
    assert set(tops.tolist()) == {0, 1, 2}
    assert set(lefts.tolist()) == {0, 1}
    assert (int(tops[0]), int(lefts[0])) == (2, 1)


def test_a_crop_is_a_function_of_seed_epoch_and_index() -> None:
    def two_epochs(seed: int) -> list[Tensor]:
        return batches(SuperResolution(Numbered(), 16, 4, 12, seed=seed), 2)

    first, again, other = two_epochs(0), two_epochs(0), two_epochs(1)
    assert len(first) == 6
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first[:3], first[3:], strict=True))
    resumed = SuperResolution(Numbered(), 16, 4, 12)
    resumed.load_state_dict({"epoch": 1, "position": 1})
    assert torch.equal(next(iter(resumed.train_dataloader())).images, first[4])


def test_images_give_equally_many_crops() -> None:
    images = torch.cat(batches(SuperResolution(Numbered(), 16, 4, 12)))
    assert images[:, 0, 0, 0].bincount().tolist() == [4, 4, 4]


def test_smaller_versions_are_more_images() -> None:
    data = SuperResolution(Numbered(), 16, sizes=[1.0, 0.55])
    assert [tuple(size) for size in data.crops(5).sizes.tolist()][3:] == [(22, 28), (17, 16), (35, 17)]
    assert len(SuperResolution(Numbered(), 16, sizes=[1.0, 0.45]).crops(5).starts) == 4  # 14 pixels are no crop of 16
    with pytest.raises(ValueError, match=r"data.sizes=\[1.5\]: fractions"):
        SuperResolution(Numbered(), 16, sizes=[1.5])


def test_evaluated_images_are_whole_and_in_order() -> None:
    data = SuperResolution(Numbered(), 16)
    for stage, loader in (("val", data.val_dataloader()), ("test", data.test_dataloader())):
        shapes = [tuple(batch.images.shape) for batch in loader]
        assert shapes == [(1, 3, *size) for size in SIZES[stage]]
    assert data.spec == {"channels": 3, "image_size": 16}


def test_training_images_below_a_crop_are_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    data = SuperResolution(Numbered(), 32)
    with caplog.at_level("INFO", "leyden"):
        assert [tuple(size) for size in data.crops(4).sizes.tolist()] == [(40, 52)]
    assert "2 x with a side below the 32 pixels of a crop, not trained on (image 1 ...)" in caplog.text


def test_only_too_small_images_are_refused_with_the_cure() -> None:
    with pytest.raises(ValueError, match=r"data.image_size=99 pixels.*the largest square in one has 40: lower it"):
        SuperResolution(Numbered(), 99).train_dataloader()


def test_overfitting_repeats_the_same_crops() -> None:
    class Look(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))
            self.seen: list[Tensor] = []

        def training_step(self, batch: Images, index: int) -> Tensor:
            self.seen.append(batch.images)
            return self.weight

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), 0.1)

    model = Look()
    quiet = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", max_epochs=2, overfit_batches=1, logger=False, limit_val_batches=0, **quiet)
    trainer.fit(model, SuperResolution(Numbered(), 16, 4, 12))
    assert model.seen[0].shape == (4, 3, 16, 16)
    assert torch.equal(model.seen[0], model.seen[1])


def test_patches_of_a_classifiers_source_do_as_well() -> None:
    data = SuperResolution(ImagePatches(24, train=5, val=1, test=1), 16, 2, 4)
    assert batches(data)[0].shape == (2, 3, 16, 16)


def test_the_fingerprint_is_of_the_images() -> None:
    assert SuperResolution(Numbered()).fingerprint == SuperResolution(Numbered(), 16).fingerprint
    assert SuperResolution(Numbered()).fingerprint != SuperResolution(WholeImages()).fingerprint


def reference_bicubic(signal: Tensor, size: int) -> Tensor:
    """MATLAB's imresize of a signal (L,): Keys' cubic with a = -1/2, widened where it shrinks; edges left out."""
    scale = len(signal) / size
    width = max(1.0, scale)
    centres = (torch.arange(size, dtype=torch.float64) + 0.5) * scale - 0.5
    x = (torch.arange(len(signal)) - centres[:, None]).abs() / width
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    weights = torch.where(x <= 1, near, torch.where(x < 2, far, 0))
    return weights @ signal / weights.sum(1)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_resizing_is_matlabs(scale: int) -> None:
    signal = torch.randint(60, 200, (64,), generator=torch.Generator().manual_seed(0)).double()
    flat = signal.to(torch.uint8).expand(1, 1, 64, 64)
    small = reference_bicubic(signal, 64 // scale)
    assert (shrink(flat, scale)[0, 0, 0] - small).abs().max() <= 0.501  # rounded to whole grey values
    large = reference_bicubic(signal, 64 * scale).clamp(0, 255)
    assert (enlarge(flat, scale)[0, 0, 0] - large).abs().max() <= 0.501


def test_sides_become_multiples() -> None:
    images = torch.zeros(2, 3, 41, 50, dtype=torch.uint8)
    assert whole_multiple(images, 4).shape == (2, 3, 40, 48)
    assert shrink(images, 4).shape == (2, 3, 10, 12)
    assert shrink(images, 4).dtype == enlarge(images, 2).dtype == torch.uint8
    assert F.l1_loss(enlarge(shrink(images + 77, 2), 2).float(), torch.full((2, 3, 40, 50), 77.0)) == 0
