import pytest
import torch

from leyden.data.batches.gan.mixed_rows import MixedTable, TrainingRows
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.mixed_rows.breast_cancer_thinned import BreastCancerThinned
from leyden.data.source.mixed_rows.gaussian_mixtures import Rings

# Two columns of words, of 2 and 3 categories; rows by (first, second): 60 of (a, x), 30 of (b, y), 10 of (b, z).
VECTORS = torch.tensor([[1.0, 0, 1, 0, 0]] * 60 + [[0, 1, 0, 1, 0]] * 30 + [[0, 1, 0, 0, 1]] * 10)


@pytest.fixture(scope="module")
def drawn():
    rows = TrainingRows(VECTORS, [(0, 2), (2, 5)], 20_000)
    return rows.sample(torch.arange(20_000), torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0)))


def test_conditions_follow_the_log_frequency(drawn) -> None:
    share = drawn.conditions.mean(0)
    logs = torch.tensor([60.0, 40, 60, 30, 10]).log1p()
    expected = torch.cat([logs[:2] / logs[:2].sum(), logs[2:] / logs[2:].sum()]) / 2
    torch.testing.assert_close(share, expected, atol=0.01, rtol=0)
    assert torch.equal(drawn.asked, (drawn.conditions[:, 2:].sum(1) == 1).long())


def test_matching_rows_have_what_is_asked(drawn) -> None:
    assert (drawn.conditions.sum(1) == 1).all()
    assert ((drawn.matching * drawn.conditions).sum(1) == 1).all()


def test_plain_rows_are_as_frequent_as_in_the_table(drawn) -> None:
    torch.testing.assert_close(drawn.rows.mean(0), VECTORS.mean(0))


def test_a_category_without_rows_is_never_asked_for() -> None:
    rows = TrainingRows(VECTORS[:90], [(0, 2), (2, 5)], 5000)
    batch = rows.sample(torch.arange(5000), torch.rand(5000, 3))
    assert batch.conditions[:, 4].sum() == 0
    last = rows.sample(torch.arange(1), torch.full((1, 3), 1 - 2**-24))  # the greatest that torch.rand gives
    assert last.conditions[0].tolist() == [0, 0, 0, 1, 0]


def test_without_words_there_is_nothing_to_ask() -> None:
    rows = TrainingRows(torch.randn(5, 2), [], 8)
    batch = rows.sample(torch.arange(8), torch.rand(8, 3))
    assert batch.conditions.shape == (8, 0)
    assert torch.equal(batch.rows, batch.matching)
    assert torch.equal(batch.rows[5:], batch.rows[:3])


def test_batches_of_a_small_table_are_whole() -> None:
    data = MixedTable(BreastCancerThinned(), modes=1, batch_size=50)
    data.prepare_data()
    loader = data.train_dataloader()
    assert len(loader) == 64
    batch = next(iter(loader))
    width = 30 * 2 + 2
    assert batch.rows.shape == batch.matching.shape == (50, width)
    assert 10 < batch.conditions[:, 1].sum() < 40  # ln 11 / (ln 11 + ln 215) = 0.31, where 10 of 224 rows are
    assert data.spec["label"] == "diagnosis"
    assert next(iter(data.val_dataloader())).values.shape == (57, 31)


def test_images_are_refused() -> None:
    with pytest.raises(ValueError, match="produces images, MixedTable consumes mixed_rows"):
        MixedTable(Digits())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"data\.modes=0"):
        MixedTable(Rings(), modes=0)
