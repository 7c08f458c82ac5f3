"""YAML text read as plain values; a key that stands twice in one mapping is refused."""

from __future__ import annotations

from typing import Any

import yaml


class DuplicateKey(yaml.YAMLError):
    """A key that stands twice in one mapping, of which YAML readers silently take the last."""

    def __init__(self, key: str, first: int, line: int) -> None:
        super().__init__(f"{key!r} stands there twice")
        self.key = key
        self.first = first
        """Line of its first place, from 1."""
        self.line = line
        """Line of its second place, from 1."""


class _UniqueKeys(yaml.SafeLoader):
    """`yaml.SafeLoader` that raises DuplicateKey."""

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


def load_yaml(text: str) -> Any:
    """The value of a YAML document. Raises yaml.YAMLError, of which DuplicateKey is one."""
    return yaml.load(text, _UniqueKeys)
