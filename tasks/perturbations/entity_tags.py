"""Whether a task's tags are those of entities."""

from __future__ import annotations

from xrobust.contracts import Task
from xrobust.overlap import OUTSIDE


def entity_problem(task: Task, wanted: str | None = None) -> str | None:
    """Why the tags are none of entities, or of none of type `wanted`, in a few words; None where they are."""
    labels = task.kind.labels
    types = sorted({label[2:] for label in labels if label.startswith("B-")})
    if OUTSIDE not in labels or not types:
        return "its tags are not those of entities (O, B-..., I-...)"
    if wanted is not None and wanted not in types:
        return f"it has no entities of type {wanted}; it has {', '.join(types)}"
    return None
