import torch

from leyden.data.batches.unpaired import Unpaired, UnpairedImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.fonts import Fonts
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
