"""Sentences of a text, by their punctuation."""

import re

ABBREVIATIONS = ("e.g.", "i.e.", "cf.", "vs.", "resp.", "approx.", "Dr.", "Mr.", "Mrs.", "Ms.", "Prof.", "Fig.", "Eq.")
"""What ends with a stop and ends no sentence."""
END = re.compile(
    r"""(?<=[.!?])["')\]]*\s+(?=["'(\[]*[^\W_a-z])   # a stop; behind it a capital, a digit, or a letter without case
    | \n+                                            # a line's end
    """,
    re.VERBOSE,
)


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, in order; never an empty one.

    A sentence ends at a full stop, exclamation or question mark behind which, past closing quotes and brackets, white
    space and no small letter follow, and at the end of a line. Some abbreviations are known. This splitting is called
    "punctuation" where results name it.
    """
    found, start = [], 0
    for match in END.finditer(text):
        if not text[start : match.start()].endswith(ABBREVIATIONS) or "\n" in match[0]:
            found.append(text[start : match.end()])
            start = match.end()
    return [sentence.strip() for sentence in (*found, text[start:]) if sentence.strip()]
