"""Sentences chosen by an encoder: centroids by hand, a scorer that learns which sentence to take."""

import pytest
import torch
from toy_pairs import ToyPairs

from leyden.data.text.pairs import PairTokens
from leyden.data.text.splitting import sentences_of
from leyden.text.summary.extractive import Extractive
from training import quiet_trainer

pytest.importorskip("tokenizers")
pytest.importorskip("rouge_score")


def data() -> PairTokens:
    module = PairTokens(ToyPairs(), vocabulary_size=300, batch_size=4, eval_batch_size=7)
    module.prepare_data()
    return module


def small(module: PairTokens, **options: object) -> Extractive:
    torch.manual_seed(0)
    return Extractive(**module.spec, **{"width": 16, "fitted_texts": 30, **options})  # type: ignore[arg-type]


def test_centrality_is_the_cosine_with_the_centroid() -> None:
    model = small(data())
    sentences = ["The tree is red.", "Look at this tree.", "Now we leave."]
    vectors = model.vectors(sentences)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    cosines = torch.cosine_similarity(vectors, vectors.mean(0, keepdim=True))
    features = model.features([sentences, sentences[:1]])
    torch.testing.assert_close(features[0][:, 0], cosines)
    assert float(features[1][0, 0]) == pytest.approx(1)
    assert model.summarise([" ".join(sentences)]) == [sentences[int(cosines.argmax())]]


def test_a_sentence_s_vector_does_not_depend_on_its_neighbours() -> None:
    model = small(data())
    alone, among = model.vectors(["We go."]), model.vectors(["The tree is red number 12 and more.", "We go."])
    torch.testing.assert_close(alone[0], among[1])
    assert model.vectors([]).shape == (0, 16)
    assert model.summarise([""]) == [""]


def test_a_scorer_learns_which_sentence_to_take() -> None:
    module = data()
    model = small(module, scores="trained")
    with pytest.raises(ValueError, match="not fitted"):
        model.summarise(["a. B."])
    trainer = quiet_trainer(max_epochs=1)
    trainer.fit(model, module)
    assert trainer.callback_metrics["train/found"] > 0.9
    texts = module.whole("test").texts
    assert all(" is " in summary for summary in model.summarise(texts))
    assert model.summarise(texts) != [sentences_of(text)[0] for text in texts]


def test_more_sentences_come_in_order() -> None:
    model = small(data(), sentences=2)
    text = "Look at this tree. The tree is red. Now we leave."
    summary = model.summarise([text])[0]
    assert summary in (
        "Look at this tree. The tree is red.",
        "Look at this tree. Now we leave.",
        "The tree is red. Now we leave.",
    )


def test_values_out_of_range_are_refused() -> None:
    module = data()
    with pytest.raises(ValueError, match=r"model\.scores='best': there are centrality, trained"):
        small(module, scores="best")
    with pytest.raises(ValueError, match=r"model\.sentences=0"):
        small(module, sentences=0)
    with pytest.raises((ValueError, ImportError), match=r"minilm was trained with a tokenizer of|package all-minilm"):
        small(module, weights="minilm")
