"""Golden values: reference implementations' differences (squared or plain distance) were computed by hand."""

from pathlib import Path

import pytest
import torch
from lightning import Trainer
from torch.nn import functional as F

from leyden.core.optim import Schedule
from leyden.core.technique import PredictOptions
from leyden.data.batches.episodes import Episode
from leyden.data.source.builtin.glyphs import Glyphs
from leyden.data.splits import labels_of
from leyden.transfer.few_shot.conv4 import Conv4
from leyden.transfer.few_shot.episode_images import EpisodeImages
from leyden.transfer.few_shot.figures import class_plane, draw_embedded, draw_episode
from leyden.transfer.few_shot.protonet import ProtoNet
from leyden.transfer.few_shot.prototypes import prototype_logits, prototypes
from leyden.transfer.few_shot.scores import accuracy

SUPPORT = torch.tensor([[0.0, 0], [2, 0], [4, 4], [4, 6]], dtype=torch.float64)
LABELS = torch.tensor([0, 0, 1, 1])
GLYPHS = Glyphs(16, per_face=1)
QUERY = torch.tensor([[1.0, 1]], dtype=torch.float64)


def quiet(**values: object) -> Trainer:
    off = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False, "logger": False}
    return Trainer(accelerator="cpu", **{**off, **values})  # type: ignore[arg-type]


def glyphs(**values: int) -> EpisodeImages:
    few = {"ways": 3, "queries": 2, "episodes": 4, "eval_episodes": 6}
    return EpisodeImages(GLYPHS, **{**few, **values})


def test_prototypes_are_class_means() -> None:
    assert prototypes(SUPPORT, LABELS).tolist() == [[1, 0], [4, 5]]
    shuffled = torch.tensor([2, 0, 3, 1])
    assert torch.equal(prototypes(SUPPORT[shuffled], LABELS[shuffled]), prototypes(SUPPORT, LABELS))
    assert prototypes(SUPPORT[:3], LABELS[:3]).tolist() == [[1, 0], [4, 4]]  # classes of different size


def test_distances_are_squared() -> None:
    logits = prototype_logits(QUERY, prototypes(SUPPORT, LABELS))
    assert logits.tolist() == [[-1, -25]]
    assert 1 - logits.softmax(1)[0, 0].item() == pytest.approx(3.775e-11, rel=1e-3)
    plain = -(-logits).sqrt()
    assert plain.softmax(1)[0, 0].item() == pytest.approx(0.98201379, abs=1e-8)  # what is not meant
    torch.testing.assert_close(logits, -torch.cdist(QUERY, prototypes(SUPPORT, LABELS)).square())


def test_logits_are_linear_but_for_a_shared_term() -> None:
    """Section 2.4: -|q - c|^2 = 2 c q - |c|^2 - |q|^2, so softmax sees a linear classifier."""
    generator = torch.Generator().manual_seed(0)
    queries, centres = torch.randn(7, 5, generator=generator), torch.randn(4, 5, generator=generator)
    linear = 2 * queries @ centres.T - centres.square().sum(1)
    torch.testing.assert_close(prototype_logits(queries, centres).softmax(1), linear.softmax(1), rtol=1e-4, atol=1e-6)


def test_conv4_has_the_papers_size() -> None:
    network = Conv4(1, 28, 64)
    assert network.features == 64
    assert sum(p.numel() for p in network.parameters()) == 9 * 64 + 3 * 9 * 64 * 64 + 4 * 2 * 64
    assert network(torch.zeros(2, 1, 28, 28, dtype=torch.uint8)).shape == (2, 64)
    assert Conv4(3, 84, 64).features == 1600  # miniImageNet's
    with pytest.raises(ValueError, match="need images of 16 pixels or more, got 8"):
        Conv4(1, 8, 64)


def test_a_step_is_the_papers_loss() -> None:
    data = glyphs()
    episode = next(iter(data.train_dataloader()))
    model = ProtoNet(**data.spec, width=8)
    trainer = quiet(max_steps=1)
    model.trainer = trainer
    loss = model.training_step(episode, 0)
    model.embedding.train()
    features = model(torch.cat([episode.support_images, episode.query_images]))
    support, queries = features[:3], features[3:]  # one shot: an example is its class's prototype
    distances = torch.stack([((queries - centre) ** 2).sum(1) for centre in support], 1)
    torch.testing.assert_close(loss, F.cross_entropy(-distances, episode.query_labels))


def test_it_learns_letters_it_has_never_seen(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = glyphs(train_ways=8, episodes=40, eval_episodes=40)
    model = ProtoNet(**data.spec, width=16, lr=5e-3)
    floor = quiet().test(model, data, verbose=False)[0]
    trainer = quiet(max_epochs=1)
    trainer.fit(model, data)
    learnt = trainer.test(model, data, verbose=False)[0]
    assert learnt["test/accuracy_pixels"] == floor["test/accuracy_pixels"]  # the same episodes
    assert learnt["test/accuracy"] > floor["test/accuracy"] + 0.05
    assert learnt["test/accuracy"] > learnt["test/accuracy_pixels"]


@pytest.mark.parametrize(("schedule", "last"), [("constant", 1e-3), ("cosine", 0.0)])
def test_the_rate_falls_by_the_schedule(schedule: Schedule, last: float) -> None:
    data = glyphs()
    trainer = quiet(max_epochs=1, limit_val_batches=0)
    trainer.fit(ProtoNet(**data.spec, width=8, schedule=schedule), data)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(last, abs=1e-9)


def test_the_interval_is_that_of_the_mean() -> None:
    data = glyphs(eval_episodes=20)
    model = ProtoNet(**data.spec, width=8).eval()
    with torch.no_grad():
        each = torch.stack([accuracy(model.logits(e), e.query_labels) for e in data.test_dataloader()])
    scores = quiet().test(model, data, verbose=False)[0]
    assert scores["test/accuracy"] == pytest.approx(each.mean().item(), abs=1e-6)
    interval = 1.96 * each.std(correction=0).item() / 20**0.5
    assert scores["test/accuracy_ci95"] == pytest.approx(interval, abs=1e-6)


def test_an_episode_is_drawn() -> None:
    data = glyphs()
    episode: Episode = next(iter(data.test_dataloader()))
    sheet = draw_episode(episode, episode.query_labels)
    assert sheet.dtype == torch.uint8
    assert sheet.shape[0] == 3


def test_class_means_lie_farthest_apart_on_the_plane() -> None:
    generator = torch.Generator().manual_seed(0)
    means = torch.randn(3, 6, generator=generator)  # three means span a plane, which shows all of their distances
    plane = class_plane(means, means)
    torch.testing.assert_close(torch.cdist(plane, plane), torch.cdist(means, means))
    beside = torch.cat([means, means + 100 * torch.linalg.svd(means - means.mean(0))[2][-1]])
    torch.testing.assert_close(class_plane(beside, means), plane.repeat(2, 1), atol=1e-4, rtol=1e-4)
    data = glyphs(test_shots=2)
    episode = next(iter(data.test_dataloader())).with_extra()
    with torch.no_grad():
        places = ProtoNet(**data.spec, width=8).eval().embedded(episode)
    assert draw_embedded(episode, places, episode.query_labels).shape == (3, 560, 900)


def test_new_images_are_of_the_nearest_prototypes_class(tmp_path: Path) -> None:
    data = glyphs(shots=2)
    model = ProtoNet(**data.spec, width=8)
    with pytest.raises(ValueError, match=r"set_support"):
        model.predict([torch.zeros(1, 16, 16, dtype=torch.uint8)])
    trainer = quiet(max_steps=1)
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    loaded = ProtoNet.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    assert loaded.class_names == sorted({data.source.class_names[i] for i in labels_of(data.split("test"))})
    assert len(loaded.support.labels) == 2 * len(loaded.class_names)
    chosen = [data.split("test")[i].images for i in (0, 50, 100)]
    rows, drawn, _ = loaded.predict([chosen[0], *(image.repeat_interleave(2, 2) for image in chosen[1:])])
    assert len(rows) == len(drawn) == 3
    loaded.eval()
    with torch.no_grad():
        distances = torch.stack(
            [
                (loaded(torch.stack(chosen)) - loaded(loaded.support.images[loaded.support.labels == c]).mean(0)) ** 2
                for c in range(len(loaded.class_names))
            ]
        ).sum(2)
    for row, own in zip(rows[:1], distances.T, strict=False):
        assert row["label"] == loaded.class_names[int(own.argmin())]
        torch.testing.assert_close(torch.tensor(list(row["probabilities"].values())), (-own).softmax(0))
    with pytest.raises(ValueError, match="leave --threshold out"):
        loaded.predict(chosen, PredictOptions(0.5))


def test_classes_of_ones_own_support_set() -> None:
    model = ProtoNet(1, 16, width=4)
    black, white = (torch.full((1, 20, 30), value, dtype=torch.uint8) for value in (0, 255))
    model.set_support([black, white], torch.tensor([0, 1]), ["dark", "bright"])
    assert [row["label"] for row in model.predict([white, black]).rows] == ["bright", "dark"]
    with pytest.raises(ValueError, match="are not of each of"):
        model.set_support([black, white], torch.tensor([0, 0]), ["dark", "bright"])
