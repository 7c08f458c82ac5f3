"""Boards: entries that may be ranked among one another, and their ranks by tests of all pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xrobust.metrics.inference import ALPHA, FEWEST_SEEDS, array_degrees_of_freedom, array_holm
from xrobust.results.board.document import OTHER_COVERAGE, Board, ConditionScore, Entry, ExamplesFrom, PairTest
from xrobust.results.board.record import Layout, RunRecord, Under
from xrobust.results.board.scores import EntryScores
from xrobust.results.board.variances import ExampleVariances
from xrobust.results.comparing.document import Condition
from xrobust.results.runs import method_labels
from xrobust.storage.hashing import canonical_json

MOST_TESTED = 100
"""Most entries of a board for which the document has the test of each pair."""


def make_boards(
    entries: Sequence[Entry],
    runs: Mapping[str, Sequence[RunRecord]],
    scores: Mapping[str, EntryScores],
    variances: ExampleVariances,
    *,
    budget: str,
    examples_from: ExamplesFrom,
) -> list[Board]:
    """Puts entries on boards and ranks them; sets `board`, `name`, `rank` and `unranked` of the entries.

    A board has one task, source language, metric and supervision, real or sample data, and one budget unless `budget`
    is `any`. Under each condition those entries are ranked that have the coverage most entries have.
    """
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(canonical_json(_shared(entry, budget)), []).append(entry)
    return [_board(key, its, runs, scores, variances, budget, examples_from) for key, its in sorted(groups.items())]


def _shared(entry: Entry, budget: str) -> dict[str, Any]:
    shared = {name: getattr(entry, name) for name in ("task", "source", "metric", "supervision", "sample")}
    return shared | {"budget": entry.budget.model_dump() if budget == "equal" else None}


def _board(
    key: str,
    entries: Sequence[Entry],
    runs: Mapping[str, Sequence[RunRecord]],
    scores: Mapping[str, EntryScores],
    variances: ExampleVariances,
    budget: str,
    examples_from: ExamplesFrom,
) -> Board:
    board_id = hashlib.sha256(key.encode()).hexdigest()[:16]
    for entry, name in zip(entries, _names(entries, runs), strict=True):
        entry.board, entry.name = board_id, name
    first = entries[0]
    budgets = {canonical_json(entry.budget.model_dump()) for entry in entries}
    tests: list[PairTest] = []
    coverage: dict[str, dict[str, str]] = {}
    tested = True
    for label in dict.fromkeys(row.label for entry in entries for row in entry.conditions):
        ranked, reference = _ranked(entries, scores, label)
        coverage[label] = {one.test.name: f"{one.rows}, version {one.metric_version}" for one in reference}
        if not ranked:
            continue
        found = _rank(ranked, variances)
        tested = tested and len(ranked) <= MOST_TESTED
        tests += found if tested else []
    return Board(
        id=board_id,
        task=first.task,
        source=first.source,
        metric=first.metric,
        zero_shot=first.zero_shot,
        supervision=first.supervision,
        budget=first.budget if budget == "equal" else None,
        budgets_differ=len(budgets) > 1,
        sample=first.sample,
        entries=[entry.id for entry in sorted(entries, key=_order)],
        coverage=coverage,
        examples_from=examples_from,
        tests=tests if tested else None,
    )


def _order(entry: Entry) -> tuple[bool, float, str]:
    clean = entry.under()
    return clean is None or clean.rank is None, -clean.mean if clean is not None else 0.0, entry.id


def _names(entries: Sequence[Entry], runs: Mapping[str, Sequence[RunRecord]]) -> list[str]:
    """The methods, with the parameters that tell entries of one model apart, else the settings that do."""
    labels = [""] * len(entries)
    models: dict[str, list[int]] = {}
    for i, entry in enumerate(entries):
        models.setdefault(canonical_json([entry.model, entry.model_identity]), []).append(i)
    for its in models.values():
        for i, label in zip(its, method_labels([runs[entries[i].id][0].methods for i in its]), strict=True):
            labels[i] = label
        for i in its:
            alike = [j for j in its if labels[j] == labels[i] and j != i]
            mine = _settings(entries[i])
            differing = sorted({key for j in alike for key in mine if _settings(entries[j]).get(key) != mine[key]})
            if differing:
                labels[i] = f"{labels[i]} [{', '.join(f'{key} {mine[key]}' for key in differing)}]"
    return labels


def _settings(entry: Entry) -> dict[str, Any]:
    return entry.settings | {"model": entry.model}


def _ranked(
    entries: Sequence[Entry], scores: Mapping[str, EntryScores], label: str
) -> tuple[list[tuple[Entry, ConditionScore]], Layout]:
    """The entries that can be ranked under a condition, and their coverage; the others get the reason."""
    covered: dict[str, Layout] = {}
    for entry in entries:
        if (row := entry.under(label)) is not None:
            covered[entry.id] = scores[entry.id].covered(_under(row))
    counts: dict[Layout, int] = {}
    several = {entry.id for entry in entries if len(entry.runs) >= FEWEST_SEEDS}
    for entry_id, coverage in covered.items():
        counts[coverage] = counts.get(coverage, 0) + (entry_id in several)  # others cannot be ranked anyway
    reference = max(counts, key=lambda coverage: (counts[coverage], len(coverage), str(coverage)))
    ranked = []
    for entry in entries:
        row = entry.under(label)
        if row is None:
            continue
        if covered[entry.id] != reference:
            row.unranked = _difference(covered[entry.id], reference)
        elif len(entry.runs) < FEWEST_SEEDS:
            row.unranked = "one seed: the spread between seeds is not known"
        else:
            ranked.append((entry, row))
    return ranked, reference


def _under(row: ConditionScore) -> Under:
    return row.condition, row.perturbation, row.attack, row.pairs, "\n".join(row.worst_of)


def _difference(coverage: Layout, reference: Layout) -> str:
    """The reason why a coverage is not the one that is ranked."""
    its, wanted = ({one.test.name: one for one in layout} for layout in (coverage, reference))
    parts = []
    if lacking := sorted(wanted.keys() - its.keys()):
        parts.append(f"lacks {', '.join(lacking)}")
    if more := sorted(its.keys() - wanted.keys()):
        parts.append(f"has {', '.join(more)} besides")
    if other := sorted(name for name in its.keys() & wanted.keys() if its[name] != wanted[name]):
        strength = ", strength of the attack" if coverage[0].test.condition == "attack" else ""
        parts.append(f"other test rows{strength} or metric version in {', '.join(other)}")
    return f"{OTHER_COVERAGE} than the ranked entries: " + "; ".join(parts)


def _rank(ranked: Sequence[tuple[Entry, ConditionScore]], variances: ExampleVariances) -> list[PairTest]:
    """Sets the ranks: 1 + number of entries with a higher mean, and p of at most 5% by Holm over all pairs."""
    count = len(ranked)
    means = np.array([row.mean for _, row in ranked])
    seeds = np.array([(row.sd or 0.0) ** 2 / len(row.values) for _, row in ranked])
    freedom = np.array([len(row.values) - 1 for _, row in ranked])
    examples, examples_df = variances.matrix([entry.id for entry, _ in ranked], _under(ranked[0][1]))
    one, other = np.triu_indices(count, 1)
    p = _p_values(
        means[one] - means[other],
        [(seeds[one], freedom[one]), (seeds[other], freedom[other])],
        (examples[one, other], examples_df[one, other]),
    )
    adjusted = array_holm(p)
    shown = adjusted <= ALPHA
    winners = np.where(means[one] > means[other], one, other)[shown]
    losers = np.where(means[one] > means[other], other, one)[shown]
    better, worse = (np.bincount(its, minlength=count).tolist() for its in (losers, winners))
    for (_, row), above, below in zip(ranked, better, worse, strict=True):
        row.rank, row.rank_to = 1 + above, count - below
    if count > MOST_TESTED:
        return []
    condition = {name: getattr(ranked[0][1], name) for name in Condition.model_fields}
    found = []
    for k, (i, j) in enumerate(zip(one, other, strict=True)):
        high, low = (i, j) if means[i] >= means[j] else (j, i)
        found.append(
            PairTest(
                **condition,
                better=ranked[int(high)][0].id,
                worse=ranked[int(low)][0].id,
                difference=float(means[high] - means[low]),
                examples_variance=float(examples[i, j]),
                examples_df=float(examples_df[i, j]),
                p=float(p[k]),
                p_holm=float(adjusted[k]),
            )
        )
    return found


def _p_values(
    differences: np.ndarray, seeds: Sequence[tuple[np.ndarray, np.ndarray]], examples: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Two-sided p-values as `xrobust.metrics.inference.infer` has them, for many pairs at once."""
    from scipy.special import stdtr

    error = np.sqrt(sum(variance for variance, _ in (*seeds, examples)))
    ratio = np.divide(np.abs(differences), error, out=np.where(differences == 0, 0.0, np.inf), where=error > 0)
    return np.asarray(2 * stdtr(array_degrees_of_freedom(seeds, examples), -ratio))
