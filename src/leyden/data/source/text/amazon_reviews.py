"""Product reviews in the folders of Blitzer, Dredze and Pereira (2007): ``<domain>/positive.review``."""

import re
from collections.abc import Iterator
from pathlib import Path

from leyden.core.start.nearest import nearest
from leyden.data.source.text.text_source import Text, TextSource, read_lines

REVIEW = re.compile(r"<review_text>(.*?)</review_text>", re.DOTALL)
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


class AmazonReviews(TextSource):
    """Reviews of kinds of products: 1,000 positive and 1,000 negative each of books, dvd, electronics, kitchen.

    The files look like XML and are none (bare ``&``), so that only ``<review_text>`` is looked for.

    Args:
        root: that holds a folder for each domain.
        domain: one of them, several with ``+`` between ("electronics+kitchen"), or "all".
        titles: puts each review's title before its text.
        encoding: of the files.
        limit: so many texts, stratified, always the same; null: all.
    """

    domain: str

    def __init__(
        self,
        root: str,
        domain: str = "all",
        titles: bool = False,
        encoding: str = "latin-1",
        limit: int | None = None,
    ) -> None:
        super().__init__(domain, limit=limit)
        self.root, self.domain, self.titles, self.encoding = Path(root).expanduser(), domain, titles, encoding

    def read(self) -> Iterator[Text]:
        """Every review, domain by domain."""
        there = sorted({file.parent.name for file in self.root.glob("*/positive.review")})
        if not there:
            raise FileNotFoundError(
                f"{self.root} has no folder with positive.review and negative.review (looked from {Path.cwd()}): set "
                "data.source.root to the folder that holds books, dvd, electronics, kitchen"
            )
        wanted = there if self.domain == "all" else self.domain.split("+")
        for domain in wanted:
            if domain not in there:
                raise FileNotFoundError(f"{self.root} has no domain {domain!r}{nearest(domain, [*there, 'all'])}")
            for label in ("negative", "positive"):
                yield from self._reviews(self.root / domain / f"{label}.review", label)

    def _reviews(self, file: Path, label: str) -> Iterator[Text]:
        content = "\n".join(read_lines(file, self.encoding))
        found = list(REVIEW.finditer(content))
        if len(found) != content.count("<review_text>"):
            raise ValueError(f"{file}: a <review_text> is not closed: {len(found)} are; mend or leave out that review")
        line, before = 1, 0
        for match in found:
            line += content.count("\n", before, match.start(1))
            title = list(TITLE.finditer(content, before, match.start()))[-1:] if self.titles else []
            before = match.start(1)
            parts = [*(each[1].strip() for each in title), match[1].strip()]
            yield Text("\n".join(parts), label, file, line)
