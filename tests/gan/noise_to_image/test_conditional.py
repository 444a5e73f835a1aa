import math
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from leyden.data.batches.gan.images import GanImages
from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.digits import Digits
from leyden.gan.noise_to_image.conditional import DISCRIMINATORS, Auxiliary, ConditionalGAN, Generator, Projection
from leyden.gan.pixels import to_signed
from training import assert_resumed_is_as_if_left_alone, quiet_trainer

FACTS = {"class_names": [f"class {i}" for i in range(10)], "channels": 1, "image_size": 16}
conditions = pytest.mark.parametrize("condition", DISCRIMINATORS)


def tiny(**values) -> ConditionalGAN:
    torch.manual_seed(0)
    small = {"base_channels": 4, "latent_dim": 8, "label_dim": 6, "eval_samples": 64}
    return ConditionalGAN(**{**FACTS, **small, **values})


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.rand(8, 1, 16, 16) * 2 - 1, torch.arange(8)


def losses(model: ConditionalGAN, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Of D and of G, off the loop."""
    model.trainer = quiet_trainer(log_every_n_steps=0)
    fake = model.generator(model.sampler.noise(len(images)), labels)
    return model.discriminator_loss(images, fake, labels), model.generator_loss(images, fake, labels)


@conditions
def test_a_label_counts_from_the_start(condition: str, batch: tuple[Tensor, Tensor]) -> None:
    images, labels = batch
    model = tiny(condition=condition)
    others = (labels + 1) % 10
    torch.manual_seed(2)
    of_d, of_g = losses(model, images, labels)
    torch.manual_seed(2)
    others_of_d, others_of_g = losses(model, images, others)
    assert of_d != others_of_d
    assert of_g != others_of_g
    if condition != "auxiliary":  # which is not given the label
        assert (model.critic(images, labels) != model.critic(images, others)).all()


@conditions
def test_the_same_noise_gives_another_image_for_another_class(condition: str) -> None:
    generator = tiny(condition=condition).generator
    noise = torch.randn(1, 8).expand(10, -1)
    images = generator.eval()(noise, torch.arange(10))
    assert (torch.cdist(images.flatten(1), images.flatten(1)) + torch.eye(10) > 0).all()


@conditions
def test_gradients_reach_what_holds_the_classes(condition: str, batch: tuple[Tensor, Tensor]) -> None:
    images, labels = batch
    model = tiny(condition=condition)
    of_d, _ = losses(model, images, labels)
    of_d.backward()
    held = {"concatenate": "embed", "projection": "embed", "auxiliary": "classes"}[condition]
    gradient = getattr(model.discriminator, held).weight.grad.flatten(1)
    # The rows of the classes seen, and of no others, where a class has a row to itself.
    seen = torch.tensor([True] * 8 + [False] * 2)
    assert torch.equal((gradient != 0).any(1), seen | (condition == "auxiliary"))
    _, of_g = losses(model, images, labels)
    of_g.backward()
    assert torch.equal((model.generator.embed.weight.grad != 0).any(1), seen)


def test_projection_is_the_papers_formula(batch: tuple[Tensor, Tensor]) -> None:
    """f(x, y) = y^T V phi(x) + psi(phi(x)) (Miyato and Koyama 2018, eq. 8), with phi summed over the pixels."""
    images, labels = batch
    torch.manual_seed(0)
    network = Projection(10, 1, 16, 4).eval()
    for image, label, logit in zip(images, labels, network(images, labels), strict=True):
        maps = network.features(image[None])[0]
        phi = torch.stack([channel.sum() for channel in maps])
        one_hot = torch.zeros(10)
        one_hot[label] = 1
        expected = one_hot @ network.embed.weight @ phi + network.real.weight[0] @ phi + network.real.bias[0]
        torch.testing.assert_close(logit, expected)


def test_projection_is_linear_in_the_features(batch: tuple[Tensor, Tensor]) -> None:
    images, _ = batch
    network = Projection(10, 1, 16, 4).eval()
    three, four = torch.full((8,), 3), torch.full((8,), 4)
    h = network.features(images).sum((2, 3))
    expected = h @ (network.embed.weight[3] - network.embed.weight[4])
    torch.testing.assert_close(network(images, three) - network(images, four), expected, rtol=1e-4, atol=1e-5)


def test_spectral_norm_spares_the_planes() -> None:
    def largest(weight: Tensor) -> float:
        return torch.linalg.matrix_norm(weight, 2).item()

    projection = tiny(condition="projection", spectral_norm=True).discriminator
    for _ in range(50):  # the power iteration goes on in training
        projection(torch.randn(2, 1, 16, 16), torch.arange(2))
    assert largest(projection.embed.weight) == pytest.approx(1, abs=1e-3)
    assert largest(projection.real.weight) == pytest.approx(1, abs=1e-3)
    # Planes of norm 1 would be too faint to see beside pixels of -1..1.
    planes = tiny(condition="concatenate", spectral_norm=True).discriminator.embed.weight
    assert planes.std().item() == pytest.approx(1, abs=0.1)


def test_auxiliary_loss_is_cross_entropy(batch: tuple[Tensor, Tensor]) -> None:
    """-z_y + ln sum_k exp z_k of real images and of fakes for D, of fakes for G (Odena et al. 2017, eq. 3)."""
    images, labels = batch

    class Says(torch.nn.Module):
        """Whatever the image: 0.5 for real, and these class logits, too large for a second softmax."""

        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return torch.full((len(images),), 0.5), (torch.arange(10.0) * 2).expand(len(images), -1)

    model = tiny(condition="auxiliary", auxiliary_weight=0.3)
    model.discriminator = Says()
    of_d, of_g = losses(model, images, labels)
    log_sum = math.log(sum(math.exp(2 * k) for k in range(10)))
    entropy = sum(log_sum - 2 * label for label in range(8)) / 8
    real, fake = softplus(torch.tensor([-0.5, 0.5])).tolist()
    assert of_d.item() == pytest.approx(real + fake + 2 * 0.3 * entropy, rel=1e-5)
    assert of_g.item() == pytest.approx(real + 0.3 * entropy, rel=1e-5)


def test_a_sure_and_right_classifier_costs_nothing(batch: tuple[Tensor, Tensor]) -> None:
    """Of probabilities in place of logits, a cross entropy could not fall below ln(1 + 9 / e) = 1.46."""
    images, labels = batch
    model = tiny(condition="auxiliary")
    sure = torch.nn.functional.one_hot(labels, 10) * 50.0
    model.classify = lambda images: (torch.zeros(8), sure)
    of_d, of_g = losses(model, images, labels)
    assert of_d.item() == pytest.approx(2 * math.log(2))
    assert of_g.item() == pytest.approx(math.log(2))


def test_both_networks_get_the_labels(batch: tuple[Tensor, Tensor]) -> None:
    """So fakes follow the classes of the data, however unequal, and D sees a fake with the class asked of it."""
    pixels, labels = torch.full((5, 1, 16, 16), 255, dtype=torch.uint8), torch.tensor([0, 0, 0, 0, 7])
    model = tiny()
    model.trainer = quiet_trainer(log_every_n_steps=0)
    real, _, given = model.prepare(LabelledImages(pixels, labels))
    assert torch.equal(real, to_signed(pixels))
    assert torch.equal(given, labels)
    asked: list[Tensor] = []
    model.generator.register_forward_hook(lambda network, inputs, output: asked.append(inputs[1]))
    model.discriminator.register_forward_hook(lambda network, inputs, output: asked.append(inputs[1]))
    losses(model, real, given)
    assert len(asked) == 4  # the fakes, D on real and fake, D on fake for G
    assert all(torch.equal(label, labels) for label in asked)


@conditions
@pytest.mark.parametrize("loss", ["non_saturating", "wasserstein", "hinge", "relativistic"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_networks_move(data: GanImages, condition: str, loss: str, precision: str) -> None:
    norm = "layer" if loss == "wasserstein" else "batch"  # its penalty takes a gradient per image
    model = tiny(condition=condition, loss=loss, discriminator_norm=norm, translation=0.125)
    before = {name: value.clone() for name, value in model.named_parameters()}
    run = quiet_trainer(max_steps=2, precision=precision)
    run.fit(model, data)
    assert run.global_step == 2
    for name, value in model.named_parameters():
        assert value.isfinite().all(), name
        if name.endswith("weight"):
            assert not torch.equal(value, before[name]), name


@conditions
def test_resume_is_exact(condition: str, tmp_path: Path) -> None:
    new = partial(tiny, condition=condition, spectral_norm=True, schedule="cosine")
    assert_resumed_is_as_if_left_alone(new, lambda: GanImages(Digits(), 16, 200), tmp_path)
    again = ConditionalGAN.load_from_checkpoint(tmp_path / "stopped.ckpt", weights_only=True)
    assert again.condition == condition


def test_sample_of_a_class() -> None:
    model = tiny()
    by_name, by_number = (model.sample(count=3, label=label, seed=1) for label in ("class 7", "7"))
    assert [row["class"] for row in by_name.rows] == ["class 7"] * 3
    for a, b in zip(by_name.images, by_number.images, strict=True):
        assert torch.equal(a, b)
    other = model.sample(count=3, label="8", seed=1).images
    assert not any(torch.equal(a, b) for a, b in zip(by_name.images, other, strict=True))
    all_in_turn = model.sample(count=12, seed=1).rows
    assert [row["class"] for row in all_in_turn] == [f"class {i % 10}" for i in range(12)]
    for label in ("class 10", "10", "-1"):
        with pytest.raises(ValueError, match=rf"no class '{label}': the data have class 0, class 1"):
            model.sample(1, label=label)


@pytest.mark.parametrize("labels", [None, torch.tensor([0, 10]), torch.tensor([-1, 0])])
def test_sampling_needs_classes_of_the_data(labels: Tensor | None) -> None:
    with pytest.raises(ValueError, match="labels from 0 to 9"):
        tiny().generate(torch.randn(2, 8), labels)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"class_names": []}, "no classes to ask for: choose another data/source"),
        ({"condition": "hope"}, "model.condition must be one of concatenate, projection, auxiliary, got 'hope'"),
        ({"condition": "auxiliary", "auxiliary_weight": 0}, "model.auxiliary_weight must be above 0"),
        ({"image_size": 28}, "16, 32, 64, 128, got 28: set data.image_size"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        tiny(**values)


def test_the_conditions_keep_the_canonical_networks() -> None:
    """At 64 pixels, width 64: DCGAN's 3,576,704 and 2,765,568 parameters, and what the classes add."""

    def count(network: torch.nn.Module) -> int:
        return sum(p.numel() for p in network.parameters())

    assert count(Generator(10, 3, 64, 64, 100, 50)) == 3_576_704 + 10 * 50 + 50 * 512 * 16
    body = 2_765_568 - 512 * 16  # without the head
    sizes = {name: count(network(10, 3, 64, 64)) for name, network in DISCRIMINATORS.items()}
    assert sizes["concatenate"] == 2_765_568 + 10 * 64 * 64 + 64 * 16
    assert sizes["projection"] == body + 512 + 1 + 10 * 512
    assert sizes["auxiliary"] == body + 512 * 16 + 10 * 512 * 16 + 10
    assert Auxiliary(10, 3, 64, 2).classes.bias is not None
