"""TextRank: the similarity of the paper, PageRank's closed forms, ties."""

import math

import pytest
from toy_pairs import ToyPairs

from leyden.data.specs import TokenizerSpec
from leyden.data.text.pairs import PairTokens
from leyden.text.summary.floors import best_sentence, floors
from leyden.text.summary.textrank import TextRank, similarity, textrank
from training import Kept, quiet_trainer

NONE = TokenizerSpec(kind="characters", content='["\\ufffd", "\\u0000"]')


def task(**options: float) -> TextRank:
    return TextRank(NONE, 8, 8, **options)  # type: ignore[arg-type]


def test_similarity_is_the_paper_s() -> None:
    first, second = ["the", "cat", "sat", "on", "the", "mat"], ["the", "dog", "sat"]
    assert similarity(first, second) == pytest.approx(2 / (math.log(6) + math.log(3)))
    assert similarity(["a"], ["a", "b"]) == 0
    assert similarity([], []) == 0


def test_a_star_s_middle_has_pagerank_s_closed_form() -> None:
    """Three sentences that share a word with a fourth, and none with each other."""
    middle, leaves = "a b c", ["a x1 x2", "b y1 y2", "c z1 z2"]
    d = 0.85
    centre, *others = textrank([middle, *leaves], d)
    # r_c = (1 - d)/4 + d * 3 r_l and r_l = (1 - d)/4 + d r_c / 3
    expected = ((1 - d) / 4 + 3 * d * (1 - d) / 4) / (1 - d * d)
    assert centre == pytest.approx(expected, abs=1e-5)
    assert others == pytest.approx([(1 - expected) / 3] * 3, abs=1e-5)


def test_scores_add_up_and_strangers_are_equal() -> None:
    assert textrank([]) == []
    assert textrank(["nothing in common", "with these words"]) == pytest.approx([0.5, 0.5])
    assert sum(textrank(["a b c", "b c d", "c d e", "x"])) == pytest.approx(1)


def test_the_best_sentences_come_in_the_text_s_order() -> None:
    text = "Far away from it all. The red house has a red door. A house needs a red door. The house is big and red."
    one, two = (task(sentences=count).summarise([text])[0] for count in (1, 2))
    assert one in text
    assert len(two) > len(one)
    places = [text.index(part) for part in two.replace(". ", ".|").split("|")]
    assert places == sorted(places)
    assert task().summarise(["One b. One b. One b.", ""]) == ["One b.", ""]


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.sentences=0"):
        task(sentences=0)
    with pytest.raises(ValueError, match=r"model.damping=1\.0"):
        task(damping=1.0)


def test_floors_are_told_apart() -> None:
    text = "It begins so. Return the mean of the array. Then it ends, with as many words as fit into twelve of them."
    found = floors(text, "return the mean of an array", 3)
    assert found["lead"] == "It begins so."
    assert found["oracle"] == "Return the mean of the array."
    assert found["words"] == "It begins so. Return the mean of the array. Then it ends,"
    assert found == floors(text, "return the mean of an array", 3)
    assert {floors(text, "", place)["random"] for place in range(20)} >= {found["lead"], found["oracle"]}
    assert set(floors("", "x", 0).values()) == {""}
    assert best_sentence(["a b", "a b"], "a b") == 0


def test_a_run_measures_it_beside_the_floors() -> None:
    data = PairTokens(ToyPairs(), tokenizer="characters", batch_size=4, eval_batch_size=7)
    logger, model = Kept(), task()
    trainer = quiet_trainer(max_epochs=3, logger=logger, limit_val_batches=1.0)
    trainer.fit(model, data)
    assert trainer.global_step == 1
    assert trainer.callback_metrics["val/rouge_l"] > 0
    found = trainer.test(model, data, verbose=False)[0]
    assert {name for name in found if "lead" in name} == {f"test/rouge_{kind}_lead" for kind in "12l"}
    # "The tree is red number 4." has 4 of the summary's 4 stems; it is the sentence that an oracle chooses.
    assert found["test/rouge_1_oracle"] > found["test/rouge_1_lead"]
    assert found["test/rouge_l_oracle"] >= found["test/rouge_l"] - 1e-4
    assert logger.pictures["examples"].shape[0] == 3


def test_without_whole_texts_it_says_so() -> None:
    data = PairTokens(ToyPairs(), tokenizer="characters")
    data.prepare_data()
    with pytest.raises(ValueError, match="give the trainer a DataModule of data/text/pairs"):
        quiet_trainer().test(task(), data.test_dataloader(), verbose=False)


def test_thresholds_have_no_meaning() -> None:
    from leyden.core.technique import PredictOptions

    with pytest.raises(ValueError, match="leave --threshold out"):
        task().predict(["a"], PredictOptions(threshold=0.5))
    assert task().predict(["One here. Two there."]).rows == [{"summary": "One here."}]
