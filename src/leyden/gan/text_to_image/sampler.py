"""Samples of descriptions: of those of the data, and of what a person writes."""

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from leyden.core.technique import Predictions
from leyden.data.batches.captions import as_tokens
from leyden.data.text.tokenizer import Tokenizer
from leyden.visualization.grid import upscale

log = logging.getLogger(__name__)

Encode = Callable[[Tensor, Tensor], Tensor]
"""Tokens (N, T) and lengths (N,) to encoded descriptions (N, E)."""
Draw = Callable[[Tensor, Tensor], Tensor]
"""Noise (N, latent_dim) and encoded descriptions (N, E) to uint8 images (N, C, H, W)."""


class DescriptionSampler(nn.Module):
    """Draws noise, turns descriptions into numbers and has images of both generated.

    Args:
        encode: of the averaged generator.
        draw: of the averaged generator; changes nothing of the training state.
        tokenizer: of the captions.
        context: tokens of a caption at most.
        class_names: a caption for each description that says something else.
        latent_dim: length of the noise vector.
    """

    fixed_noise: Tensor
    """(64, latent_dim) the noise of every sheet; a buffer, so it travels in the checkpoint."""
    seen: Tensor
    """(vocabulary,) bool, which tokens a training caption had."""

    def __init__(
        self, encode: Encode, draw: Draw, tokenizer: Tokenizer, context: int, class_names: list[str], latent_dim: int
    ) -> None:
        super().__init__()
        self.encode, self.draw, self.tokenizer, self.context = encode, draw, tokenizer, context
        self.class_names, self.latent_dim = class_names, latent_dim
        self.register_buffer("fixed_noise", torch.randn(64, latent_dim, generator=torch.Generator().manual_seed(0)))
        self.register_buffer("seen", torch.zeros(tokenizer.size, dtype=torch.bool))

    def learn(self, tokens: Tensor) -> None:
        """Takes note that these (N, T) are in training captions."""
        self.seen[tokens] = True

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """``count`` vectors (N, latent_dim) from N(0, I), drawn on the CPU if ``generator`` is given."""
        device = self.fixed_noise.device
        drawn_on = generator.device if generator else device
        return torch.randn(count, self.latent_dim, generator=generator, device=drawn_on).to(device)

    def encoded(self, texts: Sequence[str]) -> Tensor:
        """Encoded descriptions (N, E) of N texts."""
        tokens, lengths, _ = as_tokens(texts, self.tokenizer, self.context)
        return self.encode(tokens.to(self.fixed_noise.device), lengths.to(self.fixed_noise.device))

    @torch.no_grad()
    def images(self, noise: Tensor, encoded: Tensor, size: int = 256) -> Tensor:
        """Images uint8 (N, C, H, W) of noise (N, latent_dim) and descriptions (N, E), ``size`` at a time."""
        return torch.cat([self.draw(*parts) for parts in zip(noise.split(size), encoded.split(size), strict=True)])

    @torch.no_grad()
    def rows(self, texts: Sequence[str], columns: int = 8) -> Tensor:
        """Images uint8 (N, columns, C, H, W): a row for each of N descriptions, a noise vector for each column."""
        encoded, noise = self.encoded(texts).repeat_interleave(columns, 0), self.fixed_noise[:columns]
        return self.images(noise.repeat(len(texts), 1), encoded).unflatten(0, (len(texts), columns))

    @torch.no_grad()
    def walk(self, first: str, last: str, columns: int = 8) -> Tensor:
        """Images uint8 (4, columns, C, H, W) on the straight line from one description to another, four noises."""
        ends = self.encoded([first, last])
        t = torch.linspace(0, 1, columns, device=ends.device)[:, None]
        between = torch.lerp(ends[:1], ends[1:], t).repeat(4, 1)
        return self.images(self.fixed_noise[:4].repeat_interleave(columns, 0), between).unflatten(0, (4, columns))

    @torch.no_grad()
    def sample(self, count: int, label: str | None = None, seed: int | None = None) -> Predictions:
        """A row and an image, 128 pixels or more, for each of ``count`` samples; see ``core.technique.Samples``.

        Args:
            count: how many.
            label: one of ``class_names``, or its number; None takes all in turn.
            seed: of the noise.

        Raises:
            ValueError: there is no such description among those of the data.
        """
        names = self.class_names if label is None else [self._described(label)]
        return self._drawn([names[number % len(names)] for number in range(count)], seed)

    def sample_prompt(self, prompt: str, count: int, seed: int | None = None) -> Predictions:
        """The same of any description; words that no training caption had are left out, with a warning.

        Raises:
            ValueError: no word of it tells descriptions of the data apart.
        """
        known, unknown = self.words(prompt)
        if unknown:
            log.warning("no training caption has %s: left out", ", ".join(map(repr, unknown)))
        return self._drawn([known] * count, seed)

    def words(self, prompt: str) -> tuple[str, list[str]]:
        """What is left of a description whose words were not all learnt, and the words that were not.

        Raises:
            ValueError: no word of it tells descriptions of the data apart.
        """
        parts = re.findall(r"\w+|[^\w\s]", prompt)
        unknown = [part for part in parts if not self._learnt(part)]
        telling = self._telling_words()
        if not {part.lower() for part in parts if part not in unknown} & telling.keys():
            some = ", ".join(list(telling)[:40])
            raise ValueError(
                f"no word of {prompt!r} says what to draw; known are {some}" + ("" if len(telling) <= 40 else ", ...")
            )
        return (prompt if not unknown else " ".join(part for part in parts if part not in unknown)), unknown

    def _learnt(self, word: str) -> bool:
        """Whether training captions have all the tokens of a word, as a text's first or a later one."""
        found = (self.tokenizer.encode(text) for text in (word, f" {word}"))
        return any(numbers and bool(self.seen[torch.tensor(numbers)].all()) for numbers in found)

    def _telling_words(self) -> dict[str, None]:
        """Words that some descriptions of the data have and others do not, in the order of their first use."""
        sets = [dict.fromkeys(re.findall(r"\w+", name.lower())) for name in self.class_names]
        always = set(sets[0]).intersection(*sets)
        return {word: None for words in sets for word in words if word not in always or len(sets) == 1}

    def _described(self, label: str) -> str:
        if label in self.class_names:
            return label
        if label.isdecimal() and int(label) < len(self.class_names):
            return self.class_names[int(label)]
        raise ValueError(
            f"the data have no description {label!r}, such as {self.class_names[0]!r}: say others by --prompt"
        )

    def _drawn(self, texts: list[str], seed: int | None) -> Predictions:
        noise = self.noise(len(texts), None if seed is None else torch.Generator().manual_seed(seed))
        images = self.images(noise, self.encoded(texts)).cpu()
        rows: list[dict[str, Any]] = [{"sample": i, "class": text} for i, text in enumerate(texts)]
        return Predictions(rows, [upscale(image.expand(3, -1, -1), 128) for image in images])
