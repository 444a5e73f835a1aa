"""What files and folders are by their names: images, splits, or what other programs leave behind."""

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from PIL import features
from torchvision.datasets.folder import IMG_EXTENSIONS

from leyden.data.issues import Tally
from leyden.data.splits import Stage

IMAGE_ENDINGS = (*IMG_EXTENSIONS, ".gif", ".jfif", *((".avif",) if features.check("avif") else ()))
"""Of the files that sources and ``leyden predict`` take for images, compared without case."""
CLUTTER = {"__macosx", "@eadir", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__pycache__"}
CLUTTER |= {"lost+found", "$recycle.bin", "system volume information", "#recycle", "@recycle", "#snapshot"}
SKIPPED = "hidden or of another program, not read"
UNREAD = "with another ending, not read"
LINKED = "link to a folder, not followed"
STAGE_WORDS: dict[Stage, str] = {
    "train": "train(?:ing)?|trn|trainval",
    "val": "val|valid(?:ation)?|validat(?:e|ing)|dev|devel(?:opment)?|eval(?:uation)?",
    "test": "tests?|testing|tst",
}
KIND = "set|data|dataset|images?|imgs?|pics?|pictures?|photos?|split|part|folder|dir|samples?|files?"
"""What a word of a split may be written together with: ``trainset``, ``valimages``."""


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden or of another program (macOS, Windows, a NAS, Jupyter), by its own name.

    A name that begins with a dot is: ``.ipynb_checkpoints``, ``._x.jpg``, ``.DS_Store``; so are those in ``CLUTTER``.
    """
    return name.startswith(".") or name.lower() in CLUTTER


def stage_of(name: str) -> Stage | None:
    """The split that a folder's or file's name speaks of, in any case, with words or numbers before or behind.

    ``Training``, ``TEST``, ``train_images``, ``val2017``, ``01-validation_set``, ``seg_test``, ``devset``. A name that
    speaks of train and val is the training split, as VOC's ``trainval``.

    Returns:
        None where the name speaks of none or of several: ``cats``, ``latest``, ``strain``, ``train_test_split``.
    """
    stages = {stage for word in _words(name) for stage in _stages(word)}
    if stages == {"train", "val"}:
        return "train"
    return stages.pop() if len(stages) == 1 else None


def is_only_stage(name: str) -> bool:
    """Whether a name speaks of a split and of nothing else: ``train_images`` does, ``train_station`` may be a class."""
    rest = [word for word in _words(name) if stage_of(word) is None and not re.fullmatch(KIND, word)]
    return stage_of(name) is not None and not any(len(word) > 1 for word in rest)


def _stages(word: str) -> list[Stage]:
    return [stage for stage, known in STAGE_WORDS.items() if re.fullmatch(rf"(?:{KIND})?(?:{known})(?:{KIND})?", word)]


def _words(name: str) -> list[str]:
    """Runs of letters, cut before capitals unless the whole run is a word of a split, as ``VaL``."""
    words = []
    for run in re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", name)):
        parts = [run] if _stages(run.lower()) else re.findall(r"[^\W\d_]?[^\W\d_A-Z]+|[A-Z]+(?![a-z])", run)
        words += [part.lower() for part in parts]
    return words


def why_no_folder(path: Path) -> str:
    """Why a path that should be a folder is none."""
    return "this is a file: unpack it, and give the folder" if path.is_file() else "no such folder"


def subfolders(folder: Path, tally: Tally | None = None) -> list[Path]:
    """The folders in a folder, in the order of their names, without foreign ones, which are counted."""
    try:
        with os.scandir(folder) as entries:  # each knows without a look whether it is a folder
            names = sorted(entry.name for entry in entries if entry.is_dir())
    except PermissionError:
        names = []
    for name in filter(is_clutter, names):
        if tally is not None:
            tally.add(SKIPPED, folder / name)
    return [folder / name for name in names if not is_clutter(name)]


def find_files(folder: Path, endings: Sequence[str] = IMAGE_ENDINGS, tally: Tally | None = None) -> list[Path]:
    """The files at any depth below a folder that have one of some endings, in the order of their paths.

    Links to folders are not followed. What is hidden or of another program is passed over at every depth.

    Args:
        folder: where; one that is not there holds nothing.
        endings: in lower case, with the dot; names are compared without case.
        tally: counts what is passed over, also files with other endings; None does not count.
    """
    tally = tally or Tally()
    found = []
    for where, folders, files in os.walk(folder):
        for name in [name for name in folders + files if is_clutter(name)]:
            tally.add(SKIPPED, Path(where, name))
        folders[:] = [name for name in folders if not is_clutter(name)]
        for name in folders:
            if os.path.islink(os.path.join(where, name)):
                tally.add(LINKED, Path(where, name))
        for name in (name for name in files if not is_clutter(name)):
            if name.lower().endswith(tuple(endings)):
                found.append(Path(where, name))
            else:
                tally.add(UNREAD, Path(where, name))
    return sorted(found)
