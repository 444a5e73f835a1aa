"""YAML files that people write: why one cannot be read as it was meant, and how that is mended."""

import codecs
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

LOADER, DUMPER = getattr(yaml, "CSafeLoader", yaml.SafeLoader), getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""Written in C where PyYAML was built so: eight times faster, which a sweep of a thousand jobs feels."""
MARKS = {codecs.BOM_UTF8: "UTF-8 with a byte-order mark", codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}
"""What the first bytes say."""


def yaml_problem(file: Path) -> str | None:
    """Why a file is no plain UTF-8 YAML without duplicate keys, with the line and the cure; None where it is."""
    content = file.read_bytes()
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return f"{file} is in {encoding}: save it as UTF-8 without a mark"
    try:
        node = yaml.compose(content.decode(), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return f"{file}, line {line}: byte 0x{content[error.start]:02x} is no UTF-8: save the file as UTF-8"
    except yaml.YAMLError as error:
        place = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        where = f", line {place.line + 1}" if place else ""
        reason = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error).partition("\n")[0]
        cure = "indent with spaces, not tabs" if "\\t" in str(reason) else "correct the line"
        return f"{file}{where}: is no YAML ({reason}): {cure}"
    return f"{file}, {twice}: leave one of them out" if (twice := _duplicate(node)) else None


def _duplicate(node: Any) -> str | None:
    """The first key that a mapping has twice, with its line."""
    if isinstance(node, yaml.MappingNode):
        counts = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        for key, _ in node.value[::-1]:
            if isinstance(key, yaml.ScalarNode) and counts[key.value] > 1:
                return f"line {key.start_mark.line + 1}: the key {key.value!r} stands twice"
    inner = node.value if isinstance(node, yaml.CollectionNode) else ()
    children = (child for entry in inner for child in (entry if isinstance(entry, tuple) else (entry,)))
    return next((found for child in children if (found := _duplicate(child))), None)
