"""Language models that read from left to right, as what is asked for words: logits at some places of some texts."""

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.data.batches.tokens import RandomWindows
from leyden.data.loader import Loader
from leyden.data.specs import TokenizerSpec
from leyden.data.text.published import published_folder, require_transformers
from leyden.data.text.stream import in_memory
from leyden.data.text.tokenizer import Tokenizer, build_tokenizer
from leyden.data.text.tokenizer_sources import read_tokenizer
from leyden.nets.auxiliary import load_network, save_network
from leyden.nets.strategies.computed import key_of
from leyden.text.checkpoints import gpt_of, refuse_other_tokenizer
from leyden.text.nets.convert import is_our_gpt2
from leyden.text.nets.encoder import EncoderSpec
from leyden.text.nets.gpt_encoder import GPTEncoder
from leyden.text.nets.library import load_library_net
from leyden.text.teacher import train_teacher

log = logging.getLogger(__name__)

CAUSAL = "AutoModelForCausalLM"
WEIGHT_DECAY, WARMUP = 0.1, 0.05
"""Of the language model that is trained first, as ``text/gpt`` has them."""


class CausalNet(nn.Module):
    """Tokens to logits, at the places that are asked for.

    Args:
        spec: what it is but for its weights.
        context: tokens of a text, at most.
        vocabulary_size: tokens are numbers below it.
    """

    def __init__(self, spec: EncoderSpec, context: int, vocabulary_size: int) -> None:
        super().__init__()
        self.spec, self.context, self.vocabulary_size = spec, context, vocabulary_size

    def forward(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Logits (B, K, V) of the token behind each place.

        Args:
            tokens: (B, T) int64; padding stands behind, where what is read from left to right does not see it.
            places: (B, K) int64, of tokens that are no padding.
        """
        raise NotImplementedError


class OwnCausalNet(CausalNet):
    """A GPT of ours; see ``leyden.text.gpt``."""

    def __init__(self, encoder: GPTEncoder) -> None:
        super().__init__(encoder.spec, encoder.context, encoder.vocabulary_size)
        self.gpt = encoder.net
        self._encoder = [encoder]  # a list hides it: its weights are the GPT's

    def forward(self, tokens: Tensor, places: Tensor) -> Tensor:
        """See ``CausalNet``; only the places that are asked for get logits."""
        features = self._encoder[0].run(tokens)  # (B, T, D)
        asked = features.gather(1, places[:, :, None].expand(-1, -1, features.shape[-1]))
        return F.linear(asked, self.gpt.token.weight)


class LibraryCausalNet(CausalNet):
    """Any that ``AutoModelForCausalLM`` of the library transformers builds."""

    def __init__(self, net: Any) -> None:
        spec = EncoderSpec(kind="transformers", content=net.config.to_json_string(use_diff=False))
        places = getattr(net.config, "max_position_embeddings", None) or LONG
        super().__init__(spec, places, net.get_input_embeddings().weight.shape[0])
        self.net = net

    def forward(self, tokens: Tensor, places: Tensor) -> Tensor:
        """See ``CausalNet``."""
        logits = self.net(input_ids=tokens).logits
        return logits.gather(1, places[:, :, None].expand(-1, -1, logits.shape[-1]))


LONG = 2**20
"""Tokens of a network whose places are not numbered."""


class Recipe(NamedTuple):
    """How the language model is trained that the run begins with."""

    steps: int
    """Of AdamW."""
    lr: float
    """Its greatest rate."""
    batch_size: int
    """Windows of a step."""
    seed: int
    """Of the weights and the windows."""


def causal_net(weights: str, tokenizer: TokenizerSpec, sizes: tuple[int, int, int, int], key: str) -> CausalNet:
    """The network that a word means, with its weights.

    Args:
        weights: ``none``, a GPT with random weights; a run of ``text/gpt``; or a folder in the layout of the library
            transformers, or a name on its hub, of any network that reads from left to right.
        tokenizer: of the texts.
        sizes: context, layers, heads and width, of ``none``.
        key: the config key that gave ``weights``, for messages.

    Raises:
        FileNotFoundError: there is nothing at ``weights``.
        ImportError: a package is missing; the message names it.
        ValueError: another tokenizer, or weights of something else.
    """
    path = Path(weights).expanduser()
    if weights == "none" or path.suffix == ".ckpt" or (path.is_dir() and not (path / "config.json").is_file()):
        context, layers, heads, width = sizes
        least = context if weights == "none" else 1
        return OwnCausalNet(GPTEncoder(gpt_of(weights, tokenizer, least, layers, heads, width, key=key)))
    folder = published_folder(weights, key)
    if is_our_gpt2(json.loads((folder / "config.json").read_text(encoding="utf-8"))):
        return OwnCausalNet(GPTEncoder(gpt_of(str(folder), tokenizer, 1, key=key)))
    found = LibraryCausalNet(load_library_net(folder, key, CAUSAL))
    own, theirs = build_tokenizer(tokenizer), read_tokenizer(folder, key)
    refuse_other_tokenizer(own, theirs, found.vocabulary_size, weights, key)
    return found


def build_causal_net(spec: EncoderSpec) -> CausalNet:
    """The network that a spec describes, with random weights.

    Raises:
        ImportError: it is of a library that is not installed.
    """
    content = json.loads(spec["content"])
    if spec["kind"] == "gpt":
        return OwnCausalNet(GPTEncoder.of_sizes(**content, dropout=0.0))
    library: Any = require_transformers("model.weights")
    values = {name: value for name, value in content.items() if name != "model_type"}
    config = library.AutoConfig.for_model(content["model_type"], **values)
    return LibraryCausalNet(getattr(library, CAUSAL).from_config(config))


def pretrain(
    network: CausalNet, tokenizer: Tokenizer, texts: Sequence[str], recipe: Recipe, folder: Path | None
) -> None:
    """Has a GPT of ours learn to go on with some texts, or takes what another run has learnt so.

    Args:
        network: with random weights; changed in place.
        tokenizer: of the texts.
        texts: without labels.
        recipe: how; 0 steps leave it as it is.
        folder: where networks are kept, under a key of everything that decides them; None keeps none.
    """
    assert isinstance(network, OwnCausalNet)
    if not recipe.steps:
        return
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        fresh = build_causal_net(network.spec)
    network.load_state_dict(fresh.state_dict())
    file = None
    if folder is not None:
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()
        file = folder / f"causal_lm_{key_of(network, texts=digest, tokenizer=tokenizer.spec, recipe=recipe)}.pt"
    if load_network(network, file) is not None:
        return
    stream = in_memory(texts, tokenizer)
    windows = RandomWindows(stream.tokens, network.context, recipe.batch_size * recipe.steps)
    loader = Loader(windows, recipe.batch_size, train=True, seed=recipe.seed, whole=True)
    log.info("a language model learns from %d tokens, %d steps", len(stream.tokens), recipe.steps)
    train_teacher(network.gpt, loader, recipe.steps, recipe.lr, WEIGHT_DECAY, WARMUP)
    if file is not None:
        save_network(network, file)
