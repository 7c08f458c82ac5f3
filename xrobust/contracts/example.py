"""An example: one row of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Example = Mapping[str, Any]
"""One row in canonical columns: `id` and those of its kind (`text`, `text_pair`, `label`; or `tokens`, `tags`)."""
IGNORED = -100
"""Label of a position that carries none; the value that torch's cross entropy leaves out by default."""
