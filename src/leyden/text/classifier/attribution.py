"""Which tokens speak for a class, and who attends to whom."""

import torch
from torch import Tensor

from leyden.nets.transformer import Attention, Cache
from leyden.text.classifier.network import TextNet


def integrated_gradients(
    net: TextNet, tokens: Tensor, lengths: Tensor, classes: Tensor, hidden: int, steps: int
) -> Tensor:
    """What each token adds to a class's logit (Sundararajan et al. 2017, "Axiomatic Attribution for Deep Networks").

    Eq. 1: the path leads from a text of hidden tokens to the text itself, both as they leave the embeddings, with the
    same special tokens; its gradients are summed at the middles of ``steps`` equal parts. Together the tokens add up to
    the logit's difference between both ends, the better, the more steps there are (proposition 1).

    Args:
        net: in evaluation mode, of one of our own encoders.
        tokens: (B, T) int64.
        lengths: (B,) int64.
        classes: (B,) int64, whose logit is explained.
        hidden: the token that stands for "nothing", such as [MASK].
        steps: of the sum, from 1.

    Returns:
        (B, T) float32; 0 for special tokens and padding.
    """
    with torch.inference_mode(False), torch.enable_grad():
        tokens, lengths, classes = tokens.clone(), lengths.clone(), classes.clone()  # a test's have no gradients
        real, places = net.real(tokens, lengths), torch.arange(tokens.shape[1], device=tokens.device)
        inner = (places > 0) & (places < lengths[:, None] - 1)
        x = net.encoder.run(tokens, real, 0, 1).detach()
        base = net.encoder.run(tokens.masked_fill(inner, hidden), real, 0, 1).detach()
        total = torch.zeros_like(x)
        for step in range(steps):
            point = (base + (step + 0.5) / steps * (x - base)).requires_grad_()  # (B, T, D)
            logits = net.head(net.pool(net.encoder.run(point, real, 1), real))
            (slope,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), point)
            total += slope
    return ((x - base) * total / steps).sum(-1).float() * inner


@torch.no_grad()
def attention_maps(net: TextNet, tokens: Tensor, lengths: Tensor) -> list[Tensor]:
    """The weights by which tokens attend to tokens in each block, from the first to the last: (B, H, T, T) each.

    Args:
        net: in evaluation mode; without attention of ours there are none.
        tokens: (B, T) int64.
        lengths: (B,) int64.
    """
    maps: list[Tensor] = []
    real = net.real(tokens, lengths)

    def keep(attention: Attention, inputs: tuple[Tensor, Cache | None, Tensor | None]) -> None:
        maps.append(attention.weights(inputs[0], real))

    layers = [module for module in net.encoder.modules() if isinstance(module, Attention)]
    hooks = [layer.register_forward_pre_hook(keep) for layer in layers]
    try:
        net(tokens, lengths)
    finally:
        for hook in hooks:
            hook.remove()
    return maps
