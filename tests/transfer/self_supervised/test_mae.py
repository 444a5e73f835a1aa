"""Masked autoencoders: what the mask keeps, what the loss ignores, patches there and back."""

from collections.abc import Callable

import pytest
import torch

from leyden.data.batches.views import ViewImages
from leyden.transfer.self_supervised.mae import (
    MAE,
    normalised,
    patchify,
    random_mask,
    reconstruction_loss,
    unpatchify,
)
from training import Kept, quiet_trainer


def test_patches_go_there_and_back() -> None:
    images = torch.arange(2 * 3 * 8 * 8.0).view(2, 3, 8, 8)
    patches = patchify(images, 4)
    assert patches.shape == (2, 4, 48)
    assert torch.equal(patches[0, 1].view(3, 4, 4), images[0, :, :4, 4:])  # row by row
    assert torch.equal(unpatchify(patches, 4), images)


@pytest.mark.parametrize(("ratio", "kept"), [(0.75, 4), (0.8, 3), (0.5, 8)])
def test_mask_keeps_as_many_as_the_paper(ratio: float, kept: int) -> None:
    mask = random_mask(torch.rand(5, 16, generator=torch.Generator().manual_seed(0)), ratio)
    assert mask.kept.shape == (5, kept)
    assert mask.removed.sum(1).tolist() == [16 - kept] * 5
    assert not mask.removed.gather(1, mask.kept).any()
    values = torch.arange(16.0).expand(5, -1)
    order = mask.restore.argsort(1)  # kept ones first
    assert torch.equal(order[:, :kept], mask.kept)
    assert torch.equal(values.gather(1, order).gather(1, mask.restore), values)


def test_loss_ignores_what_was_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    patches, painted = torch.randn(2, 3, 16, 5, generator=generator)
    removed = random_mask(torch.rand(3, 16, generator=generator), 0.75).removed
    loss = reconstruction_loss(painted, patches, removed)
    elsewhere = painted + 7 * (1 - removed)[:, :, None]
    torch.testing.assert_close(reconstruction_loss(elsewhere, patches, removed), loss)
    by_hand = ((painted - patches) ** 2)[removed.bool()].mean()
    torch.testing.assert_close(loss, by_hand)
    assert reconstruction_loss(painted + removed[:, :, None], patches, removed) != loss


def test_patches_are_normalised_as_by_the_authors() -> None:
    patches = torch.randn(2, 4, 12, generator=torch.Generator().manual_seed(0)) * 3 + 1
    found, mean, deviation = normalised(patches)
    torch.testing.assert_close(deviation, (patches.var(-1, keepdim=True) + 1e-6) ** 0.5)  # unbiased
    torch.testing.assert_close(found.mean(2), torch.zeros(2, 4), rtol=0, atol=1e-5)
    torch.testing.assert_close(found * deviation + mean, patches)


def test_encoder_sees_kept_patches_only(new_views: Callable[..., ViewImages]) -> None:
    model = MAE(**new_views(views=1).spec, widths=[32], strides=[2], blocks=1).eval()
    images = torch.randint(256, (3, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mask = model.draw_mask(3)
    patches = patchify(images.float(), 2)
    other = unpatchify(patches * (1 - mask.removed)[:, :, None], 2).to(torch.uint8)
    assert not torch.equal(other, images)
    torch.testing.assert_close(model.encode(other, mask), model.encode(images, mask))
    whole = random_mask(torch.arange(16.0).expand(3, -1), 1e-9)._replace(kept=torch.arange(16).expand(3, -1))
    torch.testing.assert_close(model.encode(images, whole).mean(1), model(images))  # all patches: the features


def test_it_learns_and_paints(new_views: Callable[..., ViewImages]) -> None:
    torch.manual_seed(0)
    data, kept = new_views(views=1, scale=[1, 1], degrees=0), Kept()
    options = {"widths": [32], "strides": [2], "blocks": 1, "decoder_width": 32, "decoder_depth": 1}
    model = MAE(**data.spec, **options, lr=0.01, draws=1, embedding=0, warmup=0.1)
    trainer = quiet_trainer(max_epochs=3, limit_val_batches=1.0, logger=kept)
    trainer.fit(model, data)
    assert trainer.callback_metrics["val/loss"] < 0.92 * trainer.callback_metrics["val/loss_uninformed"]
    trainer.test(model, data, verbose=False)
    assert "reconstructions" in kept.pictures
    image = data.split("test")[0].images
    seen, whole = model.painted(image[None])
    shown = (seen == image).float().mean()  # a quarter is the image's own, and what happens to be grey
    assert (whole == image).float().mean() > 0.2
    assert 0.2 < shown < 1
    assert model.predict([image]).rows[0]["mean_error"] < 60


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet", "strides": [1], "widths": [4]}, "which only vit can"),
        ({"strides": [3]}, "patches of 3 pixels do not divide images of 8: set data.image_size=6"),
        ({"strides": [4], "mask_ratio": 0.9}, "model.mask_ratio=0.9 of 4 patches"),
    ],
)
def test_bad_input_is_answered(options: dict, message: str, new_views: Callable[..., ViewImages]) -> None:
    with pytest.raises(ValueError, match=message):
        MAE(**new_views(views=1).spec, **{"widths": [32], **options})
