"""``leyden show``, in process."""

import pytest
import yaml
from omegaconf import OmegaConf

from leyden.bench.config.compose import compose_unchecked
from leyden.bench.config.groups import file_of, options
from leyden.cli import main


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]):
    def show(*words: str) -> str:
        assert main(["show", *words]) == 0
        return capsys.readouterr().out

    return show


@pytest.mark.parametrize("lab", ["gan_dcgan", "transfer_shots", "own_boxes", "text_gpt", "detection_race"])
def test_what_is_shown_is_the_config(lab: str, shown) -> None:
    whole = compose_unchecked([f"experiment={lab}"], whole=False).config
    assert yaml.safe_load(shown(lab)) == whole
    assert yaml.safe_load(shown(f"experiment={lab}", "model", "trainer.precision")) == {
        "model": whole["model"],
        "trainer": {"precision": whole["trainer"]["precision"]},
    }


@pytest.mark.parametrize("model", options("model"))
def test_a_model_has_its_own_defaults(model: str, shown) -> None:
    found = yaml.safe_load(shown(f"model={model}"))["model"]
    written = OmegaConf.to_container(OmegaConf.load(file_of("model", model)))
    own = {key: value for key, value in written.items() if key != "defaults" and "${" not in str(value)}
    assert {key: found[key] for key in own} == own


def test_comments_are_the_yaml_s(shown) -> None:
    lines = {line.partition(":")[0].strip(): line.partition("  # ")[2] for line in shown("gan_dcgan").splitlines()}
    assert lines["base_channels"].startswith("channels of the stage nearest to the image, doubled at each halving")
    assert lines["latent_dim"] == (
        "length of the noise vector (default 100; gan_dcgan: against 100: a thousand digits are no richer)"
    )
    assert lines["beta1"] == "Adam's decay of the gradients' mean; with the usual 0.9 adversaries oscillate"
    assert lines["lr_discriminator"] == "Adam's rate"  # 2e-4 in the YAML, 0.0002 here
    assert lines["test/fid_over_floor"] == "1.53, 1.77, 1.82"


def test_a_typed_value_has_no_reason_of_the_lab(shown) -> None:
    assert shown("gan_dcgan", "model.latent_dim=8", "model.latent_dim") == (
        "model:\n  latent_dim: 8  # length of the noise vector\n\n"
    )


def test_parts_of_data_and_hydra(shown) -> None:
    text = shown("data/source=image_folder")
    assert yaml.safe_load(text)["data"]["source"]["root"] == "???"
    assert "holdout: 0.1                # without val or test folder: share of train that validates" in text
    assert yaml.safe_load(shown("hydra/launcher=slurm"))["hydra"]["launcher"]["timeout_min"] == 240


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gan_dcgn"], "did you mean gan_dcgan?"),
        (["experiment=gan_dcgn"], "experiment=gan_dcgn: no such option; did you mean gan_dcgan?"),
        (["model.lrr"], "did you mean model.lr?"),
        (["qqqq"], "`leyden list` shows labs and parts"),
    ],
)
def test_wrong_names_are_answered(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", *words]) == 1
    assert message in capsys.readouterr().err
