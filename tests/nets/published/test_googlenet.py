import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leyden.nets.published.googlenet import (
    TABLE_1,
    AuxiliaryClassifier,
    GoogLeNet,
    Inception,
    googlenet,
    googlenet_loss,
    halve,
)

MODULES = {
    "3a": 163_696,
    "3b": 388_736,
    "4a": 376_176,
    "4b": 449_160,
    "4c": 510_104,
    "4d": 605_376,
    "4e": 868_352,
    "5a": 1_043_456,
    "5b": 1_444_080,
}


@pytest.fixture(scope="module")
def net() -> GoogLeNet:
    torch.manual_seed(0)
    return googlenet(classes=5)


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("auxiliary", "parameters"), [(False, 6_998_552), (True, 13_378_280)])
def test_parameters_are_as_many_as_in_the_paper(auxiliary: bool, parameters: int) -> None:
    with torch.device("meta"):
        assert count(googlenet(auxiliary=auxiliary)) == parameters


def test_each_module_has_the_papers_parameters() -> None:
    with torch.device("meta"):
        modules = [module for module in googlenet().modules() if isinstance(module, Inception)]
    assert {name: count(module) for name, module in zip(TABLE_1, modules, strict=True)} == MODULES


@pytest.mark.parametrize(("channels", "parameters"), [(512, 3_188_840), (528, 3_190_888)])
def test_auxiliary_classifiers_have_the_papers_parameters(channels: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count(AuxiliaryClassifier(channels, 1000)) == parameters


def test_maps_have_the_papers_sizes() -> None:
    with torch.device("meta"):
        net, x = googlenet(), torch.zeros(1, 3, 224, 224)
    shapes = {}
    for name, stage in net.stages().items():
        x = stage(x)
        shapes[name] = tuple(x.shape[1:])
    assert shapes == {
        "stem": (192, 28, 28),
        "inception3": (480, 14, 14),
        "inception4a": (512, 14, 14),
        "inception4d": (528, 14, 14),
        "inception4e": (832, 7, 7),
        "inception5": (1024, 7, 7),
    }


def test_halving_rounds_up_without_padding() -> None:
    x = torch.arange(16.0).view(1, 4, 4)
    assert halve()(x).tolist() == [[[10, 11], [14, 15]]]


def test_inception_looks_at_one_three_and_five_pixels() -> None:
    module = Inception(1, 1, 1, 1, 1, 1, 1)
    for name, parameter in module.named_parameters():
        nn.init.zeros_(parameter) if name.endswith("bias") else nn.init.ones_(parameter)
    x = torch.zeros(1, 1, 7, 7)
    x[..., 3, 3] = 1
    seen = [int((branch > 0).sum()) for branch in module(x)[0]]
    assert seen == [1, 9, 25, 9]


@torch.no_grad()
def test_stages_and_head_are_the_network(net: GoogLeNet) -> None:
    net.eval()
    x = image = torch.randn(1, 3, 64, 64)
    for stage in net.stages().values():
        x = stage(x)
    assert torch.equal(net.head(x), net(image))
    inside = {id(p) for part in (*net.stages().values(), net.head, net.auxiliary) for p in part.parameters()}
    assert inside == {id(p) for p in net.parameters()}


def test_auxiliary_logits_are_there_in_training_only(net: GoogLeNet) -> None:
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        outputs = net.train()(images)
        assert isinstance(outputs, tuple)
        assert [tuple(logits.shape) for logits in outputs] == [(2, 5)] * 3
        assert net.eval()(images).shape == (2, 5)
        assert googlenet(classes=5, auxiliary=False).train()(images).shape == (2, 5)


@torch.no_grad()
def test_auxiliary_classifiers_read_the_taps(net: GoogLeNet) -> None:
    x = images = torch.randn(1, 3, 64, 64)
    net.train()
    for layer in net.modules():
        if isinstance(layer, nn.Dropout):
            layer.eval()
    expected = []
    for name, stage in net.stages().items():
        x = stage(x)
        if name in net.taps:
            expected.append(net.auxiliary[name](x))
    _, *auxiliary = net(images)
    assert all(torch.equal(got, want) for got, want in zip(auxiliary, expected, strict=True))


def test_auxiliary_gradient_reaches_the_stem(net: GoogLeNet) -> None:
    for index in (1, 2):
        net.zero_grad()
        net.train()(torch.randn(1, 3, 64, 64))[index].square().sum().backward()
        assert net.stem[0][0].weight.grad.abs().max() > 0
        assert all(p.grad is None for p in net.inception5.parameters())


@torch.no_grad()
def test_auxiliary_classifier_pools_as_the_paper_and_takes_any_map() -> None:
    classifier = AuxiliaryClassifier(6, 3).eval()
    x = torch.randn(2, 6, 14, 14)
    pooled = F.avg_pool2d(x, 5, stride=3)
    assert pooled.shape[2:] == (4, 4)
    assert torch.equal(classifier(x), classifier.classifier(classifier.reduce(pooled)))
    assert classifier(x[..., :2, :2]).shape == classifier(x[..., :9, :9]).shape == (2, 3)


def test_dropout_is_the_papers() -> None:
    with torch.device("meta"):
        net = googlenet()
    assert [layer.p for layer in net.modules() if isinstance(layer, nn.Dropout)] == [0.4, 0.7, 0.7]


def test_loss_weighs_the_auxiliary_classifiers_by_three_tenths() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([0, 2, 1])
    outputs = tuple(torch.randn(3, 4) for _ in range(3))
    main, first, second = (F.cross_entropy(logits, labels) for logits in outputs)
    torch.testing.assert_close(googlenet_loss(outputs, labels), main + 0.3 * (first + second))
    assert torch.equal(googlenet_loss(outputs[0], labels), main)
