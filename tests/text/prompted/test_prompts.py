"""Prompts: templates taken apart, words scored token by token, calibration."""

import math

import pytest
import torch
from torch import Tensor

from leyden.text.nets.gpt_encoder import GPTEncoder
from leyden.text.prompted.causal import OwnCausalNet
from leyden.text.prompted.prompts import (
    calibrated,
    read_lead,
    read_template,
    text_log_probabilities,
    word_log_probabilities,
)


def net() -> OwnCausalNet:
    torch.manual_seed(0)
    found = OwnCausalNet(GPTEncoder.of_sizes(12, 16, 1, 2, 8, 0.0, "none")).eval()
    with torch.no_grad():
        found.gpt.token.weight.mul_(40)  # so that tokens differ in how likely they are
    return found


def chain(model: OwnCausalNet, prompt: list[int], word: list[int]) -> Tensor:
    """The sum by itself: one text, no padding, all logits of the network."""
    read = [*prompt, *word]
    log_p = model.gpt(torch.tensor([read]))[0][0].log_softmax(-1)
    return sum((log_p[len(prompt) - 1 + i, token] for i, token in enumerate(word)), torch.zeros(()))


def test_a_template_is_taken_apart() -> None:
    template = read_template("Review: {text}\nIt was {label}.")
    assert template.prompt("fine") == "Review: fine\nIt was"
    assert template.space == " "
    assert template.example("fine", "good") == "Review: fine\nIt was good."


@pytest.mark.parametrize("template", ["{text}", "{label} is {text}", "{text} {text} {label}", "It was"])
def test_a_template_without_its_gaps_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"give \{text\} once"):
        read_template(template)


def test_words_of_any_length_among_prompts_of_any() -> None:
    model, prompts, words = net(), [[1, 2, 3], [4], [5, 6, 7, 8, 9]], [[2], [3, 4], [3, 5, 1], [7]]
    found = word_log_probabilities(model, prompts, words, pad=0)
    expected = torch.stack([torch.stack([chain(model, prompt, word) for word in words]) for prompt in prompts])
    torch.testing.assert_close(found, expected)


def test_texts_of_any_length_behind_leads_of_any() -> None:
    model, leads, texts = net(), [[1, 2, 3], [4]], [[2], [3, 4, 5, 6], [7, 8]]
    found = text_log_probabilities(model, leads, texts, pad=0)
    expected = torch.stack([torch.stack([chain(model, lead, text) for lead in leads]) for text in texts])
    torch.testing.assert_close(found, expected)


def test_a_lead_stands_before_the_text() -> None:
    assert read_lead("It was {label}. {text}", 0) == "It was {label}. "
    assert read_lead("{text}", 1) == ""


@pytest.mark.parametrize(
    ("template", "shots_per_class", "message"),
    [
        ("{text} It was {label}.", 1, "it ends with"),
        ("{text} {text}", 1, "it ends with"),
        ("{label} {label} {text}", 1, "it ends with"),
        ("{text}", 0, "tells no class"),
    ],
)
def test_a_lead_that_says_nothing_is_refused(template: str, shots_per_class: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_lead(template, shots_per_class)


def test_what_pads_changes_nothing() -> None:
    model, prompts = net(), [[1, 2, 3], [4]]
    first, second = (word_log_probabilities(model, prompts, [[2], [3, 4]], pad) for pad in (0, 11))
    torch.testing.assert_close(first, second)


def test_calibration_divides() -> None:
    """A word that is nine times as likely whatever is read says nothing until it is divided by that."""
    log_p = torch.tensor([[0.8, 0.2], [0.95, 0.05]]).log() - 3
    prior = torch.tensor([0.9, 0.1])
    q = calibrated(log_p, prior)
    torch.testing.assert_close(q[0], torch.tensor([0.8 / 0.9, 0.2 / 0.1]) / (0.8 / 0.9 + 0.2 / 0.1))
    assert q.argmax(1).tolist() == [1, 0]
    torch.testing.assert_close(calibrated(log_p, None)[0], torch.tensor([0.8, 0.2]))
    torch.testing.assert_close(calibrated(prior.log()[None], prior), torch.full((1, 2), 0.5))
    assert math.isclose(float(q.sum()), 2, rel_tol=1e-6)
