"""LoRA held against the library peft, whose layers have the same names and draws."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from leyden.nets.strategies.lora import LoRALinear, add_lora, merge_lora
from leyden.nets.transformer import Block

RANK, ALPHA = 4, 12.0


class Blocks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.blocks = nn.ModuleList(Block(16, 2, causal=False, norm_first=False) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x, _ = block(x)
        return x


X = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(1))


def adapted(targets: Any = ("attention.qkv", "mlp.0"), drawn: bool = True) -> Blocks:
    net = Blocks().requires_grad_(False)
    add_lora(net, targets, RANK, ALPHA)
    for layer in net.modules():
        if isinstance(layer, LoRALinear) and drawn:
            nn.init.normal_(layer.lora_b, std=0.1)
    return net


def test_it_begins_as_the_base_bit_for_bit() -> None:
    assert torch.equal(adapted(drawn=False)(X), Blocks()(X))


def test_merged_it_gives_the_same() -> None:
    net = adapted()
    merged = merge_lora(copy.deepcopy(net))
    assert not any(isinstance(layer, LoRALinear) for layer in merged.modules())
    assert (net(X) - Blocks()(X)).abs().max() > 0.01
    torch.testing.assert_close(merged(X), net(X), rtol=0, atol=1e-5)
    assert merged.state_dict().keys() == Blocks().state_dict().keys()


def test_what_learns_is_r_times_both_sides() -> None:
    counts = sum(p.numel() for p in adapted().parameters() if p.requires_grad)
    assert counts == 2 * RANK * ((16 + 48) + (16 + 64))


def test_forward_gradients_and_counts_are_peft_s() -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=["attention.qkv", "mlp.0"])
    theirs, ours = peft.inject_adapter_in_model(config, Blocks()), adapted()
    layers = {n: m for n, m in theirs.named_modules() if hasattr(m, "lora_A")}
    own = {n: m for n, m in ours.named_modules() if isinstance(m, LoRALinear)}
    assert layers.keys() == own.keys()
    with torch.no_grad():
        for name, layer in own.items():
            layers[name].lora_A["default"].weight.copy_(layer.lora_a)
            layers[name].lora_B["default"].weight.copy_(layer.lora_b)
    learning = [sum(p.numel() for p in net.parameters() if p.requires_grad) for net in (ours, theirs)]
    assert learning[0] == learning[1]
    torch.testing.assert_close(ours(X), theirs(X), rtol=1e-6, atol=1e-6)
    for net in (ours, theirs):
        net(X).square().sum().backward()
    for name, layer in own.items():
        torch.testing.assert_close(layer.lora_a.grad, layers[name].lora_A["default"].weight.grad, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(layer.lora_b.grad, layers[name].lora_B["default"].weight.grad, rtol=1e-4, atol=1e-5)


def test_a_is_drawn_as_peft_draws_it() -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=RANK, target_modules=["0"])
    torch.manual_seed(3)
    theirs = peft.inject_adapter_in_model(config, nn.Sequential(nn.Linear(16, 8)))[0].lora_A["default"].weight
    bound = float(theirs.detach().abs().max())
    torch.manual_seed(3)
    ours = LoRALinear(nn.Linear(16, 8), RANK, ALPHA).lora_a
    assert ours.shape == theirs.shape
    assert float(ours.detach().abs().max()) <= 1 / 16**0.5
    assert 0.8 / 16**0.5 < bound <= 1 / 16**0.5


def test_impossible_wishes() -> None:
    with pytest.raises(ValueError, match=r"model\.lora\.rank=0: should be 1 or more"):
        add_lora(Blocks(), ("attention.qkv",), 0, 1.0)
    with pytest.raises(ValueError, match="LoRA finds no linear layer query"):
        add_lora(Blocks(), ("query",), 2, 1.0)
