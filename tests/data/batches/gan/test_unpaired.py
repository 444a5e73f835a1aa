from pathlib import Path

import pytest
import torch
from PIL import Image

from leyden.data.batches.gan.unpaired import Unpaired, UnpairedImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.fonts import Fonts
from leyden.data.source.builtin.image_patches import ImagePatches
from leyden.data.source.files.image_files import ImageFiles
from training import quiet_trainer


def new_data(**values) -> UnpairedImages:
    data = UnpairedImages(Digits(), Fonts(16, per_face=2), **{"batch_size": 8, **values})
    data.prepare_data()
    return data


def test_batches_have_both_domains_and_no_labels() -> None:
    batch = next(iter(new_data().train_dataloader()))
    assert isinstance(batch, Unpaired)
    assert batch.a._fields == batch.b._fields == ("images",)
    assert batch.a.images.shape == batch.b.images.shape == (8, 1, 8, 8)
    assert batch.a.images.dtype == torch.uint8


def test_an_epoch_is_a_pass_over_a() -> None:
    data = new_data()
    assert len(data.train_dataloader()) == len(data.domain("a", "train")) // 8
    seen = sum(len(batch.a.images) for batch in data.val_dataloader())
    assert seen == len(data.domain("a", "val"))


def test_domains_know_their_labels() -> None:
    data = new_data(image_size=12)
    for domain in ("a", "b"):
        columns = data.domain(domain, "test").columns
        assert columns.images.shape[1:] == (1, 12, 12)
        assert columns.labels.unique().tolist() == list(range(10))
    assert data.spec == {"class_names": list("0123456789"), "channels": 1, "image_size": 12}


def test_an_image_of_a_meets_others_of_b() -> None:
    data = new_data(batch_size=4)
    loader = data.train_dataloader()
    first, second = (next(iter(loader)) for _ in range(2))
    assert not torch.equal(first.a.images, second.a.images)
    assert not torch.equal(first.b.images, second.b.images)


def test_domains_are_shuffled_apart() -> None:
    batch = next(iter(UnpairedImages(Digits(), Digits(), batch_size=8).train_dataloader()))
    assert not torch.equal(batch.a.images, batch.b.images)


def test_overfitting_shows_the_same_images_again() -> None:
    data = new_data()
    data.trainer = quiet_trainer(overfit_batches=1)
    loader = data.train_dataloader()
    for _ in range(2):
        for images, domain in zip(next(iter(loader)), ("a", "b"), strict=True):
            assert torch.equal(images.images, data.domain(domain, "train").columns.images[:8])


def test_short_epochs_of_a_do_not_shorten_b() -> None:
    data = UnpairedImages(Digits(), Fonts(8, per_face=1), batch_size=70)
    data.trainer = quiet_trainer(limit_train_batches=1)
    loader = data.train_dataloader()
    seen = torch.cat([batch.b.images for _ in range(2) for batch in [next(iter(loader))]])
    assert len(seen) == len(data.domain("b", "train")) == 140
    assert torch.equal(seen.unique(dim=0), data.domain("b", "train").columns.images.unique(dim=0))


def test_the_fingerprint_counts_both_domains() -> None:
    other = UnpairedImages(Digits(), Fonts(16, per_face=2, seed=1), batch_size=8)
    assert new_data().fingerprint != other.fingerprint
    assert new_data().fingerprint == new_data().fingerprint


@pytest.mark.parametrize("colour_is", ["a", "b"])
def test_grey_and_colour_are_both_in_colour(colour_is: str, caplog: pytest.LogCaptureFixture) -> None:
    domains = [ImagePatches(64, 64, 64, 8), Digits()]
    data = UnpairedImages(*(domains if colour_is == "a" else domains[::-1]), image_size=8, batch_size=4)
    with caplog.at_level("INFO"):
        data.prepare_data()
    assert "grey images get three equal channels" in caplog.text
    assert data.spec["channels"] == 3
    batch = next(iter(data.train_dataloader()))
    grey, colour = (batch.b, batch.a) if colour_is == "a" else batch
    assert grey.images.shape == colour.images.shape == (4, 3, 8, 8)
    assert (grey.images == grey.images[:, :1]).all()
    assert not (colour.images == colour.images[:, :1]).all()


def images_in(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (12 + i, 9), (i, 0, 0)).save(folder / f"{i}.png")


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((20, None), r"data\.target\.root=.*B: "),
        ((20, 0), "holds no image"),
        ((20, 1), "give 3 or more"),
        ((20, 8), "domain B, .* has 5 to train and 2 to test: .* give it 6 images or more for each"),
        ((8, 20), "domain A, .* has 5 to train and 2 to test"),
    ],
)
def test_domains_that_are_too_small_are_refused(counts: tuple, message: str, tmp_path: Path) -> None:
    for name, number in zip("AB", counts, strict=True):
        if number is not None:
            images_in(tmp_path / name, number)
    data = UnpairedImages(*(ImageFiles(str(tmp_path / name)) for name in "AB"), image_size=8)

    def begin() -> None:
        data.prepare_data()
        data.setup("fit")

    with pytest.raises((FileNotFoundError, ValueError), match=message):
        begin()


def test_own_folders_of_any_sizes_are_two_domains(tmp_path: Path) -> None:
    images_in(tmp_path / "trainA", 20)
    images_in(tmp_path / "trainB", 30)
    sources = (ImageFiles(str(tmp_path), train=f"train{name}") for name in "AB")
    data = UnpairedImages(*sources, image_size=8, batch_size=4)
    data.prepare_data()
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch.a.images.shape == batch.b.images.shape == (4, 3, 8, 8)
