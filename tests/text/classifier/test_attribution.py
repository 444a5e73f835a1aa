import pytest
import torch
from toy_classifier import toy_classifier, toy_data

from leyden.text.classifier.attribution import attention_maps, integrated_gradients
from leyden.text.classifier.evaluation import attributions, pieces

pytest.importorskip("tokenizers")
DATA = toy_data()
BATCH = DATA.split("train").sample(torch.arange(6))
MODEL = toy_classifier(DATA).eval()
HIDDEN = DATA.tokenizer.mask


def test_tokens_add_up_to_the_difference_of_the_logits() -> None:
    net, classes = MODEL.net, torch.tensor([0, 1] * 3)
    values = integrated_gradients(net, BATCH.tokens, BATCH.lengths, classes, HIDDEN, steps=200)
    places = torch.arange(BATCH.tokens.shape[1])
    inner = (places > 0) & (places < BATCH.lengths[:, None] - 1)
    assert (values[~inner] == 0).all()
    whole, empty = (
        net(t, BATCH.lengths).gather(1, classes[:, None])[:, 0]
        for t in (BATCH.tokens, BATCH.tokens.masked_fill(inner, HIDDEN))
    )
    assert (whole - empty).abs().max() > 1e-3
    torch.testing.assert_close(values.sum(1), (whole - empty).detach(), rtol=0.02, atol=1e-4)


def test_attributions_are_those_of_each_text_alone() -> None:
    texts = [BATCH.tokens[i, : BATCH.lengths[i]].tolist() for i in range(3)]
    together = attributions(MODEL.net, DATA.tokenizer, texts, [0, 1, 0], 4)
    assert [len(own) for own in together] == [len(text) for text in texts]
    alone = attributions(MODEL.net, DATA.tokenizer, texts[1:2], [1], 4)
    assert together[1] == pytest.approx(alone[0], abs=1e-6)


def test_attention_maps_are_what_the_network_applies() -> None:
    maps = attention_maps(MODEL.net, BATCH.tokens, BATCH.lengths)
    assert [own.shape for own in maps] == [(6, 2, BATCH.tokens.shape[1], BATCH.tokens.shape[1])] * 3
    real = MODEL.net.real(BATCH.tokens, BATCH.lengths)
    for own in maps:
        torch.testing.assert_close(own.sum(-1), torch.ones_like(own[..., 0]))
        assert (own.transpose(-1, -2)[~real[:, None].expand(-1, 2, -1)] == 0).all()
    block = MODEL.net.encoder.blocks[0].attention
    x = MODEL.net.encoder.run(BATCH.tokens, real, 0, 1)
    values = block.qkv(x).unflatten(-1, (3, 2, -1))[:, :, 2].transpose(1, 2)  # (B, H, T, D / H)
    expected = block.out((maps[0] @ values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(block(x, real=real)[0], expected, rtol=1e-5, atol=1e-6)


def test_pieces_read_as_the_text() -> None:
    numbers = DATA.split("test")[0].tokens.tolist()
    shown = pieces(DATA.tokenizer, numbers)
    assert len(shown) == len(numbers)
    assert "".join(shown).strip() == DATA.examples("test").columns.texts[0]
