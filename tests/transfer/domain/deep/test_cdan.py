import pytest
import torch
from torch.nn import functional as F
from two_domains import Negatives, trained

from leyden.transfer.domain.deep.cdan import CDAN, MultilinearMap, entropy_weights
from leyden.transfer.domain.deep.dann import reversal_strength

F_, G = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 0.0, -1.0]]).softmax(1)


def test_the_map_is_the_outer_product() -> None:
    expected = torch.tensor([[0.8438, 0.1142, 0.0420, 1.6876, 0.2284, 0.0840]])
    torch.testing.assert_close(MultilinearMap(2, 3, 0)(F_, G), expected, atol=5e-5, rtol=0)


def test_large_maps_are_random_and_keep_inner_products() -> None:
    """E <T(f,g), T(f',g')> = <f,f'><g,g'>, the kernel of the exact map (the paper's eq. 6)."""
    torch.manual_seed(0)
    joint = MultilinearMap(1000, 5, 20_000)
    assert not joint.exact
    f, g = torch.randn(2, 1000) + 1, torch.randn(2, 5).softmax(1)
    approximate, exact = (joint(f, g) @ joint(f, g).T, (f @ f.T) * (g @ g.T))
    torch.testing.assert_close(approximate, exact, rtol=0.1, atol=0)
    assert {"random_f", "random_g"} <= set(joint.state_dict())  # a resumed run has the same map


def test_entropy_weights() -> None:
    sure = torch.tensor([[1.0, 0.0, 0.0]])
    even = torch.full((1, 3), 1 / 3)
    raw = [2.0, 1 + 1 / 3, 1.5920]  # 1 + exp(-H), H = 0, log 3 and that of G
    expected = torch.tensor(raw) / (sum(raw) / 3)
    torch.testing.assert_close(entropy_weights(torch.cat([sure, even, G])), expected, atol=5e-5, rtol=0)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> CDAN:
    torch.manual_seed(0)
    monkeypatch.setattr("leyden.transfer.domain.deep.dann.logs_now", lambda module: False)
    monkeypatch.setattr(CDAN, "progress", 0.5)
    return CDAN(list("abc"), 1, 8, widths=[8], strides=[1], hidden=8)


def test_the_loss_is_that_of_the_weighted_map(model: CDAN) -> None:
    source, target = torch.randn(4, 8, requires_grad=True), torch.randn(5, 8, requires_grad=True)
    f, g = torch.cat([source, target]), model.net.head(torch.cat([source, target])).softmax(1).detach()
    is_source = torch.tensor([1.0] * 4 + [0.0] * 5)
    logits = model.domain_classifier(torch.einsum("bf,bc->bfc", f, g).flatten(1)).flatten()
    plain = F.binary_cross_entropy_with_logits(logits, is_source)
    loss = model.domain_loss(source, target)
    torch.testing.assert_close(loss, plain)
    (reversed_gradient,) = torch.autograd.grad(loss, [source], retain_graph=True)
    (gradient,) = torch.autograd.grad(plain, [source], retain_graph=True)
    torch.testing.assert_close(reversed_gradient, -reversal_strength(0.5) * gradient)
    assert torch.autograd.grad(loss, [model.net.head.linear.weight], allow_unused=True) == (None,)

    model.entropy_conditioning = True
    weights = torch.cat([entropy_weights(g[:4]), entropy_weights(g[4:])])
    each = F.binary_cross_entropy_with_logits(logits, is_source, reduction="none")
    torch.testing.assert_close(model.domain_loss(source, target), (weights * each).mean())


def test_it_learns_that_domains_differ_by_class() -> None:
    _, trainer = trained(CDAN, Negatives(), hidden=8, entropy_conditioning=True)
    assert 0 < trainer.callback_metrics["train/domain_accuracy"] <= 1
