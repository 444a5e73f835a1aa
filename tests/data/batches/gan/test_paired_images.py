from pathlib import Path

import pytest
import torch

from leyden.data.batches.gan.paired_images import ChangePairs, FittedPairs, PairedImages
from leyden.data.columns import ImagePairs
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.pairs_of_images.faces_sunglasses import FacesSunglasses
from leyden.data.source.pairs_of_images.pair_source import ImagePairSource
from leyden.data.splits import InMemory, Stage
from training import quiet_trainer


class Ramps(ImagePairSource):
    """Grey A of 8x16 pixels, and in B the same three times as colours, twice as large; not in memory."""

    name = "ramps"
    channels_a, channels_b, image_size = 1, 3, 8

    def split(self, stage: Stage) -> list[ImagePairs]:  # type: ignore[override]
        start = {"train": 0, "val": 90, "test": 60}[stage]
        a = [torch.arange(16, dtype=torch.uint8).expand(1, 8, 16) * 8 + start + i for i in range(6)]
        return [ImagePairs(image, image.repeat_interleave(2, 1).expand(3, -1, -1)) for image in a]


def new_data(**values) -> PairedImages:
    data = PairedImages(FacesSunglasses(), **{"batch_size": 6, **values})
    data.prepare_data()
    return data


def test_batches_have_both_images_of_a_pair() -> None:
    batch = next(iter(new_data().train_dataloader()))
    assert isinstance(batch, ImagePairs)
    assert batch.a.shape == batch.b.shape == (6, 1, 32, 32)
    assert batch.a.dtype == torch.uint8
    assert torch.equal(batch.a[:, :, 18:], batch.b[:, :, 18:])
    assert not torch.equal(batch.a, batch.b)


@pytest.mark.parametrize("in_memory", [True, False])
def test_domains_keep_their_channels(in_memory: bool) -> None:
    data = PairedImages(Ramps(), in_memory=in_memory)
    assert data.spec == {"channels_a": 1, "channels_b": 3, "image_size": 8}
    assert isinstance(data.split("val"), InMemory if in_memory else FittedPairs)
    batch = next(iter(data.val_dataloader()))
    assert (batch.a.shape, batch.b.shape) == ((6, 1, 8, 8), (6, 3, 8, 8))
    assert (batch.a - batch.b.float()).abs().max() <= 1
    assert data.fingerprint == PairedImages(Ramps(), in_memory=in_memory).fingerprint


def test_fingerprint_counts_both_images() -> None:
    assert new_data().fingerprint == new_data().fingerprint
    assert new_data().fingerprint != PairedImages(FacesSunglasses(seed=1)).fingerprint


@pytest.mark.parametrize("values", [{"flip": True}, {"jitter": 1.5}, {"jitter": 1.2, "flip": True}])
def test_both_are_changed_alike(values: dict) -> None:
    pairs = InMemory(ImagePairs(*(torch.randint(0, 256, (40, 2, 16, 16), dtype=torch.uint8) for _ in "ab"))).columns
    pairs = pairs._replace(b=pairs.a.flip(1))
    changed = ChangePairs(**{"jitter": 1.0, "flip": False, **values})(pairs, torch.rand(40, ChangePairs.draws))
    assert torch.equal(changed.a.flip(1), changed.b)
    as_before = (changed.a == pairs.a).flatten(1).all(1)
    assert not as_before.all()
    assert as_before.any() == ("jitter" not in values)


def test_jitter_cuts_a_square_of_the_enlarged() -> None:
    """A ramp from 0 to 159 of 16 pixels: enlarged by 1.25 the slope is 8 per pixel, and no place is beyond the edge."""
    ramp = (10 * torch.arange(16, dtype=torch.uint8)).expand(50, 1, 16, 16)
    cut, _ = ChangePairs(1.25, False)(ImagePairs(ramp, ramp), torch.rand(50, ChangePairs.draws))
    slopes = cut[..., 1:-1].float().diff(dim=3)
    assert slopes.mean().item() == pytest.approx(8, abs=0.05)
    assert cut[..., 0].min() >= 0
    assert cut[..., 0].max() <= 32
    assert cut[:, 0, 0, 0].unique().numel() > 10


def test_validation_is_never_changed() -> None:
    one, other = new_data(jitter=1.117, flip=True), new_data()
    assert torch.equal(next(iter(one.val_dataloader())).b, next(iter(other.val_dataloader())).b)
    assert not torch.equal(next(iter(one.train_dataloader())).b, next(iter(other.train_dataloader())).b)


def test_the_place_in_the_data_is_kept() -> None:
    loader = new_data(jitter=1.117, flip=True).train_dataloader()
    batches = iter(loader)
    next(batches)
    place, expected = loader.state_dict(), next(batches)
    again = new_data(jitter=1.117, flip=True).train_dataloader()
    again.load_state_dict(place)
    assert all(torch.equal(*images) for images in zip(next(iter(again)), expected, strict=True))


def test_overfitting_shows_pairs_as_they_are() -> None:
    data = new_data(jitter=1.117)
    data.trainer = quiet_trainer(overfit_batches=1)
    first, same = (next(iter(data.train_dataloader())) for _ in range(2))
    assert torch.equal(first.a, same.a)


def test_what_is_no_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="produces images, PairedImages consumes image pairs"):
        PairedImages(Digits())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"data\.jitter=0\.9"):
        PairedImages(FacesSunglasses(), jitter=0.9)
