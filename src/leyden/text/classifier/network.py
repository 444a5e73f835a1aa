"""An encoder under a plan, with a new head: which stages run, which learn, which stay in evaluation mode."""

from typing import Literal

import torch
from torch import Tensor, nn

from leyden.nets.strategies.plan import Plan, by_rate, draw_plan, drop_gradients, frozen_at, frozen_stages
from leyden.nets.strategies.strategies import Strategy
from leyden.text.classifier.strategies import add_modules
from leyden.text.nets.encoder import Encoder

Pooling = Literal["mean", "cls"]


class TextNet(nn.Module):
    """Tokens to logits, through inherited and new layers.

    Shapes: B texts, T tokens, D channels, C classes.

    Args:
        encoder: tokens to a vector for each.
        strategy: that the plan is of; adapters and LoRA change the encoder.
        plan: what each stage inherits and when it learns.
        classes: C.
        pooling: "mean" of a text's tokens, or "cls": the first one, of a causal network the last.
        dropout: before the head.

    Raises:
        ValueError: an encoder without the layers that the strategy changes.
    """

    def __init__(
        self, encoder: Encoder, strategy: Strategy, plan: Plan, classes: int, pooling: Pooling, dropout: float
    ) -> None:
        super().__init__()
        self.encoder, self.plan, self.pooling = encoder, plan, pooling
        self.epoch = 0
        """The epoch of training, from 0; it decides which stages have joined."""
        for name, stage in encoder.stages.items():
            stage.requires_grad_(plan[name].trained_from is not None)
        self.adapted = add_modules(encoder, strategy)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(encoder.width, classes))

    @property
    def frozen_stages(self) -> int:
        """How many leading stages are frozen for ever, so that what they give can be computed once."""
        count = 0 if self.adapted else frozen_stages(self.plan)
        return count if self.explains or count == len(self.plan) else 0  # the library runs its stages only together

    @property
    def explains(self) -> bool:
        """Whether the encoder can be run from its embeddings on, so that its predictions can be explained."""
        return self.encoder.spec["kind"] != "transformers"

    @property
    def trainable(self) -> int:
        """Numbers that learn, those of the head among them."""
        return sum(parameter.numel() for parameter in self.parameters() if parameter.requires_grad)

    def rates(self) -> dict[float, list[nn.Parameter]]:
        """What learns, by its factor on the learning rate; what is new has 1."""
        return by_rate(self.plan, self.encoder.stages, self.parameters())

    def drop_frozen_gradients(self) -> None:
        """For stages that have not joined yet."""
        drop_gradients(self.plan, self.encoder.stages, self.epoch)

    def train(self, mode: bool = True) -> "TextNet":
        """Sets the mode of what learns; stages in which nothing does stay in evaluation mode, without dropout."""
        super().train(mode)
        for name in [] if self.adapted else frozen_at(self.plan, self.epoch):
            self.encoder.stages[name].eval()
        return self

    def frozen_part(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What the leading frozen stages give for tokens (B, T): (B, T, D) and lengths; (B, 1, D) where that is all.

        Both can be handed to ``forward`` in the place of tokens and lengths.
        """
        real = self.real(tokens, lengths)
        x = self.encoder.run(tokens, real, 0, self.frozen_stages)
        if self.frozen_stages < len(self.plan):
            return x, lengths
        return self.pool(x, real)[:, None], torch.ones_like(lengths)

    def features(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Tokens (B, T), or what ``frozen_part`` made of them (B, T, D), and lengths (B,) to features (B, D)."""
        real = self.real(tokens, lengths)
        start = self.frozen_stages if tokens.is_floating_point() else 0
        if start == len(self.plan):
            return tokens[:, 0]
        return self.pool(self.encoder.run(tokens, real, start), real)

    def pool(self, x: Tensor, real: Tensor) -> Tensor:
        """Features of tokens (B, T, D), ``real`` (B, T) where there is no padding, to those of texts (B, D)."""
        if self.pooling == "mean":
            weights = real.to(x.dtype)[:, :, None]  # (B, T, 1)
            return (x * weights).sum(1) / weights.sum(1)
        if not self.encoder.causal:
            return x[:, 0]
        return x[torch.arange(len(x), device=x.device), real.sum(1) - 1]

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Tokens (B, T), or what ``frozen_part`` made of them, and lengths (B,) to logits (B, C)."""
        return self.head(self.features(tokens, lengths))

    def drawing(self) -> str:
        """The layers as the lecture draws them, frozen and modifiable."""
        return draw_plan(self.plan, self.encoder.stages, self.head, source="text")

    @staticmethod
    def real(tokens: Tensor, lengths: Tensor) -> Tensor:
        """(B, T) bool, true where ``tokens`` (B, T, ...) of these lengths (B,) are no padding."""
        return torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
