import pytest
import torch
from torch import Tensor

from leyden.detection.nets.backbone_features import BackboneFeatures, BackboneOptions, build_backbone


def images(side: int, channels: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (2, channels, side, side), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize(
    ("name", "strides", "widths"),
    [
        ("small_resnet", (8, 16, 32, 64), [128, 128, 128, 128]),
        ("small_resnet", (16,), [128]),
        ("mobilenet_v2", (8, 16, 32), [32, 96, 1280]),
        ("resnet18", (8, 16, 32, 64), [128, 256, 512, 128]),
    ],
)
def test_maps_have_wanted_strides_and_shapes(name: str, strides: tuple[int, ...], widths: list[int]):
    maps = BackboneFeatures(build_backbone(BackboneOptions(backbone=name), 3, 128), strides).eval()
    assert maps.widths == widths
    found = maps(images(128))
    assert [m.shape for m in found] == [(2, w, f, f) for w, f in zip(maps.widths, maps.sizes, strict=True)]
    assert maps.sizes == [128 // stride for stride in strides]


def test_unused_stages_are_cut_off():
    maps = BackboneFeatures(build_backbone(BackboneOptions(backbone="resnet18"), 3, 64), (8,))
    assert maps.backbone.stage_names == ["stem", "layer1", "layer2"]


def test_frozen_stages_neither_learn_nor_count():
    maps = BackboneFeatures(
        build_backbone(BackboneOptions(backbone="small_resnet"), 3, 64), (8, 16), frozen_stages=2
    ).train()
    before = {key: value.clone() for key, value in maps.state_dict().items()}
    sum(m.sum() for m in maps(images(64))).backward()
    moved = {key for key, value in maps.state_dict().items() if not torch.equal(value, before[key])}
    assert moved
    assert not any(key.startswith(("backbone.stages.stem", "backbone.stages.stage1")) for key in moved)
    learning = {key.split(".")[2] for key, p in maps.named_parameters() if p.grad is not None}
    assert learning == {"stage2"}


def test_backbone_loads_weights_from_checkpoint(tmp_path):
    source, target = (
        BackboneFeatures(build_backbone(BackboneOptions(backbone="small_resnet"), 3, 64), (8,)) for _ in range(2)
    )
    torch.save({"state_dict": {f"net.features.{k}": v for k, v in source.state_dict().items()}}, tmp_path / "a.ckpt")
    target.load_pretrained(str(tmp_path / "a.ckpt"))
    torch.testing.assert_close(target.state_dict(), source.state_dict())


@pytest.mark.parametrize(
    ("name", "strides", "frozen_stages", "words"),
    [
        ("small_resnet", (2, 4), 0, "small_resnet has maps of strides 4, 8, 16, 32, 64; this detector looks at 2, 4"),
        ("resnet18", (12,), 0, "resnet18 has maps of strides 4, 8, 16, 32; this detector looks at 12"),
        ("small_resnet", (8,), 3, "model.frozen_stages=3: small_resnet has 2 stages here"),
    ],
)
def test_what_a_backbone_cannot_give_is_refused(name: str, strides: tuple[int, ...], frozen_stages: int, words: str):
    with pytest.raises(ValueError, match=words):
        BackboneFeatures(build_backbone(BackboneOptions(backbone=name), 3, 64), strides, frozen_stages)


def test_small_resnet_names_its_image_sizes():
    with pytest.raises(ValueError, match=r"set data.image_size=96"):
        build_backbone(BackboneOptions(backbone="small_resnet"), 3, 100)
