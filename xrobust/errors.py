"""Errors that a user meets, each one line: what is wrong, where, and what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

SHOWN = 80
"""Characters of a value in an error message: more of it would hide what is said of it."""


class UserError(Exception):
    """A mistake in what the user asked for or gave. The command line prints it as one line and exits with 2."""


class RunError(Exception):
    """A run that could not go on (a loss that is not a number, a full disk). Printed as one line; exits with 1."""


class NotANumber(RunError):
    """A model whose output for some examples is NaN: the greatest of its probabilities would be the first label."""


class PluginError(RunError):
    """A plugin that raised, or gave back what it must not; the message names it, what was called, and where."""


class NotAllScored(RunError):
    """Some test sets of a run could not be scored, and all others were; the message has their number and the first."""


class OutOfReach(UserError):
    """A file that a run needs is on the network, which cannot be reached or must not be used (`--offline`)."""

    def __init__(self, what: str, instead: str) -> None:
        super().__init__(f"{what}: {instead}")
        self.what = what
        """Message about what is missing, without the advice."""


def nearest(name: str, known: Iterable[str]) -> list[str]:
    """The one or two known names that look like `name`: in another case, or without the region of a language code."""
    names = sorted(set(known))
    region = re.fullmatch("([A-Za-z]{2,3})[-_].*", name)
    for wanted in (name.casefold(), region[1].casefold() if region else ""):
        if same := [one for one in names if one.casefold() == wanted]:
            return same[:2]
    return difflib.get_close_matches(name, names, n=2, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint to append to an error about an unknown `name`: the nearest known names, else all of them."""
    names = sorted(set(known))
    if near := nearest(name, names):
        return f"did you mean {' or '.join(repr(n) for n in near)}?"
    return f"known: {', '.join(names)}" if names else "none is installed"


def shown(value: object) -> str:
    """A value as an error message shows it: its repr, cut at 80 characters."""
    return cut(repr(value))


def cut(text: str) -> str:
    """A text cut at 80 characters."""
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def first_line(error: BaseException) -> str:
    """The first line of an error's message; libraries like to add paragraphs."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def one_line(error: BaseException) -> str:
    """An exception's type and message, in one line."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {message}".split()).removesuffix(":")
