"""The file that describes data in YOLO's layout: data.yaml, darknet's obj.data, or a list of names."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from leyden.data.source.annotations.annotated import Reading
from leyden.data.source.annotations.layouts.tree import Tree
from leyden.data.source.annotations.text import MalformedError, clean_name, read_lines, read_text, whole_number
from leyden.data.source.files.layout import stage_of
from leyden.data.splits import Stage

PATTERNS = (
    *("data.yaml", "dataset.yaml", "*.yaml", "*.yml", "*.data", "classes.txt", "obj.names", "*.names", "*.labels"),
    *("names.txt", "labels.txt", "class_names.txt", "obj_names.txt", "predefined_classes.txt"),
)
"""Where the names of the classes are looked for, in this order."""


@dataclass
class Description:
    """What such a file says."""

    file: Path
    names: list[str] = field(default_factory=list)
    """Of the classes, in the order of their numbers."""
    path: str = ""
    """The folder that the splits are in."""
    splits: dict[Stage, list[tuple[str, int]]] = field(default_factory=dict)
    """Folders or lists of images, each with its line."""


def describe(tree: Tree, wanted: Path | None, reading: Reading) -> Description | None:
    """What the first file says that lists names or splits; one that cannot be read is an issue.

    Args:
        tree: where to look, the upper folders first.
        wanted: the only file to look at; None: those of ``PATTERNS``.
        reading: takes the issues.
    """
    candidates = [wanted] if wanted is not None else find_descriptions(tree)
    found = Description(tree.root)
    for file in candidates:
        try:
            one = _read(file)
        except (MalformedError, OSError) as error:
            reading.find_broken(file, error)
            continue
        if one is None:
            continue
        # A list of names may stand beside a YAML file with the splits only.
        if not found.names and one.names:
            found = Description(one.file, one.names, found.path or one.path, found.splits or one.splits)
        elif not found.splits and one.splits:
            found = Description(found.file, found.names, one.path, one.splits)
        if found.names and (found.splits or file.suffix.lower() not in (".yaml", ".yml", ".data")):
            break
    return found if found.names or found.splits else None


def find_descriptions(tree: Tree) -> list[Path]:
    """The files that may describe the data, the likeliest first."""
    ordered = sorted(
        tree.ending(".yaml", ".yml", ".data", ".names", ".labels", ".txt"), key=lambda path: len(path.parts)
    )
    chosen = [path for pattern in PATTERNS for path in ordered if _fits(path.name.lower(), pattern)]
    return list(dict.fromkeys(chosen))


def _fits(name: str, pattern: str) -> bool:
    return name.endswith(pattern[1:]) if pattern.startswith("*") else name == pattern


def _read(file: Path) -> Description | None:
    """What a file says; None for a YAML file about something else."""
    if file.suffix.lower() in (".yaml", ".yml"):
        content, lines = read_yaml(file)
        if not isinstance(content, dict) or not {"names", "nc", "train"} & content.keys():
            return None
        content = {key: value for key, value in content.items() if isinstance(key, str)}
    elif file.suffix.lower() == ".data":
        pairs = [(line.partition("="), number) for number, line in enumerate(read_lines(file), 1) if "=" in line]
        content = {key.strip(): value.strip() for (key, _, value), _ in pairs}
        lines = {key.strip(): number for (key, _, _), number in pairs}
    else:
        names = [clean_name(line) for line in read_lines(file)]
        while names and not names[-1]:
            names.pop()
        if "" in names or not names:
            raise MalformedError(names.index("") + 1 if names else 1, "there is no name of a class in this line")
        return Description(file, names)
    splits: dict[Stage, list[tuple[str, int]]] = {}
    for key, value in content.items():
        if key.isalpha() and (stage := stage_of(key)) and value not in ("", "null", "~"):
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(one, str) for one in values):
                raise MalformedError(lines.get(key, 1), f"{key} should be a folder, a list file or a list of these")
            splits[stage] = [(one, lines.get(key, 1)) for one in values]
    path = content.get("path", "")
    return Description(file, _names(content, lines, file), path if isinstance(path, str) else "", splits)


def read_yaml(file: Path) -> tuple[Any, dict[str, int]]:
    """The content of a YAML file, every scalar as the text that stands there, and the lines of its uppermost keys.

    YAML would make True of the class "yes", and 1.1 of "1.10".

    Raises:
        OSError: the file cannot be opened.
        MalformedError: it is no YAML.
    """
    text = read_text(file)
    try:
        node = yaml.compose(text, yaml.BaseLoader)
        content = yaml.load(text, yaml.BaseLoader)
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        what = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error)
        raise MalformedError(mark.line + 1 if mark else 1, f"this is not YAML ({what})") from error
    except RecursionError as error:
        raise MalformedError(1, "this YAML is nested too deeply for a description of data") from error
    keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
    return content, {key.value: key.start_mark.line + 1 for key in keys if isinstance(key, yaml.ScalarNode)}


def _names(content: dict[str, Any], lines: dict[str, int], file: Path) -> list[str]:
    """The class names: a list, numbers to names, a file of names, or as many as ``nc`` says."""
    names, count = content.get("names"), whole_number(content["nc"]) if isinstance(content.get("nc"), str) else None
    line = lines.get("names", 1)
    if isinstance(names, str) and names not in ("", "null", "~"):
        beside = [base / Path(names.replace("\\", "/")).name for base in (file.parent, file.parent.parent)]
        listed = next((path for path in beside if path.suffix and path.is_file()), None)
        if listed is not None:
            return [name for text in read_lines(listed) if (name := clean_name(text))]
        if "/" in names or names.endswith((".names", ".txt")):
            return []  # another file has them
        names = names.split(",")
    if isinstance(names, dict):
        numbers = {whole_number(key) if isinstance(key, str) else None: name for key, name in names.items()}
        if set(numbers) != set(range(len(names))):
            are = ", ".join(map(str, list(names)[:10]))
            raise MalformedError(line, f"names should be numbered 0 .. {len(names) - 1}, but are {are}")
        names = [numbers[number] for number in range(len(names))]
    if isinstance(names, list) and names:
        if not all(isinstance(name, str) and clean_name(name) for name in names):
            raise MalformedError(line, "names should be a list of words, or numbers with a word each")
        if count is not None and count != len(names):
            raise MalformedError(line, f"nc says {count} classes, but {len(names)} have a name: correct one of the two")
        return [clean_name(name) for name in names]
    if count is not None and 0 < count < 10_000:
        return [f"class {number}" for number in range(count)]
    if "names" in content or "nc" in content:
        raise MalformedError(line, "names holds no names of classes, and nc no number of them")
    return []
