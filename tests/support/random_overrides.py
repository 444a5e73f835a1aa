"""A random walk over the command line: lists of overrides made of all keys of all groups and odd values.

Whatever is typed, ``leyden check`` says that nothing is wrong, or raises one ConfigError whose every line names what it
is about and a cure: what to do, which names there are, or what kind of value is taken.
From the repository's root, all of it (about half an hour)::

    python tests/support/random_overrides.py --lists 10000
"""

import argparse
import collections
import random
import re
import traceback
from collections.abc import Iterator
from functools import cache
from typing import Any

import yaml

from leyden.bench.config.compose import ConfigError, compose
from leyden.bench.config.groups import CONF, groups, options
from leyden.bench.config.validate import compose_and_check

VALUES = [
    "0", "1", "-1", "2", "32", "5000000000", "9" * 400, "0.5", "-0.5", "1e-3", "1e999", "nan", "-inf", "null", "true",
    "False", "", "x", "'x y'", '"${seed}"', "${seed}", "${nosuch}", "${oc.env:HOME}", "${oc.env:NO_SUCH}", "${", "???",
    "[]", "[1]", "[a,b]", "[[1,2],[3]]", "[null]", "{}", "{a:1}", "{a:{b:[1]}}", "{_target_:x}", "{_target_:5}",
    "{_target_:os.system}", "interval(0,1)", "choice(1,2)", "range(1,3)", "glob(*)", "glob(no_such_*)", "1,2", "a,b",
    "/x/archive (1)", "epoch=3-step=12.ckpt", "/x/été", "日本", "a#b", "it's", "\\", "C:\\x", "..", "a b", " ", "%",
    "int(3)", "str(3)", "json_str('{}')", "sort(3,1)", "shuffle(1,2)", "extend_list(1)", "torch", "os.system", "leyden",
    "builtins.print", "leyden.cli.main", "torch.nn.Module", "lightning.Trainer", "😀", "a\nb", "a\tb", "${model}",
    "${.lr}", "${hydra:job.num}", "${now:%Y}", "01", "0x10", "1_000", "+1", "1.", ".5", "NaN", "yes", "off", "None",
]  # fmt: skip
"""What is given to keys that did not ask for it."""
CURE = re.compile(
    r"\b(should|did you mean|there are|Available|such as|put quotes|needs quotes|set|give|add|use|choose|chooses|lower"
    r"|raise|leave|correct|install|save|indent|move|rename)\b"
)
"""What a message tells its reader to do, or which values there are; ``should be int``: what kind of value is taken."""
MARKS = ["", "", "", "", "", "+", "++", "~"]
STRANGE = [
    "lab", "hydra", "hydra.searchpath", "hydra.sweeper", "hydra/launcher", "hydra/sweeper", "hydra.run.dir", "nosuch",
    "model._target_", "data._target_", "trainer._target_", "model._partial_", "model._args_", "model._convert_",
    "model._recursive_", "lab.variant", "lab.variants", "lab.expect", "seed.x", "model@data", "model@_global_",
    "defaults", "a.b.c", "data/source@model", "callbacks.mine", "logger.mine", "trainer.plugins", "trainer.callbacks",
    "trainer.logger", "sweep.jobs", "_target_", "model.0", "$x", "trainer.devices", "trainer.strategy",
]  # fmt: skip
"""Keys that no file has, or that are no plain ones."""
ODD = r"'[^']*'|\S*=\S*|\d+"
"""What differs between messages of one kind."""


def keys_in(node: Any, key: str) -> Iterator[str]:
    """All dotted keys of a part."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name != "defaults":
                yield f"{key}.{name}".lstrip(".")
                yield from keys_in(value, f"{key}.{name}".lstrip("."))


@cache
def all_keys() -> list[str]:
    """Every key of every file of every group, and the groups themselves."""
    found = [*groups(), *keys_in(yaml.safe_load((CONF / "config.yaml").read_text()), "")]
    for group in groups():
        for option in options(group):
            content = yaml.safe_load((CONF / group / f"{option}.yaml").read_text(encoding="utf-8"))
            found += keys_in(content, "" if group in ("experiment", "debug", "sweep") else group.replace("/", "."))
    return list(dict.fromkeys(found))


@cache
def composed_keys() -> list[str]:
    """The keys that the default lab has."""
    return [*keys_in(compose().config, "")]


def overrides(number: int) -> list[str]:
    """The list of overrides with a number: the same in every run."""
    chance = random.Random(number)
    made = []
    for _ in range(chance.choice([1, 1, 1, 2, 2, 3, 4, 6])):
        if chance.random() < 0.35:
            group = chance.choice(groups())
            option = chance.choice(options(chance.choice(groups()) if chance.random() < 0.1 else group) or ["x"])
            made.append(f"{group}={option}")
            continue
        known = chance.choice([STRANGE, all_keys(), composed_keys(), composed_keys()])
        key, mark = chance.choice(known), chance.choice(MARKS)
        value = chance.choice(VALUES)
        made.append(f"~{key}" if mark == "~" and chance.random() < 0.7 else f"{mark}{key}={value}")
    if chance.random() < 0.02:
        made.append(chance.choice(["", "=", "~", "x", "a b", "é=1", "-m", "a.=1", "@=", "=3", "+"]))
    return made


def fault(number: int) -> str | None:
    """What is wrong with how ``leyden check`` treats the list of that number; None where nothing is."""
    typed = overrides(number)
    try:
        compose_and_check(typed)
    except ConfigError as error:
        if not error.mistakes:
            return f"an error without a message: {typed}"
        bare = [mistake for mistake in error.mistakes if not CURE.search(mistake)]
        return f"no cure: {re.sub(ODD, '*', bare[0])[:100]!r}: {typed}: {bare[0]}" if bare else None
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{where.filename.rpartition('/')[2]}:{where.lineno}"
        return f"{type(error).__name__}: {str(error)[:100]!r} at {place}: {typed}"
    return None


def main() -> None:
    """Tries lists and prints the faults, the frequent kinds first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lists", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    faults = [found for number in range(given.first, given.first + given.lists) if (found := fault(number))]
    for kind, count in collections.Counter(text.partition(": [")[0] for text in faults).most_common():
        print(count, kind, next(text for text in faults if text.startswith(kind)).removeprefix(kind), sep="  ")
    print(f"{len(faults)} faults in {given.lists} lists")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
