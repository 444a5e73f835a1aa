"""Weights in the layout of the library ``transformers``, renamed for our own networks.

Nothing is left out in silence: a tensor that our network lacks, or one that is missing, is an error.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

BERT = [
    (r"embeddings\.word_embeddings\.", "encoder.embeddings.token."),
    (r"embeddings\.position_embeddings\.", "encoder.embeddings.place."),
    (r"embeddings\.token_type_embeddings\.", "encoder.embeddings.segment."),
    (r"embeddings\.LayerNorm\.", "encoder.embeddings.norm."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense\.", r"encoder.blocks.\1.attention.out."),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm\.", r"encoder.blocks.\1.norm_1."),
    (r"encoder\.layer\.(\d+)\.attention\.self\.", r"encoder.blocks.\1.attention."),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense\.", r"encoder.blocks.\1.mlp.0."),
    (r"encoder\.layer\.(\d+)\.output\.dense\.", r"encoder.blocks.\1.mlp.2."),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm\.", r"encoder.blocks.\1.norm_2."),
    (r"pooler\.dense\.", "pooler.linear."),
    (r"cls\.predictions\.transform\.dense\.", "masked.linear."),
    (r"cls\.predictions\.transform\.LayerNorm\.", "masked.norm."),
    (r"cls\.predictions\.bias$", "masked.bias"),
    (r"cls\.seq_relationship\.", "follows."),
]
"""transformers' names of BERT's weights -> those of ``BertForPretraining``."""
GPT2 = [
    (r"wte\.", "token."),
    (r"wpe\.", "place."),
    (r"h\.(\d+)\.ln_1\.", r"blocks.\1.norm_1."),
    (r"h\.(\d+)\.attn\.c_attn\.", r"blocks.\1.attention.qkv."),
    (r"h\.(\d+)\.attn\.c_proj\.", r"blocks.\1.attention.out."),
    (r"h\.(\d+)\.ln_2\.", r"blocks.\1.norm_2."),
    (r"h\.(\d+)\.mlp\.c_fc\.", r"blocks.\1.mlp.0."),
    (r"h\.(\d+)\.mlp\.c_proj\.", r"blocks.\1.mlp.2."),
    (r"ln_f\.", "norm."),
]
"""transformers' names of GPT-2's weights -> those of ``GPTNet``."""
REPEATED = re.compile(r"position_ids$|cls\.predictions\.decoder\.|lm_head\.weight$|h\.\d+\.attn\.(masked_)?bias$")
"""Constants, and tied weights under a second name."""


def bert_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """BERT's weights (``BertModel`` or with heads) by the names of ``BertForPretraining``.

    Args:
        state: by transformers' names, also the old ones, in which norms have a gamma and a beta.

    Raises:
        ValueError: a name that BERT does not have.
    """
    found, parts = {}, {}
    for name, value in state.items():
        name = name.removeprefix("bert.").replace("LayerNorm.gamma", "LayerNorm.weight")
        name = renamed(name.replace("LayerNorm.beta", "LayerNorm.bias"), BERT)
        if match := re.fullmatch(r"(.+\.attention)\.(query|key|value)\.(weight|bias)", name):
            parts[match[1], match[3], match[2]] = value
        elif name:
            found[name] = value
    for place, kind in {(place, kind) for place, kind, _ in parts}:
        qkv = [parts[place, kind, part] for part in ("query", "key", "value")]
        found[f"{place}.qkv.{kind}"] = torch.cat(qkv)  # (3 D, D) or (3 D,)
    return found


def gpt2_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """GPT-2's weights by the names of ``GPTNet``; its linear layers are stored transposed.

    Raises:
        ValueError: a name that GPT-2 does not have.
    """
    found = {}
    for name, value in state.items():
        if own := renamed(name.removeprefix("transformer."), GPT2):
            transposed = own.endswith(".weight") and re.search(r"attention|mlp", own)
            found[own] = value.T.contiguous() if transposed else value
    return found


def renamed(name: str, patterns: list[tuple[str, str]]) -> str:
    """A tensor's name in our network; "" for what is repeated.

    Raises:
        ValueError: no pattern knows it.
    """
    if REPEATED.search(name):
        return ""
    for theirs, ours in patterns:
        if re.match(theirs, name):
            return re.sub(theirs, ours, name)
    raise ValueError(f"these weights have {name}, which this network does not")


def is_our_bert(config: Mapping[str, Any]) -> bool:
    """Whether a published configuration describes a network that ``BertEncoder`` is, to the last norm."""
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act", "gelu") == "gelu"
        and config.get("position_embedding_type", "absolute") == "absolute"
        and config.get("layer_norm_eps", 1e-12) == 1e-12
        and config.get("type_vocab_size", 2) == 2
        and config.get("intermediate_size", 3072) == 4 * config.get("hidden_size", 768)
        and not config.get("is_decoder", False)
    )


def is_our_gpt2(config: Mapping[str, Any]) -> bool:
    """Whether a published configuration describes a network that ``GPTNet`` is."""
    return (
        config.get("model_type") == "gpt2"
        and config.get("activation_function", "gelu_new") == "gelu_new"
        and config.get("layer_norm_epsilon", 1e-5) == 1e-5
        and config.get("n_inner") in (None, 4 * config.get("n_embd", 768))
        and config.get("scale_attn_weights", True)
        and not config.get("scale_attn_by_inverse_layer_idx", False)
    )
