"""The strategies of fine-tuning: the lecture's four (head, full, truncate, scratch) and six from the literature.

A strategy is a small class: its fields are its own options, ``plan`` says what it means for a backbone's stages. In a
config and in a technique its options stand under its name, as plain values: ``truncate: {at: stage1}``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Literal

from leyden.nets.strategies.plan import Plan, StagePlan

StrategyName = Literal[
    "head", "full", "truncate", "scratch", "last_k", "gradual", "discriminative", "l2_sp", "bn_only", "adapter"
]
Options = dict[str, Any]
"""The options of one strategy, by name; what is missing has its default."""


@dataclass(frozen=True)
class Strategy:
    """Which stages take over weights, and which of them learn."""

    only_norms: ClassVar[bool] = False
    """Of the stages only scale and shift of batch norms learn."""

    def plan(self, stages: Sequence[str], rate: float = 1.0) -> Plan:
        """What this strategy means for a backbone of these stages.

        Args:
            stages: names, from the image upwards.
            rate: factor on the learning rate for inherited stages that are trained.

        Raises:
            ValueError: options that do not fit these stages; the message says what there is.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Head(Strategy):
    """All inherited, all frozen; only the new head learns. Small target data, similar to the source."""

    def plan(self, stages: Sequence[str], rate: float = 1.0) -> Plan:
        """Every stage inherited and frozen."""
        return {name: StagePlan(True, None) for name in stages}


@dataclass(frozen=True)
class Full(Strategy):
    """All inherited, all trained. Large target data."""

    def plan(self, stages: Sequence[str], rate: float = 1.0) -> Plan:
        """Every stage inherited and trained."""
        return {name: StagePlan(True, 0, rate) for name in stages}


@dataclass(frozen=True)
class Truncate(Strategy):
    """Cut after a stage: what is kept is low-level, what follows is new. Small target data, different from the source.

    With ``rebuild=False`` and ``freeze=True`` it is a linear probe of the stage ``at``.
    """

    at: str = "stage2"
    """The last stage that is kept."""
    rebuild: bool = True
    """The stages behind the cut are built anew; otherwise the head sits on the cut."""
    freeze: bool = True
    """What is kept is frozen."""

    def plan(self, stages: Sequence[str], rate: float = 1.0) -> Plan:
        """Stages up to ``at`` inherited, those behind it new or cut off."""
        if self.at not in stages:
            raise ValueError(f"model.truncate.at={self.at!r} is no stage of this backbone: {', '.join(stages)}")
        kept = stages.index(self.at) + 1
        inherited = {name: StagePlan(True, None if self.freeze else 0, rate) for name in stages[:kept]}
        return inherited | ({name: StagePlan(False, 0) for name in stages[kept:]} if self.rebuild else {})


@dataclass(frozen=True)
class Scratch(Strategy):
    """Nothing inherited: what the others must beat."""

    def plan(self, stages: Sequence[str], rate: float = 1.0) -> Plan:
        """Every stage new and trained."""
        return {name: StagePlan(False, 0) for name in stages}


@dataclass(frozen=True)
class LastK(Strategy):
    """All inherited, the last k stages trained."""

    k: int = 1
    """So many stages are trained."""

    def plan(self, stages: Sequence[str], rate: float = 1.0) -> Plan:
        """Every stage inherited, all but the last ``k`` frozen."""
        if not 1 <= self.k <= len(stages):
            raise ValueError(f"model.last_k.k={self.k}, but there are {len(stages)} stages: {', '.join(stages)}")
        first = len(stages) - self.k
        return {name: StagePlan(True, 0 if depth >= first else None, rate) for depth, name in enumerate(stages)}


@dataclass(frozen=True)
class Gradual(Strategy):
    """As full, but stages join one by one from the head downwards.

    Howard and Ruder 2018, "Universal Language Model Fine-tuning", sec. 3.3.
    """

    unfreeze_every: int = 1
    """Epochs until the next stage joins."""

    def plan(self, stages: Sequence[str], rate: float = 1.0) -> Plan:
        """Every stage inherited; the last joins in epoch ``unfreeze_every``, the one below it as many later."""
        waits = {name: (len(stages) - depth) * self.unfreeze_every for depth, name in enumerate(stages)}
        return {name: StagePlan(True, epochs, rate) for name, epochs in waits.items()}


@dataclass(frozen=True)
class Discriminative(Strategy):
    """As full, each stage at a lower rate than the one above it (Howard and Ruder 2018, sec. 3.3)."""

    decay: float = 0.4
    """Factor on the learning rate from one stage to the one below it."""

    def plan(self, stages: Sequence[str], rate: float = 1.0) -> Plan:
        """Every stage inherited and trained, at ``rate * decay ** (stages above it)``."""
        last = len(stages) - 1
        return {name: StagePlan(True, 0, rate * self.decay ** (last - depth)) for depth, name in enumerate(stages)}


@dataclass(frozen=True)
class L2SP(Full):
    """As full, with a pull towards the inherited weights (Li et al. 2018, "Explicit Inductive Bias", eq. 3).

    The loss gets alpha / 2 ||w - w0||^2 on the inherited weights and the weight decay / 2 ||v||^2 on the head; the
    optimizer's own weight decay is off. Departure: w has scale and shift of the batch norms in it, v the head's bias.
    """

    alpha: float = 0.01
    """Strength of the pull."""


@dataclass(frozen=True)
class NormsOnly(Full):
    """All inherited; of the stages only scale and shift of batch norms learn.

    Frankle et al. 2021, "Training BatchNorm and Only BatchNorm".
    """

    only_norms: ClassVar[bool] = True


@dataclass(frozen=True)
class Adapters(Head):
    """All inherited and frozen; a small new bottleneck behind each stage learns.

    Rebuffi et al. 2017, "Learning multiple visual domains with residual adapters".
    """

    reduction: int = 8
    """By which a bottleneck is narrower than its map."""


STRATEGIES: dict[str, type[Strategy]] = {
    "head": Head,
    "full": Full,
    "truncate": Truncate,
    "scratch": Scratch,
    "last_k": LastK,
    "gradual": Gradual,
    "discriminative": Discriminative,
    "l2_sp": L2SP,
    "bn_only": NormsOnly,
    "adapter": Adapters,
}
"""By the name that a config gives."""
DEFAULTS: dict[str, Options] = {name: asdict(strategy()) for name, strategy in STRATEGIES.items()}
"""Every strategy's options as plain values."""


def new_strategy(
    name: str, options: Mapping[str, Options], known: Mapping[str, type[Strategy]] = STRATEGIES
) -> Strategy:
    """The strategy of a name, with its options.

    Args:
        name: a key of ``known``.
        options: by strategy; also those of other strategies, which are checked and not used, so that a sweep over
            strategies can give each its own.
        known: the strategies of this kind of network.

    Raises:
        ValueError: an unknown strategy, an option that a strategy does not have, or one of the wrong type; the message
            says what there is.
    """
    if name not in known:
        raise ValueError(f"model.strategy={name!r}: there are {', '.join(known)}")
    for owner, given in options.items():
        _check(owner, given, known[owner])
    return known[name](**options.get(name, {}))


def _check(owner: str, given: Options, strategy: type[Strategy]) -> None:
    """Refuses options that the strategy ``owner`` does not have, and values of another type."""
    types = {field.name: type(field.default) for field in fields(strategy)}
    for key, value in given.items():
        if key not in types:
            known = f"{owner} has {', '.join(types)}" if types else f"{owner} has no options"
            raise ValueError(f"model.{owner}.{key}: no such option, {known}")
        fits = isinstance(value, types[key]) or (types[key] is float and isinstance(value, int))
        if not fits or (isinstance(value, bool) and types[key] is not bool):
            raise ValueError(f"model.{owner}.{key}={value!r}: should be {types[key].__name__}")
