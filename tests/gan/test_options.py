"""Options are written once: keyword arguments, dataclass fields and the values in conf/model/gan agree."""

import dataclasses
import inspect
import typing
from pathlib import Path
from typing import Any

import pytest
import yaml

from leyden.gan.noise_to_image.conditional import ConditionalGAN
from leyden.gan.noise_to_image.dcgan import DCGAN
from leyden.gan.noise_to_image.lapgan import LAPGAN
from leyden.gan.noise_to_image.options import SamplingKwargs, SamplingOptions
from leyden.gan.noise_to_image.vanilla import VanillaGAN
from leyden.gan.options import AdversarialKwargs, AdversarialOptions
from leyden.gan.super_resolution.srgan import SRGAN, SRGANOptions

CONF = Path(__file__).parents[2] / "conf" / "model" / "gan"


def values(file: str) -> dict[str, Any]:
    """A model's options as Hydra puts them together: those of ``_*.yaml`` first, then its own."""
    own = yaml.safe_load((CONF / f"{file}.yaml").read_text())
    merged: dict[str, Any] = {}
    for entry in own.pop("defaults", []):
        if entry != "_self_":
            merged |= values(entry.rpartition("/")[2].removesuffix("@_here_"))
    # YAML 1.1 takes 2e-4 for a word.
    own = {key: float(value) if value in ("1e-3", "1e-4", "2e-4") else value for key, value in own.items()}
    return {key: value for key, value in (merged | own).items() if key != "_target_"}


@pytest.mark.parametrize(
    ("kwargs", "options"), [(AdversarialKwargs, AdversarialOptions), (SamplingKwargs, SamplingOptions)]
)
def test_keywords_are_the_fields(kwargs: type, options: type) -> None:
    assert typing.get_type_hints(kwargs) == typing.get_type_hints(options)


@pytest.mark.parametrize(
    ("file", "technique", "options"),
    [
        ("vanilla", VanillaGAN, SamplingOptions),
        ("dcgan", DCGAN, SamplingOptions),
        ("conditional", ConditionalGAN, SamplingOptions),
        ("lapgan", LAPGAN, SamplingOptions),
        ("srgan", SRGAN, SRGANOptions),
    ],
)
def test_yaml_has_the_defaults_of_python(file: str, technique: type, options: type) -> None:
    signature = inspect.signature(technique).parameters.values()
    defaults = {p.name: p.default for p in signature if p.default is not p.empty}
    defaults |= {field.name: field.default for field in dataclasses.fields(options)}
    told = {key: tuple(value) if isinstance(value, list) else value for key, value in values(file).items()}
    for name in ("eval_cache", "perceptual_cache"):  # in YAML a folder of the run's outputs
        defaults.pop(name, None)
        told.pop(name, None)
    assert told == defaults


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "hinge", "label_smoothing": 0.1}, "no target to smooth: set model.label_smoothing=0"),
        ({"loss": "wassserstein"}, "must be one of non_saturating, minimax"),
        ({"n_critic": 0}, "counts batches, from 1; got 0"),
        ({"schedule": "drop"}, "model.schedule must be one of constant, linear"),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AdversarialOptions(**options)


def test_the_gradient_penalty_belongs_to_wasserstein() -> None:
    assert AdversarialOptions(loss="wasserstein").penalty_weight == 10
    assert AdversarialOptions(loss="wasserstein", spectral_norm=True).penalty_weight == 0
    assert AdversarialOptions(loss="hinge").penalty_weight == 0
    assert AdversarialOptions(loss="hinge", gradient_penalty=2.0).penalty_weight == 2


@pytest.mark.parametrize(("score", "mode"), [("fid", "min"), ("precision", "max"), ("coverage", "max")])
def test_choose_by_sets_monitor_and_mode(score: str, mode: str) -> None:
    model = DCGAN([], 1, 16, base_channels=2, latent_dim=2, choose_by=score)
    assert (model.monitor, model.mode) == (f"val/{score}", mode)


def test_unknown_scores_name_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"model\.choose_by=kid: one of fid, precision, recall, density, coverage"):
        SamplingOptions(choose_by="kid")
    with pytest.raises(ValueError, match="eval_draws=0 counts draws, from 1"):
        SamplingOptions(eval_draws=0)
