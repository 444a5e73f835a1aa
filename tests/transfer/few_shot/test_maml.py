"""MAML: closed forms of the meta-gradient, the whole network against torch.func, and what batch norms do."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad
from torch.nn import functional as F

from leyden.data.batches.episodes import Episode
from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.glyphs import Glyphs
from leyden.transfer.few_shot.adaptation import adaptation
from leyden.transfer.few_shot.episode_images import EpisodeImages
from leyden.transfer.few_shot.maml import MAML
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer

GLYPHS = Glyphs(16, per_face=1)
NAMES = ["a", "b", "c"]


def glyphs(**values: int) -> EpisodeImages:
    few = {"ways": 3, "queries": 2, "episodes": 8, "eval_episodes": 6}
    return EpisodeImages(GLYPHS, **{**few, **values})


def episode_of(**values: int) -> Episode:
    return next(iter(glyphs(**values).test_dataloader()))


def model_of(**options: Any) -> MAML:
    torch.manual_seed(0)
    return MAML(1, 16, **{"width": 4, **options})


def gradients(model: MAML, episode: Episode) -> dict[str, Tensor]:
    loss = F.cross_entropy(model.train().logits(episode), episode.query_labels)
    return dict(zip(dict(model.named_parameters()), torch.autograd.grad(loss, list(model.parameters())), strict=True))


@pytest.mark.parametrize("steps", [1, 3])
def test_meta_gradient_of_a_quadratic(steps: int) -> None:
    """Inner loss (x - a)' A (x - a) / 2, outer loss (x' - b)' B (x' - b) / 2: dx'/dx = (I - lr A)^steps."""
    generator = torch.Generator().manual_seed(0)
    x, a, b = (torch.randn(3, generator=generator, dtype=torch.float64) for _ in range(3))
    roots = torch.randn(2, 3, 3, generator=generator, dtype=torch.float64)
    big_a, big_b = roots @ roots.mT
    lr = 0.1

    def outer_gradient(second_order: bool) -> tuple[Tensor, Tensor]:
        start = {"x": x.clone().requires_grad_()}
        inner = lambda p: (p["x"] - a) @ big_a @ (p["x"] - a) / 2  # noqa: E731
        end = [*adaptation(start, inner, steps, lr, second_order)][-1]["x"]
        return torch.autograd.grad((end - b) @ big_b @ (end - b) / 2, start["x"])[0], end

    whole, end = outer_gradient(second_order=True)
    first, same = outer_gradient(second_order=False)
    jacobian = torch.linalg.matrix_power(torch.eye(3, dtype=torch.float64) - lr * big_a, steps)
    torch.testing.assert_close(end, a + jacobian @ (x - a))
    torch.testing.assert_close(same, end)
    torch.testing.assert_close(whole, jacobian @ big_b @ (end - b))
    torch.testing.assert_close(first, big_b @ (end - b))


def test_orders_agree_where_the_inner_loss_is_linear() -> None:
    slope = torch.tensor([1.0, -2.0])
    found = []
    for second_order in (True, False):
        x = torch.tensor([0.5, 0.25], requires_grad=True)
        *_, end = adaptation({"x": x}, lambda p: slope @ p["x"], 2, 0.1, second_order)
        found.append(torch.autograd.grad(end["x"].pow(3).sum(), x)[0])
    torch.testing.assert_close(*found)


def test_meta_gradient_of_the_network_is_that_of_torch_func() -> None:
    episode = episode_of(shots=2)
    model = model_of(inner_lr=0.1, inner_steps=2, ways=3).double()
    own = {name: value.detach() for name, value in model.embedding.named_parameters()}
    own |= {"weight": model.start.weight.detach(), "bias": model.start.bias.detach()}

    def loss(parameters: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        body = {name: value for name, value in parameters.items() if name not in ("weight", "bias")}
        x = images.double() / 127.5 - 1
        for block in range(4):
            x = F.conv2d(x, body[f"{block}.0.weight"], padding=1)
            x = F.batch_norm(x, None, None, body[f"{block}.1.weight"], body[f"{block}.1.bias"], training=True)
            x = F.max_pool2d(x.relu(), 2)
        return F.cross_entropy(x.flatten(1) @ parameters["weight"].T + parameters["bias"], labels)

    def outer(parameters: dict[str, Tensor]) -> Tensor:
        for _ in range(2):
            steps = grad(loss)(parameters, episode.support_images, episode.support_labels)
            parameters = {name: value - 0.1 * steps[name] for name, value in parameters.items()}
        return loss(parameters, episode.query_images, episode.query_labels)

    expected = grad(outer)(own)
    model.embedding.forward = lambda images: torch.nn.Sequential.forward(  # type: ignore[method-assign]
        model.embedding, images.double() / 127.5 - 1
    )
    found = gradients(model, episode)
    for name, value in expected.items():
        prefix = "start" if name in ("weight", "bias") else "embedding"
        torch.testing.assert_close(found[f"{prefix}.{name}"], value, msg=name)


def test_without_an_inner_rate_it_is_the_plain_loss() -> None:
    episode = episode_of()
    model = model_of(inner_lr=0.0, inner_steps=3, ways=3).train()
    features = functional_call(
        model.embedding.train(), dict(model.embedding.named_parameters()), (episode.query_images,)
    )
    torch.testing.assert_close(model.logits(episode), model.start(features))


def test_first_order_is_the_gradient_at_the_adapted_weights() -> None:
    episode = episode_of()
    model = model_of(second_order=False, ways=3, inner_steps=1, inner_lr=0.4)
    found = gradients(model, episode)
    whole = gradients(model_of(ways=3, inner_steps=1, inner_lr=0.4), episode)
    adapted = model.trajectory(LabelledImages(*episode[:2]), 1, second_order=False)[-1]
    ends = {name: value.detach().requires_grad_() for name, value in adapted.items()}
    loss = F.cross_entropy(model.classify(ends, episode.query_images, model._fresh(), own=True), episode.query_labels)
    at_the_end = torch.autograd.grad(loss, list(ends.values()))
    for own, value in zip(found.values(), at_the_end, strict=True):
        torch.testing.assert_close(own, value)
    assert not torch.allclose(found["embedding.0.0.weight"], whole["embedding.0.0.weight"], rtol=1e-2)


def test_classes_that_start_alike_have_no_order() -> None:
    """Their numbers may be exchanged; an untrained network, before any step, knows nothing."""
    episode = episode_of()
    model = model_of().eval()
    turned = episode._replace(support_labels=(episode.support_labels + 1) % 3)
    torch.testing.assert_close(model.logits(turned).roll(-1, 1), model.logits(episode))
    start = model.classify(model.initial(3), episode.query_images, model._fresh(), own=True)
    torch.testing.assert_close(start.softmax(1), torch.full((6, 3), 1 / 3))


def test_queries_that_are_normalised_together_depend_on_one_another() -> None:
    episode = episode_of()
    fewer = episode._replace(query_images=episode.query_images[:4], query_labels=episode.query_labels[:4])
    together, alone = model_of(batch_norm="episode").eval(), model_of(batch_norm="running").eval()
    assert not torch.allclose(together.logits(episode)[:4], together.logits(fewer), rtol=1e-3)
    torch.testing.assert_close(alone.logits(episode)[:4], alone.logits(fewer))


@pytest.mark.parametrize("batch_norm", ["episode", "running"])
def test_evaluation_leaves_weights_and_statistics_alone(batch_norm: Any) -> None:
    model = model_of(batch_norm=batch_norm)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    quiet_trainer().test(model, glyphs(), verbose=False)
    model.set_support(list(episode_of().support_images), torch.arange(3), NAMES)
    model.predict(list(episode_of().query_images))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert all(value.grad is None for value in model.parameters())


def test_running_averages_are_those_of_training_s_queries() -> None:
    episode = episode_of()
    model = model_of(batch_norm="running", inner_lr=0.0).train()
    model.logits(episode)
    x = model.embedding[0][0](episode.query_images.float() / 127.5 - 1)
    torch.testing.assert_close(model.embedding[0][1].running_mean, 0.1 * x.mean((0, 2, 3)))


def test_alone_an_image_is_normalised_by_the_support() -> None:
    episode = episode_of()
    model = model_of(eval_steps=0, ways=3)
    model.set_support(list(episode.support_images), episode.support_labels, NAMES)
    x = episode.query_images[:1].float() / 127.5 - 1
    y = episode.support_images.float() / 127.5 - 1
    for conv, norm, *rest in list(model.embedding)[:4]:
        x, y = conv(x), conv(y)
        variance, mean = torch.var_mean(y, (0, 2, 3), keepdim=True)
        biased = y.var((0, 2, 3), correction=0, keepdim=True)
        x = (x - mean) / (variance + norm.eps).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
        y = (y - mean) / (biased + norm.eps).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
        for layer in rest:
            x, y = layer(x), layer(y)
    expected = model.start(x.flatten(1)).softmax(1)[0]
    row = model.predict([episode.query_images[0]]).rows[0]
    torch.testing.assert_close(torch.tensor([*row["probabilities"].values()]), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("batch_norm", ["episode", "running"])
def test_what_is_exported_predicts_the_same(batch_norm: Any) -> None:
    episode = episode_of()
    model = model_of(batch_norm=batch_norm)
    with pytest.raises(ValueError, match="leyden predict --support FOLDER"):
        model.export_network()
    model.set_support(list(episode.support_images), episode.support_labels, NAMES)
    exported = model.export_network()
    assert exported.metadata == {"class_names": '["a", "b", "c"]'}
    with torch.no_grad():
        found = exported.network(episode.query_images).softmax(1)
    rows = model.predict(list(episode.query_images)).rows
    torch.testing.assert_close(torch.tensor([[*row["probabilities"].values()] for row in rows]), found)


@pytest.mark.parametrize("options", [{}, {"second_order": False, "batch_norm": "running", "ways": 3}])
def test_it_is_resumed_bit_for_bit(options: dict, tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(lambda: model_of(**options), glyphs, tmp_path, steps=4, stop=2)


def test_it_learns_to_adapt() -> None:
    data = glyphs(episodes=200, eval_episodes=40)
    model = model_of(width=16, lr=5e-3)
    trainer, kept = quiet_trainer(max_epochs=1), Kept()
    trainer.fit(model, data)
    scores = quiet_trainer(logger=kept).test(model, data, verbose=False)[0]
    assert scores["test/accuracy_before"] == pytest.approx(1 / 3)
    assert scores["test/accuracy"] > 1 / 3 + 0.2
    assert scores["test/accuracy_inductive"] > 1 / 3 + 0.1
    assert kept.pictures["adaptation"].shape[0] == 3


def test_other_numbers_of_classes_are_refused_where_each_has_its_start() -> None:
    with pytest.raises(ValueError, match=r"model.ways=5 gives .* here are 3: .* model.ways=null"):
        model_of(ways=5).logits(episode_of())
