"""Matching networks: closed forms of the attention and of full context embeddings."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from leyden.data.source.builtin.glyphs import Glyphs
from leyden.transfer.few_shot.episode_images import EpisodeImages
from leyden.transfer.few_shot.matching import FullContext, MatchingNetwork, attention_logits
from training import assert_resumed_is_as_if_left_alone, quiet_trainer

GLYPHS = Glyphs(16, per_face=1)


def glyphs(**values: int) -> EpisodeImages:
    few = {"ways": 3, "queries": 2, "episodes": 8, "eval_episodes": 6}
    return EpisodeImages(GLYPHS, **{**few, **values})


def test_attention_is_a_softmax_over_cosines() -> None:
    support, query = torch.tensor([[2.0, 0], [0, 0.1]]), torch.tensor([[5.0, 0]])
    labels = torch.tensor([0, 1])
    likely = attention_logits(query, support, labels).exp()[0, 0].item()
    assert likely == pytest.approx(math.e / (math.e + 1), abs=1e-6)  # lengths do not matter
    sharp = attention_logits(query, support, labels, 0.1).exp()[0, 0].item()
    assert sharp == pytest.approx(1 / (1 + math.exp(-10)), abs=1e-6)


def test_classes_share_the_attention_of_their_examples() -> None:
    """Equation 1 as it is written, a sum over examples; two classes of different size."""
    generator = torch.Generator().manual_seed(0)
    queries, support = torch.randn(4, 5, generator=generator), torch.randn(3, 5, generator=generator)
    labels = torch.tensor([1, 0, 1])
    found = attention_logits(queries, support, labels).exp()
    cosines = torch.stack([F.cosine_similarity(query[None], support) for query in queries])
    attention = cosines.exp() / cosines.exp().sum(1, keepdim=True)
    torch.testing.assert_close(found, torch.stack([attention[:, 1], attention[:, 0] + attention[:, 2]], 1))
    torch.testing.assert_close(found.sum(1), torch.ones(4))
    loss = F.cross_entropy(attention_logits(queries, support, labels), torch.tensor([0, 1, 1, 0]))
    torch.testing.assert_close(loss, -found[range(4), [0, 1, 1, 0]].log().mean())


def test_full_context_is_the_appendix_step_by_step() -> None:
    torch.manual_seed(0)
    context = FullContext(4, steps=2)
    known, asked = torch.randn(3, 4), torch.randn(2, 4)
    g = context.support(known)
    lstm = context.read
    forward = torch.nn.LSTM(4, 4)
    forward.load_state_dict({name: lstm.state_dict()[name] for name in forward.state_dict()})
    backward = torch.nn.LSTM(4, 4)
    backward.load_state_dict({name: lstm.state_dict()[f"{name}_reverse"] for name in backward.state_dict()})
    torch.testing.assert_close(g, forward(known)[0] + backward(known.flip(0))[0].flip(0) + known)

    h, c = torch.zeros(2, 4), torch.zeros(2, 4)
    for _ in range(2):
        r = torch.stack([sum(a * x for a, x in zip((g @ row).softmax(0), g, strict=True)) for row in h])
        gates = torch.cat([asked, r], 1) @ context.attend.weight_ih.T + h @ context.attend.weight_hh.T
        i, f, new, o = (gates + context.attend.bias_ih + context.attend.bias_hh).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * new.tanh()
        h = o.sigmoid() * c.tanh() + asked
    torch.testing.assert_close(context.queries(asked, g), h)


@pytest.mark.parametrize("steps", [0, 2])
def test_predictions_are_those_of_an_episode(steps: int) -> None:
    torch.manual_seed(0)
    episode = next(iter(glyphs().test_dataloader()))
    model = MatchingNetwork(1, 16, width=4, context_steps=steps).eval()
    names = ["a", "b", "c"]
    model.set_support(list(episode.support_images), episode.support_labels, names)
    rows = model.predict(list(episode.query_images)).rows
    found = torch.tensor([list(row["probabilities"].values()) for row in rows])
    torch.testing.assert_close(found, model.logits(episode).softmax(1))
    assert [row["label"] for row in rows] == [names[i] for i in found.argmax(1)]


def test_it_learns_letters_it_has_never_seen() -> None:
    torch.manual_seed(0)
    data = glyphs(train_ways=8, episodes=40, eval_episodes=40, test_shots=4)
    model = MatchingNetwork(**data.spec, width=16, lr=5e-3)
    floor = quiet_trainer().test(model, data, verbose=False)[0]
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(model, data)
    learnt = trainer.test(model, data, verbose=False)[0]
    assert learnt["test/accuracy"] > max(floor["test/accuracy"] + 0.05, learnt["test/accuracy_pixels"])
    assert learnt["test/accuracy_4shot"] > learnt["test/accuracy"]
    assert learnt["test/accuracy_4shot"] > learnt["test/accuracy_4shot_pixels"] > learnt["test/accuracy_pixels"]


def test_full_context_is_resumed_bit_for_bit(tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(
        lambda: MatchingNetwork(1, 16, width=4, context_steps=2), glyphs, tmp_path, steps=4, stop=2
    )


def test_a_temperature_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model.temperature=0: cosines are divided by it"):
        MatchingNetwork(1, 16, temperature=0)
