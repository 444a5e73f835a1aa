"""Weightings: the papers' values by hand, optima, and gradients."""

import math

import pytest
import torch
from torch import Tensor, nn

from leyden.transfer.multitask.weightings import (
    GradNorm,
    PCGrad,
    Uncertainty,
    Weighting,
    conflicts,
    gradnorm_targets,
    new_weighting,
    project_conflicts,
    uncertainty_loss,
)

S, L = torch.tensor([0.2, -0.5], dtype=torch.float64), torch.tensor([1.5, 0.3], dtype=torch.float64)


def test_uncertainty_has_reference_values() -> None:
    """By hand: sum of exp(-s) L / 2 + s / 2 for numbers, of exp(-s) L + s / 2 for classes."""
    assert float(uncertainty_loss(L, S, torch.tensor([False, False]))) == pytest.approx(0.7113562554, abs=1e-10)
    assert float(uncertainty_loss(L, S, torch.tensor([True, True]))) == pytest.approx(1.5727125108, abs=1e-10)


def test_best_variance_is_the_loss() -> None:
    """At the optimum exp(s) = L for numbers and 2 L for classes: no gradient there, and more loss to either side."""
    is_class = torch.tensor([False, True])
    best = torch.stack([L[0].log(), (2 * L[1]).log()]).requires_grad_()
    loss = uncertainty_loss(L, best, is_class)
    loss.backward()
    torch.testing.assert_close(best.grad, torch.zeros(2, dtype=torch.float64))
    for change in (-0.1, 0.1):
        assert uncertainty_loss(L, best.detach() + change, is_class) > loss


def test_uncertainty_undoes_a_unit() -> None:
    """A loss 100 times as large ends with a hundredth of the weight."""
    found = []
    for scale in (1.0, 100.0):
        weighting = Uncertainty([0, 10])
        optimizer = torch.optim.LBFGS(weighting.parameters(), max_iter=50, line_search_fn="strong_wolfe")

        def closure(weighting: Uncertainty = weighting, optimizer: object = optimizer, scale: float = scale) -> Tensor:
            weighting.zero_grad()
            loss = weighting([torch.tensor(0.5 * scale), torch.tensor(2.0)], [], [])
            loss.backward()
            return loss

        optimizer.step(closure)
        found.append(weighting.weights)
    assert float(found[0][0] / found[1][0]) == pytest.approx(100, rel=1e-3)
    assert float(found[0][1]) == pytest.approx(float(found[1][1]), rel=1e-3)
    assert float(found[0][0]) == pytest.approx(1 / (2 * 0.5), rel=1e-3)


def test_gradnorm_targets_by_hand() -> None:
    """Mean norm 1.5, relative rates 2/3 and 4/3: 1.5 (2/3)^1.5 and 1.5 (4/3)^1.5."""
    norms, ratios = torch.tensor([2.0, 1.0]), torch.tensor([0.5, 1.0])
    targets = gradnorm_targets(norms, ratios, 1.5)
    torch.testing.assert_close(targets, torch.tensor([0.8164966, 2.3094011]))
    assert float((norms - targets).abs().sum()) == pytest.approx(2.4929045, abs=1e-6)
    torch.testing.assert_close(gradnorm_targets(norms, ratios, 0.0), torch.full((2,), 1.5))


class Toy(nn.Module):
    """Two tasks on one linear layer: losses c_i ||h_i W x - y_i||^2."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Linear(3, 4, dtype=torch.float64)
        self.heads = nn.ModuleList(nn.Linear(4, 2, dtype=torch.float64) for _ in range(2))
        self.x, self.y = torch.randn(2, 8, 3, dtype=torch.float64)[0], torch.randn(2, 8, 2, dtype=torch.float64)

    def losses(self) -> list[Tensor]:
        hidden = self.trunk(self.x)
        scales = (1.0, 20.0)
        return [c * (h(hidden) - y).square().mean() for c, h, y in zip(scales, self.heads, self.y, strict=True)]

    def gradient(self, weighting: Weighting) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and the gradient of every parameter."""
        self.zero_grad()
        weighting.zero_grad()
        loss = weighting(self.losses(), list(self.trunk.parameters()), list(self.heads.parameters()))
        loss.backward()
        return loss.detach(), {name: p.grad.clone() for name, p in self.named_parameters() if p.grad is not None}


def of_tasks(toy: Toy) -> Tensor:
    """Each task's gradient on the trunk, a row each."""
    rows = [torch.autograd.grad(loss, list(toy.trunk.parameters()), retain_graph=True) for loss in toy.losses()]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])


def test_gradnorm_moves_weights_by_its_loss() -> None:
    """Its gradient by the weights is that of sum |w_i n_i - target_i|, by differences."""
    toy, weighting = Toy(), GradNorm([0, 0], 1.5, [1.0, 20.0]).double()
    loss, gradients = toy.gradient(weighting)
    torch.testing.assert_close(loss, sum(toy.losses()))
    norms = torch.stack(
        [torch.autograd.grad(one, toy.trunk.weight, retain_graph=True)[0].norm() for one in toy.losses()]
    )
    ratios = torch.stack(toy.losses()).detach() / torch.tensor([1.0, 20.0])
    targets = gradnorm_targets(norms, ratios, 1.5)
    weights = torch.ones(2, dtype=torch.float64, requires_grad=True)
    (weights * norms - targets).abs().sum().backward()
    torch.testing.assert_close(weighting.task_weights.grad, weights.grad)
    plain = toy.gradient(Weighting([0, 0]))[1]
    for name, value in gradients.items():
        torch.testing.assert_close(value, plain[name])  # all weights are 1


def test_gradnorm_weights_sum_to_the_tasks() -> None:
    weighting = GradNorm([10, 0], 1.5, [1.0, 100.0])
    torch.testing.assert_close(weighting.start, torch.tensor([math.log(10), 100.0]))
    with torch.no_grad():
        weighting.task_weights.copy_(torch.tensor([3.0, -1.0]))
    weighting.renormalise()
    assert float(weighting.weights.sum()) == pytest.approx(2)
    assert (weighting.weights > 0).all()


def test_gradnorm_brings_norms_together() -> None:
    """With alpha 0 and a trunk at rest the weighted norms become equal."""
    toy, weighting = Toy(), GradNorm([0, 0], 0.0, [1.0, 1.0]).double()
    optimizer = torch.optim.SGD(weighting.parameters(), lr=1e-3)
    losses = [20 * toy.losses()[0], toy.losses()[1]]
    trunk, heads = list(toy.trunk.parameters()), list(toy.heads.parameters())
    norms = torch.stack([torch.autograd.grad(one, toy.trunk.weight, retain_graph=True)[0].norm() for one in losses])
    assert float(norms.max() / norms.min()) > 4
    for _ in range(300):
        weighting.zero_grad()
        weighting(losses, trunk, heads).backward(retain_graph=True)
        optimizer.step()
    weighted = norms * weighting.weights
    assert float(weighted.max() / weighted.min()) < 1.05


def test_projections_by_hand() -> None:
    """(1, 0) and (-1, 1) become (.5, .5) and (0, 1), and are summed."""
    found = project_conflicts(torch.tensor([[1.0, 0.0], [-1.0, 1.0]]), 0)
    torch.testing.assert_close(found, torch.tensor([[0.5, 0.5], [0.0, 1.0]]))
    torch.testing.assert_close(found.sum(0), torch.tensor([0.5, 1.5]))
    assert conflicts(torch.tensor([[1.0, 0.0], [-1.0, 1.0]])) == 1


def test_gradients_without_conflict_stay() -> None:
    alike = torch.tensor([[1.0, 0.0, 2.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(project_conflicts(alike, 3), alike)
    assert conflicts(alike) == 0
    zero = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    torch.testing.assert_close(project_conflicts(zero, 0), zero)


def test_two_projected_gradients_conflict_with_none() -> None:
    for seed in range(20):
        gradients = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed))
        found = project_conflicts(gradients, seed)
        assert float(found[0] @ gradients[1]) >= -1e-5
        assert float(found[1] @ gradients[0]) >= -1e-5


def test_order_of_projections_is_drawn() -> None:
    gradients = torch.tensor([[1.0, 0.0], [-1.0, 0.5], [-1.0, -0.8]])
    ends = {tuple(project_conflicts(gradients, seed).flatten().tolist()) for seed in range(20)}
    assert len(ends) > 1
    assert torch.equal(project_conflicts(gradients, 5), project_conflicts(gradients, 5))


def test_pcgrad_steps_by_the_projected_sum() -> None:
    toy, weighting = Toy(), PCGrad([0, 0])
    with torch.no_grad():  # the second task's error is, but for some noise, the opposite of the first's
        toy.heads[1].load_state_dict(toy.heads[0].state_dict())
        toy.y[1] = 2 * toy.heads[0](toy.trunk(toy.x)) - toy.y[0] + 0.5 * torch.randn_like(toy.y[0])
    loss, gradients = toy.gradient(weighting)
    rows = of_tasks(toy)
    assert weighting.conflict == 1
    expected = project_conflicts(rows, 0).sum(0)
    found = torch.cat([gradients["trunk.weight"].flatten(), gradients["trunk.bias"]])
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(expected, rows.sum(0))
    torch.testing.assert_close(loss, sum(toy.losses()))
    plain = toy.gradient(Weighting([0, 0]))[1]
    for name in (name for name in plain if name.startswith("heads")):
        torch.testing.assert_close(gradients[name], plain[name])


def test_pcgrad_remembers_its_steps() -> None:
    weighting, other = PCGrad([0, 0]), PCGrad([0, 0])
    Toy().gradient(weighting)
    other.load_state_dict(weighting.state_dict())
    assert other.steps == 1


def test_unknown_weighting_is_named() -> None:
    with pytest.raises(ValueError, match="there are equal, uncertainty, gradnorm, pcgrad"):
        new_weighting("mgda", [0], 1.5, [1.0])
