from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.nn.functional import softplus

from leyden.data.batches.captions import Captions
from leyden.data.columns import CaptionedTokens
from leyden.gan.pixels import to_signed
from leyden.gan.text_to_image.text_to_image import TextToImage, halfway
from leyden.gan.text_to_image.wrong_texts import wrong_partners
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer

Tiny = Callable[..., TextToImage]


@pytest.fixture
def batch(data: Captions) -> CaptionedTokens:
    return data.split("train").take(torch.arange(0, 320, 40))  # type: ignore[attr-defined]


def off_the_loop(model: TextToImage, batch: CaptionedTokens):
    model.trainer = quiet_trainer(log_every_n_steps=0)
    torch.manual_seed(1)
    return to_signed(batch.images), model.generator(model.sampler.noise(len(batch.labels)), batch.tokens, batch.lengths)


@pytest.mark.parametrize("way", ["join", "projection"])
def test_d_weighs_both_kinds_of_wrong_pairs_alike(way: str, tiny: Tiny, batch: CaptionedTokens) -> None:
    model = tiny(text_in_discriminator=way, discriminator_norm="none")
    real, fake = off_the_loop(model, batch)
    critic, texts = model.discriminator, (batch.tokens, batch.lengths)
    others = [column.roll(1, 0) for column in texts]
    expected = softplus(-critic(real, *texts)).mean()
    expected += (softplus(critic(real, *others)).mean() + softplus(critic(fake, *texts)).mean()) / 2
    torch.testing.assert_close(model.discriminator_loss(real, fake, batch), expected)
    torch.testing.assert_close(model.generator_loss(real, fake, batch), softplus(-critic(fake, *texts)).mean())


def test_d_sees_each_factor_exchanged(tiny: Tiny, batch: CaptionedTokens) -> None:
    model = tiny(wrong_texts="one_word", discriminator_norm="none")
    assert model.exchange is not None
    real, fake = off_the_loop(model, batch)
    torch.manual_seed(3)
    loss = model.discriminator_loss(real, fake, batch)
    torch.manual_seed(3)
    wrong, differ = model.exchange(batch.tokens, batch.labels)
    critic = model.discriminator
    on_wrong = torch.stack([critic(real, tokens, batch.lengths) for tokens in wrong])
    assert on_wrong.shape == differ.shape == (3, len(real))
    expected = softplus(-critic(real, batch.tokens, batch.lengths)).mean()
    expected += (softplus(on_wrong[differ]).mean() + softplus(critic(fake, batch.tokens, batch.lengths)).mean()) / 2
    torch.testing.assert_close(loss, expected)


def test_words_that_cannot_be_exchanged_leave_the_nearest(tiny: Tiny, caplog: pytest.LogCaptureFixture) -> None:
    model = tiny(wrong_texts="one_word", factors={}, unseen=[])
    assert model.exchange is None
    assert model.wrong_texts == "nearest"
    assert "model.wrong_texts=nearest is taken" in caplog.text


def test_equal_descriptions_never_count_as_wrong(tiny: Tiny, batch: CaptionedTokens) -> None:
    model, same = tiny(discriminator_norm="none"), batch._replace(labels=torch.zeros_like(batch.labels))
    real, fake = off_the_loop(model, batch)
    model.wrong_texts = "none"
    without = model.discriminator_loss(real, fake, batch)
    model.wrong_texts = "any"
    assert model.discriminator_loss(real, fake, same) == without
    assert model.discriminator_loss(real, fake, batch) != without


def test_g_alone_learns_between_descriptions(tiny: Tiny, batch: CaptionedTokens) -> None:
    assert halfway(torch.tensor([[0.0], [2], [6]])).tolist() == [[3], [1], [4]]
    model = tiny(interpolation=1.0, discriminator_norm="none")
    real, fake = off_the_loop(model, batch)
    torch.manual_seed(2)
    whole = model.generator_loss(real, fake, batch)
    torch.manual_seed(2)
    noise = model.sampler.noise(len(real))
    texts = [halfway(net.encode(batch.tokens, batch.lengths)) for net in (model.generator, model.discriminator)]
    images = model.generator.draw(noise, texts[0])
    between = softplus(-model.discriminator.fits(model.discriminator.look(images), texts[1])).mean()
    torch.testing.assert_close(whole, softplus(-model.critic(fake, batch)).mean() + between)


def test_g_is_asked_for_what_tells_its_description(tiny: Tiny, batch: CaptionedTokens) -> None:
    model = tiny(wrong_texts="one_word", contrast=2.0, discriminator_norm="none")
    real, fake = off_the_loop(model, batch)
    torch.manual_seed(3)
    loss = model.generator_loss(real, fake, batch)
    torch.manual_seed(3)
    assert model.exchange is not None
    wrong, differ = model.exchange(batch.tokens, batch.labels)
    own = model.critic(fake, batch)
    others = torch.stack([model.discriminator(fake, tokens, batch.lengths) for tokens in wrong])
    expected = softplus(-own).mean() - 2 * (own - others).sigmoid().log()[differ].mean()
    torch.testing.assert_close(loss, expected)
    same = batch._replace(labels=torch.zeros_like(batch.labels))
    nearest = tiny(wrong_texts="nearest", contrast=2.0, discriminator_norm="none")
    torch.testing.assert_close(nearest.generator_loss(real, fake, same), softplus(-nearest.critic(fake, same)).mean())


@pytest.mark.parametrize("made_of_factors", [True, False])
def test_g_is_asked_for_what_a_reader_of_real_pairs_finds(
    made_of_factors: bool, tiny: Tiny, batch: CaptionedTokens
) -> None:
    without = {} if made_of_factors else {"factors": {}, "unseen": []}
    model = tiny(matching=2.0, wrong_texts="none", discriminator_norm="none", **without)
    real, fake = off_the_loop(model, batch)

    def expected(images: torch.Tensor) -> torch.Tensor:
        if model.exchange is not None:
            wrong, differ = model.exchange(batch.tokens, batch.labels)
        else:
            others, differ = wrong_partners(batch, "nearest")
            wrong, differ = batch.tokens[None, others], differ[None]
        lengths = [batch.lengths] * len(wrong) if made_of_factors else [batch.lengths[others]]
        encode = model.matcher.encode
        own = model.matcher(images, encode(batch.tokens, batch.lengths)[None])
        pairs = [model.matcher(images, encode(*texts)[None])[0] for texts in zip(wrong, lengths, strict=True)]
        return -(own - torch.stack(pairs)).sigmoid().log()[differ].mean()

    torch.manual_seed(3)
    loss = model.matcher_loss(real, fake, batch)
    torch.manual_seed(3)
    torch.testing.assert_close(loss, expected(real))
    torch.manual_seed(3)
    loss = model.generator_loss(real, fake, batch)
    torch.manual_seed(3)
    torch.testing.assert_close(loss, softplus(-model.critic(fake, batch)).mean() + 2 * expected(fake))
    assert (model.exchange is not None) == made_of_factors


def test_a_reader_learns_from_real_images_alone(tiny: Tiny, batch: CaptionedTokens) -> None:
    model = tiny(matching=1.0)
    real, fake = off_the_loop(model, batch)
    model.matcher_loss(real.requires_grad_(), fake, batch).backward()
    assert real.grad is not None
    assert all(weight.grad is None for weight in model.generator.parameters())
    assert list(model.players) == ["matcher", "discriminator", "generator"]
    same = batch._replace(labels=torch.zeros_like(batch.labels))
    model = tiny(matching=1.0, factors={}, unseen=[])
    assert model.matcher_loss(real, fake, same) == 0


def test_a_reader_holds_generated_images_against_real_ones(tiny: Tiny, batch: CaptionedTokens) -> None:
    """That all images of a batch are faint counts, and changes nothing of the reader."""
    model = tiny(matching=1.0)
    off_the_loop(model, batch)
    real, texts = to_signed(batch.images), batch._replace(labels=torch.arange(len(batch.labels)))
    model.exchange = None  # by lot

    def found(images: torch.Tensor, learns: bool) -> torch.Tensor:
        torch.manual_seed(1)
        return model.mismatch(images, texts, learns)

    before = {name: value.clone() for name, value in model.matcher.named_buffers()}
    faint = found(real / 4, learns=False)
    assert all(torch.equal(value, before[name]) for name, value in model.matcher.named_buffers())
    assert not torch.isclose(faint, found(real, learns=False))
    torch.testing.assert_close(found(real / 4, learns=True), found(real, learns=True), atol=1e-3, rtol=0)
    assert not torch.equal(model.matcher.look[1].running_mean, before["look.1.running_mean"])


def test_each_network_has_its_own_encoder(tiny: Tiny, batch: CaptionedTokens) -> None:
    model = tiny()
    real, fake = off_the_loop(model, batch)
    model.discriminator_loss(real, fake, batch).backward()
    assert model.discriminator.encode.embed.weight.grad.abs().sum() > 0  # type: ignore[union-attr]
    assert model.generator.encode.embed.weight.grad is None  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "relativistic"}, "compares pairs"),
        ({"encoder": "lstm"}, "model.encoder"),
        ({"text_in_generator": "x"}, "model.text_in_generator=x"),
        ({"eval_samples": 3}, "model.eval_samples=3"),
        ({"wrong_texts": "none", "contrast": 1.0}, "model.contrast=1"),
    ],
)
def test_values_without_a_meaning_are_refused(values: dict, message: str, tiny: Tiny) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**values)


def test_resumed_is_as_if_left_alone(tiny: Tiny, data: Captions, tmp_path: Path) -> None:
    model = assert_resumed_is_as_if_left_alone(
        lambda: tiny(
            encoder="gru",
            text_in_generator="batch_norm",
            interpolation=1.0,
            recombined=1.0,
            wrong_texts="one_word",
            contrast=1.0,
            matching=1.0,
        ),
        lambda: data,
        tmp_path,
        4,
        2,
    )
    assert isinstance(model, TextToImage)
    assert model.sampler.seen.any()


def test_scores_and_sheets_of_a_training(tiny: Tiny, data: Captions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leyden.gan.text_to_image.factors.STEPS", 2)
    kept = Kept()
    trainer = quiet_trainer(logger=kept, max_steps=2, max_epochs=-1, limit_val_batches=1, val_check_interval=2)
    model = tiny()
    trainer.fit(model, data)
    assert {"val/right", "val/unseen_right_digit_and_colour", "val/diversity"} <= trainer.callback_metrics.keys()
    (scores,) = trainer.test(model, data, verbose=False)
    assert {
        "test/right_digit",
        "test/unseen_right_digit_and_colour",
        "test/real_right",
        "test/blind_right",
    } <= scores.keys()
    assert {"descriptions", "real_and_samples", "walk"} <= kept.pictures.keys()
    assert all(picture.dtype == torch.uint8 for picture in kept.pictures.values())


def test_without_factors_the_distance_chooses(tiny: Tiny, data: Captions, caplog: pytest.LogCaptureFixture) -> None:
    model = tiny(factors={}, unseen=[], recombined=1.0)
    assert "model.recombined is left out" in caplog.text
    assert (model.monitor, model.mode) == ("val/fid", "min")
    trainer = quiet_trainer(max_steps=1, max_epochs=-1, limit_val_batches=1, val_check_interval=1)
    trainer.fit(model, data)
    (scores,) = trainer.test(model, data, verbose=False)
    assert "test/fid" in scores
    assert not any("right" in name for name in scores)


def test_g_is_asked_for_recombined_descriptions(tiny: Tiny, batch: CaptionedTokens) -> None:
    model = tiny(recombined=2.0, discriminator_norm="none")
    real, fake = off_the_loop(model, batch)
    torch.manual_seed(2)
    whole = model.generator_loss(real, fake, batch)
    torch.manual_seed(2)
    assert model.recombine is not None
    texts = model.recombine(batch.labels)[:2]
    images = model.generator(model.sampler.noise(len(real)), *texts)
    without = softplus(-model.discriminator(images, *texts)).mean()
    torch.testing.assert_close(whole, softplus(-model.critic(fake, batch)).mean() + 2 * without)


def test_a_reader_sees_recombined_descriptions(tiny: Tiny, batch: CaptionedTokens) -> None:
    model = tiny(recombined=1.0, matching=1.0, discriminator_norm="none")
    real, fake = off_the_loop(model, batch)
    seen = {}
    model.mismatch = lambda images, batch, learns: seen.update(images=images, batch=batch) or images.sum() * 0  # type: ignore
    torch.manual_seed(2)
    model.generator_loss(real, fake, batch)
    torch.manual_seed(2)
    assert model.recombine is not None
    tokens, lengths, labels = model.recombine(batch.labels)
    images = model.generator(model.sampler.noise(len(real)), tokens, lengths)
    torch.testing.assert_close(seen["images"], images)
    assert torch.equal(seen["batch"].labels, labels)
    assert torch.equal(seen["batch"].tokens, tokens)
