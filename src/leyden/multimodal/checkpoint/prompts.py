"""Prompts for classes by their names (Radford et al. 2021, section 3.1.4)."""

import re
from collections.abc import Mapping, Sequence


def class_prompts(
    class_names: Sequence[str], templates: Sequence[str], words: Mapping[str, str] | None = None
) -> list[list[str]]:
    """What each class is called in each template.

    Args:
        class_names: as the data has them; ``golden_retriever`` is "golden retriever".
        templates: texts with ``{}`` where the name goes, such as "a photo of a {}."; "a {}" before a vowel is "an ...".
        words: what whole words of class names are called in texts, such as {"n01440764": "tench"}, {"7": "seven"}.

    Returns:
        For each class a text for each template.

    Raises:
        ValueError: no templates, or one without ``{}``.
    """
    wrong = [template for template in templates if template.count("{}") != 1]
    if wrong or not templates:
        raise ValueError(
            f"model.templates: {wrong[0] if wrong else 'there is none'!r}: write {{}} once, where the class's name "
            "goes, such as 'a photo of a {}.'"
        )
    return [[_filled(template, spoken(name, words or {})) for template in templates] for name in class_names]


def spoken(name: str, words: Mapping[str, str]) -> str:
    """A class's name as a text has it: words of ``words``, spaces for underscores."""
    for word, instead in words.items():
        name = re.sub(rf"(?<![^\W_]){re.escape(str(word))}(?![^\W_])", instead.replace("\\", r"\\"), name)
    return " ".join(name.replace("_", " ").split())


def _filled(template: str, name: str) -> str:
    if name[:1].lower() in "aeiou":
        template = re.sub(r"\b([Aa]) \{\}", r"\1n {}", template)
    return template.replace("{}", name)
