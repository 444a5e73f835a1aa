"""Commands as a person would paste them into bash or zsh."""

import shlex


def shell_word(word: object) -> str:
    """One word, in quotes where a shell, or zsh alone, would take a sign in it for its own."""
    text = str(word)
    return f"'{text}'" if text.startswith("=") and shlex.quote(text) == text else shlex.quote(text)


def command(*words: object) -> str:
    """A command line of ``leyden``: ``command("resume", "a b")`` is ``leyden resume 'a b'``."""
    return " ".join(["leyden", *map(shell_word, words)])
