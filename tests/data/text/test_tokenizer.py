"""Tokenizers: what goes in comes out, special tokens have their places, and checkpoints carry them."""

from pathlib import Path

import pytest
import torch

from leyden.data.text.tokenizer import END, UNKNOWN, Subwords, Tokenizer, build_tokenizer
from leyden.data.text.tokenizer_sources import (
    SPECIAL,
    Kind,
    minilm_file,
    read_tokenizer,
    tokenizer_of,
    train_tokenizer,
)

TEXTS = [
    "The cat sat on the mat.",
    "A cat; two cats, naïve façades: 你好 🙂",
    "the hat of the cat  (twice  spaced)",
] * 5


@pytest.fixture(params=["characters", "bpe", "wordpiece"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    if request.param != "characters":
        pytest.importorskip("tokenizers")
    return train_tokenizer(request.param, TEXTS, 300)


def test_a_spec_builds_the_same_again(tokenizer: Tokenizer) -> None:
    again = build_tokenizer(tokenizer.spec)
    assert again.vocabulary == tokenizer.vocabulary
    assert again.encode_all(TEXTS) == tokenizer.encode_all(TEXTS) == [tokenizer.encode(text) for text in TEXTS]


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_training_twice_gives_the_same(kind: Kind) -> None:
    pytest.importorskip("tokenizers")
    assert train_tokenizer(kind, TEXTS, 300).spec == train_tokenizer(kind, TEXTS, 300).spec


def test_texts_come_back() -> None:
    pytest.importorskip("tokenizers")
    for kind in ("characters", "bpe"):
        made = train_tokenizer(kind, TEXTS, 300)  # type: ignore[arg-type]
        assert [made.decode(made.encode(text)) for text in TEXTS] == TEXTS
    words = train_tokenizer("wordpiece", TEXTS, 400)
    assert words.decode(words.encode("The naïve CAT, twice")) == "the naive cat, twice"


def test_pieces_are_no_references_of_a_config() -> None:
    pytest.importorskip("tokenizers")
    made = train_tokenizer("bpe", ["${a} ${b}"] * 9, 300)
    assert "${" in made.vocabulary
    assert "${" not in made.spec["content"]
    again = build_tokenizer(made.spec)
    assert again.spec == made.spec
    assert again.decode(again.encode("${c}")) == "${c}"


def test_special_tokens_have_fixed_numbers() -> None:
    pytest.importorskip("tokenizers")
    for kind in ("bpe", "wordpiece"):
        made = train_tokenizer(kind, TEXTS, 300)  # type: ignore[arg-type]
        assert made.vocabulary[:5] == SPECIAL
        assert (made.pad, made.unknown, made.start, made.end, made.mask) == (0, 1, 2, 3, 4)
        assert made.decode([2, *made.encode("the cat"), 3, 0, 0]) == "the cat"


def test_characters_know_no_mask() -> None:
    made = train_tokenizer("characters", ["abba"])
    assert (made.vocabulary, made.mask, made.start) == ([UNKNOWN, END, "a", "b"], None, None)
    assert made.decode([*made.encode("abc"), made.end]) == f"ab{UNKNOWN}"


def test_tokens_count_the_text_s_characters() -> None:
    pytest.importorskip("tokenizers")
    for kind in ("characters", "bpe"):
        made = train_tokenizer(kind, TEXTS, 300)  # type: ignore[arg-type]
        assert [sum(made.characters[n] for n in made.encode(text)) for text in TEXTS] == [len(text) for text in TEXTS]
    words = train_tokenizer("wordpiece", TEXTS, 400)
    assert sum(words.characters[n] for n in words.encode("the cat sat")) == len(" the cat sat")
    assert [words.characters[n] for n in (0, 1, 2, 3, 4)] == [0, 1, 0, 1, 0]


def test_files_folders_and_checkpoints_are_read(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    made = train_tokenizer("bpe", TEXTS, 300)
    (tmp_path / "hub").mkdir()
    (tmp_path / "hub" / "tokenizer.json").write_text(made.spec["content"], encoding="utf-8")
    file = tmp_path / "run" / "0" / "checkpoints" / "best.ckpt"
    file.parent.mkdir(parents=True)
    torch.save({"hyper_parameters": {"tokenizer": made.spec}}, file)
    for path in (tmp_path / "hub", tmp_path / "hub" / "tokenizer.json", tmp_path / "run", file):
        assert tokenizer_of(str(path), []).spec == made.spec


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    with pytest.raises(FileNotFoundError, match=r"data\.tokenizer: no file or folder 'wordpeice'.*wordpiece"):
        tokenizer_of("wordpeice", TEXTS)
    with pytest.raises(FileNotFoundError, match=r"no tokenizer\.json and holds no record"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json: this is no tokenizer\.json"):
        read_tokenizer(tmp_path)
    torch.save({"hyper_parameters": {"width": 3}}, tmp_path / "image.ckpt")
    with pytest.raises(ValueError, match="a technique that reads no text"):
        read_tokenizer(tmp_path / "image.ckpt")
    with pytest.raises(ValueError, match=r"data\.vocabulary_size=100: 261 or more"):
        train_tokenizer("bpe", TEXTS, 100)
    with pytest.raises(ValueError, match="no text to train a tokenizer on"):
        train_tokenizer("characters", [])


def test_tokenizers_of_others_have_their_tokens() -> None:
    library = pytest.importorskip("tokenizers")
    from tokenizers import models

    gpt2 = Subwords(library.Tokenizer(models.BPE({"a": 0, "<|endoftext|>": 1}, [])).to_str())
    assert (gpt2.end, gpt2.pad, gpt2.unknown, gpt2.mask, gpt2.start) == (1, 1, 1, None, None)
    with pytest.raises(ValueError, match="no token for end"):
        Subwords(library.Tokenizer(models.BPE({"a": 0}, [])).to_str())


def test_minilm_s_tokenizer_is_bert_s() -> None:
    pytest.importorskip("tokenizers")
    pytest.importorskip("all_minilm_l6_v2")
    made = tokenizer_of("minilm", [])
    assert (made.size, made.pad, made.unknown, made.start, made.end, made.mask) == (30522, 0, 100, 101, 102, 103)
    assert made.encode("Unaffable") == [14477, 20961, 3468]  # una ##ffa ##ble, of BERT's own documentation
    assert b'"hidden_size": 384' in minilm_file("config.json")
