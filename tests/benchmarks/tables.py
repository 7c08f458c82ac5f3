"""The figures of `python -m tests.benchmarks` as Markdown tables: what docs/performance.md shows."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.measuring import table


def all_tables(document: dict[str, Any]) -> str:
    """Every table that there are figures for."""
    parts = {
        "padding": _padding,
        "training": _training,
        "evaluation": _evaluation,
        "methods": _methods,
        "faster settings": _faster,
        "order": _order,
    }
    return "\n\n".join(f"### {part}\n\n{parts[part](document[part])}" for part in parts if part in document) + "\n"


def _rows(part: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for model, tasks in part.items():
        for task, figures in tasks.items():
            yield model, task, figures


def _padding(part: dict[str, Any]) -> str:
    ways = [way for way in next(_rows(part))[2] if way not in ("examples", "machine")]
    return table(
        ["model", "task", "examples", *(f"{way}, %" for way in ways)],
        [[m, t, f["examples"], *(f"{100 * f[way]:.1f}" for way in ways)] for m, t, f in _rows(part)],
    )


def _training(part: dict[str, Any]) -> str:
    opponents = ["XTREME protocol", "Trainer", "Trainer, group_by_length"]
    rows = []
    for m, t, f in _rows(part):
        losses = [statistics.mean(f["final_loss"][name]) for name in ("xrobust", *opponents)]
        rounds = len(f["seconds"]["xrobust"])
        of_bound = f"{f['ratio']['XTREME protocol']:.2f} of {f['bound']:.2f}"
        ratios = [f["ratio"][name] for name in opponents[1:]]
        use = f"{100 * f['model_flops_utilisation']:.0f}"
        loss = " / ".join(f"{value:.3f}" for value in losses)
        rows.append([m, t, f["examples"], rounds, f["examples_per_second"]["xrobust"], of_bound, *ratios, use, loss])
    head = [
        "model",
        "task",
        "examples",
        "rounds",
        "examples/s",
        "x XTREME, of bound",
        *(f"x {o}" for o in opponents[1:]),
    ]
    return table([*head, "FLOPs used, %", "loss: ours / XTREME / Trainer / grouped"], rows)


def _evaluation(part: dict[str, Any]) -> str:
    return table(
        ["model", "task", "languages", "examples", "x Trainer.predict", "its batch", "real, %", "its real, %"],
        [
            [
                *(m, t, f["languages"], f["examples"], f["ratio"], f["Trainer's batch size"]),
                *(f"{100 * f[share]:.0f}" for share in ("real share", "real share, Trainer")),
            ]
            for m, t, f in _rows(part)
        ],
    )


def _methods(part: dict[str, Any]) -> str:
    labels = list(next(_rows(part))[2]["ratio"])
    return table(
        ["model", "task", *labels],
        [
            [m, t, *(f"{f['ratio'][label]:.2f} (at most {f['allowed'][label]:.2f})" for label in labels)]
            for m, t, f in _rows(part)
        ],
    )


def _faster(part: dict[str, Any]) -> str:
    labels = list(next(_rows(part))[2]["ratio"])
    head = ["model", "task", *(f"{label}: time" for label in labels), "first two steps compiled, s"]
    rows = []
    for m, t, f in _rows(part):
        warm = f["seconds of the warm-up"]["xrobust, compiled"]
        rows.append([m, t, *(f["ratio"][label] for label in labels), f"{warm:.0f}"])
    return table(head, rows)


def _order(part: dict[str, Any]) -> str:
    ways = list(next(_rows(part))[2]["dev"])

    def cell(figures: dict[str, Any], way: str) -> str:
        values = figures["dev"][way]
        return f"{100 * statistics.mean(values):.1f} (" + " ".join(f"{100 * v:.1f}" for v in values) + ")"

    return table(
        ["model", "task", "examples", *ways],
        [[m, t, f["limit"], *(cell(f, way) for way in ways)] for m, t, f in _rows(part)],
    )
