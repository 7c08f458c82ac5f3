"""The two analyses, whole: from runs to tables and tests. `xrobust analyze` prints what these return."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xrobust.analysis.answers import Answer, Question, answers
from xrobust.analysis.distance import DISTANCES, distances
from xrobust.analysis.families import language_groups
from xrobust.analysis.gains import Of, Series, series
from xrobust.analysis.overlap import SHARES, Measured, measure
from xrobust.metrics.by_name import metric_of_output
from xrobust.results.runs import find_runs, scored_with


@dataclass(frozen=True)
class ByDistance:
    """Does the distance to the source language explain gains, or scores?"""

    series: list[Series]
    distances: list[dict[str, dict[str, float]]]
    """For each series: distance -> language -> value."""
    answers: list[Answer]
    """For each series and each distance, in this order."""
    groups: dict[str, str]
    """Language -> its group of related ones: branch of Indo-European, or family."""
    notes: list[str]
    """Notes on what was left out and why, a line each."""


@dataclass(frozen=True)
class ByOverlap:
    """Does what the training set shares with a test set explain scores?"""

    measured: list[Measured]
    answers: list[Answer]
    notes: list[str]


def by_distance(
    runs: Sequence[Path],
    *,
    of: Of = "gain",
    metric: str | None = None,
    perturbation: str | None = None,
    names: Sequence[str] = tuple(DISTANCES),
) -> ByDistance:
    """Correlates each method's gain over `vanilla` (or its score) per target language with language distances.

    Tests and intervals take languages of one group for related (`related_correlation`).
    `runs` are folders with runs or result documents. Raises UserError.
    """
    results, notes = find_runs(runs)
    found, remarks = series(results, of, metric, perturbation)
    notes += remarks
    tables = []
    for one in found:
        table = distances(one.source, sorted(one.values | one.few), names)
        tables.append(table.values)
        notes += [f"{one.task}: {problem}" for problem in table.problems]
    groups = language_groups(sorted({language for one in found for language in one.values | one.few}))
    labels = _unique([f"{one.task} {one.name}" for one in found], [one.of.group_id for one in found])
    questions = [
        Question(label, name, table[name], one.values, groups)
        for label, one, table in zip(labels, found, tables, strict=True)
        for name in names
    ]
    if of == "gain":
        known = {one.metric: metric_of_output(one.metric) for one in found}
        errors = [name for name, built_in in known.items() if built_in is not None and built_in[0].lower_is_better]
        notes += [f"{name} is an error: a gain below 0 is an improvement" for name in errors]
    return ByDistance(found, tables, answers(questions), groups, list(dict.fromkeys(notes)))


def by_overlap(
    runs: Sequence[Path],
    *,
    metric: str | None = None,
    data_dir: str | Path | None = None,
    offline: bool = False,
    plugin_files: Sequence[Path] = (),
) -> ByOverlap:
    """Correlates clean scores with the overlap of training and test set, over all (source, target) pairs of languages.

    A language as its own source is measured and not correlated. `data_dir` is where each run's data lay unless given.
    `plugin_files` are those of the runs' tasks. Raises UserError.
    """
    results, notes = find_runs(runs)
    scored_with(results, metric, None)
    measured, remarks = measure(results, metric=metric, data_dir=data_dir, offline=offline, plugin_files=plugin_files)
    pairs = [m for m in measured if m.source != m.language]
    together = list(dict.fromkeys((m.task, m.purpose, method) for m in pairs for method in m.scores))
    labels = _unique([f"{task} {method}" for task, _, method in together], [purpose for _, purpose, _ in together])
    questions = []
    for label, (_, purpose, method) in zip(labels, together, strict=True):
        its = {(m.source, m.rows, m.language): m for m in pairs if m.purpose == purpose and method in m.scores}
        y = {key: m.scores[method] for key, m in its.items()}
        for share in SHARES:
            x = {key: value for key, m in its.items() if (value := getattr(m.overlap, share)) is not None}
            if x:
                questions.append(Question(label, share, x, y))
    return ByOverlap(measured, answers(questions), [*notes, *remarks])


def _unique(labels: Sequence[str], ids: Sequence[str]) -> list[str]:
    """The labels, those that occur more than once with the id that tells them apart."""
    counts = Counter(labels)
    return [f"{label} [{i}]" if counts[label] > 1 else label for label, i in zip(labels, ids, strict=True)]
