"""Published weights in our networks give the library's own outputs."""

from typing import Any

import pytest
import torch
from torch import nn

from leyden.nets.weight_names import load_strictly
from leyden.text.gpt import GPTNet
from leyden.text.nets.bert import BertEncoder, BertForPretraining
from leyden.text.nets.convert import bert_weights, gpt2_weights, is_our_bert, is_our_gpt2

transformers: Any = pytest.importorskip("transformers")
TOKENS = torch.randint(60, (3, 10), generator=torch.Generator().manual_seed(0))
REAL = torch.arange(10) < torch.tensor([[10], [7], [2]])


def bert_config(**changes: Any) -> Any:
    sizes = {"vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
    return transformers.BertConfig(**(sizes | {"intermediate_size": 96, "max_position_embeddings": 16} | changes))


def gpt2_config() -> Any:
    return transformers.GPT2Config(vocab_size=60, n_embd=24, n_layer=2, n_head=3, n_positions=16)


def spread(net: nn.Module) -> Any:
    """Random weights, biases and norms among them, so that none can be taken for another."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.3)
    return net.eval()


def our_bert() -> BertForPretraining:
    return BertForPretraining(BertEncoder(60, 16, layers=2, heads=3, width=24), next_sentence=True).eval()


@torch.no_grad()
def test_bert_gives_the_library_s_outputs() -> None:
    theirs, ours = spread(transformers.BertForPreTraining(bert_config())), our_bert()
    load_strictly(ours, bert_weights(theirs.state_dict()), "here")
    segments = (torch.arange(10) >= 4).long().expand(3, -1)
    expected = theirs(TOKENS, attention_mask=REAL.long(), token_type_ids=segments, output_hidden_states=True)
    features = ours.encoder.pair(TOKENS, segments, REAL)
    torch.testing.assert_close(features[REAL], expected.hidden_states[-1][REAL], rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.token_logits(features)[REAL], expected.prediction_logits[REAL], rtol=0, atol=1e-4)
    torch.testing.assert_close(ours.pair_logits(features), expected.seq_relationship_logits, rtol=0, atol=1e-4)


@torch.no_grad()
def test_gpt2_gives_the_library_s_logits() -> None:
    theirs = spread(transformers.GPT2LMHeadModel(gpt2_config()))
    ours = GPTNet(60, context=16, layers=2, heads=3, width=24, dropout=0.0).eval()
    load_strictly(ours, gpt2_weights(theirs.state_dict()), "here")
    torch.testing.assert_close(ours(TOKENS)[0], theirs(TOKENS).logits, rtol=0, atol=1e-4)


def test_old_names_of_norms_are_known() -> None:
    state = transformers.BertModel(bert_config()).state_dict()
    old = {n.replace("Norm.weight", "Norm.gamma").replace("Norm.bias", "Norm.beta"): v for n, v in state.items()}
    assert old.keys() != state.keys()
    torch.testing.assert_close(bert_weights(old), bert_weights(state), rtol=0, atol=0)


def test_a_classifier_s_head_is_refused() -> None:
    with pytest.raises(ValueError, match=r"have classifier\.weight"):
        bert_weights({"classifier.weight": torch.zeros(2, 24)})


@pytest.mark.parametrize(
    "change",
    [{"hidden_act": "relu"}, {"layer_norm_eps": 1e-5}, {"type_vocab_size": 1}, {"intermediate_size": 48}],
)
def test_other_networks_are_told_apart(change: dict[str, Any]) -> None:
    assert is_our_bert(bert_config().to_dict())
    assert not is_our_bert(bert_config(**change).to_dict())
    assert is_our_gpt2(gpt2_config().to_dict())
    assert not is_our_gpt2(gpt2_config().to_dict() | {"activation_function": "gelu"})
    assert not is_our_gpt2(bert_config().to_dict())
