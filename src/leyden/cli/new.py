"""``leyden new``: the files of a lab or of a technique, which run as they are. Imports no torch."""

import keyword
import re
from importlib.util import find_spec
from pathlib import Path
from string import Template

from leyden.bench.config.groups import CONF, file_of, options
from leyden.cli import searchpath
from leyden.core.start.nearest import nearest
from leyden.core.text.shell import command, shell_word

TEMPLATES = Path(__file__).parent / "templates"
KINDS = ("lab", "technique")


def new(kind: str, name: str, folder: Path | None = None, family: str | None = None, source: str | None = None) -> None:
    """Writes files and prints what to type next; overwrites none.

    Args:
        kind: "lab" or "technique".
        name: of the lab's file or the technique's module.
        folder: where; None: here. Leyden's repository has a place for each of its files; in any other folder a lab
            lies in ``conf/experiment`` and a technique beside ``conf``.
        family: of a technique in the repository.
        source: a lab to copy; for labs.

    Raises:
        ValueError: the name cannot be used, a file is there already, or there is no such lab or family.
    """
    folder = folder or Path()
    inside = CONF.parent.resolve() == folder.resolve()
    _refuse_name(name, kind)
    if kind == "lab":
        if family:
            raise ValueError("--family is for a technique: leave it out")
        files = _lab(name, inside, source)
    else:
        if source:
            raise ValueError("--from is for a lab: leave it out")
        files = _technique(name, inside, family)
    if there := [str(folder / file) for file in files if (folder / file).exists()]:
        raise ValueError(
            f"{', '.join(there)}: there already, and nothing is overwritten; choose another name or folder"
        )
    if kind == "technique" and not inside and find_spec(name) is not None:
        raise ValueError(f"Python has a module {name} already: choose another name")
    for file, content in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content, encoding="utf-8")
    print("wrote", *(f"  {folder / file}" for file in files), "next", sep="\n")
    for line in _next(kind, name, folder, files, inside):
        print(f"  {line}")


def _lab(name: str, inside: bool, source: str | None) -> dict[str, str]:
    """The file of a lab, by its path."""
    file = f"{'experiments' if inside else 'conf/experiment'}/{name}.yaml"
    if source is None:
        return {file: _filled("lab.yaml", lab=name)}
    places = searchpath.conf_folders()
    if source not in (known := options("experiment", places)):
        raise ValueError(f"--from {source}: no such lab{nearest(source, known)}")
    text = file_of("experiment", source, places).read_text(encoding="utf-8")
    return {file: re.sub(rf"experiment={source}\b", f"experiment={name}", text)}


def _technique(name: str, inside: bool, family: str | None) -> dict[str, str]:
    """The four files of a technique, by their paths."""
    families = sorted(path.name for path in (CONF / "model").iterdir() if path.is_dir())
    if inside:
        family = family or "transfer"
        if family not in families:
            raise ValueError(f"--family {family}: no such family{nearest(family, families)}")
    elif family:
        raise ValueError("--family is for the repository of Leyden: leave it out")
    model = f"{family}/{name}" if inside else name
    lab = f"{family}_{name}" if inside else f"{name}_digits"
    words = {
        "name": name,
        "cls": "".join(part.capitalize() for part in name.split("_")),
        "module": f"leyden.{family}.{name}" if inside else name,
        "model": model,
        "lab": lab,
    }
    return {
        f"src/leyden/{model}.py" if inside else f"{name}.py": _filled("technique.py", **words),
        f"conf/model/{model}.yaml": _filled("technique.yaml", **words),
        f"{'experiments' if inside else 'conf/experiment'}/{lab}.yaml": _filled("technique_lab.yaml", **words),
        f"tests/{family}/test_{name}.py" if inside else f"test_{name}.py": _filled("test_technique.py", **words),
    }


def _next(kind: str, name: str, folder: Path, files: dict[str, str], inside: bool) -> list[str]:
    """Commands to go on with, to be pasted."""
    lab = next(Path(file).stem for file in files if "experiment" in file)
    known = [str(place) for place in searchpath.folders()]
    here = str(folder.absolute())
    settings = []
    if not inside and here not in known:
        settings.append(f"{searchpath.VARIABLE}={shell_word(':'.join([*known, here]))}")
    if not inside and kind == "technique":
        settings.append(f"LEYDEN_ALLOW={name}")
    lines = [f"export {' '.join(settings)}"] if settings else []
    lines += [command("run", f"experiment={lab}"), command("predict", lab)]
    test = next((folder / file for file in files if "test_" in file), None)
    return (
        [*lines, f"python -m pytest {shell_word(str(test))}"]
        if test
        else [*lines, command("sweep", f"experiment={lab}")]
    )


def _refuse_name(name: str, kind: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise ValueError(f"{name!r} is no name: small letters, digits and _, such as my_{kind}")
    if kind == "lab" and name in options("experiment", searchpath.conf_folders()):
        raise ValueError(f"there is a lab {name} already: choose another name")


def _filled(template: str, **words: str) -> str:
    return Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(words)
