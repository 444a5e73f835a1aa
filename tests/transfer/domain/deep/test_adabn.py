import pytest
import torch
from two_domains import Negatives, trained

from leyden.data.columns import Images
from leyden.data.splits import InMemory
from leyden.nets.zoo import backbone
from leyden.transfer.classifier import Classifier
from leyden.transfer.domain.deep.adabn import AdaBN, adapt, norms, twin
from leyden.transfer.finetune.heads import LinearHead


@pytest.fixture
def net() -> Classifier:
    torch.manual_seed(0)
    body = backbone("resnet", 1, 8, [4, 8], [1, 2])
    return Classifier(body, LinearHead(body.num_features, 3))


def test_twins_share_weights_and_not_statistics(net: Classifier) -> None:
    other = twin(net)
    assert [id(p) for p in other.parameters()] == [id(p) for p in net.parameters()]
    net.train()(torch.randint(256, (8, 1, 8, 8), dtype=torch.uint8))
    assert not torch.equal(norms(net)[0].running_mean, norms(other)[0].running_mean)


def test_features_of_the_target_get_mean_0_and_variance_1(net: Classifier) -> None:
    images = torch.randint(100, 200, (40, 1, 8, 8), dtype=torch.uint8)
    first = norms(net)[0]
    adapt(net, InMemory(Images(images)))
    seen: list[torch.Tensor] = []
    first.register_forward_hook(lambda _, __, out: seen.append(out))
    net(images)
    torch.testing.assert_close(seen[0].mean((0, 2, 3)), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[0].var((0, 2, 3)), torch.ones(4), atol=1e-2, rtol=0)
    assert first.momentum == 0.1
    assert not any(module.training for module in net.modules())


def test_a_single_layer_has_the_statistics_of_all_images() -> None:
    body = backbone("resnet", 1, 8, [4], [1])
    net = Classifier(body, LinearHead(4, 3))
    images = torch.randint(256, (600, 1, 8, 8), dtype=torch.uint8)  # two batches of 300
    adapt(net, InMemory(Images(images)))
    with torch.no_grad():
        raw = body.stages["stem"][0](body.normalise(images))
    norm = norms(net)[0]
    torch.testing.assert_close(norm.running_mean, raw.mean((0, 2, 3)), atol=1e-5, rtol=1e-5)
    halves = torch.stack([half.var((0, 2, 3)) for half in raw.chunk(2)])
    torch.testing.assert_close(norm.running_var, halves.mean(0))


def test_only_statistics_differ_from_the_floor() -> None:
    adapted, _ = trained(AdaBN, Negatives(), data={"batch_size": 256})
    floor, _ = trained(AdaBN, Negatives(), data={"batch_size": 256}, domain_weight=0.0)
    for name, value in floor.state_dict().items():
        changed = name.startswith("net.") and ("running" in name or name.endswith("num_batches_tracked"))
        if not changed:
            assert torch.equal(value, adapted.state_dict()[name]), name
    assert not torch.equal(norms(floor.net)[0].running_mean, norms(adapted.net)[0].running_mean)
    first = norms(floor.net)[0].running_mean
    assert torch.equal(first, norms(floor.of_source)[0].running_mean)


def test_negatives_are_read_again() -> None:
    """A negative is what a batch norm undoes best but for its sign: more are right than without."""
    adapted, trainer = trained(AdaBN, Negatives(), epochs=6)
    found = trainer.test(adapted, trainer.datamodule, verbose=False)[0]
    floor, trainer = trained(AdaBN, Negatives(), epochs=6, domain_weight=0.0)
    below = trainer.test(floor, trainer.datamodule, verbose=False)[0]
    assert found["test/source_accuracy"] == below["test/source_accuracy"] > 0.8
    assert found["test/accuracy"] > below["test/accuracy"]


def test_a_backbone_without_batch_norms_is_refused() -> None:
    with pytest.raises(ValueError, match=r"AdaBN changes batch norms, and vgg11 has none.*model\.backbone"):
        AdaBN(list("ab"), 1, 32, backbone="vgg11")
