from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from leyden.core.technique import PredictOptions
from leyden.data.batches.gan.unpaired import Unpaired, UnpairedImages
from leyden.data.columns import Images
from leyden.data.source.builtin.digits import Digits
from leyden.data.source.builtin.fonts import Fonts
from leyden.gan.evaluation.sample_evaluator import Generated
from leyden.gan.image_to_image.cyclegan import CycleGAN
from leyden.gan.image_to_image.evaluation import TranslationEvaluation, nearest
from leyden.gan.image_to_image.nets import Attentive, PatchDiscriminator, ResNetGenerator
from leyden.gan.image_to_image.pool import ImagePool
from leyden.gan.pixels import to_signed
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer

SPEC = {"class_names": [str(i) for i in range(10)], "channels": 1, "image_size": 8}


def tiny(**values) -> CycleGAN:
    torch.manual_seed(0)
    small = {"base_channels": 2, "blocks": 1, "discriminator_channels": 2, "discriminator_layers": 1, "pool_size": 4}
    return CycleGAN(**{**SPEC, **small, "eval_samples": 100, **values})


def new_data() -> UnpairedImages:
    return UnpairedImages(Digits(), Fonts(8, per_face=2), image_size=8, batch_size=4)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


# The networks.


@pytest.mark.parametrize(("blocks", "parameters"), [(9, 11_378_179), (6, 7_837_699)])
def test_canonical_generator_parameters(blocks: int, parameters: int) -> None:
    assert count(ResNetGenerator(3, 64, blocks)) == parameters


def test_canonical_discriminator_parameters() -> None:
    assert count(PatchDiscriminator(3)) == 2_764_737


def test_generator_keeps_the_shape() -> None:
    images = ResNetGenerator(3, 2, 1)(torch.randn(2, 3, 12, 20))
    assert images.shape == (2, 3, 12, 20)
    assert images.abs().max() <= 1


@pytest.mark.parametrize(("layers", "side", "maps"), [(3, 70, 30), (2, 34, 62), (1, 16, 126)])
def test_a_logit_is_of_a_patch(layers: int, side: int, maps: int) -> None:
    network = PatchDiscriminator(1, 1, layers)
    for layer in network:
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    without_norms = nn.Sequential(*(layer for layer in network if not isinstance(layer, nn.InstanceNorm2d)))
    images = torch.ones(1, 1, 256, 256, requires_grad=True)
    logits = without_norms(images)
    assert logits.shape == (1, 1, maps, maps)
    logits[0, 0, maps // 2, maps // 2].backward()
    assert int((images.grad[0, 0].sum(0) != 0).sum()) == side


def test_attention_mixes_contents_and_image() -> None:
    """What the network says of a pixel decides how much of it changes: all but nothing at -1, all but all at 1."""
    x, contents = torch.rand(2, 2, 3, 4, 5) * 2 - 1
    says = torch.tensor([-1.0, 0.0, 1 / 3, 0.8, 1.0]).expand(2, 1, 4, 5)
    network = Attentive(nn.Identity())
    network.network.forward = lambda images: torch.cat([contents, says], 1)
    changed = ((network(x) - x) / (contents - x))[:, :, 0]
    expected = torch.tensor([0.0003, 0.1192, 0.5, 0.9427, 0.9820]).expand(2, 3, 5)
    torch.testing.assert_close(changed, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("values", [{}, {"network": "unet"}])
def test_attention_starts_near_the_image(values: dict) -> None:
    """On images of any size; and it learns, with mixed precision, too."""
    model = tiny(attention=True, **values)
    images = torch.rand(2, 1, 16, 24) * 2 - 1
    for network in model.generator.values():
        assert (network(images) - images).abs().mean() < 0.15 * images.abs().mean()
    plain = tiny(**values).generator["ab"](images)
    assert (plain - images).abs().mean() > 0.5 * images.abs().mean()
    before = [p.clone() for p in model.generator.parameters()]
    quiet_trainer(max_steps=2, precision="bf16-mixed").fit(model, new_data())
    changed = [not torch.equal(a, b) for a, b in zip(before, model.generator.parameters(), strict=True)]
    assert all(changed)


# The pool.


def numbered(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float).view(-1, 1, 1, 1)


def test_pool_returns_its_input_until_full() -> None:
    pool = ImagePool(4, (1, 1, 1))
    assert torch.equal(pool.query(numbered(1, 2, 3)), numbered(1, 2, 3))
    assert int(pool.count) == 3
    assert torch.equal(pool.query(numbered(4)), numbered(4))
    assert pool.images.flatten().tolist() == [1, 2, 3, 4]


def test_full_pool_swaps_half() -> None:
    torch.manual_seed(0)
    pool, earlier = ImagePool(50, (1, 1, 1)), 0
    known = set(range(1, 51))
    pool.query(numbered(*known))
    for number in range(51, 2051):
        (returned,) = pool.query(numbered(number)).flatten().tolist()
        assert returned == number or returned in known  # nothing is returned twice but by staying in the pool
        if returned != number:
            known = known - {returned} | {number}
            earlier += 1
    assert set(pool.images.flatten().tolist()) == known
    assert earlier / 2000 == pytest.approx(0.5, abs=0.04)


def test_no_pool_changes_nothing() -> None:
    pool = ImagePool(0, (1, 1, 1))
    for _ in range(3):
        assert torch.equal(pool.query(numbered(1, 2)), numbered(1, 2))


# The losses.


class Times(nn.Module):
    """Multiplies by a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Says(nn.Module):
    """The same logit for all four patches."""

    def __init__(self, logit: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(logit))

    def forward(self, x: Tensor) -> Tensor:
        return self.logit.expand(len(x), 1, 2, 2)


@pytest.mark.parametrize(("identity_weight", "change_weight"), [(0.5, 0.0), (0.0, 0.0), (0.0, 3.0)])
def test_losses_in_closed_form(identity_weight: float, change_weight: float) -> None:
    """G halves, F doubles less: F(G(a)) = G(F(a)) = 0.75 a."""
    model = tiny(identity_weight=identity_weight, change_weight=change_weight, pool_size=0)
    model.generator = nn.ModuleDict({"ab": Times(0.5), "ba": Times(1.5)})
    model.discriminator = nn.ModuleDict({"a": Says(0.3), "b": Says(-0.2)})
    model.trainer = quiet_trainer(log_every_n_steps=0)
    a, b = torch.rand(2, 3, 1, 8, 8)
    mean_a, mean_b = a.mean().item(), b.mean().item()
    losses = (a, b, 1.5 * b, 0.5 * a, 1.5 * a, 0.5 * b)
    adversarial = (0.3 - 1) ** 2 + (-0.2 - 1) ** 2
    cycle, identity, change = 0.25 * (mean_a + mean_b), 0.5 * (mean_a + mean_b), 0.5 * (mean_a + mean_b)
    expected = adversarial + 10 * cycle + 10 * identity_weight * identity + change_weight * change
    assert model.generator_loss(*losses).item() == pytest.approx(expected, rel=1e-5)
    assert model.discriminator_a_loss(*losses).item() == pytest.approx(((0.3 - 1) ** 2 + 0.3**2) / 2, rel=1e-5)
    assert model.discriminator_b_loss(*losses).item() == pytest.approx(((-0.2 - 1) ** 2 + 0.2**2) / 2, rel=1e-5)


def test_discriminators_see_the_pool() -> None:
    model = tiny(pool_size=4)
    model.trainer = quiet_trainer(log_every_n_steps=0)
    real, fake = torch.zeros(4, 1, 8, 8), torch.rand(4, 1, 8, 8)
    model.discriminator_a_loss(real, real, fake)
    assert torch.equal(model.pool_a.images, fake)
    assert int(model.pool_b.count) == 0
    seen: list[Tensor] = []
    model.discriminator["a"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    torch.manual_seed(0)
    model.discriminator_a_loss(real, real, torch.ones(4, 1, 8, 8))
    ones = (seen[0][4:] == 1).flatten(1).all(1)
    assert 0 < int(ones.sum()) < 4


# The training.


class Turns(Callback):
    """Which networks learn by each backward pass; their weights have gradients then."""

    def __init__(self) -> None:
        self.seen: list[list[str]] = []

    def on_after_backward(self, trainer: Trainer, module: LightningModule) -> None:
        networks = {**module.generator, **module.discriminator}
        weights = {name: next(network.parameters()) for name, network in networks.items()}
        self.seen.append([name for name, weight in weights.items() if weight.requires_grad])
        assert all(weights[name].grad is not None for name in self.seen[-1])


def test_each_player_steps_its_own_networks() -> None:
    turns, model = Turns(), tiny()
    before = {name: value.clone() for name, value in model.named_parameters()}
    run = quiet_trainer(max_steps=1, callbacks=[turns])
    run.fit(model, new_data())
    assert run.global_step == 1
    assert turns.seen == [["ab", "ba"], ["a"], ["b"]]
    assert all(p.requires_grad for p in [*model.generator.parameters(), *model.discriminator.parameters()])
    for name, value in model.named_parameters():
        if name.endswith("weight") and not name.startswith("ema"):
            assert not torch.equal(value, before[name]), name


def test_generators_step_on_every_nth_batch() -> None:
    turns = Turns()
    quiet_trainer(max_epochs=1, limit_train_batches=4, callbacks=[turns]).fit(tiny(n_critic=2), new_data())
    assert turns.seen.count(["a"]) == turns.seen.count(["b"]) == 4
    assert turns.seen.count(["ab", "ba"]) == 2


def test_weights_start_as_the_authors() -> None:
    model = tiny(base_channels=16, discriminator_channels=32)
    for network in (*model.generator.values(), *model.discriminator.values()):
        layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
        assert torch.cat([layer.weight.flatten() for layer in layers]).std().item() == pytest.approx(0.02, rel=0.05)


def test_a_step_is_the_papers() -> None:
    """G and F first, with both discriminators as they are; then each discriminator on what G and F made before."""
    batch = next(iter(new_data().train_dataloader()))
    by_hand, ours = tiny(), tiny()
    g, f = by_hand.generator["ab"], by_hand.generator["ba"]
    d_a, d_b = by_hand.discriminator["a"], by_hand.discriminator["b"]
    adam, adam_d = (
        torch.optim.Adam(networks.parameters(), 2e-4, (0.5, 0.999))
        for networks in (by_hand.generator, by_hand.discriminator)
    )
    a, b = to_signed(batch.a.images), to_signed(batch.b.images)
    fake_a, fake_b = f(b), g(a)
    loss = (d_b(fake_b) - 1).square().mean() + (d_a(fake_a) - 1).square().mean()
    loss = loss + 10 * ((f(fake_b) - a).abs().mean() + (g(fake_a) - b).abs().mean())
    loss = loss + 5 * ((g(b) - b).abs().mean() + (f(a) - a).abs().mean())
    loss.backward()
    adam.step()
    adam_d.zero_grad()
    for d, real, fake in ((d_a, a, fake_a), (d_b, b, fake_b)):
        (((d(real) - 1).square().mean() + d(fake.detach()).square().mean()) / 2).backward()
    adam_d.step()

    quiet_trainer(max_steps=1).fit(ours, new_data())
    for network in ("generator", "discriminator"):
        expected = getattr(by_hand, network).state_dict()
        # A bias before an instance normalisation has no gradient but rounding, which Adam brings to full steps.
        weights = [{name: value for name, value in state.items() if name.endswith("weight")}
                   for state in (getattr(ours, network).state_dict(), expected)]  # fmt: skip
        torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("values", [{"loss": "hinge", "spectral_norm": True}, {"n_critic": 2, "ema_decay": 0.9}])
def test_options_of_all_gans_act(values: dict) -> None:
    model = tiny(**values)
    quiet_trainer(max_steps=4, precision="bf16-mixed").fit(model, new_data())
    assert all(p.isfinite().all() for p in model.parameters())


def test_resume_is_exact(tmp_path: Path) -> None:
    """Also of what is in the pools, which are full by then."""
    assert_resumed_is_as_if_left_alone(partial(tiny, schedule="late_linear"), new_data, tmp_path)


def test_a_run_logs_both_ways() -> None:
    logger, model = Kept(), tiny()
    run = quiet_trainer(max_steps=2, limit_val_batches=1, val_check_interval=2, logger=logger, log_every_n_steps=1)
    run.fit(model, new_data())
    assert {"val/fid_ab", "val/fid_ba", "val/cycle_a", "val/conditional_accuracy_ab"} <= run.callback_metrics.keys()
    assert {"train/loss_generator", "train/loss_discriminator_a", "train/d_ranking"} <= set(logger.steps)
    assert model.monitor in run.callback_metrics
    (image,) = logger.pictures.values()
    assert image.dtype == torch.uint8
    assert image.shape[0] == 3


class Mean:
    """Stands in for a domain's evaluator: its images are all of one grey, and scores are those of translations."""

    train_labels = test_labels = None

    def __init__(self, grey: int) -> None:
        self.train_images = torch.full((2, 1, 8, 8), grey, dtype=torch.uint8)
        self.test_images = self.train_images + 1

    def validation(self, sample: Callable[[int], Generated]) -> dict[str, float]:
        return {"grey": sample(1).images.float().mean().item(), "beside": float(self.train_images[0, 0, 0, 0])}

    test = validation


@pytest.mark.parametrize(("stage", "more"), [("val", 0), ("test", 1)])
def test_each_way_is_held_against_the_other_domain(stage: str, more: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Translations of A's images beside B's images; of the training split in validation, of the test's in the test."""
    model, logged = tiny(), {}
    model.trainer = quiet_trainer()
    monkeypatch.setattr(model, "log_dict", lambda scores, **_: logged.update(scores))
    evaluation = TranslationEvaluation(lambda images, way: images + {"ab": 20, "ba": 40}[way], 0, 10)
    monkeypatch.setattr(evaluation, "evaluators", lambda task: {"a": Mean(1), "b": Mean(5)})
    monkeypatch.setattr(model.training_monitor, "record", lambda *_: None)
    evaluation.end(model, stage)
    found = {name.partition("/")[2]: value for name, value in logged.items()}
    assert (found["grey_ab"], found["beside_ab"]) == (1 + more + 20, 5)
    assert (found["grey_ba"], found["beside_ba"]) == (5 + more + 40, 1)
    assert found["cycle_a"] == found["cycle_b"] == pytest.approx(60 / 127.5)


def test_few_test_images_keep_their_columns() -> None:
    """Two test images: a row of them, one of translations, one of the way back, one by the other network."""
    evaluation = TranslationEvaluation(lambda images, way: images + {"ab": 20, "ba": 40}[way], 0, 10)
    sheet = evaluation.sheet({"a": Mean(1), "b": Mean(5)})[0, 32:]
    cell = (sheet.shape[0] // 37) * 9  # four rows of 8 pixels and the lines between
    first = sheet[cell // 2 :: cell, cell // 2 : 2 * cell : cell][:4]
    assert first.tolist() == [[2, 2], [22, 22], [62, 62], [42, 42]]


@pytest.mark.parametrize("side", [8, 64])
def test_nearest_is_by_pixels(side: int) -> None:
    torch.manual_seed(0)
    among = torch.randint(0, 256, (40, 1, side, side), dtype=torch.uint8)
    chosen = torch.randperm(40)
    noise = torch.randint(0, 20, among.shape, dtype=torch.uint8)
    assert torch.equal(nearest((among // 2 + noise)[chosen], among // 2), chosen)


def test_rows_that_need_no_training() -> None:
    """The classifier names dark images 0, bright ones 1; A's are both, B's are bright, as is the nearest of all."""
    evaluation = TranslationEvaluation(lambda images, way: images, 2, 10)
    bright = SimpleNamespace(
        train_images=torch.full((3, 1, 8, 8), 255, dtype=torch.uint8),
        features=SimpleNamespace(classify=lambda images: (images.float().mean((1, 2, 3)) > 100).long()),
    )
    images = torch.tensor([10, 20, 30, 200], dtype=torch.uint8).view(4, 1, 1, 1).expand(4, 1, 8, 8)
    found = evaluation.untrained(images, torch.tensor([0, 0, 1, 1]), bright)
    assert found == {"nearest_conditional_accuracy": 0.5, "untranslated_conditional_accuracy": 0.75}


def test_predict_translates_any_size() -> None:
    model = tiny()
    inputs = [torch.randint(0, 256, size, dtype=torch.uint8) for size in [(1, 8, 8), (3, 21, 15), (1, 1, 2)]]
    rows, images, _ = model.predict(inputs)
    assert rows[1] == {"width": 15, "height": 21, "direction": "A2B"}
    assert [tuple(image.shape) for image in images] == [(3, 8, 8), (3, 21, 15), (3, 1, 2)]
    assert torch.equal(images[0][:1], model.translate(inputs[0][None])[0])
    with pytest.raises(ValueError, match="leave --threshold out"):
        model.predict(inputs, PredictOptions(threshold=0.5))


def test_predict_knows_both_directions() -> None:
    model, images = tiny(), [torch.randint(0, 256, (1, 8, 8), dtype=torch.uint8)]
    model.ema.network = nn.ModuleDict({"ab": Times(0.5), "ba": Times(-1.0)})
    for direction, factor in (("A2B", 0.5), ("B2A", -1.0)):
        rows, (translated,), _ = model.predict(images, PredictOptions(direction=direction))
        assert rows[0]["direction"] == direction
        torch.testing.assert_close(to_signed(translated[:1]), factor * to_signed(images[0]), atol=1 / 127, rtol=0)


def test_translations_there_and_back_are_the_networks() -> None:
    model, images = tiny(), torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    model.trainer = quiet_trainer()
    real_a, _, _, fake_b, _, _ = model.prepare(Unpaired(Images(images), Images(images)))
    assert (to_signed(model.translate(images, "ab")) - fake_b).abs().max() <= 1 / 127.5
    assert torch.equal(real_a, to_signed(images))


@pytest.mark.parametrize("values", [{"image_size": 10}, {"image_size": 8, "discriminator_layers": 2}])
def test_sizes_that_do_not_fit_are_refused(values: dict) -> None:
    with pytest.raises(ValueError, match="CycleGAN takes multiples of 4 from"):
        tiny(**values)


def test_a_unet_keeps_the_contrast() -> None:
    """What instance normalisation takes away in G's first layer, a U-Net's outermost layers hand on."""
    images = torch.rand(1, 1, 16, 16) - 0.5
    for network, kept in (("resnet", False), ("unet", True)):
        g = tiny(image_size=16, network=network).generator["ab"]
        next(g.parameters()).data.mul_(50)  # so that the variance is far above the norm's epsilon
        assert torch.allclose(g(images), g(0.5 * images + 0.2), atol=1e-3) != kept


def test_a_unet_trains_and_predicts() -> None:
    model = tiny(network="unet")
    quiet_trainer(max_steps=2).fit(model, new_data())
    assert model.multiple == 8
    assert model.predict([torch.zeros(1, 11, 9, dtype=torch.uint8)]).images[0].shape == (3, 11, 9)
