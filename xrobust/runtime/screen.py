"""Output of the command line: a terminal shows the text of others and never obeys it; data are written as they are."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

COMMANDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that control a terminal, end a line or turn the direction of all that follows; halves of surrogate pairs.
Marks and joiners, which words need, are not among them."""
ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}


def visible(text: str, keep: str = "") -> str:
    r"""Text with escapes such as `\x1b` in place of control characters, overrides of direction and broken UTF-8.

    Characters of `keep` stay.
    """
    return COMMANDS.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def _escaped(char: str) -> str:
    number = ord(char)
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a file name that is not UTF-8, as Python reads it
        number -= 0xDC00
    return ESCAPES.get(char) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")


def printable(text: str) -> str:
    """Text in one line, with one space for any white space in it, and as `visible` shows it."""
    return visible(" ".join(text.split()))


def say(text: str = "", *, error: bool = False) -> None:
    """Prints one line, as `visible` shows it, to standard output or standard error."""
    _print(visible(text), error)


def say_lines(text: str, *, error: bool = False) -> None:
    """Prints text of several lines, as `visible` shows each."""
    _print(visible(text, keep="\n\t"), error)


def counter(text: str, *, last: bool) -> None:
    """Prints a line over the one before, on a terminal at standard error; the `last` one stays."""
    if sys.stderr is not None:
        print(f"\r{visible(text)}", end="\n" if last else "", file=sys.stderr, flush=True)


def _print(text: str, error: bool) -> None:
    stream = sys.stderr if error else sys.stdout
    if stream is not None:  # None where it was closed; `print` would take standard output in place of an error's
        print(text, file=stream, flush=error)


def write_data(text: str) -> None:
    """Writes text to standard output as to a file, in UTF-8; a terminal gets it as `visible` shows it."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None or sys.stdout.isatty():  # none in a notebook
        print(visible(text, keep="\n\t"), end="")
        return
    sys.stdout.flush()
    buffer.write(text.encode("utf-8", "surrogateescape"))
    buffer.flush()


def json_text(value: Any, indent: int = 2) -> str:
    """JSON in which JSON's own escapes stand for what would control a terminal; the values are the same."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    return COMMANDS.sub(lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text) + "\n"
