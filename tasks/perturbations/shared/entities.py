"""Entities of tagged sentences: whether a task has them, and replacing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from xrobust.contracts import Example, Task
from xrobust.metrics.entities import OUTSIDE, Span, entity_spans


def entity_problem(task: Task, wanted: str | None = None) -> str | None:
    """Why the tags are none of entities, or of none of type `wanted`, in a few words; None where they are."""
    labels = task.kind.labels
    types = sorted({label[2:] for label in labels if label.startswith("B-")})
    if OUTSIDE not in labels or not types:
        return "its tags are not those of entities (O, B-..., I-...)"
    if wanted is not None and wanted not in types:
        return f"it has no entities of type {wanted}; it has {', '.join(types)}"
    return None


def replaced_entities(
    example: Example, replacement: Callable[[tuple[str, ...], str], Sequence[str] | None]
) -> Example | None:
    """The sentence with new entities and the tags `B-X I-X ...` for their length, or None where all stay.

    `replacement` is given the tokens of each entity and its type, in order, and returns the tokens of another entity
    of that type, or None to keep it. All other tokens keep their tags.
    """
    tokens, tags = list(example["tokens"]), list(example["tags"])
    chosen: list[tuple[Span, Sequence[str]]] = []
    for span in entity_spans(tags):
        new = replacement(tuple(tokens[span.start : span.stop]), span.type)
        if new is not None:
            chosen.append((span, new))
    if not chosen:
        return None
    for span, new in reversed(chosen):  # from the end, so that the places before stay right
        tokens[span.start : span.stop] = new
        tags[span.start : span.stop] = [f"B-{span.type}", *[f"I-{span.type}"] * (len(new) - 1)]
    return {**example, "tokens": tokens, "tags": tags}
