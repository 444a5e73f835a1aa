"""A CLIP of the library ``transformers``: OpenAI's, LAION's and all others in its layout."""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import to_pil_image

from leyden.data.splits import fit_channels
from leyden.data.text.published import published_tokenizer, require_transformers
from leyden.multimodal.checkpoint.matcher import Matcher, MatcherSpec, escaped
from leyden.nets.weight_file import read_tensors

KIND = "clip"
"""The library's ``model_type``."""


class LibraryMatcher(Matcher):
    """``CLIPModel`` with its own tokenizer and its own preparation of images.

    Args:
        content: JSON of the network's configuration, the tokenizer's file and the settings of the images' preparation.
        key: the config key that named it, for messages.

    Raises:
        ImportError: the library is not installed.
    """

    def __init__(self, content: str, key: str = "model.checkpoint") -> None:
        super().__init__()
        library = require_transformers(key)
        self.spec = MatcherSpec(kind="transformers", content=content)
        self.name = "CLIPModel"
        self.settings: dict[str, Any] = json.loads(content)
        self.net = library.CLIPModel(library.CLIPConfig.from_dict(self.settings["config"])).eval()

    @classmethod
    def of_folder(cls, folder: Path, key: str) -> "LibraryMatcher":
        """The network in a folder in the library's layout, with its weights; no code in the folder is run.

        Raises:
            ImportError: the library is not installed.
            ValueError: it is no CLIP, there are no weights, pickles hold more than tensors, or tensors are missing.
        """
        library = require_transformers(key)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if config.get("model_type") != KIND:
            raise ValueError(
                f"{key}: {folder} holds a {config.get('model_type')!r} of transformers, no CLIP: give a checkpoint "
                'whose config.json has "model_type": "clip", such as openai/clip-vit-base-patch32'
            )
        safe = any(folder.glob("model*.safetensors"))
        for file in [] if safe else folder.glob("pytorch_model*.bin"):
            read_tensors(file, key)  # refuses a pickle that could run code
        try:
            net, info = library.CLIPModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=safe, output_loading_info=True, dtype=torch.float32
            )
            settings = folder / "preprocessor_config.json"
            processor = library.CLIPImageProcessor.from_pretrained(folder) if settings.is_file() else None
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise ValueError(f"{key}: {folder} cannot be read by the library transformers ({error})") from error
        if missing := sorted(info["missing_keys"]):
            raise ValueError(f"{key}: {folder} has no weights for {', '.join(missing[:4])}: give another checkpoint")
        side = net.config.vision_config.image_size
        processor = processor or library.CLIPImageProcessor(size={"shortest_edge": side}, crop_size=side)
        content = {
            "config": net.config.to_dict(),
            "tokenizer": published_tokenizer(folder, key),
            "images": json.loads(processor.to_json_string()),
        }
        found = cls(escaped(json.dumps(content)), key)
        found.net.load_state_dict(net.state_dict())
        return found

    @cached_property
    def processor(self) -> Any:
        """What prepares images."""
        return require_transformers("model.checkpoint").CLIPImageProcessor.from_dict(dict(self.settings["images"]))

    @cached_property
    def tokenizer(self) -> Any:
        """Of the library ``tokenizers``, which puts start and end around a text."""
        from tokenizers import Tokenizer

        text = self.net.config.text_config
        tokenizer = Tokenizer.from_str(self.settings["tokenizer"])
        tokenizer.enable_truncation(text.max_position_embeddings)
        end = text.eos_token_id if text.eos_token_id != 2 else text.vocab_size - 1  # 2 is what old configurations say
        tokenizer.enable_padding(pad_id=end, pad_token=tokenizer.id_to_token(end) or "<|endoftext|>")
        return tokenizer

    def embed_images(self, images: Sequence[Tensor]) -> Tensor:
        """See ``Matcher``; the library's own processor resizes, crops and normalises."""
        pixels = self.processor([to_pil_image(fit_channels(image.cpu(), 3)) for image in images], return_tensors="pt")
        device = self.net.logit_scale.device
        seen = self.net.vision_model(pixel_values=pixels["pixel_values"].to(device)).pooler_output
        return F.normalize(self.net.visual_projection(seen))

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """See ``Matcher``."""
        rows, device = self.tokenizer.encode_batch(list(texts)), self.net.logit_scale.device
        tokens = torch.tensor([row.ids for row in rows], device=device)
        mask = torch.tensor([row.attention_mask for row in rows], device=device)
        read = self.net.text_model(input_ids=tokens, attention_mask=mask).pooler_output
        return F.normalize(self.net.text_projection(read))

    @property
    def scale(self) -> Tensor:
        """See ``Matcher``."""
        return self.net.logit_scale.exp()
