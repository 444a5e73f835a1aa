import torch
from torch.nn.functional import cross_entropy, gumbel_softmax

from leyden.data.mixed.encoding import Span
from leyden.gan.tabular.activation import Activation

SPANS = [Span(0, 0, 1, 4), Span(1, None, 4, 6), Span(2, 6, 7, 8), Span(3, None, 8, 12)]
ONE_HOTS = [(1, 4), (4, 6), (7, 8), (8, 12)]


def test_rows_of_one_hots_sum_to_one() -> None:
    raw = 20 * torch.randn(100, 12, generator=torch.Generator().manual_seed(0))
    rows = Activation(SPANS, 12)(raw)
    for start, stop in ONE_HOTS:
        torch.testing.assert_close(rows[:, start:stop].sum(1), torch.ones(100))
    torch.testing.assert_close(rows[:, [0, 6]], raw[:, [0, 6]].tanh())
    assert (rows[:, 7] == 1).all()


def test_each_one_hot_is_torch_s_gumbel_softmax() -> None:
    """With the same noise: torch draws it span by span, so one span is compared."""
    activation = Activation([Span(0, None, 0, 5)], 5, tau=0.2)
    raw = torch.randn(50, 5)
    torch.manual_seed(1)
    ours = activation(raw)
    torch.manual_seed(1)
    torch.testing.assert_close(ours, gumbel_softmax(raw, tau=0.2))


def test_the_greatest_place_is_drawn_by_the_softmax() -> None:
    raw = torch.tensor([[0.0, 1.0, 2.0]]).repeat(20_000, 1)
    rows = Activation([Span(0, None, 0, 3)], 3)(raw, torch.Generator().manual_seed(0))
    share = rows.argmax(1).bincount() / 20_000
    torch.testing.assert_close(share, raw[0].softmax(0), atol=0.01, rtol=0)


def test_a_generator_makes_noise_repeat() -> None:
    activation, raw = Activation(SPANS, 12), torch.zeros(3, 12)
    first, same, other = (activation(raw, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_condition_loss_looks_at_the_column_asked_for() -> None:
    activation = Activation(SPANS, 12)
    raw = torch.randn(3, 12, requires_grad=True)
    conditions = torch.tensor([[0.0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, 0]])
    loss = activation.condition_loss(raw, conditions, torch.tensor([0, 1, 0]))
    own = [cross_entropy(raw[0, 4:6], torch.tensor(1)), cross_entropy(raw[1, 8:12], torch.tensor(2))]
    own.append(cross_entropy(raw[2, 4:6], torch.tensor(0)))
    torch.testing.assert_close(loss, torch.stack(own).mean())
    (slope,) = torch.autograd.grad(loss, raw)
    assert slope[0, 8:].abs().sum() == slope[:, :4].abs().sum() == 0
    assert slope[1, 8:].abs().sum() > 0
