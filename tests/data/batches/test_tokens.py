import pytest
import torch
from torch import Tensor

from leyden.data.batches.tokens import CharacterWindows, RandomWindows
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


def read(data: CharacterWindows, numbers: Tensor) -> str:
    return "".join(data.tokenizer.vocabulary[number] for number in numbers.tolist())


def windows(data: CharacterWindows, epochs: int = 1) -> list[str]:
    loader = data.train_dataloader()
    return [read(data, row) for _ in range(epochs) for batch in loader for row in batch.tokens]


def test_vocabulary_is_that_of_training() -> None:
    data = CharacterWindows(Words(), context=3)
    assert data.tokenizer.vocabulary == [UNKNOWN, END, "a", "b", "c", "d", "r"]
    assert data.spec == {"tokenizer": data.tokenizer.spec, "context": 3}
    assert read(data, data.stream("val")) == f"bad{UNKNOWN}{UNKNOWN}{END}ca{UNKNOWN}{UNKNOWN}{END}"


def test_evaluation_windows_cover_the_stream_once() -> None:
    data = CharacterWindows(Words(), context=3, eval_batch_size=2)
    batches = [batch.tokens for batch in data.val_dataloader()]
    assert [tuple(batch.shape) for batch in batches] == [(2, 4), (1, 4)]
    rows = torch.cat(batches)
    stream = data.stream("val")  # 11 characters: the first, three windows, a rest of 1
    assert torch.equal(rows[:, 1:].flatten(), stream[1:10])
    assert torch.equal(rows[:, :-1].flatten(), stream[:9])


def test_training_windows_are_pieces_of_the_stream() -> None:
    data = CharacterWindows(Words(), context=3, batch_size=4, epoch_size=40)
    stream = read(data, data.stream("train"))
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
    one, same, other = (windows(CharacterWindows(Words(), 3, 4, epoch_size=8, seed=s), epochs=2) for s in (1, 1, 2))
    assert one == same
    assert one != other
    assert one[:8] != one[8:]


def test_resumed_windows_are_those_that_were_left() -> None:
    whole = windows(CharacterWindows(Words(), 3, 2, epoch_size=8), epochs=2)
    stopped = CharacterWindows(Words(), 3, 2, epoch_size=8)
    batches = iter(stopped.train_dataloader())
    next(batches)
    resumed = CharacterWindows(Words(), 3, 2, epoch_size=8)
    resumed.load_state_dict(stopped.state_dict())
    assert windows(resumed, epochs=2) == whole[2:]


def test_fingerprint_sees_every_character(monkeypatch: pytest.MonkeyPatch) -> None:
    before = CharacterWindows(Words(), context=3).fingerprint
    assert before == CharacterWindows(Words(), context=3).fingerprint
    monkeypatch.setitem(TEXTS, "train", ["abracadabra", "car"])
    assert before != CharacterWindows(Words(), context=3).fingerprint


def test_mistakes_are_told() -> None:
    with pytest.raises(ValueError, match=r"test has 10 characters, too few for data.context=10"):
        CharacterWindows(Words(), context=10).split("test")
    with pytest.raises(ValueError, match=r"data.context=0 and data.epoch_size=None count from 1"):
        CharacterWindows(Words(), context=0)
    with pytest.raises(ValueError, match="'digits' produces images, CharacterWindows consumes text"):
        CharacterWindows(Digits())
