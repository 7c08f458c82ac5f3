"""YAML text read as plain values, within limits; a key that stands twice in one mapping is refused."""

from __future__ import annotations

from typing import Any

import yaml

MOST_CHARACTERS = 100_000
"""Characters of a document: its reader, in Python, takes seconds for more."""
MOST_NODES = 100_000
"""Values of a document, with those that its aliases repeat."""
DEPTH = 50
"""Values inside one another."""
LARGEST = 2**63 - 1
"""Largest whole number, as other readers have it."""


class DuplicateKey(yaml.YAMLError):
    """A key that stands twice in one mapping, of which YAML readers silently take the last."""

    def __init__(self, key: str, first: int, line: int) -> None:
        super().__init__(f"{key!r} stands there twice")
        self.key = key
        self.first = first
        """Line of its first place, from 1."""
        self.line = line
        """Line of its second place, from 1."""


class OverLimit(yaml.YAMLError):
    """A document that is too large, too deep, or that grows without end through its aliases."""


class _Bounded(yaml.SafeLoader):
    """`yaml.SafeLoader` that raises DuplicateKey and OverLimit, and YAMLError for each scalar that is no value."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Composes a value, unless it is too deep."""
        self.depth += 1
        if self.depth > DEPTH:
            raise OverLimit(
                f"line {self.peek_event().start_mark.line + 1}: more than {DEPTH} values inside one another"
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Composes a mapping as it is written, before `<<` adds keys that its own may override."""
        node = super().compose_mapping_node(anchor)
        seen: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                name, line = (key.tag, key.value), key.start_mark.line + 1
                if name in seen:
                    raise DuplicateKey(key.value, seen[name], line)
                seen[name] = line
        return node

    def get_single_node(self) -> Any:
        """The whole document, once its size with all repetitions is known to be within the limit."""
        node = super().get_single_node()
        if node is not None and _size(node, {}) > MOST_NODES:
            raise OverLimit(f"its aliases make more than {MOST_NODES:,} values of it")
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """The value of a node; the errors of Python's own readers of numbers and dates are those of YAML."""
        line = node.start_mark.line + 1
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, int) and abs(value) > LARGEST:
                raise OverLimit(f"line {line}: a whole number of more than 64 bits")
            if isinstance(value, str):
                value.encode()  # no half of a surrogate pair, which no file can hold
        except (ValueError, ArithmeticError, KeyError, AttributeError, TypeError, IndexError) as error:
            raise yaml.YAMLError(f"line {line}: no value of type {node.tag.rpartition(':')[2]}") from error
        return value


def _size(node: Any, sizes: dict[int, int]) -> int:
    """Number of values of a node, counting what its aliases repeat each time. Raises OverLimit for a circle."""
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise OverLimit(f"line {node.start_mark.line + 1}: a value that holds itself")
        return sizes[id(node)]
    sizes[id(node)] = 0
    inside = [] if isinstance(node, yaml.ScalarNode) else node.value
    parts = [part for item in inside for part in (item if isinstance(item, tuple) else (item,))]
    sizes[id(node)] = 1 + sum(_size(part, sizes) for part in parts)
    return sizes[id(node)]


def load_yaml(text: str) -> Any:
    """The value of a YAML document. Raises yaml.YAMLError, of which DuplicateKey and OverLimit are two."""
    if len(text) > MOST_CHARACTERS:
        raise OverLimit(f"{len(text):,} characters, where at most {MOST_CHARACTERS:,} belong")
    return yaml.load(text, _Bounded)
