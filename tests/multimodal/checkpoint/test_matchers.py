"""Published networks: logits and preparation of images are those of their own libraries; what is missing is named."""

import json
from pathlib import Path

import pytest
import torch
from checkpoint_folders import clip_folder, open_clip_folder
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2.functional import to_pil_image

from leyden.multimodal.checkpoint.find import build_matcher, matcher_of
from leyden.multimodal.checkpoint.library import LibraryMatcher
from leyden.multimodal.checkpoint.matcher import Matcher
from leyden.multimodal.checkpoint.open_clip_net import OpenClipMatcher

TEXTS = ["a red cat.", "no dog, but a very long text that goes on and on and on", "x"]


def logits(matcher: Matcher, images: list[Tensor]) -> Tensor:
    with torch.no_grad():
        return matcher.scale * matcher.embed_images(images) @ matcher.embed_texts(TEXTS).T


def rebuilt(matcher: Matcher) -> Matcher:
    other = build_matcher(matcher.spec)
    other.load_state_dict(matcher.state_dict())
    return other.eval()


@pytest.mark.parametrize("old", [False, True])
def test_logits_are_those_of_transformers(old: bool, images: list[Tensor], tmp_path: Path) -> None:
    net = clip_folder(tmp_path / "clip", old)
    from transformers import CLIPProcessor

    matcher = matcher_of(str(tmp_path / "clip"), 3, [])
    assert isinstance(matcher, LibraryMatcher)
    processor = CLIPProcessor.from_pretrained(tmp_path / "clip")
    seen = [to_pil_image(image.expand(3, -1, -1)) for image in images]
    inputs = processor(text=TEXTS, images=seen, return_tensors="pt", padding=True, truncation=True, max_length=20)
    with torch.no_grad():
        theirs = net(**inputs).logits_per_image
    torch.testing.assert_close(logits(matcher, images), theirs, rtol=0, atol=1e-5)
    assert torch.equal(logits(rebuilt(matcher), images), logits(matcher, images))
    own = matcher.processor(seen, return_tensors="pt")["pixel_values"]
    assert torch.equal(own, inputs["pixel_values"])


def test_logits_are_those_of_open_clip(images: list[Tensor], tmp_path: Path) -> None:
    net = open_clip_folder(tmp_path / "net")
    import open_clip

    matcher = matcher_of(str(tmp_path / "net"), 3, [])
    assert isinstance(matcher, OpenClipMatcher)
    _, theirs = open_clip.create_model_from_pretrained(f"local-dir:{tmp_path / 'net'}")
    prepared = torch.stack([theirs(to_pil_image(image.expand(3, -1, -1))) for image in images])
    tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'net'}")(TEXTS)
    with torch.no_grad():
        x, y = F.normalize(net.encode_image(prepared)), F.normalize(net.encode_text(tokens))
        expected = net.logit_scale.exp() * x @ y.T
    torch.testing.assert_close(logits(matcher, images), expected, rtol=0, atol=1e-5)
    assert torch.equal(logits(rebuilt(matcher), images), logits(matcher, images))


def test_a_file_for_a_network_of_open_clip(tmp_path: Path) -> None:
    pytest.importorskip("open_clip", reason="the extra clip")
    torch.save({"text_projection": torch.zeros(2, 2)}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="does not fit"):
        matcher_of(f"open_clip:RN50/{tmp_path}/weights.pt", 3, [])
    (tmp_path / "page.pt").write_text("<html><title>Sign in</title></html>")
    with pytest.raises(ValueError, match="a web page"):
        matcher_of(f"open_clip:RN50/{tmp_path}/page.pt", 3, [])


@pytest.mark.parametrize(
    ("word", "error", "message"),
    [
        ("open_clip:ViT-B-23/openai", ValueError, "did you mean ViT-B-32"),
        ("open_clip:ViT-B-32/nothing", ValueError, r"among the weights of ViT-B-32: openai"),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", FileNotFoundError, r"open_clip:ViT-B-32/PATH"),
        ("openai/clip-vit-base-patch32", FileNotFoundError, "copy models--openai--clip-vit-base-patch32"),
        ("./nowhere", FileNotFoundError, "does not exist"),
    ],
)
def test_what_is_missing_is_named(
    word: str, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("open_clip", reason="the extra clip")
    pytest.importorskip("transformers", reason="the extra text")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(error, match=message):
        matcher_of(word, 3, [])


def test_other_networks_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra text")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ValueError, match="holds a 'bert' of transformers, no CLIP"):
        matcher_of(str(tmp_path), 3, [])


def test_missing_weights_are_named(tmp_path: Path) -> None:
    clip_folder(tmp_path / "clip")
    from safetensors.torch import load_file, save_file

    file = tmp_path / "clip" / "model.safetensors"
    state = load_file(file)
    del state["visual_projection.weight"]
    save_file(state, file, {"format": "pt"})
    with pytest.raises(ValueError, match=r"no weights for visual_projection\.weight"):
        matcher_of(str(tmp_path / "clip"), 3, [])
