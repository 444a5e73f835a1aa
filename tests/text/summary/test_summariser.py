"""The summariser: its loss, first sentences, what it learns."""

import math

import pytest
import torch
from toy_pairs import ToyPairs

from leyden.data.text.pairs import PairTokens
from leyden.text.summary.summariser import Summariser
from training import Kept, quiet_trainer

pytest.importorskip("tokenizers")
pytest.importorskip("rouge_score")


def data(batch_size: int = 12) -> PairTokens:
    module = PairTokens(ToyPairs(), vocabulary_size=300, context=40, summary_context=12, batch_size=batch_size)
    module.prepare_data()
    return module


def small(module: PairTokens, **options: object) -> Summariser:
    torch.manual_seed(0)
    return Summariser(**module.spec, **{"layers": 1, "decoder_layers": 1, "width": 32, "dropout": 0.0, **options})  # type: ignore[arg-type]


def test_a_fresh_one_guesses_among_all_tokens() -> None:
    module = data()
    batch = next(iter(module.train_dataloader()))
    model = small(module, copy=False, copy_part=0)
    losses = model.losses(batch.tokens, batch.summaries, batch.summary_lengths)
    assert float(losses.sum() / batch.summary_lengths.sum()) == pytest.approx(math.log(module.tokenizer.size), abs=0.1)
    assert torch.equal(losses != 0, batch.summaries != module.tokenizer.pad)


def test_first_sentences_end_at_stops() -> None:
    module = data()
    model, tokenizer = small(module), module.tokenizer
    rows = tokenizer.encode_all(["Look at this tree. We go.", "We leave", "tree " * 20])
    width = max(map(len, rows))
    tokens = torch.tensor([row + [tokenizer.pad] * (width - len(row)) for row in rows])
    first, lengths = model.first_sentences(tokens, torch.tensor([len(row) for row in rows]))
    found = [row[:n] for row, n in zip(first.tolist(), lengths.tolist(), strict=True)]
    assert [tokenizer.decode(row) for row in found] == ["look at this tree.", "we leave", " ".join(["tree"] * 11)]
    assert all(row[-1] == tokenizer.end for row in found)
    assert (first == tokenizer.pad).sum() == (12 - lengths).sum()


def test_it_learns_to_copy_then_to_sum_up() -> None:
    module, logger = data(), Kept()
    model = small(module, width=48, lr=1e-2, copy_part=0.15, least_length=2, beams=2)
    trainer = quiet_trainer(max_epochs=60, logger=logger, log_every_n_steps=1, gradient_clip_val=1.0)
    trainer.fit(model, module)
    assert logger.steps["train/loss_copying"] == list(range(27))
    assert logger.steps["train/loss"] == list(range(27, 180))
    found = trainer.test(model, module, verbose=False)[0]
    assert found["test/rouge_l"] > found["test/rouge_l_lead"] + 10
    assert logger.pictures["copying"].shape[0] == logger.pictures["examples"].shape[0] == 3
    text = module.whole("test").texts[0]
    assert model.predict([text, " "]).rows == [{"summary": model.summarise([text])[0]}, {"summary": ""}]


def test_values_out_of_range_are_refused() -> None:
    module = data()
    for options, words in (
        ({"copy_part": 1.0}, "model.copy_part=1.0"),
        ({"beams": 0}, "model.beams=0"),
        ({"least_length": 12}, "model.least_length=12 should be below data.summary_context=12"),
        ({"copy": False}, "set model.copy_part=0"),
        ({"heads": 5}, "5 heads do not divide"),
    ):
        with pytest.raises(ValueError, match=words):
            small(module, **options)
