"""BERT as a technique: the loss, what is scored, what is filled in, what it starts from."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from leyden.core.technique import PredictOptions
from leyden.data.columns import IGNORED, MaskedTokens
from leyden.data.text.tokenizer_sources import train_tokenizer
from leyden.text.bert import Bert, as_table
from leyden.text.filling import Filled, fill_texts
from leyden.text.masked_scores import MaskedScores, masked_loss, unigram_nats
from training import quiet_trainer

pytest.importorskip("tokenizers")
TEXTS = ["the film was good and the actors were fine", "a dull film all in all, with bad actors and a bad end"]
TOKENIZER = train_tokenizer("wordpiece", TEXTS, 400)


def small(**options: Any) -> Bert:
    torch.manual_seed(0)
    return Bert(TOKENIZER.spec, 24, **({"layers": 2, "heads": 2, "width": 16} | options)).eval()


def batch_of(rows: int = 4, asked: float = 0.3, length: int = 10) -> MaskedTokens:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(5, TOKENIZER.size, (rows, length), generator=generator)
    chosen = torch.rand(rows, length, generator=generator) < asked
    real = torch.ones_like(tokens, dtype=torch.bool)
    follows = torch.arange(rows) % 2
    segments = (torch.arange(length) >= length // 2).long().expand(rows, -1)
    return MaskedTokens(tokens, torch.where(chosen, tokens, IGNORED), real, segments, follows)


def test_loss_is_that_of_all_logits_with_the_rest_ignored() -> None:
    model, batch = small(), batch_of()
    logits, targets, _ = model.logits(batch)
    whole = model(batch.tokens, batch.real)  # (B, T, V)
    expected = F.cross_entropy(whole.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)
    torch.testing.assert_close(masked_loss(logits, targets), expected)


def test_nothing_hidden_is_a_loss_of_zero() -> None:
    model, batch = small().train(), batch_of(asked=0.0)
    logits, targets, _ = model.logits(batch)
    loss = masked_loss(logits, targets)
    assert loss.item() == 0
    loss.backward()
    assert all(parameter.grad is None or not parameter.grad.any() for parameter in model.parameters())


def test_loss_at_first_is_that_of_guessing() -> None:
    model, batch = small(width=64), batch_of(rows=200)
    logits, targets, _ = model.logits(batch)
    assert masked_loss(logits, targets).item() == pytest.approx(math.log(TOKENIZER.size), abs=0.1)
    pairs = small(width=64, next_sentence=True)
    logits = pairs.net.pair_logits(pairs.logits(batch)[2])
    assert F.cross_entropy(logits, batch.follows).item() == pytest.approx(math.log(2), abs=0.1)


def test_packed_batch_is_its_texts_one_by_one() -> None:
    model, batch = small(), batch_of()
    logits, targets, _ = model.logits(batch)
    alone = [model.logits(MaskedTokens(*(column[i : i + 1] for column in batch)))[:2] for i in range(4)]
    torch.testing.assert_close(logits, torch.cat([each[0] for each in alone]))
    assert torch.equal(targets, torch.cat([each[1] for each in alone]))


def test_pairs_train_both_heads() -> None:
    model = small(next_sentence=True).train()
    model.trainer = quiet_trainer(max_steps=1)
    model.training_step(batch_of(), 0).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.net.follows.parameters())
    assert model.net.encoder.embeddings.segment.weight.grad.any(1).all()
    assert small().net.follows is None


def test_scores_are_means_over_what_is_asked() -> None:
    scores, batch = MaskedScores(), batch_of()
    model = small()
    logits, targets, _ = model.logits(batch)
    counts = torch.arange(TOKENIZER.size)
    nats = unigram_nats(counts, torch.arange(5, TOKENIZER.size))
    logits[::3] += 9 * F.one_hot(targets[::3], TOKENIZER.size)  # some guesses are right
    masked = torch.arange(len(targets)) % 4 > 0
    for part in (slice(0, 3), slice(3, 4), slice(4, 5), slice(5, None)):
        scores.update(logits[part], targets[part], masked[part], nats)
    scores.update(logits[:0], targets[:0], masked[:0], nats)
    found = scores.take()
    assert found["loss"] == pytest.approx(masked_loss(logits, targets).item(), rel=1e-5)
    logits, targets = logits[masked], targets[masked]
    assert found["loss_masked"] == pytest.approx(masked_loss(logits, targets).item(), rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(found["loss_masked"]))
    right = (logits.argmax(1) == targets).float().mean().item()
    assert 0 < right < 1
    assert found["masked_accuracy"] == pytest.approx(right)
    assert found["loss_unigram"] == pytest.approx(nats[targets].mean().item(), rel=1e-5)
    assert scores.take() == {}


def test_unigram_nats_are_those_of_smoothed_counts() -> None:
    nats = unigram_nats(torch.tensor([9, 3, 0, 1]), torch.tensor([1, 2, 3]))
    torch.testing.assert_close((-nats).exp(), torch.tensor([0, 4 / 7, 1 / 7, 2 / 7]))


class Known:
    """A network that names one token at each mask, the second letter of the place's number."""

    def __init__(self, token: int) -> None:
        self.token = token
        self.masked = small().net.masked

    def encoder(self, tokens: Tensor, real: Tensor) -> Tensor:
        self.seen = tokens
        return torch.zeros(*tokens.shape, 1)

    def token_logits(self, features: Tensor) -> Tensor:
        logits = torch.zeros(len(features), TOKENIZER.size)
        logits[:, self.token] = 5.0
        logits[:, TOKENIZER.start] = 9.0  # special tokens are no guess
        return logits


def test_masks_are_filled_where_they_stand() -> None:
    number = TOKENIZER.encode("good")[0]
    net = Known(number)
    asked, hidden = fill_texts(net, TOKENIZER, ["the [MASK] was fine", TEXTS[1]], 24)  # type: ignore[arg-type]
    assert asked.filled == "the good was fine"
    assert asked.text == "the [MASK] was fine"
    assert not asked.hidden
    assert asked.guesses[0][0][0] == "good"
    assert len(hidden.guesses) == 2
    assert hidden.hidden == ["all", "and"]
    assert hidden.right == 0
    assert net.seen[0].tolist()[:3] == [TOKENIZER.start, *TOKENIZER.encode("the"), TOKENIZER.mask]
    assert fill_texts(Known(TOKENIZER.encode("all")[0]), TOKENIZER, [TEXTS[1]], 24)[0].right == 1  # type: ignore[arg-type]


def test_long_text_is_read_around_its_mask() -> None:
    net = Known(TOKENIZER.encode("good")[0])
    text = " ".join(["film"] * 40 + ["[MASK]"] + ["end"] * 3)
    found = fill_texts(net, TOKENIZER, [text], 12)[0]  # type: ignore[arg-type]
    assert net.seen.shape == (1, 12)
    assert found.text.split().count("[MASK]") == 1
    assert found.text.endswith("[MASK] end end end")


def test_predict_says_what_it_filled_in() -> None:
    rows = small().predict(["the [MASK] was [MASK]", TEXTS[0]]).rows
    assert [len(row["guesses"]) for row in rows] == [2, 1]
    assert rows[0].keys() == {"text", "filled", "guesses"}
    assert rows[1]["right"] in ("0 of 1", "1 of 1")
    best = rows[0]["guesses"][0]
    assert len(best) == 5
    assert [g["probability"] for g in best] == sorted((g["probability"] for g in best), reverse=True)
    with pytest.raises(ValueError, match="no word that the tokenizer knows"):
        small().predict([""])
    with pytest.raises(ValueError, match="threshold"):
        small().predict(TEXTS, PredictOptions(threshold=0.5))


def test_tokenizer_without_a_mask_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no token for what is hidden.*wordpiece"):
        Bert(train_tokenizer("characters", TEXTS).spec, 24)


def test_checkpoint_needs_nothing_but_itself(tmp_path: Path) -> None:
    transformers: Any = pytest.importorskip("transformers")
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BertConfig(vocab_size=TOKENIZER.size, max_position_embeddings=30, **sizes)
    theirs = transformers.BertForPreTraining(config).eval()
    theirs.save_pretrained(tmp_path / "published")
    (tmp_path / "published" / "tokenizer.json").write_text(TOKENIZER.spec["content"])
    model = Bert(TOKENIZER.spec, 24, weights=str(tmp_path / "published")).eval()
    tokens = batch_of().tokens
    with torch.no_grad():
        torch.testing.assert_close(model(tokens), theirs(tokens).prediction_logits, rtol=0, atol=1e-4)
    trainer = quiet_trainer(max_steps=1)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    (tmp_path / "published").rename(tmp_path / "gone")
    again = Bert.load_from_checkpoint(tmp_path / "model.ckpt", map_location="cpu", weights_only=True).eval()
    torch.testing.assert_close(again(tokens), model(tokens), rtol=0, atol=0)
    assert len(again.net.encoder.blocks) == 3


def test_other_networks_cannot_go_on_as_bert(tmp_path: Path) -> None:
    transformers: Any = pytest.importorskip("transformers")
    config = transformers.DistilBertConfig(vocab_size=TOKENIZER.size, dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(TOKENIZER.spec["content"])
    with pytest.raises(ValueError, match=r"is a distilbert, no BERT"):
        Bert(TOKENIZER.spec, 24, weights=str(tmp_path))


def test_table_has_a_row_for_each_mask() -> None:
    filled = Filled("a [MASK] b [MASK]", "a x b y", [[("x", 0.5), ("z", 0.25)], [("y", 1.0)]], ["x", "w"])
    assert as_table([filled]).splitlines()[2:] == [
        "| a [MASK] b [MASK] | x | x 0.50, z 0.25 |",
        "|  | w | y 1.00 |",
    ]
    assert filled.right == 1
