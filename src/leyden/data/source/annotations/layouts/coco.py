"""Which JSON files and images in COCO's layout belong together, and to which split."""

import re
from collections.abc import Sequence
from pathlib import Path

from leyden.data.source.annotations.layouts.tree import IMAGES, Tree, other_format
from leyden.data.source.files.layout import stage_of
from leyden.data.splits import STAGES, Stage

OTHER_TASKS = re.compile(r"(captions|person_keypoints|stuff|panoptic|image_info)_", re.IGNORECASE)
LISTS = (b'"images"', b'"annotations"')


def find_json(tree: Tree) -> dict[Stage, Path]:
    """The JSON file of each split, by its name, else by its folders'; a single file is "train".

    Raises:
        FileNotFoundError: there is none.
        ValueError: several may be meant.
    """
    files = [path for path in tree.ending(".json") if not OTHER_TASKS.match(path.name)]
    found = [path for path in files if path.name.lower().startswith("instances")] or files
    others = [path for path in tree.ending(".json") if OTHER_TASKS.match(path.name)]
    if found == files and others and not any(map(_is_coco, files)):
        found = others  # keypoints come with boxes too
    found = [path for path in found if path.name.lower().endswith(".coco.json")] or found
    by_stage = _by_stage(found, tree)
    if len(found) > 1 and (not by_stage["train"] or any(len(paths) > 1 for paths in by_stage.values())):
        # Names do not say, so what is in the files may: it takes long, and is seldom needed.
        found = [path for path in found if _is_coco(path)] or found
        by_stage = _by_stage(found, tree)
    if len(found) == 1:
        return {"train": found[0]}
    doubtful = next((paths for paths in by_stage.values() if len(paths) > 1), None)
    if doubtful or not by_stage["train"]:
        listed = ", ".join(str(path.relative_to(tree.root)) for path in doubtful or found) or "none"
        error = ValueError if found else FileNotFoundError
        raise error(
            f"data.source.root={tree.root}: cannot tell which JSON file has the boxes of train, val and test; "
            f"there are: {listed}. Set data.source.annotations={{train: ..., val: ..., test: ...}}"
            f"{other_format(tree, '.json') if not found else ''}"
        )
    return {stage: paths[0] for stage, paths in by_stage.items() if paths}


def _by_stage(files: Sequence[Path], tree: Tree) -> dict[Stage, list[Path]]:
    stages = [stage_of(path.stem) or tree.stage(path) for path in files]
    parts: dict[Stage, list[Path]] = {
        stage: [path for path, own in zip(files, stages, strict=True) if own == stage] for stage in STAGES
    }
    for stage, paths in parts.items():
        whole = [path for path in paths if "trainval" not in path.stem.lower()]
        parts[stage] = whole or paths
    return parts


def _is_coco(file: Path) -> bool:
    try:
        raw = file.read_bytes().replace(b"\0", b"")  # UTF-16 too
    except OSError:
        return True  # to be said by who reads it
    return all(word in raw for word in LISTS)


def image_folders(tree: Tree, file: Path, stage: Stage | None, names: Sequence[str]) -> list[Path]:
    """The folders that an annotation file's images may be in, those first that hold some of them.

    Args:
        tree: all files.
        file: the JSON file.
        stage: its split; None if it is the only one.
        names: of some images, as they stand in it.
    """
    folders = list(dict.fromkeys(path.parent for path in tree.images()))
    above = [folder for path in folders for folder in path.parents if folder.is_relative_to(tree.root)]
    folders = list(dict.fromkeys([*folders, *above, file.parent, tree.root]))
    if stage is not None:
        # Equal names may be in several splits: never another one's.
        folders = [folder for folder in folders if tree.stage(folder / "x") in (None, stage)]

    def rank(folder: Path) -> tuple[int, bool, bool, bool, int]:
        held = sum((folder / name).is_file() for name in names)
        own = stage is not None and tree.stage(folder / "x") == stage
        marked = any(IMAGES.fullmatch(part) for part in tree.inside(folder / "x"))
        return -held, not own, folder != file.parent, not marked, len(folder.parts)

    return sorted(folders, key=rank)
