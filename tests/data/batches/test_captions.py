"""Images with captions as batches: tokens of one length, which descriptions are unseen."""

import pytest
import torch

from leyden.data.batches.captions import Captions, as_tokens
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.scenes.captioned_scenes import CaptionedScenes
from leyden.data.text.tokenizer import build_tokenizer


def test_captions_come_back_from_their_tokens() -> None:
    source = CaptionedScenes(16, 2, 1, 1)
    data = Captions(source, "characters", context=40, batch_size=50)
    data.prepare_data()
    batch, spec = next(iter(data.loader("train"))), data.spec
    tokenizer = build_tokenizer(spec["tokenizer"])
    assert batch.images.shape == (50, 3, 16, 16)
    assert batch.tokens.shape == (50, 40)
    known = set(source.split("train").columns.captions)
    for tokens, length, label in zip(batch.tokens, batch.lengths, batch.labels, strict=True):
        text = tokenizer.decode(tokens[:length].tolist())
        assert text in known
        assert spec["class_names"][int(label)].split()[1] in text.replace(",", " ").split()
        assert set(tokens[length:].tolist()) <= {tokenizer.pad}
    assert len(spec["unseen"]) == 36
    assert set(spec["factors"]) == {"digit", "colour", "texture"}


def test_a_long_caption_loses_its_end_and_is_counted() -> None:
    data = Captions(CaptionedScenes(16, 1, 1, 1), "characters", context=10)
    data.prepare_data()
    assert data.split("val").columns.lengths.tolist() == [10] * 144
    assert "caption beyond data.context=10 tokens, cut" in str(data.source.tally)


def test_as_tokens_pads() -> None:
    data = Captions(CaptionedScenes(16, 1, 1, 1), "characters")
    data.prepare_data()
    tokens, lengths, cut = as_tokens(["red", "on"], data.tokenizer, 6)
    assert lengths.tolist() == [4, 3]
    assert cut == []
    assert torch.equal(tokens[:, -2:], torch.full((2, 2), data.tokenizer.pad))


def test_a_source_without_captions_is_refused() -> None:
    with pytest.raises(ValueError, match="produces images, Captions consumes captioned images"):
        Captions(Digits())
