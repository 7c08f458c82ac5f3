"""Examples that change sides between two groups of runs: right with one, wrong with the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from xrobust.contracts import Example
from xrobust.data.sources import data_folder, open_source
from xrobust.data.splits import load_split
from xrobust.errors import RunError, UserError
from xrobust.results.comparing.document import Condition
from xrobust.results.comparing.sides import GroupSide, shared_keys
from xrobust.results.examples import RunExamples
from xrobust.results.run_plugins import run_plugins
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey, Section


class Flip(Section):
    """A test example that the two sides differ on."""

    id: str
    change: str
    """`gained` where more seeds of the other side have it right, else `lost`."""
    baseline_right: float
    """Share of the baseline's seeds that have it right: the label, or all tags."""
    other_right: float
    label: Any
    baseline: Any
    """Most frequent prediction of the baseline's seeds."""
    other: Any
    text: str | None
    """Null where the test data are not at hand."""


def flips(
    baseline: GroupSide, other: GroupSide, language: str, plugin_files: Sequence[Path] = ()
) -> tuple[list[Flip], str | None]:
    """The examples of a language's clean test set that changed sides, largest change first; and why texts are missing.

    A side has an example right where more than half of its seeds have. Raises UserError for a language without scores.
    """
    key = ScoreKey(language=language)
    for side in (baseline, other):
        for run in side.runs:
            if run.score(key) is None:
                known = ", ".join(k.name for k in run.scored_keys if k.condition == "clean" and k.pair is None)
                raise UserError(f"run {run.result.run_id} ({side.name}) has no score in {language!r}: it has {known}")
    shared_keys((baseline, other), Condition(), common=True)  # refuses other test rows and metric versions
    ids, gold, a = _predicted(baseline.runs, key)
    other_ids, _, b = _predicted(other.runs, key)
    if other_ids != ids:
        raise UserError(f"{baseline.name} and {other.name} have predictions of other examples in {language}")
    texts, reason = _texts(baseline.first, language, plugin_files)
    found = []
    for i, example in enumerate(ids):
        shares = [sum(p[i] == gold[i] for p in side) / len(side) for side in (a, b)]
        if (shares[0] > 0.5) == (shares[1] > 0.5):
            continue
        found.append(
            Flip(
                id=example,
                change="gained" if shares[1] > shares[0] else "lost",
                baseline_right=shares[0],
                other_right=shares[1],
                label=gold[i],
                baseline=_mode([p[i] for p in a]),
                other=_mode([p[i] for p in b]),
                text=texts.get(example),
            )
        )
    return sorted(found, key=lambda flip: -abs(flip.other_right - flip.baseline_right)), reason


def _predicted(runs: Sequence[RunExamples], key: ScoreKey) -> tuple[list[str], list[Any], list[list[Any]]]:
    """Ids, gold labels, and the predictions of each run."""
    columns = [run.predictions(key) for run in runs]
    if any(its["id"] != columns[0]["id"] for its in columns):
        raise UserError(f"the runs of {runs[0].result.group_id} have predictions of other examples in {key.name}")
    return columns[0]["id"], columns[0]["label"], [its["prediction"] for its in columns]


def _mode(values: Sequence[Any]) -> Any:
    return Counter(map(_hashable, values)).most_common(1)[0][0]


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _texts(result: RunResult, language: str, plugin_files: Sequence[Path]) -> tuple[dict[str, str], str | None]:
    """Id -> text of the test examples, and the reason where there are none."""
    if result.local is None:
        return {}, "the document was exported: it does not say where its data lie"
    try:
        task = run_plugins(result, plugin_files, methods=False).plugins.task(result.spec.train.task)
        source = open_source(data_folder(result.local.data_dir), offline=True)
        examples, rows = load_split(task, source, "test", language, result.spec.train.limit)
    except (UserError, RunError) as error:
        return {}, str(error)
    used = {row.language: row.sha256 for row in result.data.used if row.split == "test"}
    if used.get(language) != rows.sha256:
        return {}, f"the test data of {language} were changed since the run"
    return {example["id"]: _text(example, task.kind.gold_column) for example in examples}, None


def _text(example: Example, gold_column: str) -> str:
    """The text of an example in one line: its columns but id and label, tokens joined by spaces."""
    parts = [value for name, value in example.items() if name not in ("id", gold_column)]
    return " | ".join(" ".join(map(str, part)) if isinstance(part, list | tuple) else str(part) for part in parts)
