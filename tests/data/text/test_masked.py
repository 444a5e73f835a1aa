"""Data of masked language models: sequences, corruption by epoch, what is refused."""

from itertools import chain, islice

import pytest
import torch

from leyden.data.columns import IGNORED, Texts
from leyden.data.source import Source
from leyden.data.splits import InMemory, Stage
from leyden.data.text.masked import MaskedTexts

pytest.importorskip("tokenizers")
WORDS = [
    "the",
    "a",
    "film",
    "actor",
    "scene",
    "is",
    "was",
    "good",
    "bad",
    "dull",
    "bright",
    "long",
    "short",
    "and",
    "but",
    "with",
    "never",
    "always",
]


class Sentences(Source):
    """So many random sentences a split, each of so many words."""

    produces = "text"
    name = "sentences"

    def __init__(self, count: int = 40, words: int = 12, seed: int = 0) -> None:
        self.count, self.words, self.seed = count, words, seed

    def split(self, stage: Stage) -> InMemory[Texts]:
        number = ("train", "val", "test").index(stage)
        drawn = torch.randint(
            len(WORDS), (self.count, self.words), generator=torch.Generator().manual_seed(self.seed + number)
        )
        return InMemory(Texts([" ".join(WORDS[i] for i in row) for row in drawn.tolist()]))


def data(source: Source | None = None, **options: object) -> MaskedTexts:
    made = MaskedTexts(source or Sentences(), **({"vocabulary_size": 320, "context": 16} | options))  # type: ignore[arg-type]
    made.prepare_data()
    return made


def test_a_sequence_is_a_text_in_its_frame() -> None:
    made = data()
    tokenizer = made.tokenizer
    pieces = made.split("val").columns
    assert pieces.tokens.shape == (40, 14)
    assert (pieces.tokens[:, 0] == tokenizer.start).all()
    assert (pieces.tokens[:, -1] == tokenizer.end).all()
    assert pieces.texts == made.texts("val")
    assert made.spec == {"tokenizer": tokenizer.spec, "context": 16, "next_sentence": False}


def test_packed_sequences_are_one_stream() -> None:
    made = data(packed=True)
    tokens = made.split("test").columns.tokens
    assert tokens.shape[1] == 16
    assert (tokens[:, 0] == made.tokenizer.start).all()
    expected = [n for t in made.texts("test") for n in (*made.tokenizer.encode(t), made.tokenizer.end)]
    assert tokens[:, 1:].flatten().tolist() == expected[: tokens[:, 1:].numel()]
    assert len(expected) - tokens[:, 1:].numel() < 15
    assert next(iter(made.train_dataloader())).real.all()


def test_epochs_hide_different_tokens_and_validation_the_same() -> None:
    made = data(batch_size=40, eval_batch_size=40)
    loader, other = made.train_dataloader(), data(batch_size=40).train_dataloader()
    first, second = next(iter(loader)), next(iter(loader))
    assert torch.equal(first.tokens, next(iter(other)).tokens)
    assert not torch.equal((first.targets != IGNORED).sum(1), (second.targets != IGNORED).sum(1))
    validation = made.val_dataloader()
    assert torch.equal(next(iter(validation)).tokens, next(iter(validation)).tokens)
    assert not torch.equal(next(iter(data(batch_size=40, seed=1).train_dataloader())).tokens, first.tokens)


def test_going_on_is_as_if_never_stopped() -> None:
    whole = [batch.tokens for batch in islice(chain.from_iterable([data(batch_size=8).train_dataloader()] * 2), 10)]
    stopped = data(batch_size=8)
    for _ in islice(iter(loader := stopped.train_dataloader()), 3):
        pass
    resumed = data(batch_size=8)
    resumed.load_state_dict({"epoch": 0, "position": 3})
    assert loader.state_dict() == {"epoch": 0, "position": 3}
    rest = [batch.tokens for batch in resumed.train_dataloader()]
    assert all(torch.equal(a, b) for a, b in zip(rest, whole[3:5], strict=True))


def test_more_texts_are_trained_on_and_no_more() -> None:
    more = Sentences(count=25, words=20, seed=7)
    made = data(more=more)
    assert made.texts("train") == Sentences().split("train").columns.texts + more.split("train").columns.texts
    assert made.texts("val") == Sentences().split("val").columns.texts
    assert len(made.split("train")) == 40 + 2 * 25  # the longer ones take two sequences


def test_counts_are_those_of_ordinary_training_tokens() -> None:
    made = data()
    counts = made.token_counts()
    assert counts.sum() == 40 * 12
    assert counts[list(made.tokenizer.special)].sum() == 0
    number = made.tokenizer.encode("film")[0]
    assert counts[number] == sum(text.split().count("film") for text in made.texts("train"))


def test_pairs_have_two_segments() -> None:
    made = data(Sentences(words=40), next_sentence=True, context=24, batch_size=20)
    batch = next(iter(made.train_dataloader()))
    assert batch.segments.unique().tolist() == [0, 1]
    assert set(batch.follows.tolist()) == {0, 1}
    assert batch.tokens.shape[1] <= 24


def test_a_tokenizer_without_a_mask_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.tokenizer=characters has no token .* wordpiece, bpe, minilm"):
        data(tokenizer="characters")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masked": 0.0}, r"data\.masked=0\.0"),
        ({"context": 4}, r"data\.context=4 8 or more"),
        ({"packed": True, "next_sentence": True}, "exclude each other"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data(**options)
