"""Classifiers that begin with a network of the library transformers, saved in a folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_classifier import toy_classifier, toy_data, toy_trainer

from leyden.data.text.sentences import Sentences
from leyden.nets.strategies.lora import LoRALinear

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Sentences]:
    """A folder with a tiny DistilBERT and the toy texts' tokenizer, and these texts read by it."""
    folder, words = tmp_path_factory.mktemp("distilbert"), toy_data().tokenizer
    config = transformers.DistilBertConfig(
        vocab_size=words.size, max_position_embeddings=24, n_layers=2, n_heads=2, dim=16, hidden_dim=32
    )
    torch.manual_seed(0)
    transformers.DistilBertModel(config).save_pretrained(folder)
    (folder / "tokenizer.json").write_text(words.spec["content"])
    return str(folder), toy_data(tokenizer=str(folder))


@pytest.mark.parametrize(("strategy", "stages"), [("head", 3), ("last_k", 0), ("lora", 0)])
def test_strategies_train_what_they_say(strategy: Any, stages: int, published: tuple[str, Sentences]) -> None:
    folder, data = published
    model = toy_classifier(data, weights=folder, strategy=strategy)
    assert model.net.frozen_stages == stages
    before = {name: value.clone() for name, value in model.net.named_parameters()}
    toy_trainer(max_steps=2).fit(model, data)
    for name, value in model.net.named_parameters():
        assert torch.equal(value, before[name]) == (not value.requires_grad), name
    layers = [module for module in model.modules() if isinstance(module, LoRALinear)]
    assert len(layers) == (2 * 6 if strategy == "lora" else 0)


def test_predictions_without_a_look_inside(published: tuple[str, Sentences], tmp_path: Path) -> None:
    folder, data = published
    model = toy_classifier(data, weights=folder)
    assert model.main_image == "confusion"
    rows, images, _ = model.predict(["good", "bad"])
    assert len(rows) == 2
    assert images == []


def test_adapters_go_into_our_own_networks_alone(published: tuple[str, Sentences]) -> None:
    folder, data = published
    with pytest.raises(ValueError, match=r"for one of the library's set model\.strategy=lora"):
        toy_classifier(data, weights=folder, strategy="adapter")
