"""The base of all adversarial techniques: named players that step in turn, each on its own loss."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from leyden.core.optim import SCHEDULES
from leyden.gan.criterion import Criterion
from leyden.gan.ema import EMA
from leyden.gan.evaluation.monitor import TrainingMonitor
from leyden.gan.options import AdversarialOptions
from leyden.gan.stepping import average_over_ranks, optimizer_step
from leyden.nets.memory_format import arrange
from leyden.visualization.logging import logs_now


class Player(NamedTuple):
    """One side: what it trains, and on what."""

    network: nn.Module
    """Its networks; several as an ``nn.ModuleList`` or ``nn.ModuleDict``."""
    loss: Callable[..., Tensor]
    """Of what ``AdversarialTask.prepare`` returns for a batch: () with a graph to ``network``."""
    lr: float
    """Adam's rate."""
    every: int = 1
    """It steps on every so many batches."""
    betas: tuple[float, float] | None = None
    """Adam's decays of the gradients' mean and square; None takes those of the options."""
    weight_decay: float = 0.0
    """Of Adam: this times each weight is added to its gradient."""
    shares: str | None = None
    """The player whose optimizer it takes a further step with, on a loss of its own; None: it has its own."""


class Evaluation(Protocol):
    """How good a technique is: what it does with validation and test batches, and when they end."""

    monitor: str
    """The metric whose best value marks ``best.ckpt``."""
    mode: Literal["min", "max"]
    main_image: str
    """The tag of the image that shows best how good the technique is."""

    def stepped(self, task: "AdversarialTask") -> None:
        """Looks at the training after a step; must change nothing of it."""
        ...

    def batch(self, task: "AdversarialTask", stage: Literal["val", "test"], batch: Any, number: int) -> None:
        """Evaluates one batch."""
        ...

    def end(self, task: "AdversarialTask", stage: Literal["val", "test"]) -> None:
        """Logs scores and images at the end of a validation or of the test."""
        ...

    def end_training(self, task: "AdversarialTask") -> None:
        """Sums up the training."""
        ...


class AdversarialTask(LightningModule):
    """Trains players against each other: each has networks, an optimizer and a loss, and steps on its turn.

    A technique makes its networks and its evaluation, calls ``set_players``, and says in ``prepare`` what the losses
    of a batch are about. The network of the player "generator" is averaged into ``ema``.

    A batch is one step, whatever number of players step on it. So ``trainer.max_steps``, schedules and every x axis
    count batches, as a person does.

    Args:
        options: the fields of ``options_type``.
    """

    options_type: ClassVar[type[AdversarialOptions]] = AdversarialOptions
    """The dataclass that keeps ``**options``, and has their defaults."""
    automatic_optimization = False
    evaluation: Evaluation
    players: dict[str, Player]
    ema: EMA

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = self.options_type(**options)
        self.criterion = Criterion(self.options)
        self.training_monitor = TrainingMonitor()

    def set_players(self, **players: Player) -> None:
        """Names the players in the order in which they step, "generator" among them; called once, by the constructor.

        Raises:
            ValueError: no player steps on every batch, ``ema_decay`` is outside [0, 1), or there is no such
                ``memory_format``.
        """
        if all(player.every > 1 for player in players.values()):
            raise ValueError("a batch is a step: one of the players must step on every batch")
        self.players = players
        self.ema = EMA(players["generator"].network, self.options.ema_decay)
        arrange(self, self.options.memory_format)

    def prepare(self, batch: Any) -> tuple[Any, ...]:
        """What the losses of all players take: real examples in the range of the networks, and generated ones."""
        raise NotImplementedError

    def active_players(self) -> list[str]:
        """The players of the present phase of the training, in order; other players' schedules stand still."""
        return list(self.players)

    def turns(self) -> list[str]:
        """The players that step on the present batch, in order."""
        return [name for name in self.active_players() if (self.global_step + 1) % self.players[name].every == 0]

    def graph_for(self, player: str) -> torch.set_grad_enabled:
        """Context in which a graph is made only if the player steps on the present batch."""
        return torch.set_grad_enabled(player in self.turns())

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        """A step of each player whose turn it is, in order."""
        active, turns, logged, step = self.active_players(), self.turns(), logs_now(self), self.global_step + 1
        optimizers = dict(zip(self._with_optimizer(), _listed(self.optimizers()), strict=True))
        prepared = self.prepare(batch)
        losses: dict[str, Tensor] = {}
        for name in turns:
            player = self.players[name]
            loss = partial(player.loss, *prepared)
            optimizer, counted = optimizers[player.shares or name], name == turns[-1]
            losses[name] = optimizer_step(self, name, optimizer, loss, self.options.clip, counted)
        if "generator" in turns:
            self.update_ema(step // self.players["generator"].every)
        for name, schedule in self._schedules().items():
            if name in active:
                schedule.step()
        total = torch.stack(list(losses.values())).sum()
        if logged:
            self.log_dict({"train/loss": total, **{f"train/loss_{name}": value for name, value in losses.items()}})
        return {"loss": total}

    def update_ema(self, step: int) -> None:
        """Moves the averaged generator towards the trained one, which has made so many steps, alike on all ranks."""
        self.ema.update(self.players["generator"].network, step)
        # Parameters agree already; batch statistics are each rank's own.
        average_over_ranks(self, [buffer for buffer in self.ema.buffers() if buffer.is_floating_point()])

    def watch(self, on_real: Tensor, on_fake: Tensor) -> None:
        """Shows a discriminator's logits, of images or of patches, to the monitor, in the steps that are logged."""
        if logs_now(self):
            threshold = self.criterion.loss.threshold
            real, fake = (logits.detach().flatten() for logits in (on_real, on_fake))
            measured = self.training_monitor.watch(real, fake, threshold)
            self.log_dict({f"train/{name}": value for name, value in measured.items()})

    def configure_optimizers(self) -> tuple[list[Optimizer], list[LRScheduler]]:
        """Adam for each player that has its own, in order, and a schedule for each if the rates change."""
        optimizers: list[Optimizer] = []
        schedules: list[LRScheduler] = []
        for name, player in self._with_optimizer().items():
            betas = player.betas or self.options.betas
            optimizers.append(
                Adam(player.network.parameters(), player.lr, betas, weight_decay=player.weight_decay, fused=True)
            )
            if (factor := self.rate_factor(name)) is not None:
                schedules.append(LambdaLR(optimizers[-1], factor))
        return optimizers, schedules

    def rate_factor(self, player: str) -> Callable[[int], float] | None:
        """What a player's rate is multiplied by after a number of its phase's batches; None, for all, is constant."""
        if self.options.schedule == "constant":
            return None
        steps, shape = self.trainer.estimated_stepping_batches, SCHEDULES[self.options.schedule]
        return lambda step: shape(min(1.0, step / steps))

    # Evaluation.

    @property
    def monitor(self) -> str:
        """The metric whose best value marks ``best.ckpt``."""
        return self.evaluation.monitor

    @property
    def mode(self) -> Literal["min", "max"]:
        """Whether the best value of ``monitor`` is the smallest or the largest."""
        return self.evaluation.mode

    @property
    def main_image(self) -> str:
        """The tag of the image that the end of a run names."""
        return self.evaluation.main_image

    def configure_callbacks(self) -> list[Callback]:
        """Lets the evaluation look at each step, before a checkpoint of that step is written."""
        return [_AfterStep()]

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Hands the batch to the evaluation."""
        self.evaluation.batch(self, "val", batch, batch_idx)

    def on_validation_epoch_end(self) -> None:
        """Lets the evaluation log scores and images."""
        self.evaluation.end(self, "val")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Hands the batch to the evaluation."""
        self.evaluation.batch(self, "test", batch, batch_idx)

    def on_test_epoch_end(self) -> None:
        """Lets the evaluation log scores and images."""
        self.evaluation.end(self, "test")

    def on_train_end(self) -> None:
        """Lets the evaluation sum up the training."""
        self.evaluation.end_training(self)

    def _with_optimizer(self) -> dict[str, Player]:
        return {name: player for name, player in self.players.items() if player.shares is None}

    def _schedules(self) -> dict[str, LRScheduler]:
        schedules = _listed(self.lr_schedulers())
        return dict(zip(self._with_optimizer(), schedules, strict=True)) if schedules else {}


def _listed(found: Any) -> list[Any]:
    """What Lightning gives as a list if there are several, alone if there is one, and as None if there is none."""
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


class _AfterStep(Callback):
    """Callbacks come before the module's own hook, and Lightning calls those that write checkpoints last of all.

    So a run that is killed behind a checkpoint, and goes on from it, has the step's images.
    """

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(module, AdversarialTask)
        module.evaluation.stepped(module)
