import pytest
import torch
from torch import nn
from torchvision import models

from leyden.nets.published.vgg import VGG, main, vgg

TORCHVISION = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}
PARAMETERS = {
    ("A", False): 132_863_336,
    ("A-LRN", False): 132_863_336,
    ("B", False): 133_047_848,
    ("C", False): 133_638_952,
    ("D", False): 138_357_544,
    ("E", False): 143_667_240,
    ("A", True): 132_868_840,
    ("B", True): 133_053_736,
    ("D", True): 138_365_992,
    ("E", True): 143_678_248,
}


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "batch norm"])
def net(request: pytest.FixtureRequest) -> VGG:
    torch.manual_seed(0)
    net = vgg("A", batch_norm=request.param).eval()
    for name, buffer in net.named_buffers():
        if buffer.is_floating_point():  # statistics as after training; fresh ones would make batch norm the identity
            buffer.uniform_(0.5, 1.5) if "var" in name else buffer.normal_()
    return net


@pytest.mark.parametrize(("config", "batch_norm"), PARAMETERS)
def test_parameters_are_as_many_as_published(config: str, batch_norm: bool) -> None:
    with torch.device("meta"):
        net = vgg(config, batch_norm=batch_norm)
    assert sum(p.numel() for p in net.parameters()) == PARAMETERS[config, batch_norm]


def test_printed_table_has_the_papers_layers_and_millions(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(config, int(layers), int(millions)) for config, layers, _, millions in rows] == [
        ("A", 11, 133),
        ("A-LRN", 11, 133),
        ("B", 13, 133),
        ("C", 16, 134),
        ("D", 16, 138),
        ("E", 19, 144),
    ]


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("config", TORCHVISION)
def test_weights_have_torchvisions_names_and_shapes(config: str, batch_norm: bool) -> None:
    with torch.device("meta"):
        ours = vgg(config, batch_norm=batch_norm)
        theirs = models.get_model(TORCHVISION[config] + "_bn" * batch_norm)
    shapes = [{key: value.shape for key, value in net.state_dict().items()} for net in (ours, theirs)]
    assert shapes[0] == shapes[1]


@torch.no_grad()
def test_same_weights_give_torchvisions_output(net: VGG) -> None:
    with torch.device("meta"):
        theirs = models.get_model("vgg11_bn" if any("running" in key for key in net.state_dict()) else "vgg11")
    theirs.load_state_dict(net.state_dict(), assign=True)
    image = torch.randn(1, 3, 64, 64)
    assert torch.equal(net(image), theirs.eval()(image))


@torch.no_grad()
def test_stages_and_head_are_the_network(net: VGG) -> None:
    stages = net.stages()
    assert list(stages) == ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    assert all(isinstance(stages[f"conv{n}"][-1], nn.MaxPool2d) for n in range(1, 6))
    x = image = torch.randn(1, 3, 64, 64)
    for stage in stages.values():
        x = stage(x)
    assert torch.equal(net.head(x), net(image))
    inside = {id(p) for part in (*stages.values(), net.head) for p in part.parameters()}
    assert inside == {id(p) for p in net.parameters()}


def test_c_ends_its_last_three_stages_with_a_1x1_convolution() -> None:
    with torch.device("meta"):
        stages = vgg("C").stages()
    kernels = [
        [layer.kernel_size[0] for layer in stages[f"conv{n}"] if isinstance(layer, nn.Conv2d)] for n in range(1, 6)
    ]
    assert kernels == [[3, 3], [3, 3], [3, 3, 1], [3, 3, 1], [3, 3, 1]]


def test_lrn_follows_the_first_relu_and_is_krizhevskys() -> None:
    with torch.device("meta"):
        features = vgg("A-LRN").features
    assert [i for i, layer in enumerate(features) if isinstance(layer, nn.LocalResponseNorm)] == [2]
    assert isinstance(features[1], nn.ReLU)
    x = 100 * torch.rand(1, 8, 1, 1)
    squares = torch.stack([(x[:, max(i - 2, 0) : i + 3] ** 2).sum(1) for i in range(8)], dim=1)
    torch.testing.assert_close(features[2](x), x / (2 + 1e-4 * squares) ** 0.75)


def test_channels_classes_and_dropout_are_as_told() -> None:
    with torch.device("meta"):
        net = vgg("A", channels=1, classes=7, dropout=0.2)
    assert net.features[0].in_channels == 1
    assert net.head.out_features == 7
    assert [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)] == [0.2, 0.2]


def test_unknown_configuration_names_the_choices() -> None:
    with pytest.raises(ValueError, match="'F': choose A, A-LRN, B, C, D, E"):
        vgg("F")
