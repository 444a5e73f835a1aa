"""Steps of gradient descent that can be differentiated: the inner loop of MAML (Finn, Abbeel, Levine 2017)."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

Parameters = dict[str, Tensor]


def adaptation(
    parameters: Mapping[str, Tensor],
    loss: Callable[[Parameters], Tensor],
    steps: int,
    lr: float,
    second_order: bool,
) -> Iterator[Parameters]:
    """The parameters before and after each of some steps of gradient descent (Finn et al. 2017, eq. 1).

    All are functions of ``parameters``. Of the gradient of a later loss, ``second_order`` is the whole, through the
    inner gradients; without it these count as constants, so that it is the gradient at the adapted parameters
    (first-order MAML, sec. 5.2).

    Args:
        parameters: by name; each requires a gradient.
        loss: of parameters, ().
        steps: 0 or more.
        lr: alpha, the inner learning rate.
        second_order: see above.

    Yields:
        ``steps + 1`` dicts, the first of ``parameters`` themselves.
    """
    adapted = dict(parameters)
    yield adapted
    for _ in range(steps):
        gradients = torch.autograd.grad(loss(adapted), list(adapted.values()), create_graph=second_order)
        moved = zip(adapted.items(), gradients, strict=True)
        adapted = {name: value - lr * gradient for (name, value), gradient in moved}
        yield adapted
