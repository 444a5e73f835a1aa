from itertools import islice

import pytest
import torch
import torch.distributed as dist

from leyden.data.columns import LabelledImages
from leyden.data.loader import Loader
from leyden.data.splits import InMemory


class Lazy:
    """The same examples as ``split(count)``, one by one."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> LabelledImages:
        return LabelledImages(torch.full((1, 2, 2), index, dtype=torch.uint8), torch.tensor(index))


class Note:
    """An augmentation that shows the numbers it was given, a byte each."""

    draws = 2

    def __call__(self, batch: LabelledImages, u: torch.Tensor) -> LabelledImages:
        return batch._replace(images=torch.cat([batch.images[:, 0, 0, :1], (u * 256).to(torch.uint8)], 1))


def split(count: int = 20) -> InMemory:
    images = torch.arange(count, dtype=torch.uint8)[:, None, None, None].repeat(1, 1, 2, 2)
    return InMemory(LabelledImages(images, torch.arange(count)))


def epoch(loader: Loader) -> list[tuple[list[int], list]]:
    return [(targets.tolist(), images.tolist()) for images, targets in loader]


def targets(loader: Loader) -> list[int]:
    return [target for batch, _ in epoch(loader) for target in batch]


def test_order_is_a_function_of_seed_and_epoch() -> None:
    one, two = Loader(split(), 4, train=True, seed=3), Loader(split(), 4, train=True, seed=3)
    torch.manual_seed(5)  # the global generator has no say
    first = targets(one)
    assert first == targets(two)
    second = targets(one)
    assert second == targets(two)
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert first != targets(Loader(split(), 4, train=True, seed=4))
    assert first != list(range(20))


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_give_the_same_batches_as_memory(workers: int) -> None:
    memory = Loader(split(), 6, train=True, seed=1, augment=Note())
    lazy = Loader(Lazy(20), 6, train=True, seed=1, augment=Note(), workers=workers)
    for _ in range(2):
        assert epoch(memory) == epoch(lazy)


def test_training_drops_the_ragged_batch_evaluation_does_not() -> None:
    assert [len(batch) for batch, _ in epoch(Loader(split(), 6, train=True))] == [6, 6, 6]
    assert [len(batch) for batch, _ in epoch(Loader(split(), 6))] == [6, 6, 6, 2]
    assert [len(batch) for batch, _ in epoch(Loader(split(), 64, train=True))] == [20]
    for train in (False, True):
        for size in (6, 20, 64):
            loader = Loader(split(), size, train=train)
            assert len(loader) == len(epoch(loader))


def test_evaluation_keeps_order_and_does_not_augment() -> None:
    loader = Loader(split(), 6, augment=Note())
    assert targets(loader) == targets(loader) == list(range(20))
    assert next(iter(loader)).images.shape == (6, 1, 2, 2)


def test_always_augments_evaluation_alike() -> None:
    loader = Loader(split(), 6, augment=Note(), always=True)
    assert epoch(loader) == epoch(loader)
    assert targets(loader) == list(range(20))
    assert epoch(loader) != epoch(Loader(split(), 6))


def test_numbers_belong_to_seed_epoch_and_example() -> None:
    def numbers(batch_size: int, seed: int) -> list[dict[int, list[int]]]:
        loader = Loader(split(), batch_size, train=True, seed=seed, augment=Note())
        return [{t: x for batch, images in epoch(loader) for t, x in zip(batch, images, strict=True)} for _ in range(2)]

    by_four, by_five = numbers(4, 0), numbers(5, 0)
    assert by_four == by_five  # who shares the batch does not matter
    assert by_four[0] != by_four[1]
    assert by_four[0] != numbers(4, 1)[0]
    assert all(image[0] == target for target, image in by_four[0].items())


@pytest.mark.parametrize("lazy", [False, True])
def test_views_come_in_turn_while_the_order_is_ever_new(lazy: bool) -> None:
    loader = Loader(Lazy(20) if lazy else split(), 5, train=True, seed=3, augment=Note(), views=2)
    epochs = [epoch(loader) for _ in range(4)]
    shown = [{t: x for batch, images in e for t, x in zip(batch, images, strict=True)} for e in epochs]
    assert shown[0] == shown[2]
    assert shown[1] == shown[3]
    assert all(shown[0][target] != shown[1][target] for target in range(20))
    assert len({str([batch for batch, _ in e]) for e in epochs}) == 4
    for view in (0, 1):
        numbers = (loader.numbers(view) * 256).to(torch.uint8)
        assert all(shown[view][target] == [target, *numbers[target].tolist()] for target in range(20))


def test_what_was_computed_once_takes_the_place_of_augmented_images() -> None:
    """Batch for batch and view for view; a network that only turns the numbers round must come to the same."""
    plain = Loader(split(), 6, train=True, seed=3, augment=Note(), views=2)
    views = [Note()(split().columns, plain.numbers(view)) for view in (0, 1)]
    cached = [InMemory(LabelledImages(-images.float(), targets)) for images, targets in views]
    once = Loader(split(), 6, train=True, seed=3, augment=Note(), views=2, cached=cached)
    assert len(once) == len(plain)
    for _ in range(3):
        for (images, labels), (features, same) in zip(plain, once, strict=True):
            assert torch.equal(features, -images.float())
            assert torch.equal(same, labels)


@pytest.mark.parametrize("stop", [1, 3, 4])
@pytest.mark.parametrize("views", [None, 2])
@pytest.mark.parametrize("lazy", [False, True])
def test_resume_in_mid_epoch_gives_what_was_left(stop: int, lazy: bool, views: int | None) -> None:
    def new() -> Loader:
        return Loader(Lazy(20) if lazy else split(), 5, train=True, seed=2, augment=Note(), views=views)

    whole = new()
    left = [epoch(whole)[stop:], epoch(whole), epoch(whole)]
    stopped = new()
    list(islice(stopped, stop))
    resumed = new()
    resumed.load_state_dict(stopped.state_dict())
    assert [epoch(resumed) for batches in left if batches] == [batches for batches in left if batches]


def test_a_thrown_away_iterator_costs_no_epoch() -> None:
    loader, other = Loader(split(), 5, train=True), Loader(split(), 5, train=True)
    iter(loader)
    assert targets(loader) == targets(other)


@pytest.mark.parametrize("count", [20, 21, 23])
def test_ranks_share_out_the_examples(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    training, evaluation, lengths, whole = [], [], [], []
    for rank in range(4):
        monkeypatch.setattr(dist, "get_rank", lambda rank=rank: rank)
        loader = Loader(split(count), 2, train=True, seed=7)
        lengths.append(len(loader))
        training.append(targets(loader))
        evaluation.append(targets(Loader(split(count), 2)))
        whole.append(targets(Loader(split(count), 2, train=True, seed=7, whole=True)))
    assert len(set(lengths)) == 1  # no rank waits for another
    assert len({len(share) for share in training}) == 1
    seen = [target for share in training for target in share]
    assert len(set(seen)) == len(seen)
    assert sorted(target for share in evaluation for target in share) == list(range(count))
    assert all(share == whole[0] for share in whole)
    assert len(whole[0]) == count // 2 * 2


def test_no_examples() -> None:
    with pytest.raises(ValueError, match="empty"):
        Loader(split(0), 4)


@pytest.mark.parametrize(("limit", "taken"), [(2, 2), (0.5, 2), (1.0, 4), (9, 4)])
def test_going_on_from_the_end_of_an_epoch_that_was_limited_begins_the_next(limit: float, taken: int) -> None:
    def new() -> Loader:
        return Loader(split(8), 2, train=True, limit=limit)

    whole = new()
    epochs = [[labels.tolist() for _, (_, labels) in zip(range(taken), whole, strict=False)] for _ in range(2)]
    first, then = new(), new()
    assert [labels.tolist() for _, (_, labels) in zip(range(taken), first, strict=False)] == epochs[0]
    then.load_state_dict(first.state_dict())
    assert [labels.tolist() for _, (_, labels) in zip(range(taken), then, strict=False)] == epochs[1]


class Drawn:
    """A split that shows which numbers its examples were drawn by, see ``Sampled``."""

    draws = 2

    def __len__(self) -> int:
        return 10

    def sample(self, indices: torch.Tensor, u: torch.Tensor) -> LabelledImages:
        return LabelledImages((u * 256).to(torch.uint8), indices)


def test_sampled_examples_depend_on_seed_epoch_and_index() -> None:
    def drawn(batch_size: int, **options: object) -> list[dict[int, list[int]]]:
        loader = Loader(Drawn(), batch_size, **options)  # type: ignore[arg-type]
        return [{t: x for batch, images in epoch(loader) for t, x in zip(batch, images, strict=True)} for _ in range(2)]

    by_two, by_five = drawn(2, train=True), drawn(5, train=True)
    assert by_two == by_five
    assert by_two[0] != by_two[1]
    assert by_two[0] != drawn(2, train=True, seed=1)[0]
    first, second = drawn(3)
    assert first == second  # evaluation meets the same examples in every epoch
    assert list(first) == list(range(10))


def test_a_sampled_split_resumes_in_mid_epoch() -> None:
    whole = Loader(Drawn(), 2, train=True, seed=3)
    expected = [*epoch(whole)[3:], *epoch(whole)]
    stopped, resumed = Loader(Drawn(), 2, train=True, seed=3), Loader(Drawn(), 2, train=True, seed=3)
    list(islice(stopped, 3))
    resumed.load_state_dict(stopped.state_dict())
    assert [*epoch(resumed), *epoch(resumed)] == expected
    with pytest.raises(ValueError, match="no augmentation besides"):
        Loader(Drawn(), 2, augment=Note())
