from pathlib import Path

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.functional import softplus

from leyden.data.batches.gan.images import GanImages
from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.digits import Digits
from leyden.gan.noise_to_image.lapgan import LAPGAN
from leyden.gan.noise_to_image.pyramid import decompose, up
from leyden.gan.pixels import to_signed, to_uint8
from training import Kept, StepSeed, assert_resumed_is_as_if_left_alone, quiet_trainer

FACTS = {"class_names": [str(i) for i in range(10)], "channels": 1, "image_size": 16}


def tiny(**values) -> LAPGAN:
    """Levels of 16, 8 and 4 pixels."""
    small = {"coarsest": 4, "coarse_channels": 8, "detail_channels": 4, "latent_dim": 8, "eval_samples": 64}
    return LAPGAN(**{**FACTS, **small, **values})


def seeded(**values) -> LAPGAN:
    torch.manual_seed(0)
    return tiny(**values)


@pytest.fixture(scope="module")
def batch(data: GanImages) -> LabelledImages:
    return data.split("train").take(torch.arange(32))


def losses(model: LAPGAN, batch: LabelledImages, level: int) -> list[Tensor]:
    """D's and G's loss of one level, on noise that is the same for every call."""
    model.trainer = quiet_trainer(log_every_n_steps=0)
    torch.manual_seed(1)
    real, fake, conditions = model.prepare(batch)
    critic = model.critic(level, *conditions[level])
    return [
        model.criterion.discriminator_loss(critic, real[level], fake[level].detach()),
        model.criterion.generator_loss(critic, real[level], fake[level]),
    ]


def touched(model: LAPGAN) -> dict[str, set[int]]:
    """Levels whose networks have a gradient."""
    networks = {"generator": model.generator, "discriminator": model.discriminator}
    return {
        name: {k for k, network in enumerate(levels) if any(p.grad is not None for p in network.parameters())}
        for name, levels in networks.items()
    }


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_levels_losses_reach_its_own_networks_only(batch: LabelledImages, level: int) -> None:
    on_d, on_g = losses(seeded(), batch, level)
    model = seeded()
    losses(model, batch, level)[0].backward()
    assert touched(model) == {"generator": set(), "discriminator": {level}}
    model.zero_grad()
    losses(model, batch, level)[1].backward()
    assert touched(model)["generator"] == {level}
    assert on_d.item() != on_g.item()


@pytest.mark.parametrize("level", [0, 1])
def test_finer_levels_never_see_what_coarser_ones_make(batch: LabelledImages, level: int) -> None:
    model = seeded()
    before = losses(model, batch, level)
    for coarser in (*model.generator[level + 1 :], *model.discriminator[level + 1 :]):
        for parameter in coarser.parameters():
            torch.nn.init.normal_(parameter)
    assert losses(model, batch, level) == before
    assert losses(model, batch, 2) != losses(seeded(), batch, 2)


def test_training_levels_together_is_training_each_alone(data: GanImages) -> None:
    """Against plain torch, where each level has two optimizers of its own and its own pass over the data."""
    ours, steps = seeded(coarsest=8, ema_decay=0.0), 5
    batches: list[Tensor] = []

    class Batches(Callback):
        def on_train_batch_start(
            self, run: Trainer, module: LightningModule, batch: LabelledImages, index: int
        ) -> None:
            batches.append(batch.images)

    quiet_trainer(max_steps=steps, callbacks=[StepSeed(), Batches()]).fit(ours, data)
    for level, side in enumerate((16, 8)):
        alone = seeded(coarsest=8)
        g, d = alone.generator[level], alone.discriminator[level]
        adam_g, adam_d = (torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (g, d))
        for step, images in enumerate(batches):
            details, low_passes = decompose(to_signed(images), 2)
            h, low_pass = details[level], low_passes[level]
            torch.manual_seed(step)
            noise = torch.randn(len(images), 16 * 16 + 8)
            fake = g(noise[:, :256] if level == 0 else noise[:, 256:], low_pass, None)
            assert fake.shape == h.shape == (len(images), 1, side, side)
            adam_d.zero_grad()
            loss_d = softplus(-d(h + low_pass, None)).mean() + softplus(d(fake.detach() + low_pass, None)).mean()
            loss_d.backward()
            adam_d.step()
            adam_g.zero_grad()
            softplus(-d(fake + low_pass, None)).mean().backward()
            adam_g.step()
        for ours_now, expected in ((ours.generator[level], g), (ours.discriminator[level], d)):
            torch.testing.assert_close(ours_now.state_dict(), expected.state_dict(), rtol=1e-4, atol=1e-6)
            start = seeded(coarsest=8)
            network = start.generator[level] if ours_now is ours.generator[level] else start.discriminator[level]
            moved = [
                (a - b).abs().max().item() for a, b in zip(ours_now.parameters(), network.parameters(), strict=True)
            ]
            assert max(moved) > 5e-4  # the comparison says something


def test_the_discriminator_sees_detail_and_low_pass_as_one_image() -> None:
    model = seeded().eval()
    detail, low_pass = torch.randn(2, 8, 1, 16, 16)
    nothing = torch.zeros_like(low_pass)
    seen = model.critic(0, low_pass, None)(detail)
    assert torch.equal(seen, model.critic(0, nothing, None)(detail + low_pass))
    assert not torch.allclose(seen, model.critic(0, nothing, None)(detail))


def test_augmentation_moves_detail_and_low_pass_together() -> None:
    class See(torch.nn.Module):
        def forward(self, images: Tensor, labels: None) -> Tensor:
            seen.append(images)
            return images.flatten(1).sum(1)

    seen: list[Tensor] = []
    model = seeded(translation=1 / 4)
    model.discriminator[0] = See()
    # Detail and low pass of a bright dot are both blurred: only after the same shift do they add up to a dot.
    images = torch.zeros(64, 1, 16, 16)
    images[:, :, 7, 7] = 1
    (detail, *_), (low_pass, *_) = decompose(images, 2)
    model.critic(0, low_pass, None)(detail)
    bright = seen[0].flatten(1).sort(descending=True).values
    assert (bright[:, 0] > 1 - 1e-6).all()
    assert bright[:, 1:].abs().max() < 1e-6
    assert len({int(image.argmax()) for image in seen[0]}) > 30


def test_details_are_unbounded_and_small_images_are_not() -> None:
    model = seeded()
    for generator in model.generator:
        for parameter in generator.parameters():
            parameter.data.mul_(20)
    z, low_pass = torch.randn(8, 256), torch.randn(8, 1, 16, 16)
    detail = model.generator[0](z, low_pass, None)
    assert detail.abs().max() > 2
    assert detail.min() < -2
    assert model.generator[2](torch.randn(8, 8), None, None).abs().max() <= 1


def test_a_detail_depends_on_noise_and_on_the_low_pass() -> None:
    generator = seeded().generator[0]
    z, low_pass = torch.randn(2, 256), torch.randn(2, 1, 16, 16)
    detail = generator(z, low_pass, None)
    assert detail.shape == low_pass.shape
    assert not torch.allclose(detail, generator(torch.randn(2, 256), low_pass, None))
    assert not torch.allclose(detail, generator(z, low_pass + 1, None))


def test_samples_go_up_the_pyramid_level_by_level() -> None:
    """Equation 3, written out for three levels."""
    model = seeded()
    noise = model.sampler.noise(5)
    assert noise.shape == (5, 16 * 16 + 8 * 8 + 8)
    z_0, z_1, z_2 = noise.split([256, 64, 8], 1)
    g_0, g_1, g_2 = model.ema.network.eval()
    image = g_2(z_2, None, None)
    image = up(image) + g_1(z_1, up(image), None)
    image = up(image) + g_0(z_0, up(image), None)
    assert torch.equal(model.generate(noise), to_uint8(image))


@pytest.mark.parametrize(("size", "coarsest"), [(16, 4), (16, 8), (32, 16), (64, 8)])
def test_generating_changes_nothing(size: int, coarsest: int) -> None:
    model = tiny(image_size=size, coarsest=coarsest, channels=3).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    samples = model.generate(model.sampler.fixed_noise)
    assert samples.dtype == torch.uint8
    assert samples.shape == (64, 3, size, size)
    assert torch.equal(samples[:3], model.generate(model.sampler.fixed_noise[:3]))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_all_networks_use_the_class(batch: LabelledImages) -> None:
    model = seeded(conditional=True).eval()
    model.trainer = quiet_trainer(log_every_n_steps=0)
    real, _, given = model.prepare(batch)
    assert all(torch.equal(labels, batch.labels) for _, labels in given)
    noise = model.sampler.noise(32).split(model.noise_sizes, 1)
    others = (batch.labels + 1) % 10
    for level, (low_pass, labels) in enumerate(given):
        generator = model.generator[level]
        made = generator(noise[level], low_pass, labels)
        assert not torch.allclose(made, generator(noise[level], low_pass, others))
        on_real = model.critic(level, low_pass, labels)(real[level])
        assert not torch.allclose(on_real, model.critic(level, low_pass, others)(real[level]))
    samples = model.generate(model.sampler.fixed_noise[:1].expand(10, -1), torch.arange(10))
    assert len(torch.unique(samples.float(), dim=0)) == 10
    assert model.sample(count=2, label="3", seed=0).rows == [
        {"sample": 0, "class": "3"},
        {"sample": 1, "class": "3"},
    ]


@pytest.mark.parametrize(("steps", "resting"), [(1, False), (2, True), (3, True), (4, False)])
def test_finer_levels_may_rest(data: GanImages, steps: int, resting: bool) -> None:
    """The last of so many steps is the first, second, third or fourth; the coarsest level learns in all."""
    values = {"schedule": "constant", "detail_every": 3}
    model, before = seeded(**values), seeded(**values)
    if steps > 1:
        quiet_trainer(max_steps=steps - 1, callbacks=[StepSeed()]).fit(before, data)
    quiet_trainer(max_steps=steps, callbacks=[StepSeed()]).fit(model, data)
    for networks in ("generator", "discriminator"):
        for level in range(3):
            old, new = (list(getattr(m, networks)[level].parameters()) for m in (before, model))
            same = all(torch.equal(a, b) for a, b in zip(old, new, strict=True))
            assert same == (resting and level < 2)


@pytest.mark.parametrize(("n_critic", "detail_every"), [(1, 2), (2, 2), (3, 3), (2, 4), (4, 2), (2, 3)])
def test_each_level_counts_its_own_batches(data: GanImages, n_critic: int, detail_every: int) -> None:
    """Also where both numbers have a common factor every G learns, from every n_critic of its D's batches."""
    model, batches = seeded(n_critic=n_critic, detail_every=detail_every), 2 * n_critic * detail_every
    run = quiet_trainer(max_steps=batches, callbacks=[StepSeed()])
    run.fit(model, data)
    assert run.global_step == batches
    for optimizer, networks, every in zip(
        run.optimizers, (model.discriminator, model.generator), (1, n_critic), strict=True
    ):
        for level, network in enumerate(networks):
            steps = {int(optimizer.state[parameter]["step"]) for parameter in network.parameters()}
            assert steps == {batches // every // (detail_every if level < 2 else 1)}


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("conditional", [False, True])
def test_every_network_moves_in_every_precision(data: GanImages, precision: str, conditional: bool) -> None:
    values = {"conditional": conditional, "translation": 0.125, "memory_format": "channels_last"}
    model, before = seeded(**values), seeded(**values).state_dict()
    run = quiet_trainer(max_steps=3, precision=precision)
    run.fit(model, data)
    assert run.global_step == 3
    for networks in ("generator", "discriminator"):
        for level in range(3):
            now = {name: p for name, p in model.named_parameters() if name.startswith(f"{networks}.{level}.")}
            moved = [not torch.equal(p, before[name]) for name, p in now.items()]
            assert sum(moved) >= len(moved) - 1  # at chance, real and generated images cancel out in D's last bias
            assert all(p.dtype == torch.float32 for p in now.values())


@pytest.mark.parametrize("values", [{"r1": 1.0}, {"loss": "wasserstein"}, {"loss": "hinge", "spectral_norm": True}])
def test_other_losses_and_penalties_act_at_every_level(batch: LabelledImages, values: dict) -> None:
    model = seeded(discriminator_norm="none", **values)
    model.trainer = quiet_trainer(log_every_n_steps=0)
    loss = model.discriminator_loss(*model.prepare(batch))
    loss.backward()
    assert loss.isfinite()
    assert touched(model)["discriminator"] == {0, 1, 2}


def test_resume_is_exact(tmp_path: Path) -> None:
    stopped = assert_resumed_is_as_if_left_alone(tiny, lambda: GanImages(Digits(), 16, 200), tmp_path)
    again = LAPGAN.load_from_checkpoint(tmp_path / "stopped.ckpt", weights_only=True)
    assert torch.equal(again.generate(again.sampler.fixed_noise), stopped.generate(again.sampler.fixed_noise))


def test_a_run_shows_the_pyramid(data: GanImages) -> None:
    logger, model = Kept(), tiny(eval_samples=200)
    run = quiet_trainer(max_steps=4, limit_val_batches=1, val_check_interval=4, logger=logger, log_every_n_steps=2)
    run.fit(model, data)
    picture = logger.pictures["pyramid"]
    assert picture.dtype == torch.uint8
    assert picture.shape[0] == 3
    assert min(picture.shape[1:]) >= 300
    assert len(logger.steps["train/d_ranking"]) == len(logger.steps["train/loss_generator"]) == 2
    assert model.training_monitor.weights[0].item() == pytest.approx(1 - 0.95**2)  # one level was watched, twice
    assert "val/fid" in run.callback_metrics


def test_bad_values_are_refused_with_the_cure() -> None:
    with pytest.raises(
        ValueError, match=r"from 8 pixels LAPGAN makes images of side 16, 32, 64, 128, ..., got 28: set data"
    ):
        tiny(image_size=28, coarsest=8)
    with pytest.raises(ValueError, match=r"side 16, 32, 64, 128, ..., got 8"):
        tiny(image_size=8, coarsest=8)
    with pytest.raises(ValueError, match=r"a power of two from 4, got model.coarsest=6"):
        tiny(image_size=24, coarsest=6)
    with pytest.raises(ValueError, match="no classes to ask for"):
        tiny(class_names=[], conditional=True)
    with pytest.raises(ValueError, match=r"r1=1 needs a gradient per image, .* set model.discriminator_norm"):
        tiny(coarsest=8, r1=1.0)
