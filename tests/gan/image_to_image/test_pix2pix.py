"""pix2pix: parameters, losses in closed form, order of the steps, sizes, noise, evaluation."""

from functools import partial
from pathlib import Path

import pytest
import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from leyden.core.technique import PredictOptions
from leyden.data.batches.gan.paired_images import PairedImages
from leyden.data.columns import ImagePairs
from leyden.data.inputs import input_examples
from leyden.data.source.pairs_of_images.faces_sunglasses import FacesSunglasses
from leyden.gan.image_to_image import paired_evaluation
from leyden.gan.image_to_image.nets import PatchDiscriminator
from leyden.gan.image_to_image.paired_evaluation import PairedEvaluation, distances
from leyden.gan.image_to_image.pix2pix import Example, Pix2Pix
from leyden.gan.pixels import to_signed
from training import Kept, assert_resumed_is_as_if_left_alone, quiet_trainer


def tiny(**values) -> Pix2Pix:
    torch.manual_seed(0)
    small = {"channels_a": 1, "channels_b": 1, "image_size": 16, "base_channels": 2, "downs": 3}
    return Pix2Pix(**{**small, "discriminator_channels": 2, "discriminator_layers": 1, **values})


def new_data() -> PairedImages:
    return PairedImages(FacesSunglasses(), image_size=16, batch_size=4, jitter=1.117, flip=True)


# The networks.


def test_canonical_parameters() -> None:
    with torch.device("meta"):
        discriminator = PatchDiscriminator(6, norm="batch")
    assert sum(p.numel() for p in discriminator.parameters()) == 2_768_705


@pytest.mark.parametrize(("size", "downs"), [(256, 8), (512, 8), (128, 7), (32, 5), (48, 4)])
def test_depth_follows_the_size(size: int, downs: int) -> None:
    assert tiny(image_size=size, downs=None, base_channels=1).downs == downs


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_innermost_map_may_be_a_pixel(norm: str) -> None:
    model = tiny(image_size=32, downs=5, norm=norm)
    assert model.generator["ab"](torch.randn(1, 1, 32, 32)).shape == (1, 1, 32, 32)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image_size": 25, "downs": None}, "can be halved 0 times .* multiple of 4"),
        ({"image_size": 48, "downs": 5}, "can be halved 4 times .* multiple of 32"),
        ({"image_size": 16, "discriminator_layers": 3}, "discriminator_layers=3, which need 32"),
        ({"direction": "AB"}, "one of A2B, B2A, both"),
        ({"gradient_penalty": 10.0}, "batch normalisation mixes"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tiny(**values)


# The losses.


class Says(nn.Module):
    """A logit for each of four patches: the mean of its input times a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x: Tensor) -> Tensor:
        return (self.factor * x.mean((1, 2, 3)))[:, None, None, None].expand(-1, 1, 2, 2)


def test_losses_in_closed_form() -> None:
    """D sees the given image beside the true or the made one: logits 2 (1 + 0) / 2 = 1, and 2 (1 - 1) / 2 = 0."""
    model = tiny()
    model.discriminator = nn.ModuleDict({"ab": Says(2.0)})
    model.trainer = quiet_trainer(log_every_n_steps=0)
    given, true = torch.ones(3, 1, 4, 4), torch.zeros(3, 1, 4, 4)
    examples = {"ab": Example(given, true, -torch.ones(3, 1, 4, 4))}
    one, zero = torch.tensor(1.0), torch.tensor(0.0)
    expected = nn.functional.softplus(-one) + nn.functional.softplus(zero)
    torch.testing.assert_close(model.discriminator_loss(examples), expected)
    torch.testing.assert_close(model.generator_loss(examples), nn.functional.softplus(-zero) + 100)
    model.l1_weight, model.adversarial_weight = 10, 0
    assert model.generator_loss(examples).item() == 10


def test_a_step_is_the_papers() -> None:
    """D first, with G as it is; then G, with D as it is by then."""
    batch = next(iter(new_data().train_dataloader()))
    by_hand, ours = tiny(), tiny()
    g, d = by_hand.generator["ab"], by_hand.discriminator["ab"]
    adam_g, adam_d = (torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (g, d))
    a, b = to_signed(batch.a), to_signed(batch.b)
    fake, bce = g(a), nn.functional.binary_cross_entropy_with_logits
    on_real, on_fake = d(torch.cat([a, b], 1)), d(torch.cat([a, fake.detach()], 1))
    (bce(on_real, torch.ones_like(on_real)) + bce(on_fake, torch.zeros_like(on_fake))).backward()
    adam_d.step()
    on_fake = d(torch.cat([a, fake], 1))
    (bce(on_fake, torch.ones_like(on_fake)) + 100 * (fake - b).abs().mean()).backward()
    adam_g.step()

    quiet_trainer(max_steps=1).fit(ours, new_data())
    for network in ("generator", "discriminator"):
        expected = getattr(by_hand, network).state_dict()
        torch.testing.assert_close(getattr(ours, network).state_dict(), expected, rtol=1e-4, atol=1e-6)


class Turns(Callback):
    """Which networks learn by each backward pass."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, ...]] = []

    def on_after_backward(self, trainer: Trainer, module: LightningModule) -> None:
        networks = {"G": module.generator, "D": module.discriminator}
        self.seen.append(tuple(n for n, network in networks.items() if next(network.parameters()).requires_grad))


def test_both_ways_learn_on_the_same_pairs() -> None:
    turns, model = Turns(), tiny(direction="both", channels_a=1, channels_b=1)
    before = {name: value.clone() for name, value in model.named_parameters()}
    quiet_trainer(max_steps=1, callbacks=[turns]).fit(model, new_data())
    assert turns.seen == [("D",), ("G",)]
    assert {name.split(".")[1] for name in before if name.startswith("generator")} == {"ab", "ba"}
    for name, value in model.named_parameters():
        if name.endswith("weight") and not name.startswith("ema"):
            assert not torch.equal(value, before[name]), name


@pytest.mark.parametrize("values", [{"loss": "hinge", "spectral_norm": True}, {"n_critic": 2, "translation": 0.125}])
def test_options_of_all_gans_act(values: dict) -> None:
    model = tiny(**values)
    quiet_trainer(max_steps=2, precision="bf16-mixed").fit(model, new_data())
    assert all(p.isfinite().all() for p in model.parameters())


def test_resume_is_exact(tmp_path: Path) -> None:
    new_model = partial(tiny, direction="both", schedule="late_linear")
    assert_resumed_is_as_if_left_alone(new_model, new_data, tmp_path, steps=4, stop=2)


# Translation.


def noisy(**values) -> Pix2Pix:
    """With dropout, which U-Nets of 6 halvings have, behind weights that let it be seen."""
    model = tiny(image_size=64, downs=6, base_channels=1, **values)
    for network in (model.generator, model.ema.network):
        for weight in network.parameters():
            nn.init.normal_(weight, 0, 0.3, generator=torch.Generator().manual_seed(1))
    return model


def test_dropout_acts_in_translations() -> None:
    images = torch.randint(0, 256, (1, 1, 64, 64), dtype=torch.uint8)
    with_noise, without = noisy(), noisy(dropout_at_test=False)
    state = torch.get_rng_state()
    first, same, quiet = (model.translate(images, "ab") for model in (with_noise, with_noise, without))
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(first, same)  # the same noise each time
    assert not torch.equal(first, quiet)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_a_translation_is_its_images_alone(norm: str) -> None:
    model = noisy(norm=norm, dropout_at_test=False)
    images = torch.randint(0, 256, (3, 1, 64, 64), dtype=torch.uint8)
    together, alone = model.translate(images, "ab"), model.translate(images[1:2], "ab")
    assert (together[1:2].int() - alone.int()).abs().max() <= 1
    assert not torch.equal(together[0], together[1])


def test_sizes_that_cannot_be_halved_are_padded() -> None:
    """The mirrored margin is translated as well, and cut off."""
    model = tiny(norm="instance")
    images = torch.randint(0, 256, (1, 1, 20, 28), dtype=torch.uint8)
    longer = nn.functional.pad(images.float(), (2, 2, 2, 2), mode="reflect").to(torch.uint8)
    assert torch.equal(model.translate(images, "ab"), model.translate(longer, "ab")[..., 2:-2, 2:-2])


def test_predict_translates_any_size() -> None:
    model = tiny(channels_b=3)
    inputs = [torch.randint(0, 256, size, dtype=torch.uint8) for size in [(1, 8, 8), (3, 20, 15)]]
    rows, images, _ = model.predict(inputs, PredictOptions(direction="A2B"))
    assert rows == [{"width": w, "height": h, "direction": "A2B"} for w, h in [(8, 8), (15, 20)]]
    assert [tuple(image.shape) for image in images] == [(3, 8, 8), (3, 20, 15)]
    with pytest.raises(ValueError, match="leave --threshold out"):
        model.predict(inputs, PredictOptions(threshold=0.5))
    with pytest.raises(ValueError, match=r"learned A2B alone.*model\.direction=both"):
        model.predict(inputs, PredictOptions(direction="B2A"))


def test_predict_takes_either_way_of_both() -> None:
    model = tiny(direction="both", channels_a=3)
    (image,) = model.predict([torch.zeros(3, 8, 8, dtype=torch.uint8)], PredictOptions(direction="B2A")).images
    assert image.shape == (3, 8, 8)
    assert model.predict([image]).rows[0]["direction"] == "A2B"


# Evaluation.


def test_distances_in_closed_form() -> None:
    """51 of 255 apart: 0.4 of -1..1, and 20 log10(255 / 51) dB."""
    true = torch.full((2, 3, 16, 16), 100, dtype=torch.uint8)
    scores = distances(true + 51, true)
    assert scores["l1"].item() == pytest.approx(0.4)
    assert scores["psnr"].item() == pytest.approx(13.979, abs=1e-3)
    assert distances(true, true)["ssim"].item() == pytest.approx(1)
    assert distances(true, true)["psnr"].item() == 100
    assert "ssim" not in distances(true[..., :10], true[..., :10])


def test_baselines_stand_beside_translations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Translations are always of grey 100, as images of A are; 51 of 255 are 0.4 of -1..1."""
    logged, model = {}, tiny()
    model.trainer = quiet_trainer()
    monkeypatch.setattr(model, "log_dict", lambda scores, **_: logged.update(scores))
    evaluation = PairedEvaluation(lambda images, way: torch.full_like(images, 100), ("ab", "ba"), "l1")
    means = {name: torch.full((1, 1, 16, 16), grey, dtype=torch.uint8) for name, grey in (("a", 49), ("b", 151))}
    monkeypatch.setattr(evaluation, "means", lambda task: means)
    a = torch.full((2, 1, 16, 16), 100, dtype=torch.uint8)
    evaluation.batch(model, "val", ImagePairs(a, a + 51), 0)
    found = {name.removeprefix("val/"): float(value) for name, value in logged.items() if "l1" in name}
    expected = {"l1_ab": 0.4, "l1_ba": 0, "l1_ab_input": 0.4, "l1_ba_input": 0.4, "l1_ab_mean": 0, "l1_ba_mean": 0.4}
    assert found == pytest.approx({**expected, "l1": 0.2})


def test_a_run_logs_scores_and_a_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    class Known:
        """In place of the classifier, whose training takes seconds."""

        def __init__(self, source: object, image_size: int, channels: int, device: torch.device) -> None: ...

        def scores(self, translate: object, ways: tuple[str, ...]) -> dict[str, float]:
            return {"changed_ab": 1.0}

    monkeypatch.setattr(paired_evaluation, "AttributeEvaluator", Known)
    logger, model, data = Kept(), tiny(direction="both"), new_data()
    run = quiet_trainer(max_steps=2, limit_val_batches=1, val_check_interval=2, logger=logger, log_every_n_steps=1)
    run.fit(model, data)
    assert {"val/l1_ab", "val/psnr_ba", "val/l1_ab_mean", "val/ssim_ab_input"} <= run.callback_metrics.keys()
    assert model.monitor in run.callback_metrics
    assert {"train/loss_generator", "train/loss_discriminator", "train/d_ranking"} <= set(logger.steps)
    mean = data.split("train").columns.a.double().mean(0).round()
    assert torch.equal(model.evaluation.means(model)["a"][0].double(), mean)
    assert logger.pictures["translations"].shape[0] == 3
    run.test(model, data, verbose=False)
    assert {"test/l1_ab", "test/changed_ab"} <= run.callback_metrics.keys()


def test_sheet_has_before_after_truth_and_back() -> None:
    """Columns for both ways; in each cell the grey says what it is."""
    evaluation = PairedEvaluation(lambda images, way: images + {"ab": 20, "ba": 40}[way], ("ab", "ba"), "l1")
    a = torch.full((2, 1, 8, 8), 10, dtype=torch.uint8)
    sheet = evaluation.sheet(ImagePairs(a, a + 100))[0, 32:]
    cell = (sheet.shape[0] // 37) * 9  # four rows of 8 pixels and the lines between
    first = sheet[cell // 2 :: cell, cell // 2 : 2 * cell : cell][:4]
    assert first.tolist() == [[10, 10], [30, 30], [110, 110], [70, 70]]


def test_test_pairs_are_predicted_from_their_a() -> None:
    """As ``leyden predict RECORD`` does without --input."""
    split = new_data().split("test")
    inputs = [example.read() for example in input_examples(split, 2, Pix2Pix.input_type)]
    assert torch.equal(torch.stack(inputs), split.columns.a[:2])
