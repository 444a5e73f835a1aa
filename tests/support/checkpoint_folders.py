"""Tiny published networks, at random, as their own libraries write them."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

CHARACTERS = "abcdefghijklmnopqrstuvwxyz.,0123456789"


def clip_folder(folder: Path, old: bool = False) -> Any:
    """A CLIP of transformers at random, with tokenizer and preparation of images, written to ``folder``.

    Args:
        folder: made.
        old: the configuration gives 2 for the end's number, as OpenAI's own does, which the library knows to be wrong.
    """
    transformers = pytest.importorskip("transformers", reason="the extra text")
    ends = ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = [*CHARACTERS, *(f"{letter}</w>" for letter in CHARACTERS), "re", "red</w>", *ends]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(vocabulary)}))
    (folder / "merges.txt").write_text("#version: 0.2\nr e\nre d</w>\n")
    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    end = len(vocabulary) - 1
    told = 2 if old else end
    text = {"vocab_size": end + 1, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
            "num_attention_heads": 2, "max_position_embeddings": 20, "eos_token_id": told, "bos_token_id": end - 1,
            "pad_token_id": end}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
              "image_size": 16, "patch_size": 8}  # fmt: skip
    torch.manual_seed(0)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    net = transformers.CLIPModel(config).eval()
    net.save_pretrained(folder)
    transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}).save_pretrained(
        folder
    )
    return net


def open_clip_folder(folder: Path) -> Any:
    """A network of open_clip at random in a folder of its own layout."""
    open_clip = pytest.importorskip("open_clip", reason="the extra clip")
    config = {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "head_width": 32, "patch_size": 8},
        "text_cfg": {"context_length": 20, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
    }
    folder.mkdir(parents=True)
    stored = {"model_cfg": config, "preprocess_cfg": {"mean": [0.4, 0.5, 0.6], "std": [0.2, 0.3, 0.25]}}
    (folder / "open_clip_config.json").write_text(json.dumps(stored))
    torch.manual_seed(0)
    net = open_clip.create_model(f"local-dir:{folder}", load_weights=False).eval()
    torch.save(net.state_dict(), folder / "open_clip_pytorch_model.bin")
    return net
