"""Tables of attributes from files: CSV, Animals with Attributes, CUB-200-2011, the proposed splits of Xian et al."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from leyden.data.source.attributes.table import Attributes

AWA_BINARY, AWA_CONTINUOUS = "predicate-matrix-binary.txt", "predicate-matrix-continuous.txt"
CUB = "class_attribute_labels_continuous.txt"
MAT = ("allclasses_names", "original_att", "att")


def read_attributes(path: Path) -> Attributes:
    """Attributes of classes, of whichever of these forms ``path`` has.

    - a CSV file with a heading: the class first, then a number for each attribute;
    - a folder of Animals with Attributes: ``classes.txt``, ``predicates.txt``, ``predicate-matrix-binary.txt`` or
      ``predicate-matrix-continuous.txt``; the continuous one goes first, in 0..1, what is unknown (-1) as 0;
    - a folder of CUB-200-2011: ``classes.txt``, ``attributes.txt`` (beside or above the folder, if at all) and
      ``attributes/class_attribute_labels_continuous.txt``, per cent, here in 0..1;
    - ``att_splits.mat`` of Xian et al.: ``original_att`` (attributes x classes) and ``allclasses_names``.

    Raises:
        FileNotFoundError: there is no such file or folder, or it has none of these.
        ValueError: a file cannot be read, names and numbers differ in number, or a number is not finite.
    """
    path = path.expanduser()
    if not path.exists():
        raise FileNotFoundError(f"data.attributes={path}: no such file or folder (looked from {Path.cwd()})")
    if path.suffix == ".mat":
        return attributes_of_mat(path)
    if path.is_file():
        return _csv(path)
    inside = {file.name: file for file in sorted(path.rglob("*.txt"))}
    if AWA_CONTINUOUS in inside or AWA_BINARY in inside:
        binary = AWA_CONTINUOUS not in inside
        values = _numbers(inside[AWA_BINARY if binary else AWA_CONTINUOUS]) / (1 if binary else 100)
        names = _names(inside, "predicates.txt", values.shape[1])
        return _checked(path, _names(inside, "classes.txt", len(values)), names, values.clip(0))
    if CUB in inside:
        values = _numbers(inside[CUB]) / 100
        return _checked(
            path,
            _names(inside, "classes.txt", len(values)),
            _names(inside, "attributes.txt", values.shape[1]),
            values,
        )
    raise FileNotFoundError(
        f"data.attributes={path}: a folder with {AWA_CONTINUOUS} (AwA) or {CUB} (CUB), att_splits.mat, or a CSV file "
        "with the class first and a column for each attribute"
    )


def attributes_of_mat(file: Path) -> Attributes:
    """The table of an ``att_splits.mat``.

    Raises:
        ValueError: it cannot be read, or lacks the table.
    """
    content = load_mat(file, ("allclasses_names",))
    key = next((key for key in MAT[1:] if key in content), None)
    if key is None:
        raise ValueError(f"{file} has neither original_att nor att (attributes x classes): it is no att_splits.mat")
    values = np.asarray(content[key], np.float64).T
    if values.max() > 1:  # per cent, -1 where unknown
        values = values / 100
    names = [f"attribute {i}" for i in range(values.shape[1])]
    return _checked(file, cell_words(content["allclasses_names"]), names, values.clip(0))


def load_mat(file: Path, wanted: Sequence[str]) -> dict[str, Any]:
    """The variables of a MATLAB file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be read, or a variable is missing.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such file (looked from {Path.cwd()})")
    try:
        content = loadmat(file)
    except (MatReadError, ValueError, OSError, NotImplementedError) as error:
        raise ValueError(f"{file}: no MATLAB file that can be read, up to version 7 ({error})") from error
    if absent := [name for name in wanted if name not in content]:
        held = [name for name in content if not name.startswith("__")]
        raise ValueError(f"{file} has no {absent[0]!r}, but {held}")
    return content


def cell_words(cell: Any) -> list[str]:
    """The words of a MATLAB cell array, each a string within arrays."""
    return [str(np.asarray(entry).ravel()[0]) for entry in np.asarray(cell).ravel()]


def _csv(file: Path) -> Attributes:
    try:
        table = pd.read_csv(file, index_col=0)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: no CSV file with the class first, then numbers ({error})") from error
    if strange := [str(name) for name, kind in table.dtypes.items() if kind.kind not in "iufb"]:
        raise ValueError(f"{file}: the attribute {strange[0]!r} holds no numbers: 0 and 1, or how strong it is")
    return _checked(file, [str(name) for name in table.index], [str(name) for name in table.columns], table.to_numpy())


def _checked(path: Path, class_names: list[str], names: list[str], values: Any) -> Attributes:
    if twice := sorted({name for name in class_names if class_names.count(name) > 1}):
        raise ValueError(f"{path}: the class {twice[0]!r} has more than one row")
    table = torch.from_numpy(np.asarray(values, np.float32).copy())
    if table.shape != (len(class_names), len(names)) or not table.numel():
        raise ValueError(
            f"{path}: {tuple(table.shape)} numbers for {len(class_names)} classes x {len(names)} attributes"
        )
    if not table.isfinite().all():
        row, column = (~table.isfinite()).nonzero()[0].tolist()
        raise ValueError(f"{path}: {names[column]!r} of {class_names[row]!r} is not a number: fill it in")
    return Attributes(class_names, names, table)


def _numbers(file: Path) -> Any:
    try:
        return np.loadtxt(file, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{file}: no table of numbers ({error})") from error


def _names(inside: dict[str, Path], name: str, count: int) -> list[str]:
    """The last word of each line of a file; numbers where there is no such file."""
    if name not in inside:
        return [f"{name.removesuffix('.txt').rstrip('s')} {i}" for i in range(count)]
    lines = inside[name].read_text(encoding="utf-8").splitlines()
    return [line.split(maxsplit=1)[-1].strip() for line in lines if line.strip()]
