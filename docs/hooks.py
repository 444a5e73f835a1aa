"""Hooks of mkdocs: tables of labs, techniques, options and sources, made from the repository when the site is built.

A page asks for one by a comment of its own line, ``<!-- labs gan -->``; on GitHub that line shows nothing.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CONF, LABS = ROOT / "conf", ROOT / "experiments"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts what was asked for in the place of each comment."""
    makers = {"labs": labs, "techniques": techniques, "options": options, "sources": sources}
    return re.sub(r"^<!-- (\w+)(?: (\S+))? -->$", lambda m: makers[m[1]](m[2] or ""), markdown, flags=re.MULTILINE)


def labs(family: str) -> str:
    """A family's labs: what each asks, what a sound run reaches, how long it takes."""
    rows = []
    for file in sorted(LABS.glob(f"{family}_*.yaml")):
        lab = yaml.safe_load(file.read_text())["lab"]
        if not file.stem.startswith("_"):
            rows.append((f"`{file.stem}`", lab["question"], _expected(file), f"{lab['minutes']:g}"))
    return _table(("lab", "question", "a sound run reaches (measured)", "minutes"), rows)


def techniques(family: str) -> str:
    """A family's techniques: each module's own account of paper, formulae and departures, its command, its options."""
    return "\n\n".join(_technique(file) for file in _files("model", family))


def options(name: str) -> str:
    """The options of a config file such as ``model/gan/dcgan``: default and meaning, as in the YAML."""
    found = {key: (f"`{key}`", f"`{value}`", text) for key, value, text in _options(name)}  # the file's own come last
    return _table(("option", "default", "meaning"), list(found.values()))


def sources(folder: str) -> str:
    """The data sources, a line each."""
    files = _files("data/source", folder)
    return _table(
        ("source", "what it is"),
        [(f"`{file.relative_to(CONF / 'data/source').with_suffix('')}`", _comment(file)) for file in files],
    )


def _technique(file: Path) -> str:
    name = file.relative_to(CONF / "model").with_suffix("").as_posix()
    text = file.read_text()
    target = re.search(r"^_target_: (\S+)\.\w+$", text, re.MULTILINE)
    if target is None:  # the paper's own sizes of a technique that has a section
        return f"### {name}\n\n{_comment(file)}.\n\n{options(f'model/{name}')}"
    about = ast.get_docstring(ast.parse((ROOT / "src" / f"{target[1].replace('.', '/')}.py").read_text())) or ""
    about = re.sub(r"^    .*", lambda line: line[0].replace("``", ""), about, flags=re.MULTILINE)  # formulae
    runs = "\n".join(f"leyden run experiment={lab}" for lab in _labs_of(name))
    return f'### {name}\n\n{about}\n\n```bash\n{runs}\n```\n\n??? note "Options of `model={name}`"\n\n' + "\n".join(
        f"    {line}" for line in options(f"model/{name}").splitlines()
    )


def _labs_of(model: str) -> list[str]:
    """The labs that train a model, as overrides; without any, the first lab of which it is a variant."""
    texts = {lab.stem: lab.read_text() for lab in sorted(LABS.glob("*.yaml"))}
    own = [lab for lab, text in texts.items() if f"override /model: {model}\n" in text]
    if own:
        return own
    for lab, text in texts.items():
        inherited = "".join(texts.get(base, "") for base in re.findall(r"^  - (_\w+)$", text, re.MULTILINE))
        variant = re.search(rf"^    (.+): {{model: {model}[,}}]", text + inherited, re.MULTILINE)
        if variant and not lab.startswith("_"):
            return [f"{lab} lab.variant='{variant[1]}'"]
    return []


def _options(name: str) -> Iterator[tuple[str, str, str]]:
    """Key, default and comment of each option, those that the file includes from others first."""
    file = CONF / f"{name}.yaml"
    if not file.exists():
        return
    for entry in (yaml.safe_load(file.read_text()) or {}).get("defaults", []):
        if isinstance(entry, str) and entry.startswith("/"):  # such as /model/gan/_sampling@_here_
            yield from _options(entry.partition("@")[0].lstrip("/"))
    for line in file.read_text().splitlines():
        if (found := re.match(r"(\w+):\s+(\S.*?)(?:\s+# (.*))?$", line)) and found[1] != "_target_":
            yield found[1], found[2], found[3] or ""


def _expected(file: Path) -> str:
    """The lines of ``expect`` with the figures beside them, and the comment above that begins with "Measured"."""
    text = file.read_text()
    block = re.search(r"\n  expect:.*?\n((?:    .*\n)+)", text)
    found = re.findall(r"^    (\S+): \{(.*)\}(?:\s+# (.*))?$", block[1] if block else "", re.MULTILINE)
    lines = [f"`{metric}` {rule}" + (f" ({figures})" if figures else "") for metric, rule, figures in found]
    above = re.search(r"\n  # (Measured: .*(?:\n  # .*)*)", text)
    return "<br>".join([*lines, *([re.sub(r"\n\s+# ", " ", above[1])] if above else [])])


def _files(group: str, folder: str) -> list[Path]:
    files = sorted((CONF / group / folder).rglob("*.yaml"))
    return [file for file in files if not file.name.startswith("_")]


def _comment(file: Path) -> str:
    """A config file's first comment, which `leyden list` shows too."""
    return next(line.lstrip("# ") for line in file.read_text().splitlines() if line.startswith("# "))


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *(tuple(cell.replace("|", "&#124;") for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
