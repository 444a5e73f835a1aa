"""Weights for a backbone: a network's published ones, a file, or the folder of an earlier run.

Files are read with ``weights_only=True``, so they cannot run code. Normalisation travels with the weights.
"""

import logging
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import models

from leyden.nets.backbone import Backbone
from leyden.nets.published.efficientnet_lite import embedded_weights
from leyden.nets.published.xception import from_timm
from leyden.nets.zoo import timm_model

log = logging.getLogger(__name__)

HALF = {"googlenet_bn", "inception_v3", "xception", "efficientnet_lite0"}
"""Networks that were trained on images in [-1, 1]; torchvision reaches that for its own two by ``transform_input``."""
TORCHVISION = {"googlenet_bn": "googlenet", "googlenet": "the paper's"}
"""Where our names differ from torchvision's; of the paper's own GoogLeNet there are no weights."""
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def find_weights(weights: str, backbone: Backbone) -> dict[str, Tensor]:
    """The state dict behind a word, in the published layout of the network or in the backbone's own.

    Args:
        weights: ``imagenet``; a name among torchvision's, such as ``IMAGENET1K_V2``; the path of a file; or the folder
            of an earlier run's record (or of several: the newest checkpoint).
        backbone: whose weights are wanted.

    Returns:
        float32 tensors; ``mean`` and ``std`` (C,) are among them.

    Raises:
        FileNotFoundError: there is neither such a file nor such a folder, or nothing can be downloaded.
        ValueError: no file of weights, a record without a backbone, or no weights of that name.
    """
    path = Path(weights).expanduser()
    if path.is_dir():
        return _of_record(path)
    if path.is_file():
        state = _read(path)
    elif weights == "imagenet" or weights.upper().split(".")[-1].startswith(("IMAGENET", "DEFAULT")):
        state = _download(weights, backbone)
    else:
        raise FileNotFoundError(
            f"model.weights: no file or folder {weights!r} (looked from {Path.cwd()}); it can be imagenet, a name "
            "among torchvision's weights, the path of a file of weights, the folder of an earlier run, or none"
        )
    if backbone.name == "xception" and any(".rep." in key for key in state):
        state = from_timm(state)
    if "mean" not in state:
        mean, std = ([0.5] * 3, [0.5] * 3) if backbone.name in HALF else IMAGENET
        if backbone.name in ("resnet", "googlenet") or backbone.in_channels != 3:
            mean, std = [0.5] * backbone.in_channels, [0.5] * backbone.in_channels
        state |= {"mean": torch.tensor(mean), "std": torch.tensor(std)}
    return state


def best_checkpoint(folder: Path, key: str) -> Path:
    """The newest ``best.ckpt`` of the records in a folder.

    Args:
        folder: a record, or one that holds several at any depth.
        key: the config key that names the folder, for the message.

    Raises:
        FileNotFoundError: there is none.
    """
    files = sorted(folder.glob("**/checkpoints/best.ckpt"), key=lambda file: file.stat().st_mtime)
    if not files:
        raise FileNotFoundError(f"{key}: {folder} holds no record with checkpoints/best.ckpt; run that lab first")
    return files[-1]


def load_pretrained(backbone: Backbone, state: dict[str, Tensor], stages: Sequence[str]) -> None:
    """Takes over the weights of ``stages`` and the normalisation; what ``state`` has besides is left.

    Raises:
        ValueError: a key of these stages is missing or has another shape; the message lists them.
    """
    own = backbone.state_dict()
    wanted = [key for key in own if key.split(".")[0] == "stages" and key.split(".")[1] in stages]
    taken, wrong = {}, []
    for key in wanted:
        name = next((name for name in (key, backbone.published.get(key, key)) if name in state), None)
        if name is None:
            if not key.endswith("num_batches_tracked"):  # files of old torch versions have none
                wrong.append(f"missing {backbone.published.get(key, key)}")
        elif state[name].shape != own[key].shape:
            wrong.append(f"{name} is {tuple(state[name].shape)}, wanted {tuple(own[key].shape)}")
        else:
            taken[key] = state[name]
    if wrong:
        more = f" and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        what = "fit nothing of" if not taken else "do not fit"
        raise ValueError(f"model.weights: these weights {what} {backbone.name}: {'; '.join(wrong[:8])}{more}")
    backbone.load_state_dict(own | taken | {key: state[key].expand_as(own[key]) for key in ("mean", "std")})
    known = {*own, *backbone.published.values()}
    rest = [f"{key} {tuple(value.shape)}" for key, value in state.items() if key not in known]
    if rest:
        log.info("of the weights, %d tensors are not used (the old head): %s", len(rest), ", ".join(rest[:4]))


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, whatever they are wrapped in; half precision becomes float32."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        state = stored.get("state_dict", stored.get("model", stored))
        tensors = {key.removeprefix("module."): value for key, value in state.items() if isinstance(value, Tensor)}
    except (pickle.UnpicklingError, RuntimeError, EOFError, LookupError, AttributeError) as error:
        # broken, code inside, text (LookupError: torch takes its letters for pickle's commands), no dict
        reason = (str(error).splitlines() or ["it is empty"])[0]
        raise ValueError(f"model.weights: {path} is no file of weights: {reason}") from error
    if not tensors:
        raise ValueError(f"model.weights: {path} holds no tensors")
    inside = "backbone."  # Leyden's checkpoints have it under net.backbone or net.maps.backbone, and the like
    mine = {key.rpartition(inside)[2]: value for key, value in tensors.items() if inside in key}
    return {key: value.float() if value.is_floating_point() else value for key, value in (mine or tensors).items()}


def _of_record(folder: Path) -> dict[str, Tensor]:
    """The backbone of a run's best checkpoint."""
    best = best_checkpoint(folder, "model.weights")
    state = _read(best)
    if "mean" not in state:
        raise ValueError(f"model.weights: {best} is of a technique without a backbone of leyden.nets")
    log.info("weights of %s", best.parent.parent)
    return state


def _download(weights: str, backbone: Backbone) -> dict[str, Tensor]:
    """Published weights, from torch's cache or over the network."""
    name = backbone.name
    if name.startswith("timm/"):
        return _timm_weights(name, backbone.in_channels)
    if name == "efficientnet_lite0":
        return embedded_weights()
    try:
        entries: Any = models.get_model_weights(TORCHVISION.get(name, name))
    except ValueError as error:
        raise ValueError(f"model.weights={weights}: there are no published weights of {name}; give a file") from error
    known = ", ".join(entry.name for entry in entries)
    member = "DEFAULT" if weights == "imagenet" else weights.split(".")[-1]
    if member not in entries.__members__:
        raise ValueError(f"model.weights={weights!r}: torchvision has {known} of {name}")
    entry = entries[member]
    try:
        state = dict(entry.get_state_dict(progress=False, check_hash=True))
    except OSError as error:  # no network, no space
        file = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rsplit("/", 1)[-1]
        raise FileNotFoundError(
            f"model.weights={weights}: {file.name} cannot be downloaded ({error}). Two ways out: put that file into "
            f"{file.parent}, or give the path of a file with weights of {name}: model.weights=PATH"
        ) from error
    if name not in HALF:
        chosen = entry.transforms()
        state |= {"mean": torch.tensor(chosen.mean), "std": torch.tensor(chosen.std)}
    return state


def _timm_weights(name: str, channels: int) -> dict[str, Tensor]:
    try:
        net = timm_model(name, channels, pretrained=True)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"model.weights=imagenet: the weights of {name} cannot be had ({str(error).splitlines()[0]}). "
            "Two ways out: fetch them where there is a network and copy the Hugging Face cache, or give a file: "
            "model.weights=PATH"
        ) from error
    from timm import get_pretrained_cfg

    given: Any = get_pretrained_cfg(name.removeprefix("timm/"))
    return dict(net.state_dict()) | {"mean": torch.tensor(given.mean), "std": torch.tensor(given.std)}
