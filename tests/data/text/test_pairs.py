"""Pairs as tokens: one tokenizer of the training split, ends, cuts, batches of like lengths."""

import pytest
import torch
from toy_pairs import ToyPairs

from leyden.data.columns import TokenPairs
from leyden.data.text.pairs import PairTokens

pytest.importorskip("tokenizers")


def data(**options: object) -> PairTokens:
    module = PairTokens(ToyPairs(), vocabulary_size=300, batch_size=4, eval_batch_size=5, **options)  # type: ignore[arg-type]
    module.prepare_data()
    return module


def test_numbers_are_texts_again() -> None:
    module = data(tokenizer="bpe")
    for stage in ("train", "val", "test"):
        split, whole = module.split(stage), module.whole(stage)
        for i in range(len(split)):
            text, _, summary, length, place = split[i]
            assert int(place) == i
            assert module.tokenizer.decode(text.tolist()) == whole.texts[i]
            assert module.tokenizer.decode(summary.tolist()) == whole.summaries[i]
            assert int(summary[-1]) == module.tokenizer.end
            assert int(length) == len(summary)


def test_the_tokenizer_knows_the_training_split_alone() -> None:
    module = data(tokenizer="characters")
    train = {c for side in module.whole("train") for text in side for c in text}
    assert set(module.tokenizer.vocabulary[2:]) == train
    assert module.spec == {"tokenizer": module.tokenizer.spec, "context": 80, "summary_context": 32}


def test_what_is_too_long_is_cut_and_counted() -> None:
    module = data(context=12, summary_context=5)
    split = module.split("train")
    assert int(split.texts.lengths.max()) == 12
    assert int(split.summaries.lengths.max()) == 5
    assert all(int(split[i].summaries[-1]) == module.tokenizer.end for i in range(len(split)))
    tally = str(module.source.tally)
    assert f"{len(split)} x summary beyond data.summary_context=5 tokens, cut" in tally
    assert "x text beyond data.context=12 tokens, cut" in tally
    module.split("val")  # counts add up
    assert f"{len(split) + len(module.split('val'))} x summary" in str(module.source.tally)


def batches(module: PairTokens) -> list[TokenPairs]:
    return list(module.train_dataloader())


def test_batches_are_padded_and_of_like_lengths() -> None:
    module = data()
    for batch in batches(module):
        places = torch.arange(batch.tokens.shape[1])
        assert torch.equal(batch.tokens != module.tokenizer.pad, places < batch.lengths[:, None])
        assert int(batch.summaries.shape[1]) == int(batch.summary_lengths.max())
        assert torch.equal(
            batch.summaries.gather(1, batch.summary_lengths[:, None] - 1)[:, 0], torch.full((4,), module.tokenizer.end)
        )
    waste = [int((batch.tokens == module.tokenizer.pad).sum()) for batch in batches(module)]
    plain = [int((batch.tokens == module.tokenizer.pad).sum()) for batch in batches(data(bucket=False))]
    assert sum(waste) < sum(plain) / 2


def test_each_epoch_has_each_pair_once_in_another_order() -> None:
    module = data()
    loader = module.train_dataloader()
    first, second = ([p for batch in loader for p in batch.places.tolist()] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(36))
    assert first != second


def test_contexts_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.context=1 and data\.summary_context=32"):
        data(context=1)
