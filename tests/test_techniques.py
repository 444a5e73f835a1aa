"""The contract of a technique, held against every option of ``conf/model``: a new YAML is under it by lying there."""

import inspect
from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, get_args, get_type_hints

import pytest
import torch
from lightning import Callback, LightningModule, Trainer, seed_everything
from smallest import MODELS, derived_from, lab_of, little, values_of

from leyden.bench.config.compose import compose
from leyden.bench.config.instantiate import build
from leyden.core.estimator import EstimatorTask
from leyden.core.technique import Exports, PredictOptions, Predicts, Samples, Technique
from leyden.gan.completion.context_encoder import ContextEncoder
from training import StepSeed, Stop, quiet_trainer

PLAIN = [model for model in MODELS if derived_from(model) is None]
"""Models that can be trained on a CPU; the others are the papers' sizes of these, for a GPU."""


@lru_cache
def config_of(model: str) -> dict[str, Any]:
    """The config of a model's lab, small."""
    lab = lab_of(model)
    return compose([*lab, *little(compose(lab).config)]).config


def assembled(model: str) -> tuple[Any, Any]:
    """Data, prepared, and the technique for it, with seeded weights."""
    config = config_of(model)
    data = build(config["data"])
    data.prepare_data()
    seed_everything(0, verbose=False)
    return data, build(config["model"], **data.spec)


def trained(model: str, steps: int, *callbacks: Callback, checkpoint: Path | None = None) -> tuple[Any, Any, Trainer]:
    """Data, the technique and its trainer after so many steps without Hydra or the bench."""
    data, technique = assembled(model)
    trainer = quiet_trainer(max_steps=steps, max_epochs=-1, callbacks=[StepSeed(), *callbacks])
    trainer.fit(technique, data, ckpt_path=checkpoint, weights_only=True)
    return data, technique, trainer


def steps_of(technique: Any, asked: int) -> int:
    """How many optimizer steps a technique takes where it may take so many: an estimator is fitted in one."""
    return 1 if isinstance(technique, EstimatorTask) else asked


def listed(value: Any) -> Any:
    """A constant default as YAML has it: without tuples."""
    return [listed(part) for part in value] if isinstance(value, tuple) else value


def defaults(target: type) -> dict[str, Any]:
    """The defaults of a constructor, those that it hands on as ``**options`` included.

    Options stand in a base's constructor, or, as fields, in the dataclass ``options_type`` of the class.
    """
    options = getattr(target, "options_type", None)
    found = {f.name: listed(f.default) for f in fields(options) if f.default is not MISSING} if options else {}
    for cls in target.__mro__:
        if "__init__" not in vars(cls) or cls is LightningModule:
            continue
        parameters = inspect.signature(cls.__init__).parameters
        for name, parameter in parameters.items():
            if parameter.default is not parameter.empty:
                found.setdefault(name, listed(parameter.default))
        for hint in get_type_hints(cls.__init__).values():
            for part in (hint, *get_args(hint)):
                if is_dataclass(part):
                    found = {f.name: listed(f.default) for f in fields(part) if f.default is not MISSING} | found
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            break
    return found


@pytest.mark.parametrize("model", PLAIN)
def test_python_defaults_are_the_yaml_s(model: str) -> None:
    values = values_of(model)
    known = defaults(resolve_name(values.pop("_target_")))
    values = {name: value for name, value in values.items() if not str(value).startswith("${")}  # the config's own
    assert {name: known[name] for name in values if name in known} == {n: v for n, v in values.items() if n in known}


@pytest.mark.parametrize("model", PLAIN)
def test_three_steps_then_all_that_it_declares(model: str, tmp_path: Path) -> None:
    before = {name: value.clone() for name, value in assembled(model)[1].state_dict().items()}
    data, technique, trainer = trained(model, 3)
    assert isinstance(technique, Technique)
    assert trainer.global_step == steps_of(technique, 3)
    state = technique.state_dict()
    assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())
    assert any(not torch.equal(state[name], value) for name, value in before.items())

    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = type(technique).load_from_checkpoint(tmp_path / "model.ckpt", map_location="cpu", weights_only=True).eval()
    torch.testing.assert_close(again.state_dict(), state, rtol=0, atol=0)
    if isinstance(again, Predicts):
        predicts(again, data)
    if isinstance(again, Samples):
        first, same, other = (again.sample(3, seed=seed) for seed in (1, 1, 2))
        assert len(first.rows) == 3
        assert equal(first, same)
        assert not equal(first, other)
    if isinstance(again, Exports) and getattr(again, "input_type", "images") == "images":  # rows have no such network
        graph, channels, side, names, _ = again.export_network()
        with torch.no_grad():
            out = graph(torch.zeros(2, channels, side, side, dtype=torch.uint8))
        assert len(out if isinstance(out, Sequence) else [out]) == len(names)


def predicts(technique: Predicts, data: Any) -> None:
    """A row for each input, and an image for each where there are any."""
    split = data.examples("test") if technique.input_type == "text" else data.split("test")
    inputs = [split[i][0] for i in range(min(2, len(split)))]
    predictions = technique.predict(inputs, asked(technique, inputs))
    assert len(predictions.rows) == len(inputs)
    assert len(predictions.images) in (0, len(inputs))
    assert all(image.dtype == torch.uint8 and image.shape[0] == 3 for image in predictions.images)


def asked(technique: Predicts, inputs: Sequence[Any]) -> PredictOptions:
    """Nothing, but where masks are needed one for each image, with a hole in its corner."""
    if not isinstance(technique, ContextEncoder):
        return PredictOptions()
    masks = [torch.zeros(image.shape[-2:], dtype=torch.bool) for image in inputs]
    for mask in masks:
        mask[:4, :4] = True
    return PredictOptions(masks=masks)


def equal(one: Any, other: Any) -> bool:
    images = zip(one.images, other.images, strict=True)
    return one.rows == other.rows and all(torch.equal(a, b) for a, b in images)


@pytest.mark.parametrize("model", PLAIN)
def test_resumed_after_one_step_bit_for_bit(model: str, tmp_path: Path) -> None:
    whole = trained(model, 2)[1]
    trained(model, 2, Stop(1, tmp_path / "stopped.ckpt"))
    resumed = trained(model, 2, checkpoint=tmp_path / "stopped.ckpt")[1]
    assert resumed.global_step == steps_of(resumed, 2)
    torch.testing.assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("model", [model for model in MODELS if model not in PLAIN])
def test_the_papers_size_is_the_same_technique(model: str) -> None:
    own, base = values_of(model), values_of(str(derived_from(model)))
    assert own["_target_"] == base["_target_"]
    assert own.keys() >= base.keys()
    assert own != base
