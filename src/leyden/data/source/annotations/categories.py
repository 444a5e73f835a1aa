"""The categories of COCO's files, which all files of one set must agree on."""

from pathlib import Path
from typing import Any, NamedTuple

from leyden.data.source.annotations.annotated import Reading
from leyden.data.source.annotations.text import brief, clean_name, identifier


class _Category(NamedTuple):
    name: str
    group: str
    """Its supercategory."""
    file: Path
    line: int


class Categories:
    """Names by ids.

    Args:
        reading: takes the issues.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.known: dict[int | str, _Category] = {}
        self.used: set[int | str] = set()

    def add(self, entries: list[tuple[Any, int]], file: Path) -> None:
        """Takes the categories of a file, each with its line."""
        for entry, line in entries:
            number = identifier(entry.get("id")) if isinstance(entry, dict) else None
            name = identifier(entry.get("name")) if isinstance(entry, dict) else None
            if number is None or name is None or not clean_name(str(entry["name"])):
                self.reading.find("broken annotation", "stops", file, line, "a category needs id and name")
                continue
            group = clean_name(str(entry.get("supercategory") or ""))
            one = _Category(clean_name(str(entry["name"])), group, file, line)
            before = self.known.setdefault(number, one)
            if before.name != one.name:
                what = f"category {number} is {one.name!r} here and {before.name!r} before"
                self.reading.find("broken annotation", "stops", file, line, what)

    def name(self, number: Any) -> str:
        """The name of an annotation's category, which counts as used."""
        key = identifier(number)
        if key is None or key not in self.known:
            return f"category {brief(number)}"
        self.used.add(key)
        return self.known[key].name

    def settle(self) -> list[str]:
        """The class names in the order of their ids, with their places; a group without a box is none.

        Roboflow lists the name of the whole set as a category, and makes it the supercategory of the classes.
        """
        groups = {one.group for one in self.known.values()}
        left = {}
        for number, one in sorted(self.known.items(), key=lambda item: (isinstance(item[0], str), item[0])):
            if number not in self.used and one.name in groups and one.group in ("", "none", one.name):
                others = [other for other in self.known.values() if other.group == one.name and other is not one]
                if others:
                    what = f"category {number}, {one.name!r}, is the group of others and has no box: it is no class"
                    self.reading.find("group of categories", "note", one.file, one.line, what)
                    continue
            left[number] = one
        self.reading.class_places = [(one.file, one.line) for one in left.values()]
        return [one.name for one in left.values()]
