"""Which XML files and images in VOC's layouts belong together, and to which split."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from leyden.data.source.annotations.annotated import Reading
from leyden.data.source.annotations.layouts.tree import IMAGES, Tree, form, share_by_folder
from leyden.data.source.annotations.text import MalformedError, read_lines
from leyden.data.source.files.layout import IMAGE_ENDINGS, stage_of
from leyden.data.splits import STAGES, Stage

FLAG = re.compile(r"\s+(?:-1|0|1)$")
"""After a name in the lists of one class: whether the class is on the image."""


class Named(NamedTuple):
    """An XML file, and where it is named: itself, where no list does."""

    xml: Path
    written: Path
    line: int | None


def find_xml(tree: Tree, folder: Path, reading: Reading) -> Iterator[tuple[Stage, list[Named]]]:
    """The XML files of each split of one folder: by the lists in ImageSets, else by folders; else all are "train"."""
    files = [path for path in tree.ending(".xml") if path.is_relative_to(folder)]
    lists = _lists(tree, folder)
    if not lists:
        parts, others = share_by_folder(files, tree)
        for path in others:
            reading.find("in no split", "left out", path, None, "this file lies beside the folders of the splits")
        yield from ((stage, [Named(path, path, None) for path in paths]) for stage, paths in parts.items())
        return
    stems: dict[str, list[Path]] = {}
    for path in files:
        stems.setdefault(form(path.stem), []).append(path)
    known: set[Path] = set()
    # What a list for evaluation has is not taken from trainval.txt, which has it too.
    for stage in reversed(STAGES):
        if stage == "train" and stage not in lists:  # all that the other lists leave
            yield stage, [Named(path, path, None) for path in files if path not in known]
            continue
        named = [one for file in lists.get(stage, []) for one in _from_list(file, stage, stems, tree, reading)]
        if stage == "train" and all(
            stage_of(file.stem) and "val" in file.stem.lower() for file in lists.get(stage, [])
        ):
            named = [one for one in named if one.xml not in known]
        known |= {one.xml for one in named}
        if stage in lists:
            yield stage, named


def _lists(tree: Tree, folder: Path) -> dict[Stage, list[Path]]:
    """The lists of each split: train.txt before trainval.txt, those of one class only where there are no others."""
    found = [
        path
        for path in tree.ending(".txt")
        if path.is_relative_to(folder) and "imagesets" in [part.lower() for part in path.relative_to(folder).parts[:-1]]
    ]
    main = [path for path in found if path.parent.name.lower() == "main"]
    found = main or [path for path in found if path.parent.name.lower() == "imagesets"] or found
    by_stage = {stage: [path for path in found if stage_of(path.stem) == stage] for stage in STAGES}
    if not any(by_stage.values()):
        return {"train": found} if found else {}
    return {stage: _best(paths) for stage, paths in by_stage.items() if paths}


def _best(paths: list[Path]) -> list[Path]:
    """Those of several lists of one split that say most: of a split alone, not of a class; not trainval."""
    bare = [path for path in paths if re.fullmatch(r"[a-z]+\d*", path.stem.lower())] or paths
    return [path for path in bare if "trainval" not in path.stem.lower()] or bare


def _from_list(file: Path, stage: Stage, stems: dict[str, list[Path]], tree: Tree, reading: Reading) -> list[Named]:
    try:
        lines = read_lines(file)
    except (MalformedError, OSError) as error:
        reading.find_broken(file, error)
        return []
    found = []
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        names = _names(text)
        paths = next((stems[form(name)] for name in names if form(name) in stems), [])
        same = [path for path in paths if tree.stage(path) in (stage, None)] or paths
        same = [path for path in same if path.stem in names] or same
        if not same:
            what = f"there is no {names[0]}.xml below {tree.root}"
            if stems:
                what += f" (XML files lie in {min(paths[0].parent for paths in stems.values())})"
            reading.find("missing annotation", "stops", file, number, what)
        elif len(same) > 1:
            what = f"{names[0]}.xml may be {same[0]} or {same[1]}"
            reading.find("missing annotation", "stops", file, number, what)
        else:
            found.append(Named(same[0], file, number))
    if not any(text.strip() for text in lines):
        reading.find("missing split", "warning", file, None, f"no image of {stage} in this list")
    return found


def _names(text: str) -> list[str]:
    """What a line may name: all of it, without an ending or folders, without a flag, or an image with its XML file."""
    whole = text.strip()
    forms = [whole, FLAG.sub("", whole)]
    words = whole.split()
    if len(words) == 2 and words[1].lower().endswith(".xml"):
        forms.append(words[1])
    bare = [one.replace("\\", "/").rpartition("/")[2] for one in forms]
    cut = [one.rpartition(".")[0] if one.lower().endswith((".xml", *IMAGE_ENDINGS)) else one for one in bare]
    return list(dict.fromkeys(name for name in cut if name)) or [whole]


def find_image(xml: Path, tree: Tree) -> list[Path]:
    """The images of an XML file's name: those that lie closest to it, a folder of images beside its own first."""
    stage = tree.stage(xml)
    found = [path for path in tree.images_by_stem(xml.stem) if tree.stage(path) in (stage, None)]
    if len({path.parent for path in found}) < 2:
        return found
    inside = xml.parent.parts

    def far(path: Path) -> tuple[int, bool, int]:
        parts = path.parent.parts
        shared = next((i for i, (a, b) in enumerate(zip(parts, inside, strict=False)) if a != b), len(inside))
        return len(inside) - shared, not any(IMAGES.fullmatch(part) for part in parts[shared:]), len(parts) - shared

    least = min(map(far, found))
    return [path for path in found if far(path) == least]
