from pathlib import Path

import pytest
import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from PIL import Image

from leyden.data.batches.gan.images import GanImages
from leyden.data.columns import LabelledImages
from leyden.data.source.builtin.digits import Digits
from leyden.gan.noise_to_image.dcgan import DCGAN, Discriminator, Generator
from leyden.gan.pixels import to_signed, to_uint8
from leyden.training.loggers import Files
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer

FACTS = {"class_names": [str(i) for i in range(10)], "channels": 1, "image_size": 16}


def count(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def tiny(**values) -> DCGAN:
    return DCGAN(**{**FACTS, "base_channels": 4, "latent_dim": 8, "eval_samples": 100, **values})


@pytest.mark.parametrize(("channels", "generator", "discriminator"), [(3, 3576704, 2765568), (1, 3574656, 2763520)])
def test_canonical_parameter_counts(channels: int, generator: int, discriminator: int) -> None:
    assert count(Generator(channels, 64, 64, 100)) == generator
    assert count(Discriminator(channels, 64, 64)) == discriminator


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_every_size_passes_both_networks(size: int) -> None:
    images = Generator(3, size, 2, 5)(torch.randn(4, 5))
    assert images.shape == (4, 3, size, size)
    assert images.abs().max() <= 1
    assert Discriminator(3, size, 2)(images).shape == (4,)


@pytest.mark.parametrize("size", [8, 28, 256])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=rf"16, 32, 64, 128, got {size}: set data.image_size"):
        tiny(image_size=size)


def test_weights_start_as_in_the_paper() -> None:
    model = DCGAN(**{**FACTS, "image_size": 32}, base_channels=32)
    for network in (model.generator, model.discriminator):
        for name, parameter in network.named_parameters():
            if parameter.ndim == 4:
                assert parameter.std().item() == pytest.approx(0.02, rel=0.1), name
            elif name.endswith("weight"):
                assert parameter.mean().item() == pytest.approx(1, abs=0.02), name
            else:
                assert not parameter.any(), name


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_one_step_per_batch_is_counted(data: GanImages, precision: str) -> None:
    class Batches(Callback):
        seen = 0

        def on_train_batch_end(self, *_) -> None:
            self.seen += 1

    batches, model = Batches(), tiny()
    run = quiet_trainer(max_steps=10, precision=precision, callbacks=[batches])
    run.fit(model, data)
    assert batches.seen == run.global_step == 10
    for optimizer in run.optimizers:
        assert {int(state["step"]) for state in optimizer.state.values()} == {10}


def test_a_step_is_the_papers(data: GanImages) -> None:
    """D steps on its loss with G's images as constants; G then steps against the new D, which stays as it is."""
    from torch.nn.functional import softplus

    images = to_signed(torch.stack([data.split("train")[i].images for i in range(32)]))
    seed_everything(0, verbose=False)
    model = tiny(ema_decay=0.0)
    seed_everything(0, verbose=False)
    ours = tiny(ema_decay=0.0)
    # By hand, with plain torch.
    g, d = model.generator, model.discriminator
    adam_g, adam_d = (torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (g, d))
    torch.manual_seed(7)
    noise = torch.randn(32, 8)
    fake = g(noise)
    (softplus(-d(images)).mean() + softplus(d(fake.detach())).mean()).backward()
    adam_d.step()
    adam_g.zero_grad()
    softplus(-d(fake)).mean().backward()
    adam_g.step()

    class Seed(Callback):
        def on_train_batch_start(self, *_) -> None:
            torch.manual_seed(7)

    class First(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return 32

        def __getitem__(self, index: int) -> LabelledImages:
            return data.split("train")[index]

    loader = torch.utils.data.DataLoader(First(), 32)
    quiet_trainer(max_steps=1, callbacks=[Seed()]).fit(ours, loader)
    for network, expected in ((ours.generator, g), (ours.discriminator, d), (ours.ema.network, g)):
        torch.testing.assert_close(network.state_dict(), expected.state_dict(), rtol=1e-5, atol=1e-7)


def test_a_step_leaves_the_other_network_alone(data: GanImages) -> None:
    class Watch(Callback):
        def on_after_backward(self, trainer: Trainer, module: LightningModule) -> None:
            active = [p.requires_grad for p in module.discriminator.parameters()]
            other = [p.requires_grad for p in module.generator.parameters()]
            turns.append((all(active), any(other)))

    turns: list[tuple[bool, bool]] = []
    model = tiny()
    quiet_trainer(max_steps=1, callbacks=[Watch()]).fit(model, data)
    assert turns == [(True, False), (False, True)]
    assert all(p.requires_grad for p in [*model.generator.parameters(), *model.discriminator.parameters()])


def test_checkpoint_holds_all_in_plain_values(data: GanImages, tmp_path: Path) -> None:
    model = tiny()
    run = quiet_trainer(max_steps=3)
    run.fit(model, data)
    run.save_checkpoint(tmp_path / "a.ckpt")
    again = DCGAN.load_from_checkpoint(tmp_path / "a.ckpt", weights_only=True)
    assert torch.equal(again.sampler.fixed_noise, model.sampler.fixed_noise)
    assert torch.equal(again.generate(again.sampler.fixed_noise), model.generate(model.sampler.fixed_noise))
    assert again.hparams["base_channels"] == 4


def test_resume_is_exact(tmp_path: Path) -> None:
    assert_resumed_is_as_if_left_alone(tiny, lambda: GanImages(Digits(), 16, 200), tmp_path)


def test_a_run_logs_scores_and_images(data: GanImages) -> None:
    logger, model = Kept(), tiny(eval_samples=200)
    run = quiet_trainer(max_steps=4, limit_val_batches=1, val_check_interval=4, logger=logger, log_every_n_steps=2)
    run.fit(model, data)
    assert logger.pictures.keys() == {"samples", "interpolation"}
    assert {"val/fid", "val/coverage", "val/modes", "val/mode_kl"} <= run.callback_metrics.keys()
    monitored = ("d_accuracy_real", "d_accuracy_fake", "distance_from_equilibrium", "gradient_generator")
    for name in ("loss_generator", "loss_discriminator", "gradient_discriminator", *monitored):
        assert logger.steps[f"train/{name}"] == [1, 3]  # Lightning's x axis begins at 0
    first, again = run.test(model, data, verbose=False), run.test(model, data, verbose=False)
    assert first == again
    distances = {"fid", "fid_floor", "fid_noise", "fid_over_floor", "kid", "swd", "neighbour_ratio"}
    shares = {"precision", "recall", "density", "coverage", "modes", "mode_kl", "judge_accuracy", "samples"}
    assert {f"test/{name}" for name in distances | shares} <= first[0].keys()
    assert logger.pictures.keys() == {"samples", "interpolation", "real_and_samples", "neighbours"}
    for picture in logger.pictures.values():
        assert picture.dtype == torch.uint8
        assert picture.shape[0] == 3
        assert min(picture.shape[1:]) >= 512


def test_animation_has_frames_without_validations(data: GanImages, tmp_path: Path) -> None:
    states = []
    for logger in (False, Files(str(tmp_path))):
        seed_everything(0)
        model = tiny()
        quiet_trainer(max_steps=40, logger=logger).fit(model, data)
        states.append(model.state_dict())
    with Image.open(tmp_path / "training.gif") as image:
        assert image.n_frames == 12
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())  # looking changes nothing


def test_testing_needs_a_data_module() -> None:
    with pytest.raises(ValueError, match="hand over a DataModule"):
        quiet_trainer(limit_test_batches=1).test(tiny(), GanImages(Digits(), 16).test_dataloader(), verbose=False)


def test_generating_changes_nothing() -> None:
    model = tiny().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    samples = model.generate(model.sampler.fixed_noise)
    assert samples.dtype == torch.uint8
    assert samples.shape == (64, 1, 16, 16)
    assert torch.equal(samples[:3], model.generate(model.sampler.fixed_noise[:3]))
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)


def test_sample_from_noise_alone() -> None:
    model = tiny()
    predictions = model.sample(count=3)
    assert len(predictions.rows) == len(predictions.images) == 3
    assert predictions.images[0].shape == (3, 128, 128)


def test_pixels_survive_floats() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_signed(pixels)), pixels)
    assert to_signed(pixels).aminmax() == (-1, 1)
