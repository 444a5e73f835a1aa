import copy
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import interpolate, mse_loss, softplus
from torch.optim import Adam

from leyden.data.batches.gan.crops import SuperResolution, enlarge, shrink, whole_multiple
from leyden.data.columns import Images
from leyden.data.source import ImageSource
from leyden.data.source.builtin.image_patches import photographs
from leyden.data.splits import VariedImages
from leyden.gan.pixels import to_signed, to_uint8
from leyden.gan.super_resolution.nets import Discriminator, Generator, upscale_tiled
from leyden.gan.super_resolution.perceptual import Perceptual, train_perceptual
from leyden.gan.super_resolution.srgan import SRGAN
from leyden.metrics.generated.super_resolution import psnr
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer

PARTS = {
    "train": [(0, 40, 48), (40, 36, 44), (80, 50, 40)],
    "val": [(130, 37, 45)],
    "test": [(170, 41, 50), (220, 44, 38)],
}
"""Top row, height and width of each."""


class Pieces(ImageSource):
    """Parts of one photograph, each of another size, so that whole pictures are quickly judged."""

    name, channels, image_size = "pieces", 3, 16

    def split(self, stage: str) -> VariedImages:
        whole = photographs("val")[0]
        return VariedImages([whole[:, top : top + h, 150 : 150 + w].contiguous() for top, h, w in PARTS[stage]])


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def tiny(**values) -> SRGAN:
    torch.manual_seed(0)
    small = {"scale": 2, "base_channels": 6, "blocks": 1, "discriminator_channels": 2, "mse_steps": 3, "lr_mse": 1e-3}
    return SRGAN(3, 16, **{**small, "lr_generator": 1e-3, "lr_discriminator": 1e-3, **values})


def new_data() -> SuperResolution:
    return SuperResolution(Pieces(), image_size=16, batch_size=4, epoch_size=8)


@pytest.fixture
def data() -> SuperResolution:
    return new_data()


class Rehearsed(Callback):
    """Spares the perceptual network's training: one convolution stands in for it."""

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        module.perceptual = stand_in()


def stand_in() -> Perceptual:
    layer = nn.Conv2d(3, 2, 3)
    layer.load_state_dict({"weight": torch.linspace(-1, 1, 54).view(2, 3, 3, 3), "bias": torch.zeros(2)})
    return Perceptual("stand_in", layer, 0.5)


def trainer(steps: int, *callbacks: Callback, **values) -> Trainer:
    return quiet_trainer(max_steps=steps, max_epochs=-1, callbacks=[Rehearsed(), *callbacks], **values)


# The networks.


@pytest.mark.parametrize(("scale", "blocks", "parameters"), [(4, 16, 1549462), (2, 16, 1401749), (4, 5, 734219)])
def test_the_generators_canonical_parameter_counts(scale: int, blocks: int, parameters: int) -> None:
    assert count(Generator(3, scale, 64, blocks)) == parameters


def test_the_discriminators_canonical_parameter_count() -> None:
    assert count(Discriminator(3, 96)) == 23565505
    convolutions = [layer for layer in Discriminator(3, 96) if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 64, 128, 128, 256, 256, 512, 512]
    assert [layer.stride[0] for layer in convolutions] == [1, 2] * 4


@pytest.mark.parametrize("pool", [True, False])
@pytest.mark.parametrize("size", [16, 24, 44])
def test_the_discriminator_fits_any_crop(size: int, pool: bool) -> None:
    network = Discriminator(3, size, 2, pool=pool)
    assert network(torch.randn(4, 3, size, size)).shape == (4,)
    assert (count(network) == count(Discriminator(3, 16, 2, pool=True))) == (pool or size == 16)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_pixel_shuffle_puts_channels_where_the_formula_says(scale: int) -> None:
    """out[n, c, h r + i, w r + j] = in[n, c r^2 + i r + j, h, w], doubling by doubling."""
    shuffles = [stage[1] for stage in Generator(3, scale, 4, 1).doublings]
    assert len(shuffles) == math.log2(scale)
    x = torch.randn(2, 12, 3, 4)
    out = shuffles[0](x)
    for c, h, w, i, j in [(0, 0, 0, 0, 0), (1, 2, 3, 1, 0), (2, 1, 2, 0, 1), (0, 2, 0, 1, 1)]:
        assert torch.equal(out[:, c, 2 * h + i, 2 * w + j], x[:, 4 * c + 2 * i + j, h, w])


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_the_generator_starts_as_bilinear_interpolation(norm: str) -> None:
    images = torch.rand(2, 3, 10, 12)
    enlarged = Generator(3, 2, 6, 2, norm)(images)
    expected = 2 * interpolate(images, scale_factor=2, mode="bilinear") - 1
    torch.testing.assert_close(enlarged[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_nothing_beyond_its_reach_changes_a_pixel(scale: int) -> None:
    torch.manual_seed(0)
    network = Generator(1, scale, 4, 2, "none")
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.3)
    side = 2 * network.reach + 1
    images = torch.rand(1, 1, side, side, requires_grad=True)
    middle = network.reach * scale
    network(images)[0, 0, middle : middle + scale, middle : middle + scale].sum().backward()
    rows = images.grad[0, 0].abs().amax(1).nonzero().flatten()
    # Exactly as far as `reach`, or a pixel less where a fraction was rounded up.
    assert int(rows[0]) <= 1
    wider = nn.functional.pad(images.detach(), (1, 1, 1, 1), value=9.0)
    shifted = network(wider)[..., scale:-scale, scale:-scale]
    torch.testing.assert_close(
        shifted[0, 0, middle : middle + scale, middle : middle + scale],
        network(images)[0, 0, middle : middle + scale, middle : middle + scale],
    )


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_tiles_join_without_a_seam(scale: int) -> None:
    torch.manual_seed(0)
    network = Generator(3, scale, 6, 1)
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    images = torch.randint(0, 256, (1, 3, 41, 37), dtype=torch.uint8)
    whole = to_uint8(network.eval()(images.float() / 255))
    tiles = upscale_tiled(network.train(), images, scale, network.reach, tile=16 * scale)
    assert not network.training
    assert (whole.int() - tiles).abs().max() <= 1  # sums in another order may round otherwise
    assert whole.float().std() > 5


# The two phases.


def test_first_phase_is_squared_error_alone(data: SuperResolution) -> None:
    model = tiny(mse_steps=None, ema_decay=0.0)
    start = copy.deepcopy(model.state_dict())
    images = next(iter(data.train_dataloader()))[0]
    network = copy.deepcopy(model.generator).train()
    small = shrink(images, 2).float() / 255
    mse_loss(network(small), to_signed(images)).backward()
    Adam(network.parameters(), 1e-3, (0.5, 0.999)).step()

    run = trainer(1)
    run.fit(model, new_data())
    assert run.global_step == 1
    torch.testing.assert_close(model.generator.state_dict(), network.state_dict(), rtol=1e-4, atol=1e-6)
    for name, value in model.discriminator.state_dict().items():
        assert torch.equal(value, start[f"discriminator.{name}"]), name
    assert not run.optimizers[0].state
    assert not model.switched


def test_the_switch_keeps_srresnet(data: SuperResolution) -> None:
    class Watch(Callback):
        def on_train_batch_end(self, run: Trainer, module: LightningModule, *_) -> None:
            steps.append(run.global_step)
            states.append(copy.deepcopy(module.state_dict()))

        def on_after_backward(self, run: Trainer, module: LightningModule) -> None:
            turns.append("D" if next(module.discriminator.parameters()).requires_grad else "G")

    steps: list[int] = []
    states: list[dict[str, Tensor]] = []
    turns: list[str] = []
    model = tiny(mse_steps=3, ema_decay=0.5)
    run = trainer(5, Watch())
    run.fit(model, data)
    assert steps == [1, 2, 3, 4, 5]
    assert turns == ["G", "G", "G", "D", "G", "D", "G"]
    assert [bool(state["switched"]) for state in states] == [False, False, False, True, True]
    for name in model.srresnet.state_dict():
        assert torch.equal(states[4][f"srresnet.{name}"], states[2][f"ema.network.{name}"]), name
    assert torch.equal(states[2]["discriminator.0.weight"], states[0]["discriminator.0.weight"])
    assert not torch.equal(states[3]["discriminator.0.weight"], states[2]["discriminator.0.weight"])
    assert not torch.equal(states[3]["generator.last.weight"], states[2]["ema.network.last.weight"])
    for optimizer in run.optimizers:  # Adam begins anew
        assert {int(state["step"]) for state in optimizer.state.values()} == {2}
    assert not any(p.requires_grad for p in model.srresnet.parameters())


def test_rates_run_through_either_phase(data: SuperResolution) -> None:
    class Watch(Callback):
        def on_train_batch_start(self, run: Trainer, *_) -> None:
            rates.append(tuple(optimizer.param_groups[0]["lr"] for optimizer in run.optimizers))

    rates: list[tuple[float, float]] = []
    model = tiny(mse_steps=4, lr_mse=1.0, lr_generator=0.02, lr_discriminator=0.03, schedule="step")
    trainer(8, Watch()).fit(model, data)
    assert [g for _, g in rates] == pytest.approx([1, 1, 0.1, 0.1, 0.02, 0.02, 0.002, 0.002])
    assert [d for d, _ in rates][4:] == pytest.approx([0.03, 0.03, 0.003, 0.003])


def test_no_first_phase_no_srresnet(data: SuperResolution) -> None:
    model = tiny(mse_steps=0)
    run = trainer(1)
    run.fit(model, data)
    assert run.optimizers[0].state
    assert not model.switched


def test_perceptual_loss_is_content_and_adversary(data: SuperResolution) -> None:
    model = tiny(mse_steps=0, adversarial_weight=0.25, memory_format="channels_last")
    model.perceptual, model.trainer = stand_in(), trainer(1, log_every_n_steps=0)
    images = next(iter(data.train_dataloader()))[0]
    real, fake = model.prepare(Images(images))
    content = 0.25 * (model.perceptual.network(fake) - model.perceptual.network(real)).square().mean()
    adversarial = softplus(-model.discriminator(fake)).mean()
    loss = model.generator_loss(real, fake)
    assert loss.item() == pytest.approx((content + 0.25 * adversarial).item(), rel=1e-5)
    assert content.item() > 0


def test_networks_see_the_ranges_of_the_paper() -> None:
    model = tiny()
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 16, 16)
    seen: list[Tensor] = []
    for network in (model.generator, model.discriminator):
        network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    real, fake = model.prepare(Images(images))
    (small,) = seen
    assert [real.min(), real.max(), small.min(), small.max()] == [-1, 1, 0, 1]
    assert small.shape == (2, 3, 8, 8)
    model.critic(real)
    model.critic(fake)
    assert torch.equal(seen[1], real)
    # Nothing is clipped, or gradients would end there; G starts as interpolation, so black and white come through.
    assert [x.item() for x in seen[2][..., 2:-2, 2:-2].aminmax()] == pytest.approx([-1, 1], abs=1e-5)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_both_phases_run_in_any_precision(data: SuperResolution, precision: str) -> None:
    model = tiny(mse_steps=1, n_critic=2, memory_format="channels_last")
    run = trainer(4, precision=precision)
    run.fit(model, data)
    assert run.global_step == 4
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("loss", ["minimax", "least_squares", "hinge", "wasserstein", "relativistic_average"])
def test_every_loss_fits(data: SuperResolution, loss: str) -> None:
    model = tiny(mse_steps=0, loss=loss, discriminator_norm="layer")
    before = copy.deepcopy(model.generator.state_dict())
    trainer(1).fit(model, data)
    assert not torch.equal(model.generator.last.weight, before["last.weight"])


@pytest.mark.parametrize("stop", [2, 3, 4, 5])
def test_resume_is_exact(tmp_path: Path, stop: int) -> None:
    """Before, at and behind the switch, which is after step 3."""
    new_model = partial(tiny, mse_steps=3, translation=0.125)
    assert_resumed_is_as_if_left_alone(new_model, new_data, tmp_path, steps=7, stop=stop, callbacks=[Rehearsed()])


def test_a_run_too_short_for_the_second_phase_warns(data: SuperResolution, caplog: pytest.LogCaptureFixture) -> None:
    trainer(2).fit(tiny(mse_steps=2), data)
    assert "all 2 steps are of the first phase (model.mse_steps=2): no adversarial training" in caplog.text


def test_perceptual_network_learns_from_crops(
    data: SuperResolution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leyden.gan.super_resolution.srgan.train_perceptual", partial(train_perceptual, steps=2))
    model, run = tiny(mse_steps=1, perceptual_cache=str(tmp_path)), trainer(2)
    run.callbacks = [callback for callback in run.callbacks if not isinstance(callback, Rehearsed)]
    run.fit(model, data)
    assert model.perceptual.name == "distortions_conv2"
    assert len(list(tmp_path.glob("perceptual_*.pt"))) == 1
    run = trainer(2)
    run.callbacks = []
    with pytest.raises(ValueError, match=r"hand them over, trainer.fit\(model, datamodule=data\)"):
        run.fit(tiny(mse_steps=1), data.train_dataloader())


# What comes out.


def test_a_run_logs_scores_of_all_methods(data: SuperResolution) -> None:
    logger, model = Kept(), tiny(mse_steps=2)
    run = trainer(4, limit_val_batches=1.0, logger=logger, log_every_n_steps=1)
    run.fit(model, data)
    assert {"train/loss_mse", "train/loss_generator", "train/content_stand_in", "train/d_ranking"} <= set(logger.steps)
    assert {"val/psnr_y", "val/swd", "val/psnr_y_srresnet", "val/ssim_y_bicubic"} <= run.callback_metrics.keys()
    scores = run.test(model, data, verbose=False)[0]
    kinds, methods = ("psnr_y", "ssim_y", "swd"), ("", "_bicubic", "_srresnet")
    assert scores.keys() == {f"test/{kind}{method}" for kind in kinds for method in methods}
    values = []
    for (image,) in data.split("test"):
        target = whole_multiple(image, 2)[None]
        values.append(psnr(enlarge(shrink(target, 2), 2), target, 2).item())
    assert scores["test/psnr_y_bicubic"] == pytest.approx(sum(values) / len(values), abs=1e-4)
    sheet = logger.pictures["comparison"]
    assert sheet.dtype == torch.uint8
    assert sheet.shape[2] > 5 * 96  # low resolution, bicubic, SRResNet, SRGAN, truth


@pytest.mark.parametrize(("mse_steps", "monitor"), [(None, ("val/psnr_y", "max")), (3, ("val/swd", "min"))])
def test_last_phase_decides_the_monitor(mse_steps: int | None, monitor: tuple[str, str]) -> None:
    model = tiny(mse_steps=mse_steps)
    assert (model.monitor, model.mode) == monitor


def test_scores_are_of_full_precision(data: SuperResolution) -> None:
    model = tiny()
    exact, mixed = (
        trainer(1, precision=precision).test(model, data, verbose=False)[0] for precision in ("32-true", "bf16-mixed")
    )
    assert exact == mixed


def test_pictures_of_any_size_and_colour_are_enlarged() -> None:
    model = tiny()
    images = [torch.randint(0, 256, size, dtype=torch.uint8) for size in [(3, 9, 14), (1, 7, 5), (3, 1, 1)]]
    rows, pictures, _ = model.predict(images)
    assert [(row["width"], row["height"], row["scale"]) for row in rows] == [(28, 18, 2), (10, 14, 2), (2, 2, 2)]
    assert [tuple(picture.shape) for picture in pictures] == [(3, 18, 28), (3, 14, 10), (3, 2, 2)]
    assert all(picture.dtype == torch.uint8 for picture in pictures)
    assert torch.equal(pictures[0], model(images[0][None])[0])
    grey = SRGAN(1, 16, scale=2, base_channels=4, blocks=1, discriminator_channels=2)
    assert grey.predict(images).images[0].shape == (3, 18, 28)


def test_checkpoint_holds_all_in_plain_values(data: SuperResolution, tmp_path: Path) -> None:
    model = tiny(mse_steps=1)
    run = trainer(2)
    run.fit(model, data)
    run.save_checkpoint(tmp_path / "a.ckpt")
    again = SRGAN.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    small = torch.randint(0, 256, (1, 3, 9, 9), dtype=torch.uint8)
    assert list(again.methods(small)) == ["bicubic", "SRResNet", "SRGAN"]
    for ours, theirs in zip(model.methods(small).values(), again.methods(small).values(), strict=True):
        assert torch.equal(ours, theirs)
    # The perceptual network is no part of it: it is trained, or read, where a training needs it.
    assert {name.split(".")[0] for name in again.state_dict()} == {
        *("generator", "discriminator", "ema", "srresnet", "switched", "training_monitor")
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": 3}, r"model.scale=3: super-resolution by 2, 4, 8"),
        ({"base_channels": 2}, r"model.base_channels=2 cannot hand 3 channels through"),
        ({"mse_steps": -1}, r"model.mse_steps=-1: a number of batches"),
        ({"perceptual": "vgg19"}, r"model.perceptual=vgg19 needs model.perceptual_layer and model.perceptual_weights"),
        ({"r1": 1.0}, r"model.r1=1 needs a gradient per image"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**values)


def test_crops_must_be_a_multiple_of_the_scale() -> None:
    with pytest.raises(ValueError, match=r"crops of data.image_size=30 cannot be shrunk 4 times: take 28"):
        SRGAN(3, 30, scale=4)


def test_lpips_is_no_part_of_the_checkpoint(dev_data: Path) -> None:
    weights = dev_data / "weights" / "squeezenet1_1_imagenet.pth"
    model = tiny(lpips_weights=str(weights))
    picture = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    assert "lpips" in model.evaluation.score(picture, picture)
    assert model.state_dict().keys() == tiny().state_dict().keys()
