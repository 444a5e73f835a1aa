"""Any network of the library ``transformers`` as an encoder of text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from leyden.data.text.published import require_transformers
from leyden.nets.weight_file import read_tensors
from leyden.text.nets.encoder import Encoder, EncoderSpec

PROBED = 8
"""Tokens of the text that shows whether a network looks ahead."""


class LibraryEncoder(Encoder):
    """Tokens (B, T) to the last hidden states (B, T, D) of a network that ``AutoModel`` builds.

    Of one with an encoder and a decoder (T5, BART) it is the encoder. Its stages can be frozen and learn at rates of
    their own, but the library runs them only together.

    Args:
        net: of the library; of an encoder-decoder the whole.
        context: tokens of a text, at most.

    Raises:
        ValueError: it takes fewer tokens, or has no list of blocks.
    """

    def __init__(self, net: Any, context: int) -> None:
        config = net.config.to_dict()
        places = config.get("max_position_embeddings")
        if places is not None and places < context:
            raise ValueError(
                f"{config['model_type']} takes {places} tokens of a text: set data.context={places} or less"
            )
        vocabulary_size, width = net.get_input_embeddings().weight.shape
        super().__init__(config["model_type"], vocabulary_size, context, width)
        self.spec = EncoderSpec(kind="transformers", content=net.config.to_json_string(use_diff=False))
        self.net: nn.Module = net.get_encoder() if config.get("is_encoder_decoder") else net
        self.parts = stages_of(self.net, self.name)
        self.causal = self._looks_back_only()

    @property
    def stages(self) -> dict[str, nn.Module]:
        """``embeddings`` (all before the first block), then the blocks, the last with all behind it."""
        return {name: nn.ModuleList(modules) for name, modules in self.parts.items()}

    def run(self, x: Tensor, real: Tensor | None = None, start: int = 0, stop: int | None = None) -> Tensor:
        """See ``Encoder``.

        Raises:
            ValueError: not all stages are asked for.
        """
        if start or stop not in (None, len(self.parts)):
            raise ValueError(f"{self.name} of the library transformers runs all of its stages or none")
        mask = torch.ones_like(x) if real is None else real.long()
        return self.net(input_ids=x, attention_mask=mask).last_hidden_state

    @torch.no_grad()
    def _looks_back_only(self) -> bool:
        """Whether the features of a text stay when its last token is another."""
        text = torch.arange(PROBED).remainder(self.vocabulary_size).repeat(2, 1)
        text[1, -1] += 1 - 2 * (text[1, -1] > 0)
        one, other = self.eval()(text)
        self.train()
        return torch.equal(one[:-1], other[:-1])


def stages_of(net: nn.Module, name: str) -> dict[str, list[nn.Module]]:
    """A network's modules with parameters of their own, by stages: before the blocks, each block, behind them.

    Raises:
        ValueError: it has no list of blocks.
    """
    lists = [module for module in net.modules() if isinstance(module, nn.ModuleList)]
    blocks = max(lists, key=lambda found: sum(p.numel() for p in found.parameters()), default=None)
    if blocks is None or not len(blocks):
        raise ValueError(f"{name} of the library transformers has no list of blocks: choose another network")
    stages: dict[str, list[nn.Module]] = {"embeddings": []}
    stages |= {f"block{i}": [block] for i, block in enumerate(blocks, 1)}
    inside, stage = set(blocks.modules()), "embeddings"
    for module in net.modules():
        if module is blocks:
            stage = f"block{len(blocks)}"
        elif module not in inside and next(module.parameters(recurse=False), None) is not None:
            stages[stage].append(module)
    return stages


def load_library_net(folder: Path, key: str, auto: str = "AutoModel") -> Any:
    """The network in a folder of the library ``transformers``, with all of its weights.

    Args:
        folder: with ``config.json`` and weights; nothing is fetched from elsewhere, and no code in it is run.
        key: the config key that named it, for messages.
        auto: the library's class that chooses the network, such as ``AutoModelForCausalLM``.

    Raises:
        ImportError: the library is not installed.
        ValueError: there are no weights, pickles that hold more than tensors, or tensors are missing.
    """
    library: Any = require_transformers(key)
    safe = any(folder.glob("model*.safetensors"))
    for file in [] if safe else weight_files(folder, key):
        read_tensors(file, key)  # refuses a pickle that could run code, and says what it holds
    try:
        net, info = getattr(library, auto).from_pretrained(
            folder, local_files_only=True, use_safetensors=safe, output_loading_info=True, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"{key}: {folder} cannot be read by the library transformers ({error})") from error
    if missing := sorted(name for name in info["missing_keys"] if "pooler" not in name):
        raise ValueError(f"{key}: {folder} has no weights for {', '.join(missing[:4])}: give another checkpoint")
    return net


def weight_files(folder: Path, key: str) -> list[Path]:
    """The files of weights in a folder: safetensors, or where there are none pickles.

    Raises:
        ValueError: there are none.
    """
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):
        if files := sorted(folder.glob(pattern)):
            return files
    have = ", ".join(sorted(file.name for file in folder.glob("*"))[:8])
    raise ValueError(f"{key}: {folder} has no weights (model.safetensors, pytorch_model.bin), but {have}")


def read_folder(folder: Path, key: str) -> dict[str, Tensor]:
    """All tensors in a folder's files of weights, by their names in the files."""
    return {name: value for file in weight_files(folder, key) for name, value in read_tensors(file, key).items()}


def build_library_net(config: Mapping[str, Any]) -> Any:
    """A network of the library ``transformers`` with random weights, by its configuration."""
    library: Any = require_transformers("model.weights")
    values = {name: value for name, value in config.items() if name != "model_type"}
    return library.AutoModel.from_config(library.AutoConfig.for_model(config["model_type"], **values))
