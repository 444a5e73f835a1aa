"""Which folders below a root are training, validation and test, where the user does not say."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from leyden.data.issues import Tally
from leyden.data.source.files.layout import IMAGE_ENDINGS, is_clutter, is_only_stage, stage_of, subfolders
from leyden.data.splits import STAGES, Stage

SHOWN = 6
"""Folders that an error lists."""
BESIDE = "folder beside the splits, not read"


def given_splits(root: Path, given: dict[Stage, str | None]) -> dict[Stage, Path] | None:
    """The folders that the user names; None where none is.

    Raises:
        ValueError: there is no train among them.
        FileNotFoundError: there is no such folder.
    """
    named = {stage: root / folder for stage, folder in given.items() if folder is not None}
    if named and "train" not in named:
        raise ValueError(f"data.source.{next(iter(named))} is set: set data.source.train as well")
    for stage, folder in named.items():
        if not folder.is_dir():
            raise FileNotFoundError(f"data.source.{stage}: no folder {folder} (looked from {Path.cwd()})")
        inside = [o for o, path in named.items() if o != stage and folder.resolve().is_relative_to(path.resolve())]
        if inside:
            raise ValueError(
                f"data.source.{stage}={given[stage]} lies inside data.source.{inside[0]}={given[inside[0]]}, so they "
                "would share images: give folders beside each other, or null to share out the training images"
            )
    return named or None


def unwrapped(folder: Path) -> Path:
    """The folder that holds something: archives often have one folder around everything, or one for each split.

    A folder is left for the only one in it if that has folders itself, is no other split, and no image lies beside it.
    """
    while True:
        inner = subfolders(folder)
        if len(inner) <= SHOWN:  # such as labels beside images
            inner = [path for path in inner if _has_images(path)]
        if len(inner) != 1 or stage_of(inner[0].name) not in (None, stage_of(folder.name)):
            return folder
        if not subfolders(inner[0]) or _has_images(folder, deep=False):
            return folder
        folder = inner[0]


def splits_of_classes(root: Path, tally: Tally) -> dict[Stage, Path]:
    """The folder of each split that has class folders, or images without any, by their names.

    Args:
        root: as the user gave it.
        tally: counts folders beside the splits.

    Returns:
        {"train": folder} where there are no splits: that folder has the class folders, or images.

    Raises:
        ValueError: it cannot be told; the message shows what is there and which keys to set.
    """
    top = unwrapped(root)
    folders = subfolders(top, tally)
    named = {path: stage for path in folders if (stage := stage_of(path.name))}
    split = {path: stage for path, stage in named.items() if subfolders(path)}
    if folders and len(named) == len(folders) and not split:
        split = named  # images without classes
    trains = [path for path, stage in split.items() if stage == "train"]
    others = [path for path in folders if path not in split]
    if not trains:
        if any(is_only_stage(path.name) for path in split) or any(
            stage == "train" and is_only_stage(path.name) for path, stage in named.items()
        ):
            raise _unclear(root, top, folders, "none of them is a training split with class folders")
        return {"train": top}
    doubles = [stage for stage, count in Counter(split.values()).items() if count > 1]
    if doubles:
        raise _unclear(root, top, folders, f"several speak of {doubles[0]}")
    if not is_only_stage(trains[0].name) and len(split) == 1 and others:
        raise _unclear(root, top, folders, f"{trains[0].name} may be a split or a class")
    classes = {path.name.casefold() for path in subfolders(unwrapped(trains[0]))}
    for path in others:
        if classes & {path.name.casefold(), *(inner.name.casefold() for inner in subfolders(unwrapped(path)))}:
            raise _unclear(root, top, folders, f"{path.name} has classes of {trains[0].name}, but not a split's name")
        if _has_images(path):
            tally.add(f"{named[path]} folder without class folders, not read" if path in named else BESIDE, path)
    return {stage: unwrapped(path) for stage in STAGES for path, named_so in split.items() if named_so == stage}


def splits_of_images(root: Path) -> dict[Stage, Path]:
    """The folders of each split where images have no classes: all folders with images are named after splits, or none.

    Raises:
        ValueError: only some are; the message shows what is there and which keys to set.
    """
    top = unwrapped(root)
    folders = [path for path in subfolders(top) if _has_images(path)]
    named = {path: stage for path in folders if (stage := stage_of(path.name))}
    if not named:
        return {"train": top}
    stages = list(named.values())
    if len(named) < len(folders) or len(set(stages)) < len(stages) or "train" not in stages:
        raise _unclear(root, top, folders, "each should be one split, or none of them")
    return {stage: path for stage in STAGES for path, named_so in named.items() if named_so == stage}


def refuse_splits_as_classes(root: Path, train: Path, inner: dict[str, set[str]]) -> None:
    """Raises ValueError where class folders are rather splits, or hold splits: most have folders of the same names.

    Args:
        root: as the user gave it.
        train: the folder with the class folders.
        inner: the names of the folders in each of these, those with the most images first.
    """
    counts = Counter(name for names in inner.values() for name in names)
    common = [name for name, count in sorted(counts.items()) if count > max(1, len(inner) / 2)]
    if not common or len(counts) < 2:
        return
    names, place = list(inner), os.path.relpath(train, root)
    first, last = (os.path.normpath(os.path.join(place, name)) for name in (names[0], names[-1]))
    if all(map(stage_of, common)):
        cure = f"move them, so that there is {common[0]}/{names[0]} and so on, or to mix them, set"
    else:
        cure = f"if these are splits, set data.source.train={first} data.source.test={last}; if they are classes, set"
    raise ValueError(
        f"{train}: the folders {', '.join(names[:SHOWN])} have the same folders in them ({', '.join(common[:SHOWN])}): "
        f"{cure} data.source.train={place}"
    )


def _unclear(root: Path, top: Path, folders: Iterable[Path], why: str) -> ValueError:
    shown = [f"{os.path.relpath(path, root)} ({_content(path)})" for path in folders]
    listed = ", ".join(shown[:SHOWN]) + (", ..." if len(shown) > SHOWN else "")
    return ValueError(
        f"{root}: cannot tell which folders are train, val and test: {why}. There are: {listed}. Set "
        "data.source.train, and data.source.val and data.source.test if there are any; "
        f"data.source.train={os.path.relpath(top, root)} says that these are classes"
    )


def _content(folder: Path) -> str:
    inner = [path.name for path in subfolders(unwrapped(folder))]
    if not inner:
        return "images" if _has_images(folder) else "no image"
    return f"{len(inner)} folders: {', '.join(inner[:3])}{', ...' if len(inner) > 3 else ''}"


def _has_images(folder: Path, deep: bool = True) -> bool:
    for _, folders, files in os.walk(folder):
        if any(name.lower().endswith(IMAGE_ENDINGS) and not is_clutter(name) for name in files):
            return True
        folders[:] = [name for name in folders if deep and not is_clutter(name)]
    return False
