from pathlib import Path
from typing import Any

import pytest
import torch
from toy_classifier import SMALL, toy_classifier, toy_data, toy_trainer

from leyden.core.technique import PredictOptions, Predicts
from leyden.data.ragged import Ragged
from leyden.text.classifier.classifier import TextClassifier
from leyden.text.classifier.computed import spread
from leyden.text.classifier.floor import tfidf_accuracy

pytest.importorskip("tokenizers")
DATA = toy_data()


@pytest.fixture(scope="module")
def learnt() -> TextClassifier:
    """All toy texts are told apart."""
    model = toy_classifier(DATA, lr=5e-3, dropout=0.0)
    toy_trainer(max_epochs=25).fit(model, DATA)
    return model.eval()


def test_a_word_of_the_class_is_learnt(learnt: TextClassifier) -> None:
    result = toy_trainer().test(learnt, DATA, verbose=False)[0]
    assert result["test/accuracy"] > 0.95
    assert result["test/accuracy_tfidf"] == 1
    assert result["test/trainable_parameters"] == sum(p.numel() for p in learnt.net.parameters())
    right = learnt.evaluator.confusion.diag().sum() / len(DATA.split("test"))
    assert float(right) == pytest.approx(result["test/accuracy"])


def test_predictions_name_class_and_probability(learnt: TextClassifier) -> None:
    assert isinstance(learnt, Predicts)
    rows, images, _ = learnt.predict(["the plot good", "the film bad", "", "good " * 40])
    assert [row["label"] for row in rows[:2]] == ["good", "bad"]
    assert rows[0]["probability"] == round(max(rows[0]["probabilities"].values()), 4)
    assert [row.get("cut_to_tokens") for row in rows] == [None, None, None, 24]
    assert [image.shape[0] for image in images] == [3] * 4
    with pytest.raises(ValueError, match="leave --threshold out"):
        learnt.predict(["a"], PredictOptions(threshold=0.5))


def test_one_text_is_predicted_as_among_many(learnt: TextClassifier) -> None:
    texts = DATA.examples("test").columns.texts[:20]
    together = [row["probabilities"]["good"] for row in learnt.predict(texts).rows]
    alone = [learnt.predict([text]).rows[0]["probabilities"]["good"] for text in texts]
    assert together == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("strategy", ["head", "last_k"])
def test_computed_once_is_as_computed_in_each_step(strategy: Any, tmp_path: Path) -> None:
    weights = []
    for cache in (None, "memory", str(tmp_path), str(tmp_path)):
        model = toy_classifier(DATA, strategy=strategy, cache=cache, lr=1e-2, dropout=0.0)
        toy_trainer(max_epochs=2).fit(model, DATA)
        assert DATA.computed == {}
        weights.append(model.net.head[1].weight.detach())
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], rtol=0, atol=2e-5)
    assert len(list(tmp_path.iterdir())) == 2


def test_features_that_are_computed_are_those_of_their_texts() -> None:
    model = toy_classifier(DATA, strategy="last_k")
    seen: dict[str, Ragged] = {}
    keep = DATA.set_computed
    DATA.set_computed = lambda found: (seen.update(found), keep(found))[1]  # type: ignore[method-assign,assignment]
    toy_trainer(max_steps=1).fit(model, DATA)
    DATA.set_computed = keep  # type: ignore[method-assign]
    split, model = DATA.split("val"), toy_classifier(DATA, strategy="last_k").eval()
    assert isinstance(split, Ragged)
    assert torch.equal(seen["val"].labels, split.labels)
    for place in (0, 4):
        batch = split.sample(torch.tensor([place]))
        features, _ = model.net.frozen_part(batch.tokens, batch.lengths)
        torch.testing.assert_close(seen["val"][place].tokens, features[0], rtol=0, atol=1e-5)


def test_a_run_without_data_of_ours() -> None:
    model = toy_classifier(DATA)
    toy_trainer(max_epochs=1).fit(model, DATA.loader("train"), DATA.loader("val"))
    with pytest.raises(ValueError, match=r"model\.weights=masked_lm learns from data=text/sentences"):
        toy_trainer(max_epochs=1).fit(toy_classifier(DATA, weights="masked_lm"), DATA.loader("train"))


def test_a_checkpoint_needs_no_other_file(learnt: TextClassifier, tmp_path: Path) -> None:
    trainer = toy_trainer(max_steps=1)
    model = toy_classifier(DATA, weights="masked_lm", pretraining_steps=1, strategy="lora")
    trainer.fit(model, DATA)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = TextClassifier.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    torch.testing.assert_close(again.state_dict(), model.state_dict(), rtol=0, atol=0)
    assert len(again.before) == SMALL["embedding"]


def test_numbers_out_of_range_are_refused() -> None:
    for options in ({"warmup": 1.0}, {"pretraining_steps": -1}):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\), model\.pretraining_steps=.* from 0"):
            toy_classifier(DATA, **options)


def test_one_class_is_refused() -> None:
    spec = {**DATA.spec, "class_names": ["good"]}
    with pytest.raises(ValueError, match=r"a classifier needs two classes or more, got \['good'\]"):
        TextClassifier(**spec, **SMALL)


def test_the_floor_is_counted_words() -> None:
    texts, labels = ["good film", "bad film"] * 30, torch.tensor([1, 0] * 30)
    assert tfidf_accuracy(texts, labels, ["good", "bad", "film bad bad"], torch.tensor([1, 0, 1])) == pytest.approx(
        2 / 3
    )


def test_features_are_shown_of_all_classes() -> None:
    assert spread(10, 4).tolist() == [0, 3, 6, 9]
    assert spread(3, 5).tolist() == [0, 1, 2]
