"""Prompts for classes by their names."""

import pytest

from leyden.multimodal.checkpoint.prompts import class_prompts, spoken


def test_names_fill_templates() -> None:
    found = class_prompts(["golden_retriever", "ant"], ["a photo of a {}.", "{} in a garden"])
    assert found[0] == ["a photo of a golden retriever.", "golden retriever in a garden"]
    assert found[1] == ["a photo of an ant.", "ant in a garden"]


def test_words_of_names_are_called_otherwise() -> None:
    assert spoken("red 7 on grass", {"7": "seven"}) == "red seven on grass"
    assert spoken("n01440764", {"n01440764": "tench"}) == "tench"
    assert spoken("77_7", {"7": "seven"}) == "77 seven"
    assert spoken("a.b", {"a": r"\1"}) == r"\1.b"


@pytest.mark.parametrize("templates", [[], ["a photo"], ["{} and {}"]])
def test_templates_have_one_place(templates: list[str]) -> None:
    with pytest.raises(ValueError, match=r"model\.templates"):
        class_prompts(["cat"], templates)
