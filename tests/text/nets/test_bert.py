"""BERT's network: parameter counts, its library's outputs, invariants."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from leyden.text.nets.bert import BertEncoder, BertForPretraining, Pooler

BASE = {"vocabulary_size": 30_522, "context": 512, "layers": 12, "heads": 12, "width": 768}


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def small(**sizes: int) -> BertEncoder:
    torch.manual_seed(0)
    return BertEncoder(**({"vocabulary_size": 50, "context": 12, "layers": 3, "heads": 2, "width": 16} | sizes)).eval()


def some_texts(lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Tokens (B, T) and where they are real."""
    tokens = torch.randint(50, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(1))
    return tokens, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def test_bert_base_has_its_parameters() -> None:
    with torch.device("meta"):
        encoder, pooler = BertEncoder(**BASE), Pooler(768)
        masked, both = BertForPretraining(encoder), BertForPretraining(encoder, next_sentence=True)
        classes = nn.Linear(768, 2)
    assert count(encoder, pooler) == 109_482_240
    assert count(masked) == 109_514_298
    assert count(both) == 110_106_428
    assert count(encoder, pooler, classes) == 109_483_778


@pytest.mark.parametrize(
    ("sizes", "encoder_and_pooler", "masked"),
    [
        ({"layers": 2, "heads": 2, "width": 128}, 4_385_920, 4_416_698),
        ({"layers": 4, "heads": 4, "width": 256}, 11_170_560, None),
        ({"layers": 6, "heads": 12, "width": 384}, 22_713_216, None),
    ],
)
def test_smaller_berts_have_theirs(sizes: dict[str, int], encoder_and_pooler: int, masked: int | None) -> None:
    with torch.device("meta"):
        encoder = BertEncoder(**BASE | sizes)
        assert count(encoder, Pooler(encoder.width)) == encoder_and_pooler
        assert masked is None or count(BertForPretraining(encoder)) == masked


def test_every_parameter_is_in_one_stage() -> None:
    encoder = small()
    assert encoder.stage_names == ["embeddings", "block1", "block2", "block3"]
    staged = [id(parameter) for stage in encoder.stages.values() for parameter in stage.parameters()]
    assert sorted(staged) == sorted(map(id, encoder.parameters()))


def test_stages_one_by_one_are_the_whole() -> None:
    encoder = small()
    tokens, real = some_texts([12, 5])
    features = encoder.run(tokens, real, 0, 2)
    torch.testing.assert_close(encoder.run(features, real, 2), encoder(tokens, real), rtol=0, atol=0)
    torch.testing.assert_close(encoder.run(tokens, real, 0, 1), encoder.embeddings(tokens), rtol=0, atol=0)
    assert encoder.run(features, real, 4) is features


def test_padding_changes_nothing() -> None:
    encoder = small()
    tokens, real = some_texts([12, 5])
    alone = encoder(tokens[1:, :5])
    torch.testing.assert_close(encoder(tokens, real)[1:, :5], alone)
    tokens[1, 5:] = 7
    torch.testing.assert_close(encoder(tokens, real)[1:, :5], alone)


def test_every_token_sees_every_other() -> None:
    encoder = small()
    tokens, _ = some_texts([8])
    changed = tokens.clone()
    changed[0, 4] = (changed[0, 4] + 1) % 50
    moved = (encoder(tokens) - encoder(changed)).abs().amax(-1)[0]
    assert (moved > 0).all()


def test_segment_zero_is_what_one_text_has() -> None:
    encoder = small()
    tokens, real = some_texts([8, 6])
    segments = torch.zeros_like(tokens)
    torch.testing.assert_close(encoder.pair(tokens, segments, real), encoder(tokens, real), rtol=0, atol=0)
    segments[:, 4:] = 1
    assert not torch.equal(encoder.pair(tokens, segments, real), encoder(tokens, real))


def test_head_s_weights_are_the_embeddings() -> None:
    net = BertForPretraining(small())
    assert sum(p.numel() for p in net.masked.parameters()) == 16 * 16 + 16 + 2 * 16 + 50  # no (V, D) matrix
    before = net.token_logits(torch.ones(1, 16))
    with torch.no_grad():
        net.encoder.embeddings.token.weight[3] *= 2
    after = net.token_logits(torch.ones(1, 16))
    assert (before != after).nonzero().tolist() == [[0, 3]]


def test_loss_at_first_is_that_of_guessing() -> None:
    torch.manual_seed(0)
    net = BertForPretraining(BertEncoder(30_522, 16, layers=2, heads=2, width=128), next_sentence=True).eval()
    tokens = torch.randint(30_522, (64, 16))
    features = net.encoder(tokens)
    named = nn.functional.cross_entropy(net.token_logits(features).flatten(0, 1), tokens.flatten())
    follows = nn.functional.cross_entropy(net.pair_logits(features), torch.arange(64) % 2)
    assert named.item() == pytest.approx(10.3262, abs=0.1)
    assert follows.item() == pytest.approx(0.6931, abs=0.1)
