import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from leyden.core.technique import PredictOptions
from leyden.data.batches.tokens import TokenWindows
from leyden.data.columns import Texts, Tokens
from leyden.data.source import Source
from leyden.data.splits import InMemory
from leyden.data.text.tokenizer import END, UNKNOWN, Characters
from leyden.data.text.tokenizer_sources import train_tokenizer
from leyden.metrics.text.ngram import NGrams
from leyden.text.figures import Moment
from leyden.text.gpt import GPT
from leyden.text.language_model import LanguageModel
from training import Kept, quiet_trainer

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


def test_ngrams_are_scored_beside_it() -> None:
    data = TokenWindows(Words(), context=4, eval_batch_size=2)
    model = GPT(**data.spec, layers=1, heads=1, width=8)
    found = quiet_trainer().test(model, data, verbose=False)[0]
    train, test = data.stream("train").tokens.tolist(), data.stream("test").tokens.tolist()
    bits = {order: NGrams(train, order, data.tokenizer.size).bits(test) for order in range(1, 8)}
    for name, expected in {"3gram": bits[3], "5gram": bits[5], "best_ngram": min(bits.values())}.items():
        assert found[f"test/bits_per_char_{name}"] == pytest.approx(expected, rel=1e-6)
    assert found["test/bits_per_char"] > 0


def test_subwords_are_held_against_the_same_ngrams() -> None:
    pytest.importorskip("tokenizers")
    found = []
    for kind in ("characters", "bpe"):
        data = TokenWindows(Words(), kind, 270, context=2)
        model = GPT(**data.spec, layers=1, heads=1, width=8)
        found.append(quiet_trainer().test(model, data, verbose=False)[0])
    assert found[0]["test/bits_per_char_3gram"] == found[1]["test/bits_per_char_3gram"]


def test_a_uniform_model_s_bits_are_known() -> None:
    """Whatever the tokens are, bits are those of all of them, by characters of the text."""
    pytest.importorskip("tokenizers")
    data = TokenWindows(Words(), "bpe", 270, context=2, eval_batch_size=1)
    model = GPT(**data.spec, layers=1, heads=1, width=8)
    torch.nn.init.zeros_(model.net.token.weight)
    found = quiet_trainer().test(model, data, verbose=False)[0]
    tokens, characters = len(data.stream("test").tokens), len("cadabra abra") + 1
    assert found["test/bits_per_char"] == pytest.approx(math.log2(data.tokenizer.size) * tokens / characters, rel=1e-5)


def test_another_tokenizer_s_data_are_refused() -> None:
    data = TokenWindows(Words(), context=4)
    model = GPT(Characters([UNKNOWN, END, "x"]).spec, 4, layers=1, heads=1, width=8)
    with pytest.raises(ValueError, match="the data's tokenizer is not the model's"):
        quiet_trainer().test(model, data, verbose=False)


def test_it_learns_a_text_by_heart() -> None:
    data = TokenWindows(Words(), context=8, batch_size=8, epoch_size=80)
    torch.manual_seed(0)
    model = GPT(**data.spec, layers=1, heads=2, width=32, lr=1e-2, temperature=0, sample_length=22)
    kept = Kept()
    quiet_trainer(max_epochs=12, gradient_clip_val=1.0, limit_val_batches=1.0, logger=kept).fit(model, data)
    assert kept.pictures.keys() == {"learning"}
    assert model.sample(1, seed=0).rows[0]["text"] == "background"
    assert list(model.continue_text("back")) == [*"ground", ""]
    rows = model.predict(["backg", "b"]).rows
    assert rows == [{"prompt": "backg", "continuation": "round"}, {"prompt": "b", "continuation": "ackground"}]
    assert [moment.step for moment in model.moments] == [10 * epoch for epoch in range(1, 13)]
    assert model.moments[-1].texts[0] == "background"


def test_classes_and_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="Constant knows no classes"):
        Constant().sample(1, label="3")
    with pytest.raises(ValueError, match=r"model.warmup=1 must be"):
        Constant(warmup=1)
    with pytest.raises(ValueError, match="Constant has no use for it: leave --threshold out"):
        Constant().predict(["a"], PredictOptions(threshold=0.5))


def test_a_half_drawn_character_waits_for_its_rest() -> None:
    pytest.importorskip("tokenizers")
    tokenizer = train_tokenizer("bpe", ["plain"], 262)
    numbers = tokenizer.encode("a\u4f60b")  # one byte, three bytes, one byte

    class Reciting(LanguageModel):
        def draws(self, start: Tensor, generator: torch.Generator | None = None) -> Iterator[Tensor]:
            yield from (torch.tensor([number]) for number in numbers)

    model = Reciting(tokenizer.spec, 4, **OPTIONS | {"sample_length": 5})
    assert list(model.continue_text("")) == ["a", "", "", "\u4f60", "b", ""]
    model.sample_length = 3  # in the midst of it
    assert "".join(model.continue_text("")) == "a\ufffd"


def test_what_of_a_prompt_is_lost_is_said(caplog: pytest.LogCaptureFixture) -> None:
    model = GPT(Characters(VOCABULARY[:4]).spec, 4, layers=1, heads=1, width=8, sample_length=2)
    "".join(model.continue_text("abba", seed=0))
    "".join(model.continue_text("ax", seed=0))
    assert [record.getMessage() for record in caplog.records] == [
        "the prompt has 4 tokens: what is before the last 4 is not read",
        "1 tokens of the prompt stand for what training never saw",
    ]
    caplog.clear()
    "".join(model.continue_text("ab", seed=0))
    assert not caplog.records


def test_how_it_learnt_outlives_a_checkpoint() -> None:
    model, again = Constant(), Constant()
    model.moments = [Moment(10, 3.5, ["a"]), Moment(20, 3.0, ["ab", ""])]
    checkpoint: dict[str, Any] = {}
    model.on_save_checkpoint(checkpoint)
    again.on_load_checkpoint(checkpoint)
    assert again.moments == model.moments
    again.on_load_checkpoint({"moments": checkpoint["moments"][:1]})  # the best of the run is an earlier one
    assert again.moments == model.moments
