"""Commands as a person would paste them into bash or zsh."""

import shlex


def command(*words: object) -> str:
    """A command line of ``leyden`` with quotes where a shell, or zsh alone, would take a sign for its own.

    ``command("resume", "a b")`` is ``leyden resume 'a b'``.
    """
    return shlex.join(["leyden", *map(str, words)])


def quoted(word: object) -> str:
    """One word, in quotes where it needs them."""
    return shlex.quote(str(word))
