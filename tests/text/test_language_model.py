import math
from typing import Any

import pytest
import torch
from torch import Tensor

from leyden.data.batches.tokens import CharacterWindows
from leyden.data.columns import Texts, Tokens
from leyden.data.source import Source
from leyden.data.splits import InMemory
from leyden.data.text.tokenizer import END, UNKNOWN, Characters
from leyden.metrics.ngram import NGrams
from leyden.text.gpt import GPT
from leyden.text.language_model import LanguageModel
from training import quiet_trainer

VOCABULARY = [UNKNOWN, END, "a", "b", "ab"]
P = torch.tensor([0.05, 0.1, 0.5, 0.25, 0.1])
OPTIONS: dict[str, Any] = {"lr": 1e-3, "weight_decay": 0.1, "warmup": 0.1, "sample_length": 4}


class Constant(LanguageModel):
    """Predicts the same whatever it reads."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Characters(VOCABULARY).spec, 3, **{**OPTIONS, **options})

    def forward(self, tokens: Tensor) -> Tensor:
        return P.log().expand(*tokens.shape, -1)


class Words(Source):
    produces, name = "text", "words"

    def split(self, stage: str) -> InMemory[Texts]:
        texts = {"train": ["background"] * 8, "val": ["abra cadabra"], "test": ["cadabra abra"]}
        return InMemory(Texts(texts[stage]))


def test_bits_are_per_character() -> None:
    batches = [Tokens(torch.tensor([[1, 2, 3, 4], [2, 2, 2, 2]])), Tokens(torch.tensor([[1, 4, 4, 4]]))]
    trainer = quiet_trainer()
    found = trainer.test(Constant(), torch.utils.data.DataLoader(batches, batch_size=None), verbose=False)[0]
    bits = -sum(map(math.log2, [0.5, 0.25, 0.1, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1]))
    assert found["test/bits_per_char"] == pytest.approx(bits / (4 + 3 + 6), rel=1e-6)  # "ab" is two characters


def test_loss_is_the_mean_over_tokens() -> None:
    nats, characters = Constant().losses(Tokens(torch.tensor([[1, 2, 3, 4]])))
    torch.testing.assert_close(nats, -torch.tensor([[0.5, 0.25, 0.1]]).log())
    assert characters.tolist() == [[1, 1, 2]]


def test_text_ends_at_the_first_end() -> None:
    assert Constant().decode([4, 2, 3, 1, 2]) == "abab"
    assert Constant().decode([1, 2]) == ""


def test_temperature_flattens_and_sharpens() -> None:
    logits = P.log().expand(20_000, -1)
    for temperature in (0.5, 1.0, 2.0):
        drawn = Constant(temperature=temperature).draw(logits, torch.Generator().manual_seed(0))
        expected = P ** (1 / temperature)
        torch.testing.assert_close(drawn.bincount(minlength=5) / 20_000, expected / expected.sum(), atol=0.01, rtol=0)


def test_no_temperature_or_one_token_is_greedy() -> None:
    logits = torch.randn(500, 5, generator=torch.Generator().manual_seed(0))
    for model in (Constant(temperature=1e-4), Constant(temperature=1.0, top_k=1)):
        assert torch.equal(model.draw(logits, torch.Generator().manual_seed(1)), logits.argmax(1))


def test_top_k_leaves_the_likeliest() -> None:
    logits = P.log().expand(6000, -1)
    drawn = Constant(top_k=2).draw(logits, torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.bincount(minlength=5) / 6000, torch.tensor([0, 0, 2, 1, 0]) / 3, atol=0.02, rtol=0)
    every = (Constant(top_k=k).draw(logits, torch.Generator().manual_seed(0)) for k in (None, 5, 9))
    assert len({tuple(drawn.tolist()) for drawn in every}) == 1


def test_ngrams_are_scored_on_the_same_characters() -> None:
    data = CharacterWindows(Words(), context=4, eval_batch_size=2)
    model = GPT(**data.spec, layers=1, heads=1, width=8)
    found = quiet_trainer().test(model, data, verbose=False)[0]
    train, test = data.stream("train").tolist(), data.stream("test").tolist()[:13]  # three windows
    for order in (3, 5):
        bits = NGrams(train, order, data.tokenizer.size).bits(test)
        assert found[f"test/bits_per_char_{order}gram"] == pytest.approx(bits, rel=1e-6)
    assert found["test/bits_per_char"] > 0


def test_it_learns_a_text_by_heart() -> None:
    data = CharacterWindows(Words(), context=8, batch_size=8, epoch_size=80)
    torch.manual_seed(0)
    model = GPT(**data.spec, layers=1, heads=2, width=32, lr=1e-2, temperature=1e-3, sample_length=22)
    quiet_trainer(max_epochs=12, gradient_clip_val=1.0).fit(model, data)
    assert model.sample(1, seed=0).rows[0]["text"] == "background"


def test_classes_and_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="Constant knows no classes"):
        Constant().sample(1, label="3")
    with pytest.raises(ValueError, match=r"model.temperature=0"):
        Constant(temperature=0)
    with pytest.raises(ValueError, match=r"model.top_k=0 count from 1"):
        Constant(top_k=0)
