import copy
from typing import Any

import pytest
import torch
from toy_classifier import toy_classifier, toy_data, toy_trainer

from leyden.nets.strategies.lora import merge_lora
from leyden.text.classifier.adapters import adapter_size
from leyden.text.classifier.classifier import TextClassifier
from leyden.text.classifier.strategies import TEXT_STRATEGIES

pytest.importorskip("tokenizers")
DATA = toy_data()
BATCH = DATA.split("train").sample(torch.arange(9))


def numbers(part: Any) -> int:
    return sum(p.numel() for p in part.parameters())


def logits(model: TextClassifier) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(BATCH.tokens, BATCH.lengths)


@pytest.mark.parametrize("strategy", TEXT_STRATEGIES)
def test_what_learns_changes_and_nothing_else(strategy: Any) -> None:
    model = toy_classifier(DATA, strategy=strategy, cache=None)
    before = {name: value.clone() for name, value in model.net.named_parameters()}
    toy_trainer(max_steps=2).fit(model, DATA)
    for name, value in model.net.named_parameters():
        joins = strategy == "gradual" and name.startswith("encoder")  # in a later epoch
        assert torch.equal(value, before[name]) == (not value.requires_grad or joins), name


@pytest.mark.parametrize("strategy", ["adapter", "lora"])
def test_new_modules_begin_as_the_encoder_bit_for_bit(strategy: Any) -> None:
    base, adapted = toy_classifier(DATA, strategy="head"), toy_classifier(DATA, strategy=strategy)
    assert numbers(adapted.net) > numbers(base.net)
    adapted.net.head.load_state_dict(base.net.head.state_dict())  # drawn behind the modules
    assert torch.equal(logits(adapted), logits(base))


def test_counts_are_the_papers_formulae() -> None:
    counts = {s: toy_classifier(DATA, strategy=s).net.trainable for s in TEXT_STRATEGIES}
    whole, head, block = (
        numbers(toy_classifier(DATA).net),
        2 * 16 + 2,
        numbers(toy_classifier(DATA).net.encoder.blocks[0]),
    )
    assert counts["full"] == counts["scratch"] == counts["gradual"] == counts["discriminative"] == whole
    assert counts["head"] == head
    assert counts["last_k"] == head + block
    assert counts["adapter"] == head + 3 * (2 * adapter_size(16, 4) + 4 * 16)
    assert counts["lora"] == head + 3 * 8 * ((16 + 48) + (16 + 16))
    everywhere = toy_classifier(DATA, strategy="lora", lora={"layers": "all", "rank": 2}).net.trainable
    assert everywhere == head + 3 * 2 * ((16 + 48) + (16 + 16) + 2 * (16 + 64))


def test_merged_lora_gives_the_same_logits() -> None:
    model = toy_classifier(DATA, strategy="lora", lora={"rank": 4})
    toy_trainer(max_steps=8).fit(model, DATA)
    merged = copy.deepcopy(model)
    merge_lora(merged.net)
    assert numbers(merged.net) == numbers(toy_classifier(DATA).net)
    torch.testing.assert_close(logits(merged), logits(model), rtol=0, atol=1e-5)


def test_others_begin_with_a_plain_encoder() -> None:
    model = toy_classifier(DATA, strategy="lora")
    toy_trainer(max_steps=2).fit(model, DATA)
    real = model.net.real(BATCH.tokens, BATCH.lengths)
    plain = model.eval().encoder
    assert plain.state_dict().keys() == toy_classifier(DATA).encoder.state_dict().keys()
    torch.testing.assert_close(plain(BATCH.tokens, real), model.net.encoder(BATCH.tokens, real), rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="this record has adapters between its layers"):
        _ = toy_classifier(DATA, strategy="adapter").encoder


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_padding_changes_nothing(pooling: Any) -> None:
    model = toy_classifier(DATA, pooling=pooling).eval()
    alone = torch.cat([model(BATCH.tokens[i : i + 1, : BATCH.lengths[i]], BATCH.lengths[i : i + 1]) for i in range(9)])
    torch.testing.assert_close(logits(model), alone, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("strategy", "options", "shape"),
    [("head", {}, (9, 1, 16)), ("last_k", {"last_k": {"k": 2}}, (9, 21, 16)), ("full", {}, None), ("lora", {}, None)],
)
def test_what_is_frozen_for_ever_can_be_computed_once(strategy: Any, options: Any, shape: Any) -> None:
    model = toy_classifier(DATA, strategy=strategy, **options).eval()
    if shape is None:
        assert model.net.frozen_stages == 0
        return
    computed, lengths = model.net.frozen_part(BATCH.tokens, BATCH.lengths)
    assert computed.shape == (9, shape[1] if shape[1] == 1 else BATCH.tokens.shape[1], 16)
    torch.testing.assert_close(model(computed, lengths), logits(model), rtol=0, atol=1e-6)


def test_frozen_stages_have_no_dropout_and_those_with_modules_have() -> None:
    for strategy, modes in {"head": [False] * 4, "last_k": [False] * 3 + [True], "lora": [True] * 4}.items():
        net = toy_classifier(DATA, strategy=strategy).net.train()
        assert [stage.training for stage in net.encoder.stages.values()] == modes


def test_impossible_options() -> None:
    for options, message in {
        ("lora", "rank", 0): r"model\.lora\.rank=0: should be 1 or more",
        ("lora", "layers", "some"): r"model\.lora\.layers='some': there are attention, all",
        ("adapter", "reduction", 0): r"model\.adapter\.reduction=0: should be 1 or more",
    }.items():
        name, key, value = options
        with pytest.raises(ValueError, match=message):
            toy_classifier(DATA, strategy=name, **{name: {key: value}})
    with pytest.raises(ValueError, match=r"model\.strategy='truncate': there are head, full, scratch, last_k"):
        toy_classifier(DATA, strategy="truncate")
