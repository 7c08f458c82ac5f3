"""Names of the methods of intervals, as documents have them. Importing this module does not import numpy."""

from __future__ import annotations

from typing import Literal

LevelMethod = Literal["agresti_coull", "bootstrap"]
"""Method of the interval of a score."""
DropMethod = Literal["agresti_min", "bootstrap"]
"""Method of the interval of a drop between two scores of the same examples."""
