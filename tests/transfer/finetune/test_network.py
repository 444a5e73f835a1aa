from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from leyden.nets import zoo
from leyden.nets.backbone import Backbone
from leyden.nets.strategies.strategies import DEFAULTS, new_strategy
from leyden.transfer.finetune.network import TransferNet


def new_backbone(norms: bool = True) -> Backbone:
    """Two stages with maps, and as in VGG one with a vector; dropout in the first and the last."""
    low, high = [nn.Conv2d(1, 4, 3, padding=1)], [nn.Conv2d(4, 8, 3, 2, padding=1)]
    stages = {
        "low": nn.Sequential(*low, *([nn.BatchNorm2d(4)] if norms else []), nn.ReLU(), nn.Dropout(0.5)),
        "high": nn.Sequential(*high, *([nn.BatchNorm2d(8)] if norms else []), nn.ReLU()),
        "fc": nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 6), nn.Dropout(0.5)),
    }
    return Backbone("own", stages, channels=1, image_size=8, in_channels=1)


def new_net(strategy: Any, norms: bool = True, rate: float = 1.0, **arguments: Any) -> TransferNet:
    """``arguments``: the strategy's own, and the network's."""
    torch.manual_seed(0)
    own = new_backbone(norms)
    options = {key: arguments.pop(key) for key in DEFAULTS[strategy] if key in arguments}
    plan = new_strategy(strategy, {strategy: options}).plan(own.stage_names, rate)
    own.truncate(list(plan))
    return TransferNet(own, plan, nn.Linear(own.num_features, 3), 3, only_norms=strategy == "bn_only", **arguments)


def images(count: int = 4) -> Tensor:
    return torch.randint(0, 256, (count, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def in_training(net: TransferNet) -> dict[str, bool]:
    """By stage: whether its parts are in training mode, all of them or none."""
    modes = {name: {part.training for part in stage.modules()} for name, stage in net.backbone.stages.items()}
    assert all(len(mode) == 1 for mode in modes.values())
    return {name: mode.pop() for name, mode in modes.items()}


def test_frozen_stages_stay_in_evaluation_mode() -> None:
    net = new_net("truncate", at="high").train()
    assert in_training(net) == {"low": False, "high": False, "fc": True}
    assert net.head.training
    assert not any(in_training(net.eval()).values())


def test_frozen_dropout_blanks_nothing_and_frozen_norms_see_no_batch() -> None:
    net = new_net("head").train()
    expected = net.backbone.eval()(images())
    before = {key: value.clone() for key, value in net.backbone.state_dict().items()}
    assert torch.equal(net.train().features(images()), expected)
    assert all(torch.equal(value, before[key]) for key, value in net.backbone.state_dict().items())
    learning = new_net("full").train()
    assert not torch.equal(learning.features(images()), learning.features(images()))


def test_stages_join_when_their_epoch_has_come() -> None:
    net = new_net("gradual")
    order = []
    for epoch in range(4):
        net.epoch = epoch
        order.append([name for name, mode in in_training(net.train()).items() if mode])
        net(images()).sum().backward()
        net.drop_frozen_gradients()
        has = [
            name for name, stage in net.backbone.stages.items() if any(p.grad is not None for p in stage.parameters())
        ]
        assert has == order[-1]
        assert net.head.weight.grad is not None
    assert order == [[], ["fc"], ["high", "fc"], ["low", "high", "fc"]]


def test_frozen_for_ever_asks_for_no_gradient() -> None:
    asks = {p for p in new_net("truncate", at="high").parameters() if p.requires_grad}
    assert len(asks) == 2 + 2  # fc and head
    assert sum(p.requires_grad for p in new_net("head").parameters()) == 2


def test_fixed_statistics_are_fixed_though_the_stage_learns() -> None:
    net = new_net("full", fixed_statistics=True).train()
    assert not net.backbone.stages["low"][1].training
    assert net.backbone.stages["low"][3].training
    assert new_net("scratch", fixed_statistics=True).train().backbone.stages["low"][1].training  # nothing inherited


def test_only_norms_learn() -> None:
    net = new_net("bn_only")
    learning = {name for name, parameter in net.named_parameters() if parameter.requires_grad}
    norms = {f"backbone.stages.{stage}.1.{key}" for stage in ("low", "high") for key in ("weight", "bias")}
    assert learning == norms | {"head.weight", "head.bias"}
    with pytest.raises(ValueError, match="own has no batch norms, so bn_only trains nothing of it: take head"):
        new_net("bn_only", norms=False)


def test_each_parameter_learns_at_its_stages_rate_and_once() -> None:
    rates = new_net("discriminative", rate=0.5, decay=0.1).rates()
    assert [(rate, len(group)) for rate, group in sorted(rates.items())] == [
        (pytest.approx(0.005), 4), (pytest.approx(0.05), 4), (0.5, 2), (1.0, 2)
    ]  # fmt: skip
    everything = [id(p) for group in rates.values() for p in group]
    assert len(set(everything)) == len(everything)
    assert [len(group) for group in new_net("head").rates().values()] == [2]


@pytest.mark.parametrize(("strategy", "count"), [("head", 3), ("truncate", 2), ("full", 0), ("gradual", 0)])
def test_images_or_what_the_frozen_part_made_of_them(strategy: str, count: int) -> None:
    net = new_net(strategy, **({"at": "high"} if strategy == "truncate" else {})).eval()
    assert net.frozen_stages == count
    if count:
        kept = net.frozen_part(images())
        assert kept.shape == ((4, 6) if strategy == "head" else (4, 8, 4, 4))
        assert torch.equal(net(kept), net(images()))


def test_what_is_frozen_wholly_is_kept_pooled() -> None:
    net = new_net("truncate", at="high", rebuild=False).eval()
    assert net.frozen_part(images()).shape == (4, 8)
    assert torch.equal(net(net.frozen_part(images())), net(images()))


def test_adapters_sit_behind_maps_start_as_nothing_and_forbid_a_cache() -> None:
    net, plain = new_net("adapter", adapter_reduction=2).eval(), new_net("head").eval()
    assert list(net.adapters) == ["low", "high"]
    assert net.frozen_stages == 0
    net.backbone.load_state_dict(plain.backbone.state_dict())
    assert torch.equal(net.features(images()), plain.features(images()))
    nn.init.normal_(net.adapters["high"].up.weight)
    nn.init.normal_(net.adapters["high"].up.bias)
    x = net.backbone.run(net.backbone.normalise(images()), 0, 2)
    expected = net.backbone.stages["fc"](net.adapters["high"](x))
    assert torch.equal(net.features(images()), expected)


def test_inherited_are_the_tensors_of_inherited_stages_alone() -> None:
    net = new_net("truncate", at="low")
    assert [id(p) for p in net.inherited()] == [id(p) for p in net.backbone.stages["low"].parameters()]


@pytest.mark.parametrize(("at", "taps"), [("stem", 2), ("inception4a", 1), ("inception4d", 0)])
def test_auxiliary_classifiers_sit_on_learning_stages_and_speak_in_training(at: str, taps: int) -> None:
    torch.manual_seed(0)
    net = zoo.backbone("googlenet", 1, 64)
    plan = new_strategy("truncate", {"truncate": {"at": at}}).plan(net.stage_names)
    whole = TransferNet(net, plan, nn.Linear(net.num_features, 3), 3)
    batch = torch.randint(0, 256, (2, 1, 64, 64), dtype=torch.uint8)
    whole.train()(batch)
    assert [logits.shape for logits in whole.auxiliary_logits] == [(2, 3)] * taps
    if taps:  # they must reach what lies below the tap
        F.cross_entropy(whole.auxiliary_logits[-1], torch.tensor([0, 1])).backward()
        assert net.stages["inception4d"][2].branch1[0].weight.grad.abs().sum() > 0
        assert net.stages["inception5"][0].branch1[0].weight.grad is None
    whole.eval()(batch)
    assert whole.auxiliary_logits == []
