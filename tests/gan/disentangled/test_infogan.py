"""InfoGAN: codes and their distributions, the bound of their information, gradients, scores of codes, resume."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn.functional import one_hot

from leyden.data.batches.gan.images import GanImages
from leyden.data.source.builtin.digits import Digits
from leyden.gan.disentangled.codes import clustered, correlations, stroke_scores, within
from leyden.gan.disentangled.infogan import Codes, InfoGAN, Recognised, information_loss
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer

FACTS = {"class_names": [str(digit) for digit in range(10)], "channels": 1, "image_size": 16}


def tiny(**values) -> InfoGAN:
    torch.manual_seed(0)
    return InfoGAN(**{**FACTS, "base_channels": 4, "noise_dim": 6, "eval_samples": 100, **values})


def codes(count: int = 8, continuous: int = 2) -> Codes:
    generator = torch.Generator().manual_seed(1)
    return Codes(torch.arange(count) % 10, torch.rand(count, continuous, generator=generator) * 2 - 1)


def test_codes_have_the_distributions_asked_for() -> None:
    model = tiny()
    drawn = model.codes_of(model.sampler.noise(20000, torch.Generator().manual_seed(0)))
    assert torch.bincount(drawn.category, minlength=10).sub(2000).abs().max() < 200
    assert drawn.continuous.abs().max() <= 1
    for place in range(2):  # evenly over -1..1
        counts = torch.histc(drawn.continuous[:, place], 8, -1, 1)
        assert counts.sub(2500).abs().max() < 250


def test_g_is_given_noise_and_codes() -> None:
    model = tiny()
    normal, asked = torch.randn(8, 18), codes()
    given = model.inputs(normal, asked)
    torch.testing.assert_close(given[:, :6], normal[:, :6])
    torch.testing.assert_close(given[:, 6:8], asked.continuous)
    assert torch.equal(given[:, 8:], one_hot(asked.category, 10).float())


def test_information_loss_is_the_formula() -> None:
    asked = codes()
    torch.manual_seed(0)
    found = Recognised(torch.zeros(8), torch.randn(8, 10), torch.randn(8, 2), torch.randn(8, 2))
    named = -found.category.log_softmax(1)[range(8), asked.category].mean()
    gaussian = -Normal(found.mean, (found.log_variance / 2).exp()).log_prob(asked.continuous).sum(1).mean()
    expected = 2 * named + 0.3 * (gaussian - 2 * 0.5 * math.log(2 * math.pi))  # but for the constant
    assert information_loss(found, asked, 2, 0.3).item() == pytest.approx(expected.item(), rel=1e-5)


def test_information_loss_of_a_guess_and_of_all_known() -> None:
    asked = codes()
    guess = Recognised(torch.zeros(8), torch.zeros(8, 10), torch.zeros(8, 2), torch.zeros(8, 2))
    assert information_loss(guess, asked, 1, 0).item() == pytest.approx(math.log(10))
    known = guess._replace(category=one_hot(asked.category, 10) * 60.0, mean=asked.continuous)
    assert information_loss(known, asked).item() == pytest.approx(0, abs=1e-5)


def players_losses(model: InfoGAN) -> tuple[Tensor, Tensor]:
    """Of D and of G, off the loop."""
    model.trainer = quiet_trainer(log_every_n_steps=0)
    normal, real = torch.randn(8, 18), torch.rand(8, 1, 16, 16) * 2 - 1
    drawn = model.codes_of(normal)
    fake = model.generator(model.inputs(normal, drawn))
    return model.discriminator_loss(real, fake, drawn), model.generator_loss(real, fake, drawn)


def test_q_learns_in_ds_step_and_shares_its_trunk() -> None:
    model = tiny()
    of_d, _ = players_losses(model)
    of_d.backward()
    assert all((weight.grad != 0).any() for weight in model.discriminator.parameters())
    assert all(weight.grad is None for weight in model.generator.parameters())


def test_q_reads_generated_images_alone() -> None:
    """Real images have no code: the statistics of Q's own layers are of generated ones."""
    model = tiny()
    players_losses(model)
    seen = {name: int(n) for name, n in model.discriminator.named_buffers() if name.endswith("num_batches_tracked")}
    assert seen == {"trunk.3.num_batches_tracked": 3, "codes.2.num_batches_tracked": 2}
    real = torch.rand(8, 1, 16, 16)
    torch.testing.assert_close(model.critic(real), model.recognise(real).real)


def test_g_learns_to_be_read() -> None:
    """With D's word taken out of G's loss, only what Q reads is left, and it reaches all of G."""
    model = tiny()
    _, of_g = players_losses(model)
    model.criterion.loss = model.criterion.loss._replace(generator=lambda real, fake: fake.sum() * 0)
    _, read = players_losses(model)
    assert read.item() != of_g.item()
    read.backward()
    assert all((weight.grad != 0).any() for weight in model.generator.parameters())


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize(
    "values",
    [{}, {"loss": "hinge", "discriminator_norm": "layer", "r1": 1.0, "continuous": 0}, {"agreement_weight": 3.0}],
)
def test_both_networks_move(data: GanImages, values: dict, precision: str) -> None:
    model = tiny(translation=0.125, **values)
    before = {name: value.clone() for name, value in model.named_parameters()}
    kept = Kept()
    run = quiet_trainer(max_steps=2, precision=precision, logger=kept, log_every_n_steps=1)
    run.fit(model, data)
    assert run.global_step == 2
    for name, value in model.named_parameters():
        assert value.isfinite().all(), name
        if name.endswith("weight"):
            assert not torch.equal(value, before[name]), name
    logged = {"train/loss", "train/loss_discriminator", "train/loss_generator", "train/code_information"}
    assert logged <= kept.steps.keys()
    assert ("train/continuous_error" in kept.steps) == (model.continuous > 0)
    assert ("train/agreement" in kept.steps) == (model.agreement_weight > 0)


class Reads(nn.Module):
    """A discriminator whose category is one more than the class: the brightness says which."""

    def forward(self, images: Tensor) -> Recognised:
        label = ((images[:, 0, 0, 0] + 1) * 127.5 / 20).round().long()
        return Recognised(label.float(), one_hot((label + 1) % 10, 10).float(), label[:, None], label[:, None])


def test_categories_find_their_classes(data: GanImages, tmp_path: Path) -> None:
    model = tiny(eval_cache=str(tmp_path))
    model.trainer = quiet_trainer()
    model.trainer.datamodule = data
    columns = {stage: data.split(stage).columns for stage in ("train", "test")}
    for column in columns.values():
        column.images[:, :, 0, 0] = (column.labels * 20).byte()[:, None]
    model.discriminator = Reads()
    scores = model.evaluation.class_scores(data, "test")
    assert scores["code_accuracy"] == 1
    assert model.code_classes.tolist() == [9, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert 0.4 < scores["code_accuracy_kmeans"] < 0.95
    row = model.sample(1, label="3", seed=0).rows[0]
    assert (row["code"], row["class"]) == (3, "2")


def test_clusters_of_two_shades_are_their_classes() -> None:
    labels = torch.arange(20) % 2
    images = (labels * 200).byte().view(-1, 1, 1, 1).expand(-1, 1, 4, 4)
    assert clustered(images, labels, images, 1 - labels, 2, 2) == 0
    assert clustered(images, labels, images, labels, 2, 2) == 1


def test_slant_and_width_are_found_in_the_codes_that_make_them() -> None:
    """Bars that lean as the first code says and are as wide as the second."""
    model = tiny(image_size=32)

    def draw(noise: Tensor, labels: Tensor | None = None) -> Tensor:
        lean, wide = model.codes_of(noise).continuous.T
        rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
        middle = 15.5 - lean[:, None, None] * (rows - 15.5)
        inside = (columns - middle).abs() < 4 + 2 * wide[:, None, None]
        return (inside & ((rows - 15.5).abs() < 9)).unsqueeze(1).byte() * 255

    model.sampler.generate = draw
    scores = stroke_scores(model)
    assert scores["slant_correlation"] > 0.99
    assert scores["width_correlation"] > 0.95
    assert max(scores["slant_correlation_shuffled"], scores["width_correlation_shuffled"]) < 0.1


def test_differences_between_groups_are_taken_out() -> None:
    groups, inside = torch.tensor([0, 0, 1, 1]), torch.tensor([[1.0], [3.0], [101.0], [103.0]]).double()
    assert within(inside, groups, 3).flatten().tolist() == [-1, 1, -1, 1]
    assert correlations(inside, -2 * inside).item() == pytest.approx(-1)


def test_sample_of_a_code() -> None:
    model = tiny().eval()
    first, again = model.sample(3, label="7", seed=1), model.sample(3, label="7", seed=1)
    assert [row["code"] for row in first.rows] == [7, 7, 7]
    assert all(torch.equal(a, b) for a, b in zip(first.images, again.images, strict=True))
    assert [row["code"] for row in model.sample(12, seed=1).rows] == [*range(10), 0, 1]
    assert "class" not in first.rows[0]  # nothing was matched yet
    for label in ("10", "-1", "seven"):
        with pytest.raises(ValueError, match=rf"no category '{label}'.*numbers 0 to 9"):
            model.sample(1, label=label)


def test_it_is_evaluated_and_drawn(data: GanImages, tmp_path: Path) -> None:
    model, kept = tiny(eval_cache=str(tmp_path)), Kept()
    trainer = quiet_trainer(logger=kept)
    trainer.test(model, data, verbose=False)
    found = {name.removeprefix("test/") for name in trainer.callback_metrics}
    assert {"fid_over_floor", "code_accuracy", "code_accuracy_kmeans", "sample_accuracy"} <= found
    assert {"codes", "real_and_samples"} <= kept.pictures.keys()


def test_images_without_classes_have_codes_all_the_same() -> None:
    source = Digits()
    source.class_names = []
    model, kept = tiny(class_names=[]), Kept()
    trainer = quiet_trainer(logger=kept)
    trainer.test(model, GanImages(source, 16), verbose=False)
    assert "codes" in kept.pictures
    assert "test/slant_correlation" in trainer.callback_metrics
    assert "test/code_accuracy" not in trainer.callback_metrics
    assert "class" not in model.sample(1, label="3", seed=0).rows[0]


def test_reading_images_changes_nothing(data: GanImages) -> None:
    model = tiny(spectral_norm=True).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = data.split("test").columns.images[:100]
    found = model.categories_of(images)
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert model.discriminator.training
    assert torch.equal(found, model.categories_of(images))


def test_resume_is_exact(tmp_path: Path) -> None:
    new = partial(tiny, spectral_norm=True, schedule="cosine", agreement_weight=3.0)
    assert_resumed_is_as_if_left_alone(new, lambda: GanImages(Digits(), 16, 200), tmp_path)


@pytest.mark.parametrize(
    ("values", "words"),
    [({"categories": 1}, "model.categories >= 2"), ({"image_size": 28}, "set data.image_size"),
     ({"code_weight": -1.0}, "code_weight, continuous_weight, agreement_weight >= 0"),
     ({"agreement_weight": -1.0}, "got 10, 2, 6, 1.0, 0.1, -1.0")],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tiny(**values)
