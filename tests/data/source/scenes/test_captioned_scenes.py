"""Scenes with captions: what they say is what is shown, and which pairs no training has."""

import pytest
import torch

from leyden.data.source.scenes.captioned_scenes import DIGIT_WORDS, CaptionedScenes
from leyden.data.source.scenes.coloured_digits import COLOURS, TEXTURES


@pytest.fixture(scope="module")
def source() -> CaptionedScenes:
    return CaptionedScenes(16, 4, 1, 2, unseen_pairs=12)


def test_a_caption_says_what_is_shown(source: CaptionedScenes) -> None:
    columns, factors = source.split("train").columns, source.made_of("train")
    for n in range(0, len(columns.labels), 7):
        words = columns.captions[n].replace(",", "").split()
        assert DIGIT_WORDS[factors.digit[n]] in words
        assert COLOURS[factors.colour[n]] in words
        assert TEXTURES[factors.texture[n]] in words
    assert source.class_names[0] == "a red zero on grass"
    assert "an eight in red on grass" in columns.captions
    assert len(set(columns.captions)) > len(set(columns.labels.tolist()))  # the same in several wordings


def test_unseen_pairs_are_in_the_test_alone(source: CaptionedScenes) -> None:
    trained, validated, tested = (
        set(source.split(stage).columns.labels.tolist()) for stage in ("train", "val", "test")
    )
    assert trained == validated
    assert len(tested) == 180
    unseen = tested - trained
    assert len(unseen) == 36
    assert len({source.class_names[place].rpartition(" on ")[0] for place in unseen}) == 12
    for words in source.factors.values():
        assert all(any(word in source.class_names[place] for place in trained) for word in words)


def test_pairs_by_name() -> None:
    source = CaptionedScenes(16, 1, 1, 1, unseen_pairs=["red seven"])
    unseen = set(range(180)) - set(source.split("train").columns.labels.tolist())
    assert {source.class_names[place] for place in unseen} == {f"a red seven on {texture}" for texture in TEXTURES}
    with pytest.raises(ValueError, match="'red 7' is no pair"):
        CaptionedScenes(unseen_pairs=["red 7"])
    with pytest.raises(ValueError, match="from 0 to 60"):
        CaptionedScenes(unseen_pairs=61)


def test_wordings_are_the_seed_s(source: CaptionedScenes) -> None:
    same, other = CaptionedScenes(16, 4, 1, 2), CaptionedScenes(16, 4, 1, 2, seed=1)
    assert same.split("val").columns.captions == source.split("val").columns.captions
    assert torch.equal(same.split("val").columns.images, source.split("val").columns.images)
    assert other.split("val").columns.captions != source.split("val").columns.captions
