import math
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from leyden.data.columns import Tokens
from leyden.data.text.tokenizer import Characters
from leyden.nets.transformer import Attention
from leyden.text.gpt import GPT, GPTNet
from training import quiet_trainer

LETTERS = ["\ufffd", "\0", *"abcdefghijklmnopqrstuvwxyz"]


def small(context: int = 16, **options: float) -> GPT:
    torch.manual_seed(0)
    return GPT(Characters(LETTERS).spec, context, layers=2, heads=2, width=16, **options).eval()


def sharp(context: int = 16, **options: float) -> GPT:
    """One whose predictions differ from place to place, as those of a fresh one hardly do."""
    model = small(context, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.4)
    return model


def some_tokens(rows: int, length: int) -> torch.Tensor:
    return torch.randint(len(LETTERS), (rows, length), generator=torch.Generator().manual_seed(1))


def test_gpt2_has_its_parameters() -> None:
    with torch.device("meta"):
        net = GPTNet(50257, context=1024, layers=12, heads=12, width=768, dropout=0.0)
    assert sum(parameter.numel() for parameter in net.parameters()) == 124_439_808


def test_weights_start_as_gpt2_s() -> None:
    torch.manual_seed(0)
    net = GPTNet(500, context=64, layers=8, heads=4, width=64, dropout=0.0)
    spread = {name: parameter.std().item() for name, parameter in net.named_parameters() if parameter.ndim > 1}
    for name, std in spread.items():
        ends_branch = "attention.out" in name or "mlp.2" in name
        assert std == pytest.approx(0.02 / 4 if ends_branch else 0.02, rel=0.05)
    assert all(not parameter.any() for name, parameter in net.named_parameters() if name.endswith("bias"))


def test_attention_is_torch_s_multihead_attention() -> None:
    torch.manual_seed(0)
    ours, reference = Attention(24, heads=3, causal=True), nn.MultiheadAttention(24, 3, batch_first=True)
    reference.load_state_dict(
        {
            "in_proj_weight": ours.qkv.weight, "in_proj_bias": ours.qkv.bias,
            "out_proj.weight": ours.out.weight, "out_proj.bias": ours.out.bias,
        }
    )  # fmt: skip
    x = torch.randn(2, 7, 24)
    later = torch.ones(7, 7, dtype=torch.bool).triu(1)
    torch.testing.assert_close(ours(x)[0], reference(x, x, x, attn_mask=later, need_weights=False)[0])


def test_attention_by_its_formula() -> None:
    torch.manual_seed(0)
    attention = Attention(8, heads=2, causal=True)
    x = torch.randn(1, 5, 8)
    q, k, v = attention.qkv(x).chunk(3, -1)
    heads = []
    for columns in (slice(0, 4), slice(4, 8)):
        scores = q[..., columns] @ k[..., columns].mT / math.sqrt(4)
        scores = scores.masked_fill(torch.ones(5, 5, dtype=torch.bool).triu(1), -torch.inf)
        heads.append(scores.softmax(-1) @ v[..., columns])
    torch.testing.assert_close(attention(x)[0], attention.out(torch.cat(heads, -1)))


def test_no_later_token_changes_a_logit() -> None:
    model, tokens = sharp(), some_tokens(2, 16)
    changed = tokens.clone()
    changed[:, 9] = (changed[:, 9] + 1) % len(LETTERS)
    before, after = model(tokens), model(changed)
    assert torch.equal(before[:, :9], after[:, :9])
    assert not torch.isclose(before[:, 9:], after[:, 9:]).all(-1).any()


def test_a_fresh_model_knows_nothing() -> None:
    tokens = some_tokens(8, 17)
    loss = F.cross_entropy(small()(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(len(LETTERS)), abs=0.1)


def test_embeddings_are_the_head() -> None:
    model = small()
    model.forward(some_tokens(2, 5)).sum().backward()
    assert sum(parameter.shape[0] == len(LETTERS) for parameter in model.parameters()) == 1
    assert model.net.token.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("start", [1, 5, 16])
def test_cached_keys_change_no_draw(start: int) -> None:
    model, tokens = sharp(), some_tokens(3, start)
    drawn = torch.stack([*islice(model.draws(tokens, torch.Generator().manual_seed(2)), 40)], 1)

    generator, read = torch.Generator().manual_seed(2), tokens
    with torch.no_grad():
        for _ in range(40):
            token = model.draw(model(read)[:, -1], generator)
            tokens, read = (torch.cat([x, token[:, None]], 1) for x in (tokens, read))
            if read.shape[1] > model.context:
                read = tokens[:, -(model.context // 2 + 1) :]
    assert torch.equal(drawn, tokens[:, start:])


def test_the_seed_decides_what_is_drawn() -> None:
    model = sharp(sample_length=20)
    one, same, other = (model.sample(2, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert not one.images


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ValueError, match="3 heads do not divide a width of 16"):
        GPT(Characters(LETTERS).spec, 8, heads=3, width=16)


def test_texts_end_where_all_have_ended() -> None:
    model, tokens = sharp(temperature=5.0), some_tokens(3, 5)
    endless = torch.stack([*islice(model.draws(tokens, torch.Generator().manual_seed(0)), 400)], 1)
    ended = model.generate(tokens, 400, torch.Generator().manual_seed(0))
    assert torch.equal(ended, endless[:, : ended.shape[1]])
    last = [(row == 1).nonzero()[0].item() for row in endless]
    assert ended.shape[1] == max(last) + 1 < 400


@pytest.mark.parametrize("greedy", [{"temperature": 0.0}, {"temperature": 1e-4}, {"top_k": 1}, {"top_p": 1e-6}])
def test_greedy_takes_the_likeliest_each_time(greedy: dict[str, float]) -> None:
    model, tokens = sharp(**greedy), some_tokens(2, 4)
    drawn = model.generate(tokens, 10, torch.Generator().manual_seed(0))
    for i in range(drawn.shape[1]):
        read = torch.cat([tokens, drawn[:, :i]], 1)
        assert torch.equal(drawn[:, i], model(read)[:, -1].argmax(-1))


def test_loaded_weights_are_still_tied(tmp_path: Path) -> None:
    model, tokens = sharp(), some_tokens(2, 9)
    trainer = quiet_trainer()
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "gpt.ckpt")
    again = GPT.load_from_checkpoint(tmp_path / "gpt.ckpt", weights_only=True).eval()
    assert torch.equal(again(tokens), model(tokens))
    with torch.no_grad():
        again.net.token.weight[5] += 1.0
    assert not torch.equal(again(tokens)[..., 5], model(tokens)[..., 5])  # the head has moved with the embedding


def test_windows_of_a_batch_do_not_see_each_other() -> None:
    model, tokens = sharp(), some_tokens(4, 17)
    together = model.losses(Tokens(tokens))[0]
    alone = torch.cat([model.losses(Tokens(row[None]))[0] for row in tokens])
    torch.testing.assert_close(together, alone)
