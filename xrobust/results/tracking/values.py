"""Names and values under which trackers log a run: parameters of its spec, scores, averages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

LONGEST = 500
"""Characters of a parameter's value. MLflow refuses longer ones (older servers than 2.10)."""
UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
"""Characters that not every tracker takes in a name."""
AVERAGES = ("source", "average", "average_targets", "transfer_gap", "average_pairs")
AVERAGES_UNDER = ("value", "drop", "pooled_drop", "source_drop")
"""Fields of a summary, and of a condition in it, that are logged."""

Scalar = str | int | float | bool


def parameters(spec: Mapping[str, Any]) -> dict[str, Scalar]:
    """The parameters of a run by dotted names, from its spec in plain values; those that are null are left out.

    Field `train.training.epochs` is `training.epochs`; a method's parameter is `method.rs_aug.params.copies`.
    """
    return dict(_flat("", {**spec["train"], "evaluation": spec["evaluation"]}))


def _flat(name: str, value: Any) -> Iterator[tuple[str, Scalar]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}.{_safe(key)}" if name else _safe(key), inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        if all(isinstance(one, Mapping) for one in value):
            for i, one in enumerate(value):
                yield from _flat(f"{name}.{_safe(one.get('name', i))}", one)
        else:
            yield name, _cut(",".join(map(_plain, value)))
    elif isinstance(value, str):
        yield name, _cut(value)
    elif value is not None:
        yield name, value


def _plain(value: Any) -> str:
    return ":".join(value) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def score_values(row: Mapping[str, Any]) -> dict[str, float]:
    """The score of a row of the document, `scores/<condition>/<metric>/<language>`, and its drop, `drops/...`."""
    place = "/".join((_condition(row), _safe(row["metric"]), _safe(row["language"] or "-".join(row["pair"]))))
    values = {f"scores/{place}": row["value"], f"drops/{place}": row["drop"]}
    return {name: value for name, value in values.items() if value is not None}


def result_values(result: Mapping[str, Any]) -> dict[str, float]:
    """All scores and drops of a result document, and the averages of its summary, `summary/...`."""
    values: dict[str, float | None] = {}
    for row in result["scores"]:
        values |= score_values(row)
    summary = result["summary"] or {"robustness": ()}
    values |= {f"summary/{name}": summary.get(name) for name in AVERAGES}
    for under in summary["robustness"]:
        values |= {f"summary/{_condition(under)}/{name}": under[name] for name in AVERAGES_UNDER}
    return {name: value for name, value in values.items() if value is not None}


def _condition(row: Mapping[str, Any]) -> str:
    return _safe(row["perturbation"] or row["attack"] or row["condition"])


def _safe(name: object) -> str:
    """A name without characters that a tracker might refuse: `typos(rate=0.2)` becomes `typos_rate_0.2`."""
    return UNSAFE.sub("_", str(name)).strip("_.") or "_"
