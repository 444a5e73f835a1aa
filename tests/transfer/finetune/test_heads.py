import pytest
import torch
from torch.nn import functional as F

from leyden.transfer.finetune.heads import Adapter, CosineHead, LinearHead


def test_cosine_head() -> None:
    head = CosineHead(3, 2, scale=10)
    features = torch.tensor([[3.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 5.0, 0.0]])
    head.imprint(features, torch.tensor([1, 0, 0]))
    torch.testing.assert_close(head(features), torch.tensor([[0.0, 10.0], [10.0, 0.0], [10.0, 0.0]]))
    torch.testing.assert_close(head(features * 7), head(features))
    x = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    expected = 10 * F.cosine_similarity(x[:, None], head.weight.double()[None], dim=2)
    torch.testing.assert_close(head.double()(x), expected)
    assert torch.autograd.gradcheck(head, (x,))


def test_imprinting_takes_the_mean_direction_whatever_the_lengths() -> None:
    head = CosineHead(2, 1, scale=1)
    head.imprint(torch.tensor([[100.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    torch.testing.assert_close(head.weight.detach(), torch.tensor([[0.5, 0.5]]))


def test_linear_head_drops_features_in_training_only() -> None:
    torch.manual_seed(0)
    head, x = LinearHead(1000, 2, dropout=0.4), torch.ones(1, 1000)
    torch.nn.init.constant_(head.linear.weight, 0.001)
    torch.nn.init.zeros_(head.linear.bias)
    torch.testing.assert_close(head.eval()(x), torch.ones(1, 2))
    kept = round(float(head.train()(x)[0, 0].detach()) * 0.6 * 1000)  # each kept feature counts 1 / 0.6
    assert 550 < kept < 650


def test_adapter_starts_as_the_identity_and_learns_at_once() -> None:
    torch.manual_seed(0)
    adapter, x = Adapter(16, reduction=2), torch.randn(2, 16, 3, 3)
    assert torch.equal(adapter(x), x)
    adapter(x).square().sum().backward()
    assert (adapter.up.weight.grad != 0).any()
    torch.nn.init.normal_(adapter.up.weight)
    down = F.conv2d(x, adapter.down.weight, adapter.down.bias)
    expected = x + F.conv2d(down.relu(), adapter.up.weight, adapter.up.bias)
    torch.testing.assert_close(adapter(x), expected)


@pytest.mark.parametrize(("channels", "reduction", "narrow"), [(64, 8, 8), (64, 1, 64), (16, 8, 4)])
def test_adapters_bottleneck_is_narrower_but_not_too_narrow(channels: int, reduction: int, narrow: int) -> None:
    assert Adapter(channels, reduction).down.weight.shape == (narrow, channels, 1, 1)
