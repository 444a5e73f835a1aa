"""BYOL: the loss's golden value, a target that no gradient reaches, and its schedule."""

from collections.abc import Callable

import pytest
import torch

from leyden.data.batches.views import TwoViews, ViewImages
from leyden.transfer.self_supervised.byol import BYOL, regression_loss, target_rate
from training import quiet_trainer


def new(data: ViewImages, **options: object) -> BYOL:
    torch.manual_seed(0)
    return BYOL(**data.spec, widths=[4, 8], strides=[1, 2], **options)


def test_loss_is_two_minus_two_cosines() -> None:
    first = torch.tensor([[1.0, 0], [0, 1], [1, 1]], dtype=torch.float64)
    second = torch.tensor([[1, 0.2], [0.1, 1], [1, 0.8]], dtype=torch.float64)
    assert regression_loss(first, second).item() == pytest.approx(0.02033230, abs=1e-7)
    assert regression_loss(first, -5 * first).item() == pytest.approx(4)


def test_target_rate_is_the_papers() -> None:
    assert target_rate(0, 0.996) == pytest.approx(0.996)
    assert target_rate(0.5, 0.996) == pytest.approx(0.998)
    assert target_rate(1, 0.996) == 1


def test_loss_is_symmetric_and_spares_the_target(new_views: Callable[..., ViewImages]) -> None:
    data = new_views()
    model = new(data).eval()
    batch = next(iter(data.train_dataloader()))
    loss = model.loss(batch)
    torch.testing.assert_close(model.loss(TwoViews(batch.second, batch.first)), loss)
    loss.backward()
    assert all(parameter.grad is None for parameter in model.target.parameters())
    assert all(parameter.grad is not None for parameter in model.online.parameters())


def test_target_follows_what_has_moved(new_views: Callable[..., ViewImages]) -> None:
    model = new(new_views())
    pairs = list(zip(model.target.parameters(), model.online.parameters(), strict=True))
    start = [target.clone() for target, _ in pairs]
    model.update_target(0.9)
    torch.testing.assert_close([target for target, _ in pairs], start)  # nothing has moved
    with torch.no_grad():
        for _, online in pairs:
            online.add_(1)
    model.update_target(0.9)
    torch.testing.assert_close([target for target, _ in pairs], [before + 0.1 for before in start])


def test_a_step_moves_both(new_views: Callable[..., ViewImages]) -> None:
    data = new_views()
    model = new(data, lr=0.01, warmup=0.0, tau=0.5)
    start = [parameter.clone() for parameter in model.online.parameters()]
    quiet_trainer(max_steps=1, max_epochs=-1).fit(model, data)
    for before, online, target in zip(start, model.online.parameters(), model.target.parameters(), strict=True):
        torch.testing.assert_close(target, (before + online) / 2)


def test_given_weights_reach_the_target(new_views: Callable[..., ViewImages], tmp_path: object) -> None:
    data = new_views()
    given = new(data, lr=0.01)
    with torch.no_grad():
        for parameter in given.backbone.parameters():
            parameter.add_(0.1)
    file = f"{tmp_path}/backbone.pt"
    torch.save(given.backbone.state_dict(), file)
    model = new(data, weights=file, lr=0.0)
    quiet_trainer(max_steps=1, max_epochs=-1).fit(model, data)
    for own, target, first in zip(
        model.backbone.parameters(), model.target[0].parameters(), given.backbone.parameters(), strict=True
    ):
        torch.testing.assert_close(own, first)
        torch.testing.assert_close(target, first)


def test_bad_input_is_answered(new_views: Callable[..., ViewImages]) -> None:
    data = new_views()
    with pytest.raises(ValueError, match="a batch of one image"):
        new(data).loss(TwoViews(*torch.zeros(2, 1, 1, 8, 8, dtype=torch.uint8)))
    with pytest.raises(ValueError, match=r"model\.tau=1"):
        new(data, tau=1.0)
