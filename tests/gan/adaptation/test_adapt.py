"""Adaptation: what each method trains, where it starts, exact resume, samples side by side."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import seed_everything

from leyden.data.batches.gan.adaptation import AdaptationImages
from leyden.data.source.builtin.digits import Digits
from leyden.gan.adaptation.adapt import Adaptation
from leyden.gan.adaptation.methods import METHODS, Method, with_maps
from leyden.gan.noise_to_image.dcgan import DCGAN
from leyden.gan.noise_to_image.vanilla import VanillaGAN
from training import Kept, StepSeed, assert_resumed_is_as_if_left_alone, quiet_trainer

NETWORKS: dict[str, Any] = {"base_channels": 4, "latent_dim": 8}
SMALL: dict[str, Any] = {**NETWORKS, "source_steps": 2, "source_batch_size": 8, "fisher_samples": 4, "eval_samples": 40}


def data() -> AdaptationImages:
    made = AdaptationImages(
        Digits(), Digits(), shots=6, source_classes=list("012345678"), target_classes=["9"], image_size=16, batch_size=8
    )
    made.prepare_data()
    return made


def new(method: Method = "full", **values: Any) -> Adaptation:
    return Adaptation(list("012345678"), 1, 16, method=method, **{**SMALL, **values})


def adapted(method: Method = "full", steps: int = 2, **values: Any) -> Adaptation:
    seed_everything(0, verbose=False)
    model = new(method, **values)
    quiet_trainer(max_steps=steps, max_epochs=-1, callbacks=[StepSeed()]).fit(model, data())
    return model


def moved(model: Adaptation) -> set[str]:
    """The generator's weights that are no longer the source's."""
    source = dict(model.source_generator.named_parameters())
    return {name for name, value in model.generator.named_parameters() if not torch.equal(value, source[name])}


def record(folder: Path, model: Any) -> Path:
    """A record of a run, as far as a later run reads it."""
    (folder / "checkpoints").mkdir(parents=True)
    kind = type(model)
    (folder / "config.yaml").write_text(f"model: {{_target_: {kind.__module__}.{kind.__qualname__}}}\n")
    trainer = quiet_trainer(max_steps=1)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(folder / "checkpoints" / "best.ckpt")
    return folder


@pytest.mark.parametrize("method", ["full", "ewc", "cdc"])
def test_all_of_the_generator_learns(method: Method) -> None:
    model = adapted(method)
    assert moved(model) == {name for name, _ in model.generator.named_parameters()}


def test_scale_moves_normalisation_alone() -> None:
    model = adapted("scale")
    dims = {name: value.ndim for name, value in model.generator.named_parameters()}
    assert moved(model) == {name for name, ndim in dims.items() if ndim == 1}
    with pytest.raises(ValueError, match="set generator_norm=batch"):
        new("scale", generator_norm="layer")


def test_freeze_d_fixes_the_first_layers() -> None:
    seed_everything(0, verbose=False)
    model = new("freeze_d", frozen_layers=1)
    starts: list[dict[str, torch.Tensor]] = []
    model.on_train_start = lambda: starts.append(  # type: ignore[method-assign]
        {name: value.clone() for name, value in model.discriminator.named_parameters()}
    )
    quiet_trainer(max_steps=2, max_epochs=-1).fit(model, data())
    changed = {
        name for name, value in model.discriminator.named_parameters() if not torch.equal(value, starts[0][name])
    }
    assert changed == starts[0].keys() - {"0.weight"}
    with pytest.raises(ValueError, match="frozen_layers=3: 1 to 2 of the discriminator's 3"):
        new("freeze_d", frozen_layers=3)


def test_scratch_starts_from_random_weights() -> None:
    full, scratch = (adapted(method, lr_generator=0.0, lr_discriminator=0.0) for method in ("full", "scratch"))
    assert not moved(full)
    assert moved(scratch)
    torch.testing.assert_close(full.source_generator.state_dict(), scratch.source_generator.state_dict())


def test_before_any_step_samples_are_the_source_s() -> None:
    model = adapted("cdc", lr_generator=0.0, ema_decay=0.0)
    noise = model.sampler.noise(3, torch.Generator().manual_seed(0))
    parameters = (dict(network.named_parameters()) for network in (model.ema.network, model.source_generator))
    torch.testing.assert_close(*parameters, rtol=0, atol=0)
    assert model.before(noise).shape == model.generate(noise).shape == (3, 1, 16, 16)


def test_correspondence_of_a_source_with_itself_is_zero() -> None:
    model = adapted("cdc", lr_generator=0.0)
    noise = torch.randn(8, 8)
    with torch.no_grad():
        maps = with_maps(model.source_generator.eval(), noise)[1]
    assert model.correspondence(maps, noise).item() == pytest.approx(0, abs=1e-6)


def test_weights_that_do_not_matter_move_freely() -> None:
    model = adapted("ewc", steps=1)
    fisher = torch.cat([values.flatten() for values in model.fisher.buffers()])
    assert fisher.mean().item() == pytest.approx(1, rel=1e-4)
    assert fisher.min() >= 0
    assert model.elastic().item() > 0
    far = adapted("ewc", steps=4, lr_generator=1e-3, ewc_weight=0.0).elastic()
    near = adapted("ewc", steps=4, lr_generator=1e-3, ewc_weight=100.0).elastic()
    assert near < far


def test_patches_and_anchors() -> None:
    model = adapted("cdc", patch_share=0.75, anchors=2, anchor_noise=0.0)
    assert model.whole(8) == 2
    images = model.generator(torch.randn(5, 8))
    assert model.patch_critic(images).shape == (5 * 4,)  # maps of 4 x 4, kernels of 3 x 3
    batch = next(iter(data().train_dataloader()))
    model.trainer = quiet_trainer(max_steps=1)
    noise = model.prepare(batch)[3]
    near = [(vector - model.anchors).abs().sum(1).min().item() for vector in noise]
    assert max(near[:2]) == 0 < min(near[2:])
    whole = new("cdc")
    assert whole.patch_share == 0
    assert len(list(whole.players["discriminator"].network.children())) == 1


def test_a_resumed_run_keeps_its_source(tmp_path: Path) -> None:
    stopped = assert_resumed_is_as_if_left_alone(lambda: new("ewc", ema_decay=0.9), data, tmp_path, steps=4, stop=2)
    assert stopped.adapting  # type: ignore[truthy-function]


def test_a_record_is_adapted(tmp_path: Path) -> None:
    seed_everything(0, verbose=False)
    source = DCGAN([], 1, 16, **NETWORKS)
    folder = record(tmp_path / "run", source)
    model = adapted("full", source=str(folder))
    torch.testing.assert_close(dict(model.source_generator.state_dict()), dict(source.ema.network.state_dict()))


def test_records_that_do_not_fit_say_the_cure(tmp_path: Path) -> None:
    other = record(tmp_path / "other", DCGAN([], 1, 16, base_channels=8, latent_dim=4))
    with pytest.raises(ValueError, match=r"set model.base_channels=8 model.latent_dim=4"):
        adapted(source=str(other))
    vanilla = record(tmp_path / "vanilla", VanillaGAN([], 1, 16))
    with pytest.raises(ValueError, match="a run of VanillaGAN: give a run of model=gan/dcgan"):
        adapted(source=str(vanilla))
    with pytest.raises(FileNotFoundError, match=r"model\.source"):
        adapted(source=str(tmp_path / "nothing"))


def test_a_trained_source_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    first = adapted("full", source_cache=str(tmp_path))
    assert "trained before" not in caplog.text
    again = adapted("cdc", source_cache=str(tmp_path))
    assert "trained before" in caplog.text
    torch.testing.assert_close(first.source_generator.state_dict(), again.source_generator.state_dict())


def test_the_test_compares_with_the_source_at_the_same_noise() -> None:
    model, kept = new("cdc"), Kept()
    trainer = quiet_trainer(max_steps=2, max_epochs=-1, limit_val_batches=1, val_check_interval=2, logger=kept)
    trainer.fit(model, data())
    assert "val/kid" in trainer.callback_metrics
    (scores,) = trainer.test(model, data(), verbose=False)
    assert scores["test/samples"] == 40
    assert scores["test/kid_unadapted"] != scores["test/kid"]
    assert {"test/structure", "test/structure_floor", "test/spread", "test/neighbour_ratio"} <= scores.keys()
    assert {"samples", "adapted", "neighbours"} <= kept.pictures.keys()


def test_samples_show_source_and_adapted_side_by_side() -> None:
    drawn = new().sample(2, seed=1)
    assert [row["sample"] for row in drawn.rows] == [0, 1]
    image = drawn.images[0]
    assert image.shape[2] > 2 * 128
    with pytest.raises(ValueError, match="no classes"):
        new().sample(1, label="3")


def test_there_is_no_such_method() -> None:
    with pytest.raises(ValueError, match="one of full, freeze_d, scale, ewc, cdc, scratch"):
        new("half")  # type: ignore[arg-type]
    assert len(METHODS) == 6
    for name, value in {"patch_share": 1.5, "correspondence_images": 2, "source_steps": 0}.items():
        with pytest.raises(ValueError, match=f"model.{name}={value}"):
            new(**{name: value})
