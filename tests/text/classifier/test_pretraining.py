from pathlib import Path

import pytest
import torch
from toy_classifier import toy_classifier, toy_data, toy_trainer

from leyden.data.text.tokenizer_sources import train_tokenizer
from leyden.text.checkpoints import encoder_of
from leyden.text.classifier.pretraining import Recipe, pretrain

pytest.importorskip("tokenizers")
DATA = toy_data()
RECIPE = Recipe(60, 1e-2, 16, 0)


def encoder(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return encoder_of("none", DATA.tokenizer.spec, 24, layers=1, heads=2, width=16, dropout=0.5)


def test_it_learns_to_fill_in_and_is_found_again(tmp_path: Path) -> None:
    first, again, other = encoder(), encoder(), encoder()
    short = pretrain(encoder(), DATA.tokenizer, DATA.unlabelled(), RECIPE._replace(steps=1), None)
    loss = pretrain(first, DATA.tokenizer, DATA.unlabelled(), RECIPE, tmp_path)
    assert short is not None
    assert loss is not None
    assert loss < short - 1
    assert pretrain(again, DATA.tokenizer, DATA.unlabelled(), RECIPE, tmp_path) is None
    torch.testing.assert_close(again.state_dict(), first.state_dict(), rtol=0, atol=0)
    assert pretrain(other, DATA.tokenizer, DATA.unlabelled()[1:], RECIPE, tmp_path) is not None
    assert len(list(tmp_path.iterdir())) == 2


def test_no_steps_leave_it_as_it_is() -> None:
    net = encoder()
    assert pretrain(net, DATA.tokenizer, DATA.unlabelled(), RECIPE._replace(steps=0), None) is None
    torch.testing.assert_close(net.state_dict(), encoder().state_dict(), rtol=0, atol=0)


def test_what_cannot_be_hidden_is_refused() -> None:
    letters = train_tokenizer("characters", ["abc"])
    with pytest.raises(ValueError, match="needs a token for what is hidden"):
        pretrain(encoder_of("none", letters.spec, 8, 1, 2, 16), letters, ["abc"], RECIPE, None)


def test_a_classifier_begins_with_what_was_learnt(tmp_path: Path) -> None:
    options = {"weights": "masked_lm", "pretraining_steps": 3, "cache": str(tmp_path), "strategy": "head"}
    models = [toy_classifier(DATA, **options) for _ in range(2)]
    before = models[0].net.encoder.state_dict()["embeddings.token.weight"].clone()
    for model in models:
        toy_trainer(max_steps=1).fit(model, DATA)
    states = [model.net.encoder.state_dict() for model in models]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)
    assert not torch.equal(states[0]["embeddings.token.weight"], before)


def test_scratch_learns_nothing_before() -> None:
    model = toy_classifier(DATA, weights="masked_lm", pretraining_steps=10**9, strategy="scratch")
    toy_trainer(max_steps=1).fit(model, DATA)  # would take days
