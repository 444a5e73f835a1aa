"""Which parts of an encoder of text learn: the strategies of all networks (``leyden.nets.strategies``) and LoRA."""

from dataclasses import asdict, dataclass
from typing import Literal

from torch import nn

from leyden.nets.strategies.lora import add_lora
from leyden.nets.strategies.strategies import STRATEGIES, Adapters, Head, Options, Strategy
from leyden.text.classifier.adapters import add_adapters
from leyden.text.nets.encoder import Encoder

StrategyName = Literal["head", "full", "scratch", "last_k", "gradual", "discriminative", "adapter", "lora"]
ATTENTION = ("attention.qkv", "attention.out")
ALL = (*ATTENTION, "mlp.0", "mlp.2")


@dataclass(frozen=True)
class Lora(Head):
    """All inherited and frozen; matrices learn a sum of low rank (Hu et al. 2022, ``leyden.nets.strategies.lora``)."""

    rank: int = 8
    """Of the sum."""
    alpha: float = 16.0
    """The sum is scaled by alpha / rank."""
    layers: str = "attention"
    """"attention": its matrices; "all": also those behind it."""


TEXT_STRATEGIES: dict[str, type[Strategy]] = {
    name: STRATEGIES.get(name, Lora)
    for name in ("head", "full", "scratch", "last_k", "gradual", "discriminative", "adapter", "lora")
}
"""By the name that a config gives."""
DEFAULTS: dict[str, Options] = {name: asdict(strategy()) for name, strategy in TEXT_STRATEGIES.items()}
"""Every strategy's options as plain values."""


def add_modules(encoder: Encoder, strategy: Strategy) -> bool:
    """Puts into an encoder the modules that a strategy trains inside frozen stages; whether there are any.

    Raises:
        ValueError: options out of range, or an encoder without such layers.
    """
    blocks = nn.ModuleDict({name: stage for name, stage in encoder.stages.items() if name != "embeddings"})
    if isinstance(strategy, Lora):
        if strategy.layers not in ("attention", "all"):
            raise ValueError(f"model.lora.layers={strategy.layers!r}: there are attention, all")
        own = encoder.spec["kind"] != "transformers"  # the library's networks have names of their own
        names = (ATTENTION if strategy.layers == "attention" else ALL) if own else None
        add_lora(blocks, names, strategy.rank, strategy.alpha)
        return True
    if isinstance(strategy, Adapters):
        add_adapters(blocks, strategy.reduction)
        return True
    return False
