"""Every command that the product prints can be pasted into bash and zsh."""

import ast
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from leyden.cli.help import RUN, sweep_help
from leyden.cli.verbs import VERBS
from leyden.core.text.shell import command, shell_word

SOURCES = sorted(Path(__file__).parents[1].joinpath("src").rglob("*.py"))
QUOTING = ("command", "shell_word")
REST = r"""(?:'[^']*'|"[^"]*"|[^`\n);'"])*"""
"""To the end of the line, of the backticks or of the brackets that a command stands in."""
COMMAND = re.compile(rf"leyden (?:{'|'.join(VERBS)})(?![\w-]){REST}|pip install {REST}")
SPECIAL = set("~[]{}*?$()<>|&;!\0")
"""What shells take for their own where it has no quotes; \\0 stands for a value that no function has quoted."""


def without_quoted(text: str) -> str:
    return re.sub(r"'[^']*'|\"[^\"$`]*\"", "", text)


def texts(node: ast.AST) -> Iterator[str]:
    """The strings below a node that are no docstrings, with \\0 for what is filled in and not quoted."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.JoinedStr):
            yield "".join(map(filled, child.values))
        elif isinstance(child, ast.Constant) and isinstance(child.value, str) and not isinstance(node, ast.Expr):
            yield child.value
        else:
            yield from texts(child)


def filled(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    value = part.value if isinstance(part, ast.FormattedValue) else part
    quoting = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in QUOTING
    return "WORD" if quoting else "\0"


def of_a_command(text: str) -> str:
    """The text up to where a command in prose ends."""
    return re.split(r"  |[,:] | \(", text)[0]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.stem)
def test_commands_in_messages_are_quoted(file: Path) -> None:
    for text in texts(ast.parse(file.read_text())):
        for found in COMMAND.findall(re.sub("usage: .*", "", text)):
            assert not SPECIAL & set(without_quoted(of_a_command(found))), found


def test_what_is_not_quoted_is_found() -> None:
    for wrong in ('f"`leyden resume {folder}`"', '"leyden run ~experiment"', '"pip install leyden[export]"'):
        [text] = texts(ast.parse(f"print({wrong})"))
        assert SPECIAL & set(without_quoted(of_a_command(COMMAND.findall(text)[0])))
    [text] = texts(ast.parse('print(f"`leyden resume {shell_word(folder)}`")'))
    assert COMMAND.findall(text) == ["leyden resume WORD"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_quoted_word_is_one_word(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    words = ["~experiment", "a[0]={b}", "x=*?$HOME", "a b'c\"d", "=cat", "!1", "data/source@data.target=x", "#", ""]
    line = f"printf '%s\\0' {' '.join(map(shell_word, words))}"
    quiet = [shell, "--norc"] if shell == "bash" else [shell, "-f"]
    done = subprocess.run([*quiet, "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == words
    assert command("resume", Path("a b")) == "leyden resume 'a b'"


@pytest.mark.parametrize("text", [RUN, sweep_help()], ids=["run", "sweep"])
def test_examples_of_the_help_can_be_pasted(text: str) -> None:
    lines = [line.strip() for line in text.splitlines() if line.startswith("  leyden ")]
    assert len(lines) >= 5
    for line in lines:
        assert not SPECIAL & set(without_quoted(line.partition("  #")[0])), line
        assert shlex.split(line, comments=True)[1] in VERBS
