import pytest
import torch

from leyden.core.splits import by_name, stratified


def test_stratified_shares_out_every_class_and_loses_nobody() -> None:
    labels = torch.tensor([0] * 50 + [1] * 20 + [2] * 10)[
        torch.randperm(80, generator=torch.Generator().manual_seed(1))
    ]
    parts = stratified(labels, (0.6, 0.1, 0.3))
    assert torch.cat(parts).sort().values.tolist() == list(range(80))
    assert [labels[part].bincount().tolist() for part in parts] == [[30, 12, 6], [5, 2, 1], [15, 6, 3]]
    assert all(torch.equal(a, b) for a, b in zip(parts, stratified(labels, (0.6, 0.1, 0.3)), strict=True))
    assert not torch.equal(parts[0], stratified(labels, (0.6, 0.1, 0.3), seed=1)[0])


def test_by_name_ignores_order_and_loses_nobody() -> None:
    names = [f"{number}.png" for number in range(100)]
    parts = by_name(names, (0.6, 0.1, 0.3))
    assert [len(part) for part in parts] == [60, 10, 30]
    assert sorted(i for part in parts for i in part) == list(range(100))
    backwards = by_name(names[::-1], (0.6, 0.1, 0.3))
    assert [{names[::-1][i] for i in part} for part in backwards] == [{names[i] for i in part} for part in parts]
    more = by_name([*names, "new.png"], (0.6, 0.1, 0.3))
    assert sum(len(set(a) ^ set(b)) for a, b in zip(parts, more, strict=True)) <= 5
    assert by_name(names, (0.6, 0.1, 0.3), seed=1) != parts


def test_by_name_gives_each_part_one_while_there_are() -> None:
    assert [len(part) for part in by_name(["a", "b", "c"], (0.98, 0.01, 0.01))] == [1, 1, 1]
    assert [len(part) for part in by_name(["a", "b"], (0.6, 0.1, 0.3))] == [1, 1, 0]
    assert [len(part) for part in by_name("abcdef", (0.6, 0.1, 0.3))] == [4, 1, 1]


@pytest.mark.parametrize(
    ("count", "fractions", "sizes"),
    [
        (1, (0.6, 0.1, 0.3), [1, 0, 0]),
        (2, (0.6, 0.1, 0.3), [1, 0, 1]),
        (3, (0.6, 0.1, 0.3), [1, 1, 1]),
        (4, (0.6, 0.1, 0.3), [2, 1, 1]),
        (6, (0.6, 0.1, 0.3), [4, 1, 1]),
        (1, (0.9, 0.1), [1, 0]),
        (2, (0.9, 0.1), [1, 1]),
        (4, (0.9, 0.1), [3, 1]),
        (3, (0.01, 0.99), [1, 2]),
        (10, (0.9, 0.1), [9, 1]),
    ],
)
def test_small_class_is_in_every_part_if_it_can(count: int, fractions: tuple[float, ...], sizes: list[int]) -> None:
    parts = stratified(torch.tensor([0] * count + [1] * 100), fractions)
    assert [int((part < count).sum()) for part in parts] == sizes
    assert torch.cat(parts).sort().values.tolist() == list(range(count + 100))
