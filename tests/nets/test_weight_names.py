import re
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision import models

from leyden.nets import zoo
from leyden.nets.weight_names import load_strictly, match_names
from leyden.nets.weights import find_weights, load_pretrained

State = dict[str, Tensor]


def network() -> Any:
    torch.manual_seed(1)
    return models.squeezenet1_1(num_classes=3)


def under(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def other(state: State) -> State:
    return {key: value + 1 for key, value in state.items()}


WRAPPED: dict[str, Callable[[State], Any]] = {
    "plain": lambda s: s,
    "state_dict": lambda s: {"state_dict": s, "epoch": 3, "arch": "squeezenet"},
    "model_state_dict": lambda s: {
        "epoch": 3,
        "model_state_dict": s,
        "optimizer_state_dict": {},
        "loss": torch.ones(()),
    },
    "model": lambda s: {"model": s, "args": {"lr": 0.1}},
    "net": lambda s: {"net": under("module.", s), "acc": 93.1},
    "params": lambda s: {"params": s},
    "average before params": lambda s: {"params": other(s), "params_ema": s},
    "model_ema": lambda s: {"model": other(s), "model_ema": under("module.", s) | {"n_averaged": torch.tensor(5)}},
    "ema": lambda s: {"ema": {"module": s, "updates": 3}},
    "module.": lambda s: under("module.", s),
    "_orig_mod.": lambda s: under("_orig_mod.", s),
    "module._orig_mod.": lambda s: under("module._orig_mod.", s),
    "module.model.": lambda s: {"state_dict": under("module.model.", s)},
    "lightning": lambda s: {"state_dict": under("model.", s) | {"loss.weight": torch.ones(3)}, "loops": {}},
    "lightning's backbone": lambda s: {"state_dict": under("model.backbone.", s), "hyper_parameters": {"lr": 0.1}},
    "encoder": lambda s: under("encoder.", s),
    "two encoders": lambda s: {"state_dict": under("module.encoder_q.", s) | under("module.encoder_k.", other(s))},
    "wrapped inside": lambda s: {key.replace("features.", "features.module."): value for key, value in s.items()},
    "its features alone": lambda s: {key.removeprefix("features."): value for key, value in s.items()},
    "optimizer beside": lambda s: {"model": s, "optimizer": {"state": {0: {"exp_avg": torch.ones(64, 3, 3, 3)}}}},
    "list": lambda s: [s, {"lr": 0.1}],
    "ordered": lambda s: OrderedDict(model=OrderedDict(s)),
    "deep": lambda s: {"checkpoint": {"runs": [{"best": {"net": s}}]}},
    "tree": lambda s: {"features": {key.removeprefix("features."): value for key, value in s.items()}},
    "parameters": lambda s: {key: nn.Parameter(value) for key, value in s.items()},
    "arrays": lambda s: {key: value.numpy() for key, value in s.items()},
}
WAYS: dict[str, Callable[[Any, Path], None]] = {
    "zip": torch.save,
    "old": lambda stored, path: torch.save(stored, path, _use_new_zipfile_serialization=False),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("wrap", WRAPPED)
def test_weights_however_they_are_wrapped(wrap: str, way: str, tmp_path: Path) -> None:
    state = {key: value for key, value in network().state_dict().items() if key.startswith("features.")}
    WAYS[way](WRAPPED[wrap](state), tmp_path / "w.pth")
    check(tmp_path / "w.pth", state)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["w.safetensors", "w.pth", "w.pth.tar"])
def test_weights_of_any_precision(name: str, kind: torch.dtype, tmp_path: Path) -> None:
    state = under("model.", {key: value.to(kind) for key, value in network().state_dict().items()})
    save_file(state, tmp_path / name)
    check(tmp_path / name, {key.removeprefix("model."): value for key, value in state.items()})
    torch.save(state, tmp_path / name)
    if name != "w.safetensors":
        check(tmp_path / name, {key.removeprefix("model."): value for key, value in state.items()})


def check(path: Path, state: State) -> None:
    """A backbone holds these weights after it has read the file."""
    net = zoo.backbone("squeezenet1_1", 3, 32)
    found = find_weights(str(path), net)
    assert {value.dtype for value in found.values() if value.is_floating_point()} == {torch.float32}
    load_pretrained(net, found, net.stage_names)
    for key, place in net.published.items():
        assert torch.equal(net.state_dict()[key], state[place].float()), key


def test_names_of_timms_whole_networks(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    for name, size in (("convnext_atto", 32), ("vit_tiny_patch16_224", 224)):
        torch.manual_seed(0)
        theirs = timm.create_model(name).state_dict()
        torch.save({"state_dict": under("model.", theirs)}, tmp_path / "w.pth")
        net = zoo.backbone(f"timm/{name}", 3, size)
        load_pretrained(net, find_weights(str(tmp_path / "w.pth"), net), net.stage_names)
        assert torch.equal(next(iter(net.stages.parameters())), next(iter(theirs.values())))


def test_xception_of_timm_behind_a_prefix(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("legacy_xception").state_dict()
    torch.save({"state_dict": under("module.", theirs), "epoch": torch.tensor(1)}, tmp_path / "w.pth")
    with torch.device("meta"):
        net = zoo.backbone("xception", 3, 96)
    net.to_empty(device="cpu")
    load_pretrained(net, find_weights(str(tmp_path / "w.pth"), net), net.stage_names)
    assert torch.equal(net.state_dict()["stages.exit2.3.1.weight"], theirs["conv4.pointwise.weight"])


def test_names_of_other_shapes_are_no_match() -> None:
    wanted = {"features.0.weight": torch.ones(4, 3, 3, 3), "features.1.weight": torch.ones(4)}
    assert match_names({"net.features.0.weight": torch.ones(8, 3, 3, 3)}, wanted) == {}
    assert match_names({"other": torch.ones(3)}, wanted) == {}
    assert match_names({}, wanted) == {}


def test_misfits_name_what_the_file_has(tmp_path: Path) -> None:
    torch.save({"encoder": models.resnet18().state_dict(), "step": torch.ones(())}, tmp_path / "w.pth")
    net = zoo.backbone("squeezenet1_1", 3, 32)
    message = (
        "w.pth fits nothing of squeezenet1_1, which has features.0.weight (64, 3, 3, 3), features.0.bias (64,), "
        "features.3.squeeze.weight (16, 64, 1, 1), features.3.squeeze.bias (16,) and 46 more; the file has "
        "encoder.conv1.weight (64, 3, 7, 7), encoder.bn1.weight (64,), encoder.bn1.bias (64,), "
        "encoder.bn1.running_mean (64,) and 119 more"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        find_weights(str(tmp_path / "w.pth"), net)


def test_loading_strictly_names_what_does_not_fit() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    state = {name: value + 1 for name, value in net.state_dict().items()}
    del state["1.num_batches_tracked"]  # files of old torch versions have none
    load_strictly(net, state | {"head.bias": torch.zeros(1)}, "here", spare=("head.",))
    assert all(torch.equal(net.state_dict()[name], value) for name, value in state.items())
    assert net.state_dict()["1.num_batches_tracked"] == 0
    with pytest.raises(ValueError, match=r"^here: these weights do not fit: unknown head\.bias$"):
        load_strictly(net, state | {"head.bias": torch.zeros(1)}, "here")
    wrong = {**state, "0.bias": torch.zeros(4)}
    del wrong["1.weight"]
    with pytest.raises(ValueError, match=r"0\.bias is \(4,\), wanted \(3,\); missing 1\.weight$"):
        load_strictly(net, wrong, "here")
