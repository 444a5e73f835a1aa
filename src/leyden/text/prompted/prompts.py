"""Prompts: texts, with examples before them, up to the place where a language model is to name a class."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from leyden.data.ragged import padded
from leyden.text.prompted.causal import CausalNet

TEXT, LABEL = "{text}", "{label}"
AT_ONCE = 32
"""Prompts of a batch."""


Scoring = Literal["word", "text"]
"""Whether a class is told by how likely its word is behind the text, or the text behind what stands for the class."""


class Template(NamedTuple):
    """A sentence with a gap for the text and one for its class, taken apart; to score words."""

    before: str
    """What stands before the text."""
    between: str
    """Between both gaps, without the space before the class, which belongs to its word."""
    space: str
    """That space, or nothing."""
    behind: str
    """What follows the class, in examples."""

    def prompt(self, text: str) -> str:
        """The sentence up to the class."""
        return f"{self.before}{text}{self.between}"

    def example(self, text: str, word: str) -> str:
        """The whole sentence."""
        return f"{self.prompt(text)}{self.space}{word}{self.behind}"


def read_template(template: str) -> Template:
    """Takes a template such as ``"{text} It was {label}."`` apart.

    Raises:
        ValueError: a gap is missing, is there twice, or the class comes before the text.
    """
    if template.count(TEXT) != 1 or template.count(LABEL) != 1 or template.index(TEXT) > template.index(LABEL):
        raise ValueError(f"model.template={template!r}: give {TEXT} once and {LABEL} once behind it")
    before, rest = template.split(TEXT)
    between, behind = rest.split(LABEL)
    bare = between.rstrip(" ")
    return Template(before, bare, between[len(bare) :], behind)


def read_lead(template: str, shots_per_class: int) -> str:
    """What stands before the text of a template such as ``"It was {label}. {text}"``, to score texts.

    Raises:
        ValueError: something follows the text, or nothing tells the classes apart.
    """
    lead = template.removesuffix(TEXT)
    if lead == template or TEXT in lead or lead.count(LABEL) > 1:
        raise ValueError(
            f"model.template={template!r}: with model.scoring=text it ends with {TEXT}, which is there once"
        )
    if LABEL not in lead and not shots_per_class:
        raise ValueError(
            f"model.template={template!r} tells no class: put {LABEL} into it, or set model.shots_per_class"
        )
    return lead


@torch.no_grad()
def word_log_probabilities(
    network: CausalNet, prompts: Sequence[list[int]], words: Sequence[list[int]], pad: int
) -> Tensor:
    """ln p(word | prompt) of each word behind each prompt: the sum over the word's tokens.

    Args:
        network: in evaluation mode.
        prompts: N lists of tokens, none empty.
        words: C lists of tokens, none empty; words of one token share a single pass.
        pad: a token for what stands behind the shorter prompts.

    Returns:
        (N, C), on the CPU.
    """
    found = torch.zeros(len(prompts), len(words))
    device = next(network.parameters()).device
    for first in range(0, len(prompts), AT_ONCE):
        part = prompts[first : first + AT_ONCE]
        for head in sorted({tuple(word[:-1]) for word in words}):
            tokens, lengths = padded([[*prompt, *head] for prompt in part], pad, device)
            # Behind the prompt, and behind each token of the head.
            places = (lengths - len(head) - 1)[:, None] + torch.arange(len(head) + 1, device=device)
            log_p = network(tokens, places).log_softmax(-1).cpu()  # (B, K, V)
            for column, word in enumerate(words):
                if tuple(word[:-1]) == head:
                    found[first : first + len(part), column] = log_p[:, torch.arange(len(word)), word].sum(1)
    return found


@torch.no_grad()
def text_log_probabilities(
    network: CausalNet, leads: Sequence[list[int]], texts: Sequence[list[int]], pad: int
) -> Tensor:
    """ln p(text | lead) of each text behind each lead: the sum over the text's tokens.

    Args:
        network: in evaluation mode.
        leads: C lists of tokens, none empty.
        texts: N lists of tokens.
        pad: a token for what stands behind the shorter texts.

    Returns:
        (N, C), on the CPU.
    """
    found = torch.zeros(len(texts), len(leads))
    device = next(network.parameters()).device
    for first in range(0, len(texts), AT_ONCE):
        part = texts[first : first + AT_ONCE]
        targets, lengths = padded(part, pad, device)  # (B, T)
        for column, lead in enumerate(leads):
            tokens, _ = padded([[*lead, *text] for text in part], pad, device)
            places = (len(lead) - 1 + torch.arange(targets.shape[1], device=device)).expand_as(targets)
            log_p = network(tokens, places).log_softmax(-1).gather(2, targets[:, :, None])[:, :, 0]
            real = torch.arange(targets.shape[1], device=device) < lengths[:, None]
            found[first : first + len(part), column] = torch.where(real, log_p, 0).sum(1).cpu()
    return found


def calibrated(log_probabilities: Tensor, content_free: Tensor | None) -> Tensor:
    """Probabilities of the classes, without what their words have before any text is read.

    q = softmax(W p) of Zhao et al. 2021 (section 5) names the same class with W = diag(1 / p_cf); here it is
    p / p_cf, normalised, so that it stays a share of 1.

    Args:
        log_probabilities: (N, C) ln p(word | prompt).
        content_free: (C,) mean of p, normalised over the classes, of prompts whose text says nothing; None: as it is.

    Returns:
        (N, C), rows add up to 1.
    """
    if content_free is not None:
        log_probabilities = log_probabilities - content_free.log()
    return log_probabilities.softmax(1)
