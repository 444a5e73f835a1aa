"""A network of the library ``open_clip``: ViT-B-32 and its like with weights of LAION, DataComp, OpenAI and others."""

import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import to_pil_image

from leyden.core.start.nearest import nearest
from leyden.data.splits import fit_channels
from leyden.multimodal.checkpoint.matcher import Matcher, MatcherSpec, escaped
from leyden.nets.weight_file import read_tensors
from leyden.nets.weights import OFFLINE, offline

CONFIG = "open_clip_config.json"
"""Of a folder in the library's layout."""
PREFIX = "open_clip:"


class OpenClipMatcher(Matcher):
    """A network of open_clip with its own tokenizer and its own preparation of images.

    Args:
        content: JSON of the network's configuration, the images' preparation and the word that its tokenizer goes by.
        key: the config key that named it, for messages.

    Raises:
        ImportError: the library is not installed.
        ValueError: it cannot build such a network, such as one whose text encoder is on the hub and cannot be reached.
    """

    def __init__(self, content: str, key: str = "model.checkpoint") -> None:
        super().__init__()
        library = require_open_clip(key)
        self.spec = MatcherSpec(kind="open_clip", content=content)
        self.settings: dict[str, Any] = json.loads(content)
        self.name = self.settings["tokenizer"]
        self.net = _built(library, self.settings, key).eval()

    @classmethod
    def of_word(cls, word: str, key: str) -> "OpenClipMatcher":
        """The network behind ``ViT-B-32/laion2b_s34b_b79k``, or ``ViT-B-32/PATH`` with a file of weights.

        Raises:
            FileNotFoundError: the weights are neither in the cache nor can they be downloaded.
            ImportError: the library is not installed.
            ValueError: there is no such network, no such weights, or a file that does not fit.
        """
        library = require_open_clip(key)
        name, _, weights = word.partition("/")
        if name not in library.list_models():
            raise ValueError(
                f"{key}={PREFIX}{word}: open_clip has no network {name!r}{nearest(name, library.list_models())}"
            )
        tags = library.list_pretrained_tags_by_model(name)
        file = Path(weights).expanduser()
        if weights not in tags and not file.is_file():
            raise ValueError(
                f"{key}={PREFIX}{word}: {weights!r} is neither a file (looked from {Path.cwd()}) nor among the weights "
                f"of {name}: {', '.join(tags) or 'there are none'}; write {PREFIX}{name}/WEIGHTS"
            )
        config, images = library.get_model_config(name), asdict(library.transform.PreprocessCfg())
        if weights in tags:
            known = library.get_pretrained_cfg(name, weights)
            config["quick_gelu"] = known.get("quick_gelu", config.get("quick_gelu", False))
            images = library.transform.merge_preprocess_dict(images, known)
            file = _fetched(library, known, f"{key}={PREFIX}{word}")
        return cls._loaded(config, images, name, file, key)

    @classmethod
    def of_folder(cls, folder: Path, key: str) -> "OpenClipMatcher":
        """The network in a folder in the library's layout: ``open_clip_config.json`` beside weights.

        Raises:
            FileNotFoundError: there are no weights.
            ImportError: the library is not installed.
            ValueError: a configuration that is none, or weights that do not fit.
        """
        library = require_open_clip(key)
        stored = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if "model_cfg" not in stored:
            raise ValueError(f"{key}: {folder / CONFIG} has no model_cfg: give a folder that open_clip has written")
        names = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "*.safetensors", "*.bin", "*.pt")
        files = [file for name in names for file in sorted(folder.glob(name))]
        if not files:
            raise FileNotFoundError(f"{key}: {folder} has {CONFIG}, but no weights: add {names[0]}")
        images = library.transform.merge_preprocess_dict(
            asdict(library.transform.PreprocessCfg()), stored.get("preprocess_cfg", {})
        )
        return cls._loaded(stored["model_cfg"], images, f"local-dir:{folder.resolve()}", files[0], key)

    @classmethod
    def _loaded(
        cls, config: dict[str, Any], images: dict[str, Any], tokenizer: str, file: Path, key: str
    ) -> "OpenClipMatcher":
        content = escaped(json.dumps({"model": config, "images": images, "tokenizer": tokenizer}))
        found = cls(content, key)
        read_tensors(file, key)  # refuses what is no file of weights, or could run code, and says what it is
        try:
            require_open_clip(key).load_checkpoint(found.net, str(file), weights_only=True)
        except (RuntimeError, KeyError, ValueError) as error:
            raise ValueError(f"{key}: {file} does not fit {tokenizer}: {str(error)[:300]}") from error
        return found

    @cached_property
    def processor(self) -> Any:
        """What prepares images."""
        library, images = require_open_clip("model.checkpoint"), self.settings["images"]
        size = self.net.visual.image_size
        chosen = library.transform.PreprocessCfg(**{**images, "size": size})
        return library.transform.image_transform_v2(chosen, is_train=False)

    @cached_property
    def tokenizer(self) -> Any:
        """The library's; of networks that read with a tokenizer from the hub, it has to be there."""
        try:
            return require_open_clip("model.checkpoint").get_tokenizer(self.settings["tokenizer"])
        except (OSError, ValueError) as error:
            raise FileNotFoundError(
                f"model.checkpoint: the tokenizer of {self.name} is not here ({str(error).splitlines()[0]}): it comes "
                "from the Hugging Face hub; copy it into this one's cache, or choose a network with open_clip's own"
            ) from error

    def embed_images(self, images: Sequence[Tensor]) -> Tensor:
        """See ``Matcher``; the library's own transform resizes, crops and normalises."""
        prepared = [self.processor(to_pil_image(fit_channels(image.cpu(), 3))) for image in images]
        return F.normalize(self.net.encode_image(torch.stack(prepared).to(self.net.logit_scale.device)))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """See ``Matcher``."""
        return F.normalize(self.net.encode_text(self.tokenizer(list(texts)).to(self.net.logit_scale.device)))

    @property
    def scale(self) -> Tensor:
        """See ``Matcher``."""
        return self.net.logit_scale.exp().squeeze()


def _built(library: Any, settings: dict[str, Any], key: str) -> Any:
    """The network of a configuration with random weights, by the library's own way: a folder that has it."""
    root = logging.getLogger()
    with tempfile.TemporaryDirectory() as folder:
        stored = {"model_cfg": settings["model"], "preprocess_cfg": settings["images"]}
        (Path(folder) / CONFIG).write_text(json.dumps(stored), encoding="utf-8")
        root.addFilter(_graver)  # it warns that weights are missing, which come later
        try:
            return library.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{key}: open_clip cannot build {settings['tokenizer']}: {str(error)[:300]}") from error
        finally:
            root.removeFilter(_graver)


def _graver(record: logging.LogRecord) -> bool:
    return record.levelno > logging.WARNING


def _fetched(library: Any, known: dict[str, Any], word: str) -> Path:
    """A file of published weights, out of the cache or, unless ``HF_HUB_OFFLINE`` is set, downloaded."""
    from huggingface_hub.errors import HfHubHTTPError

    cure = (
        f"give a file of weights ({word.rpartition('/')[0]}/PATH), copy the folder models--{_folder(known)} of another "
        "computer's Hugging Face cache into this one's, or connect to the network"
    )
    hub = known.get("hf_hub")
    if not hub and offline():
        raise FileNotFoundError(f"{word}: {OFFLINE} is set, so nothing is downloaded: {cure}")
    try:
        return Path(library.download_pretrained(known))
    except (OSError, ValueError, RuntimeError, HfHubHTTPError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FileNotFoundError(
            f"{word}: the weights are not here and cannot be downloaded ({reason}): {cure}"
        ) from error


def _folder(known: dict[str, Any]) -> str:
    return str(known.get("hf_hub") or "...").rstrip("/").replace("/", "--")


def require_open_clip(key: str) -> Any:
    """The library.

    Raises:
        ImportError: it is not installed; the message says how to install it.
    """
    try:
        import open_clip
        import open_clip.transform
    except ImportError as error:
        raise ImportError(f"{key} needs the library open_clip here: pip install 'leyden[clip]'") from error
    return open_clip
