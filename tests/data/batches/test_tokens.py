from itertools import chain
from pathlib import Path

import pytest
import torch
from torch import Tensor

from leyden.data.batches.tokens import RandomWindows, TokenWindows
from leyden.data.columns import Texts
from leyden.data.source import Source
from leyden.data.source.builtin.digits import Digits
from leyden.data.splits import InMemory
from leyden.data.text.tokenizer import END, UNKNOWN

TEXTS = {"train": ["abracadabra", "cab"], "val": ["badge", "cafe"], "test": ["a" * 9]}


class Words(Source):
    """Few enough letters to count by hand."""

    produces, name = "text", "words"

    def split(self, stage: str) -> InMemory[Texts]:
        return InMemory(Texts(TEXTS[stage]))


def read(data: TokenWindows, numbers: Tensor) -> str:
    return "".join(data.tokenizer.vocabulary[number] for number in numbers.tolist())


def windows(data: TokenWindows, epochs: int = 1) -> list[str]:
    loader = data.train_dataloader()
    return [read(data, row) for _ in range(epochs) for batch in loader for row in batch.tokens]


def test_vocabulary_is_that_of_training() -> None:
    data = TokenWindows(Words(), context=3)
    assert data.tokenizer.vocabulary == [UNKNOWN, END, "a", "b", "c", "d", "r"]
    assert data.spec == {"tokenizer": data.tokenizer.spec, "context": 3}
    assert read(data, data.stream("val").tokens) == f"bad{UNKNOWN}{UNKNOWN}{END}ca{UNKNOWN}{UNKNOWN}{END}"


def test_evaluation_windows_cover_the_stream_once() -> None:
    data = TokenWindows(Words(), context=3, eval_batch_size=2)
    batches = [batch.tokens for batch in data.val_dataloader()]
    assert [tuple(batch.shape) for batch in batches] == [(2, 4), (1, 4)]
    rows = torch.cat(batches)
    stream = data.stream("val").tokens  # 11 characters: the first, three windows, a rest of 1
    assert torch.equal(rows[:, 1:].flatten(), stream[1:10])
    assert torch.equal(rows[:, :-1].flatten(), stream[:9])


def test_training_windows_are_pieces_of_the_stream() -> None:
    data = TokenWindows(Words(), context=3, batch_size=4, epoch_size=40)
    stream = read(data, data.stream("train").tokens)
    pieces = {stream[i : i + 4] for i in range(len(stream) - 3)}
    assert len(windows(data)) == 40
    assert set(windows(data, epochs=5)) == pieces


def test_windows_begin_anywhere_up_to_the_end() -> None:
    random = RandomWindows(torch.arange(10), context=4, count=2)
    u = torch.tensor([[0.0], [1 - 2**-24]])  # the largest float32 below 1
    assert random.sample(torch.arange(2), u).tokens.tolist() == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    shares = random.sample(torch.arange(6000), torch.rand(6000, 1)).tokens[:, 0].bincount() / 6000
    torch.testing.assert_close(shares, torch.full((6,), 1 / 6), atol=0.03, rtol=0)


def test_windows_depend_on_seed_and_epoch_alone() -> None:
    one, same, other = (
        windows(TokenWindows(Words(), context=3, batch_size=4, epoch_size=8, seed=s), epochs=2) for s in (1, 1, 2)
    )
    assert one == same
    assert one != other
    assert one[:8] != one[8:]


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("taken", [1, 3, 4, 6])
def test_resumed_windows_are_those_that_were_left(taken: int, mapped: bool, tmp_path: Path) -> None:
    def data() -> TokenWindows:
        folder = str(tmp_path) if mapped else None
        return TokenWindows(Words(), context=3, batch_size=2, epoch_size=8, token_folder=folder)

    whole = windows(data(), epochs=2)  # of four batches each
    stopped = data()
    loader = stopped.train_dataloader()
    for _, _ in zip(range(taken), chain(loader, loader), strict=False):
        pass
    resumed = data()
    resumed.load_state_dict(stopped.state_dict())
    again = windows(resumed, epochs=2 if taken != 4 else 1)
    assert again[: len(whole) - 2 * taken] == whole[2 * taken :]


def test_fingerprint_sees_every_character(monkeypatch: pytest.MonkeyPatch) -> None:
    before = TokenWindows(Words(), context=3).fingerprint
    assert before == TokenWindows(Words(), context=3).fingerprint
    monkeypatch.setitem(TEXTS, "train", ["abracadabra", "car"])
    assert before != TokenWindows(Words(), context=3).fingerprint


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match=r"test has 10 tokens, too few for data.context=10"):
        TokenWindows(Words(), context=10).split("test")
    with pytest.raises(ValueError, match=r"data.context=0 and data.epoch_size=None count from 1"):
        TokenWindows(Words(), context=0)
    with pytest.raises(ValueError, match="'digits' produces images, TokenWindows consumes text"):
        TokenWindows(Digits())


def test_long_streams_are_reached_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    class Long:
        """A stream too long to lie in memory."""

        device = torch.device("cpu")

        def __len__(self) -> int:
            return 2**33 + 8

        def __getitem__(self, places: Tensor) -> Tensor:
            return places

    random = RandomWindows(Long(), context=7, count=3)  # type: ignore[arg-type]
    assert random.draws == 2
    starts = random.sample(torch.arange(3), torch.tensor([[0.0, 0.0], [0.0, 0.5], [0.5, 2**-8]])).tokens[:, 0]
    assert starts.tolist() == [0, 2**33 // 2**25, 2**32 + 2]


def test_a_token_file_trains_as_memory_does(tmp_path: Path) -> None:
    memory = TokenWindows(Words(), context=3, batch_size=4, epoch_size=8)
    file = TokenWindows(Words(), context=3, batch_size=4, epoch_size=8, token_folder=str(tmp_path))
    assert windows(memory, 2) == windows(file, 2)
    for one, other in zip(memory.test_dataloader(), file.test_dataloader(), strict=True):
        assert torch.equal(one.tokens, other.tokens)
    again = TokenWindows(Words(), context=3, token_folder=str(tmp_path))
    before = {found: found.stat().st_mtime_ns for found in tmp_path.iterdir()}
    assert again.stream("train").file in before
    assert {found: found.stat().st_mtime_ns for found in tmp_path.iterdir()} == before  # nothing is written again
    assert again.stream("train").tokens.equal(memory.stream("train").tokens)
    assert again.fingerprint == file.fingerprint


def test_other_texts_have_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = TokenWindows(Words(), context=3, token_folder=str(tmp_path))
    name, fingerprint = first.stream("val").file, first.fingerprint
    monkeypatch.setitem(TEXTS, "val", ["badge", "cake"])
    other = TokenWindows(Words(), context=3, token_folder=str(tmp_path))
    assert other.stream("val").file != name
    monkeypatch.setitem(TEXTS, "train", ["abracadabra", "car"])
    assert TokenWindows(Words(), context=3, token_folder=str(tmp_path)).fingerprint != fingerprint


def test_unknown_tokens_are_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    data = TokenWindows(Words(), context=3)
    assert (data.stream("val").unknown, data.stream("val").characters) == (4, 11)
    assert "words: 11 characters for val, 11 tokens, 36 % of them unknown" in caplog.text
    assert data.tokens_per_character("val") == 1


def test_subwords_count_the_text_s_characters() -> None:
    pytest.importorskip("tokenizers")
    for kind in ("bpe", "wordpiece"):
        data = TokenWindows(Words(), kind, vocabulary_size=280, context=3)
        assert data.stream("train").characters == len("abracadabra") + len("cab") + 2
        assert data.tokens_per_character("train") < 1
        assert data.spec["tokenizer"]["kind"] == "subwords"
        assert data.tokenizer.decode(data.split("train")[0].tokens.tolist()).startswith("a")
