"""Mutations of bytes, of text and of JSON trees, drawn from a generator that the caller seeds."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

HUGE = "@HUGE@"
"""Stands in a tree for a whole number of 5,000 digits, which `json.dumps` does not write."""
DEEP = "@DEEP@"
"""Stands for 3,000 lists inside one another."""

TOKENS = [
    *("NaN", "-Infinity", "1e999", "-0", "1e-400", "9" * 5000, "0x" + "f" * 400, "1:1:1:1:1:1:1:1:1", "!!int x"),
    *("[" * 3000, "{" * 300, '{"a":' * 2000, "- " * 2000, "? ", "&a [*a]", "*a", "<<: ", "%TAG", "---\n", "..."),
    *("\x00", "\x1b[31m", "\x07", "\x85", "\u2028", "\u202e", "\ufeff", "\r\n", "\r", "\t", "\t\t\t", "\n\n\n", "\x0b"),
    *('"', "'", "\\", "\\ud800", "\\u0000", "#", ":", ",", "{", "}", "[", "]", "|", ">", "=", "+", "/", "../../x", "~"),
    *("null", "true", "no", "2001-99-99", "2020-01-01", "0", "-1", "18446744073709551616", "[red]x[/red]", "%s%n{0}"),
    *("\u00e9", "e\u0301", "\U0001f600", "\u200d", "\ufdfa" * 50, "x" * 20000, " " * 5000),
]
RAW = [
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\xfe\xff",
    b"\xff\xfe",
    b"\x1f\x8b\x08",
    b"BZh9",
    b"\xfd7zXZ\x00",
    b"PK\x03\x04",
]
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, -(2**70), HUGE, DEEP, 0.5, -0.5, 1e308, 1e-308),
    *(float("nan"), float("inf"), float("-inf"), "", " ", "NaN", "null", "1", "\x00", "\x1b[31m[red]x", "\ud800"),
    *("../../etc/passwd", "/", "a/b", "x" * 5000, "\u202e", "\n", "2020-01-01T00:00:00Z", "0" * 64),
    *([], {}, [[]], [None], [{}], {"": None}, {"a": {"b": {}}}, [1, "a", None]),
]


def bytes_mutated(rng: random.Random, data: bytes, other: bytes = b"") -> bytes:
    """The bytes with one to four changes: bits, ends, copies, pieces of `other`, tokens that are hard to read."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        data = rng.choice(CHANGES)(rng, data, other)
    return data


def _at(rng: random.Random, data: bytes) -> int:
    return rng.randrange(len(data) + 1)


def _span(rng: random.Random, data: bytes) -> tuple[int, int]:
    start = _at(rng, data)
    return start, min(len(data), start + rng.choice((1, 2, 8, 64, 1024)))


def _flip(rng: random.Random, data: bytes, _: bytes) -> bytes:
    changed = bytearray(data)
    for _bit in range(rng.choice((1, 1, 8))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(rng: random.Random, data: bytes, _: bytes) -> bytes:
    return data[: _at(rng, data)] if rng.random() < 0.8 else data[_at(rng, data) :]


def _repeat(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:end] + data[start:end] * rng.choice((1, 2, 50)) + data[end:]


def _remove(rng: random.Random, data: bytes, _: bytes) -> bytes:
    start, end = _span(rng, data)
    return data[:start] + data[end:]


def _splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = _span(rng, other or data)
    return _inserted(rng, data, (other or data)[start:end])


def _token(rng: random.Random, data: bytes, _: bytes) -> bytes:
    token = rng.choice(RAW) if rng.random() < 0.2 else rng.choice(TOKENS).encode("utf-8", "surrogatepass")
    return _inserted(rng, data, token)


def _inserted(rng: random.Random, data: bytes, piece: bytes) -> bytes:
    """The data with a piece put in, or in the place of what stands there."""
    at = _at(rng, data)
    return data[:at] + piece + data[at + rng.choice((0, 0, len(piece), 1)) :]


def _value(rng: random.Random, data: bytes, _: bytes) -> bytes:
    """Another value after a colon, an equals sign or a tab."""
    places = [i for i, byte in enumerate(data) if byte in b":=\t"]
    if not places:
        return data
    at = rng.choice(places) + 1
    end = min(
        (i for i in (data.find(b"\n", at), data.find(b",", at), data.find(b"\t", at)) if i >= 0), default=len(data)
    )
    return data[:at] + b" " * (data[at - 1] == ord(":")) + rng.choice(TOKENS).encode("utf-8", "replace") + data[end:]


def _lines(rng: random.Random, data: bytes, _: bytes) -> bytes:
    """Lines in another order, or one of them somewhere else too."""
    lines = data.split(b"\n")
    if rng.random() < 0.3:
        rng.shuffle(lines)
    else:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return b"\n".join(lines)


CHANGES: list[Callable[[random.Random, bytes, bytes], bytes]] = [
    *(_flip, _truncate, _repeat, _remove, _splice, _token, _token, _value, _value, _lines),
]


def tree_mutated(rng: random.Random, tree: Any) -> Any:
    """A copy of a JSON tree with one to four places changed: another type, another value, gone, renamed, moved."""
    tree = json.loads(json.dumps(tree))
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = list(_places(tree))
        if places:
            _change(rng, *rng.choice(places), places)
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Each container of a tree with each key or index of it."""
    todo = [tree]
    while todo:
        here = todo.pop()
        keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        for key in keys:
            yield here, key
            todo.append(here[key])


def _change(rng: random.Random, inside: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    if (isinstance(inside, list) and key >= len(inside)) or (isinstance(inside, dict) and key not in inside):
        return  # an earlier change took it
    how = rng.randrange(6)
    if how == 0:
        del inside[key]
    elif how == 1 and isinstance(inside, dict):
        inside[rng.choice(("", "x", "\x1b[31m", key + "_", key.upper()))] = inside.pop(key)
    elif how == 2 and isinstance(inside, list):
        inside.insert(key, json.loads(json.dumps(inside[key])))
    elif how == 3:
        other, at = rng.choice(places)
        copy = other[at] if isinstance(other, dict) and at in other else None
        inside[key] = json.loads(json.dumps(copy))
    elif how == 4 and isinstance(inside[key], int | float) and not isinstance(inside[key], bool):
        inside[key] = rng.choice((-inside[key], inside[key] + 1, inside[key] * 1e6, str(inside[key]), [inside[key]]))
    else:
        inside[key] = rng.choice(VALUES)


def tree_text(tree: Any) -> str:
    """JSON of a tree, with what stands for numbers and lists that are too much written out."""
    text = json.dumps(tree, indent=2)
    return text.replace(f'"{HUGE}"', "9" * 5000).replace(f'"{DEEP}"', "[" * 3000 + "]" * 3000)
