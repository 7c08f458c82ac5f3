"""Sentences on what a comparison shows, and on what it does not show."""

from __future__ import annotations

from xrobust.metrics.inference import FEW_SEEDS
from xrobust.results.comparing.document import ComparedGroup, ComparedWith, Estimate
from xrobust.results.comparing.sides import GroupSide


def sentences(
    baseline: ComparedGroup, part: ComparedWith, metric: str, least: int, *, lower_is_better: bool = False
) -> list[str]:
    """A sentence for each average; for a condition under which no language has `least` examples one that says so."""
    found = []
    for label in dict.fromkeys(row.label for row in part.estimates):
        its = [row for row in part.estimates if row.label == label]
        averages = [
            sentence(baseline, part, row, metric, lower_is_better=lower_is_better)
            for row in its
            if row.over == "average"
        ]
        found += averages or [f"Under {label}, there is no average: no language has {least} changed examples."]
    return found


def sentence(
    baseline: ComparedGroup, part: ComparedWith, row: Estimate, metric: str, *, lower_is_better: bool = False
) -> str:
    """One sentence on an average: the difference that is shown, or the one that would have been."""
    base, other = baseline.name, part.other.name
    points = f"{100 * abs(row.difference):.2f} points of {metric}"
    what = "drop" if row.quantity == "drop" else "score"
    under = {"clean": "On clean text", "clean pairs": "Over pairs of languages"}.get(row.label, f"Under {row.label}")
    over = f"on average over {row.test_sets} {'pairs' if row.pairs else 'languages'}"
    if row.p is None:
        return f"{under}, nothing is said of the {what} of {other} beside {base}: {row.reason}."
    assert row.ci_low is not None and row.ci_high is not None and row.detectable is not None and row.tests is not None
    interval = f"95% interval {100 * row.ci_low:+.2f} to {100 * row.ci_high:+.2f}, p {_p(row.p)}"
    if row.tests > 1 and row.p_holm is not None:
        interval += f", by Holm over {row.tests} comparisons {_p(row.p_holm)}"
    few = min(len(part.other.seeds), len(baseline.seeds))
    mark = f"; only {few} seeds, of which the spread is poorly known" if few < FEW_SEEDS else ""
    if row.verdict == "not shown":
        return (
            f"{under}, no difference in {what} between {other} and {base} is shown: {100 * row.difference:+.2f} points "
            f"of {metric} {over} ({interval}{mark}); a difference below {100 * row.detectable:.2f} points would have "
            "been missed more often than one time in five."
        )
    if what == "drop":
        word = "smaller" if row.verdict == "better" else "larger"
        claim = f"the {'rise' if lower_is_better else 'drop'} of {other} is {word} than that of {base} by {points}"
    else:
        claim = f"{other} is {row.verdict} than {base} by {points}"
    return f"{under}, {claim} {over} ({interval}{mark})."


def supervision_note(supervision: list[str], other: GroupSide) -> str | None:
    """Remark where a side has seen more than labelled data of the source language."""
    its = other.first.supervision
    if its == supervision:
        return None
    seen = ", ".join(supervision)
    return f"the baseline has seen {seen}, and {other.name} {', '.join(its)}: not one zero-shot setting"


def _p(value: float) -> str:
    return f"= {value:.3f}" if value >= 0.001 else "< 0.001"
