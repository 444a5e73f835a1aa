import math
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import nn

from leyden.data.batches.gan.unpaired import UnpairedImages
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.fonts import Fonts
from leyden.gan.image_to_image.discogan import DiscoGAN, EncoderDecoder, matching_loss
from leyden.gan.noise_to_image.dcgan import Discriminator
from leyden.gan.pixels import to_signed
from training import assert_resumed_is_as_if_left_alone, quiet_trainer

SPEC = {"class_names": [str(i) for i in range(10)], "channels": 1, "image_size": 16}


def tiny(**values) -> DiscoGAN:
    torch.manual_seed(0)
    return DiscoGAN(**{**SPEC, "base_channels": 2, "eval_samples": 100, **values})


def new_data() -> UnpairedImages:
    return UnpairedImages(Digits(), Fonts(16, per_face=2), image_size=16, batch_size=4)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("extra_layers", "parameters"), [(False, 5_513_856), (True, 7_153_480)])
def test_canonical_generator_parameters(extra_layers: bool, parameters: int) -> None:
    with torch.device("meta"):
        assert count(EncoderDecoder(3, 64, extra_layers=extra_layers)) == parameters


def test_canonical_discriminator_parameters() -> None:
    with torch.device("meta"):
        assert count(DiscoGAN([], 3, 64).discriminator["a"]) == count(Discriminator(3, 64, 64)) == 2_765_568


@pytest.mark.parametrize(("size", "stages"), [(16, 2), (32, 3), (64, 4), (128, 5)])
@pytest.mark.parametrize("extra_layers", [False, True])
def test_inmost_maps_are_four_pixels_wide(size: int, stages: int, extra_layers: bool) -> None:
    network, narrowest = EncoderDecoder(1, size, 2, extra_layers).eval(), []
    for layer in network:
        layer.register_forward_hook(lambda *args: narrowest.append(args[2].shape[-1]))
    images = network(torch.randn(1, 1, size, 2 * size))
    assert images.shape == (1, 1, size, 2 * size)
    assert images.abs().max() <= 1
    strided = [layer for layer in network if isinstance(layer, nn.Conv2d) and layer.stride == (2, 2)]
    assert len(strided) == stages
    assert min(narrowest) == (5 if extra_layers else 8)  # of images twice as wide as they are high


def test_matching_in_closed_form() -> None:
    """Means over the batch count, not single images; layers are summed, whatever their size."""
    real = [torch.tensor([0.0, 4.0]).view(2, 1, 1, 1), torch.ones(2, 3, 2, 2)]
    fake = [torch.tensor([1.0, 1.0, 1.0]).view(3, 1, 1, 1), torch.ones(3, 3, 2, 2) * 3]
    assert matching_loss(real, fake).item() == 1 + 4
    assert matching_loss(real, [real[0].flip(0), real[1]]).item() == 0


class Half(nn.Module):
    """Halves, and has a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def constant(logit: float) -> nn.Sequential:
    """A discriminator of two inner layers, whose features are the image's mean, that says the same of all."""
    last = nn.Linear(1, 1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, logit)
    mean = nn.AdaptiveAvgPool2d(1)
    return nn.Sequential(mean, nn.LeakyReLU(0.2), nn.LeakyReLU(0.2), nn.Flatten(), last, nn.Flatten(0))


def by_hand(variant: str, curriculum_steps: int = 10000) -> tuple[DiscoGAN, list[torch.Tensor]]:
    """Both ways halve: there and back is a quarter. Images are all of one value, a 0.4 and b 0.8."""
    model = tiny(variant=variant, curriculum_steps=curriculum_steps, reconstruction_weight=3.0)
    model.generator = nn.ModuleDict({"ab": Half(), "ba": Half()})
    model.discriminator = nn.ModuleDict({"a": constant(0.3), "b": constant(-0.2)})
    model.trainer = quiet_trainer(log_every_n_steps=0)
    a, b = (torch.full((4, 1, 16, 16), value) for value in (0.4, 0.8))
    return model, [a, b, b / 2, a / 2]


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


BACK = (0.75 * 0.4) ** 2 + (0.75 * 0.8) ** 2
ADVERSARIAL = softplus(-0.3) + softplus(0.2)
ON_ALL = softplus(-0.3) + softplus(0.3) + softplus(0.2) + softplus(-0.2)


def test_the_papers_losses_in_closed_form() -> None:
    model, tensors = by_hand("paper")
    assert model.generator_loss(*tensors).item() == pytest.approx(ADVERSARIAL + 3 * BACK, rel=1e-5)
    assert model.discriminator_loss(*tensors).item() == pytest.approx(ON_ALL, rel=1e-5)


@pytest.mark.parametrize(("curriculum_steps", "rate"), [(1, 0.01), (0, 0.5)])
def test_the_authors_losses_in_closed_form(curriculum_steps: int, rate: float) -> None:
    """Features: the mean of fake a, 0.4, is that of real a; the mean of fake b is 0.2, of real b 0.8."""
    model, tensors = by_hand("authors", curriculum_steps)
    expected = (1 - rate) * (0.1 * ADVERSARIAL + 0.9 * 0.6**2) + rate * BACK / 4
    assert model.generator_loss(*tensors).item() == pytest.approx(expected, rel=1e-5)
    assert model.discriminator_loss(*tensors).item() == pytest.approx(ON_ALL / 2, rel=1e-5)


class Turns(Callback):
    """Which networks learn by each backward pass."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_after_backward(self, trainer: Trainer, module: LightningModule) -> None:
        learns = {name for name in ("generator", "discriminator") for p in getattr(module, name).parameters()
                  if p.requires_grad}  # fmt: skip
        self.seen += learns


@pytest.mark.parametrize(
    ("variant", "turns"),
    [("paper", ["generator", "discriminator"] * 4), ("authors", ["discriminator", *["generator"] * 2] * 1)],
)
def test_turns_of_either_variant(variant: str, turns: list[str]) -> None:
    seen = Turns()
    run = quiet_trainer(max_steps=4, callbacks=[seen])
    run.fit(tiny(variant=variant), new_data())
    assert run.global_step == 4
    assert seen.seen == (turns if variant == "paper" else [*turns, "discriminator"])


def test_a_step_is_the_papers() -> None:
    """Generators first, both discriminators as they are; then these. One Adam for each pair, with weight decay."""
    batch = next(iter(new_data().train_dataloader()))
    by_hand, ours = tiny(), tiny()
    g, d = by_hand.generator, by_hand.discriminator
    adams = [torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999), weight_decay=1e-5) for net in (g, d)]
    a, b = to_signed(batch.a.images), to_signed(batch.b.images)
    fake_a, fake_b = g["ba"](b), g["ab"](a)
    one, none = torch.ones(4), torch.zeros(4)
    bce = nn.functional.binary_cross_entropy_with_logits
    loss = (g["ba"](fake_b) - a).square().mean() + (g["ab"](fake_a) - b).square().mean()
    (loss + bce(d["a"](fake_a), one) + bce(d["b"](fake_b), one)).backward()
    adams[0].step()
    adams[1].zero_grad()
    for domain, real, fake in (("a", a, fake_a.detach()), ("b", b, fake_b.detach())):
        (bce(d[domain](real), one) + bce(d[domain](fake), none)).backward()
    adams[1].step()
    quiet_trainer(max_steps=1).fit(ours, new_data())
    for network in ("generator", "discriminator"):
        expected = getattr(by_hand, network).state_dict()
        torch.testing.assert_close(getattr(ours, network).state_dict(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("variant", ["paper", "authors"])
def test_resume_is_exact(variant: str, tmp_path: Path) -> None:
    new_model = partial(tiny, variant=variant, curriculum_steps=2, extra_layers=variant == "authors")
    assert_resumed_is_as_if_left_alone(new_model, new_data, tmp_path)


@pytest.mark.parametrize("extra_layers", [False, True])
def test_predict_translates_any_size(extra_layers: bool) -> None:
    inputs = [torch.randint(0, 256, size, dtype=torch.uint8) for size in [(1, 16, 16), (3, 21, 50), (1, 1, 3)]]
    rows, images, _ = tiny(extra_layers=extra_layers).predict(inputs)
    assert [tuple(image.shape) for image in images] == [(3, 16, 16), (3, 21, 50), (3, 1, 3)]
    assert rows[1] == {"width": 50, "height": 21, "direction": "A2B"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"variant": "code"}, "paper, authors"),
        ({"variant": "authors", "n_critic": 2}, "n_critic=1"),
        ({"image_size": 24}, "16, 32, 64, 128"),
        ({"r1": 1.0}, "batch normalisation"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**values)
