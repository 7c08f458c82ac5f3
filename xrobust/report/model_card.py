"""Entries of a leaderboard for the pages of their models on the hub: the card's `model-index`, and `.eval_results`.

Scores are fractions of 1, as cards have them, means over seeds, rounded to four places. Cards:
https://github.com/huggingface/hub-docs/blob/main/modelcard.md. Results:
https://huggingface.co/docs/hub/eval-results.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrobust.errors import UserError
from xrobust.registry.plugins import Plugins
from xrobust.report.export_facts import check_scores, file_name, hub_data, hub_model, label_of, over_seeds, updated
from xrobust.results.board.document import Entry, TestSetScore

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, EvalResultEntry, ModelCardData

PLACES = 4
METRICS = {"accuracy": "accuracy", "macro_f1": "f1", "span_f1": "f1", "span_f1_strict": "f1", "xtreme_f1": "f1"}
"""Metric -> the hub's id of it, for those that have one."""
TASK_TYPES = {
    "token_classification": "token-classification",
    "sequence_classification": "text-classification",
    "multiple_choice": "multiple-choice",
}
"""Kind of task -> the hub's name of it."""
BODY = """
The results in the metadata of this card were written by `xrobust leaderboard export`. Each is the mean over seeds of
the runs of one setting, a fraction of 1; its condition, seeds, standard deviation between seeds and 95% interval stand
under `args`.
"""


def model_card_files(entries: Sequence[Entry]) -> dict[Path, str]:
    """The files for the model repository of each entry, by their paths: a folder for each.

    `README.md` begins with the metadata of the card. `.eval_results` is there for data of the hub alone, since its
    results go by a data set's id. Raises UserError for scores that are not fractions of 1.
    """
    from yaml import safe_dump

    plugins = Plugins()
    files: dict[Path, str] = {}
    for entry in entries:
        check_scores(entry)
        folder = Path(f"{file_name(entry.task)}-{file_name(entry.id)}")
        files[folder / "README.md"] = f"---\n{card_data(entry, _task_type(plugins, entry.task)).to_yaml()}\n---\n{BODY}"
        for name, results in eval_result_files(entry).items():
            files[folder / ".eval_results" / name] = safe_dump(results, sort_keys=False, allow_unicode=True)
    return files


def card_data(entry: Entry, task_type: str | None) -> ModelCardData:
    """The metadata of an entry's card. `task_type` is the hub's name of the kind of task, if it has one."""
    from huggingface_hub import ModelCardData

    data = hub_data(entry)
    return ModelCardData(
        base_model=hub_model(entry),
        datasets=[data.repo] if data else None,
        language=sorted({code for row in entry.scores for code in row.pair or (str(row.language),)}),
        metrics=[METRICS.get(entry.metric, entry.metric)],
        pipeline_tag=task_type,
        tags=["xrobust"],
        model_name=f"{entry.model.rpartition('/')[2]} fine-tuned on {entry.task} with {entry.name}",
        eval_results=[_result(entry, row, task_type or "other") for row in entry.scores],
    )


def _result(entry: Entry, row: TestSetScore, task_type: str) -> EvalResult:
    from huggingface_hub import EvalResult

    data = hub_data(entry)
    label = label_of(row)
    interval = None if row.ci_low is None or row.ci_high is None else [_rounded(row.ci_low), _rounded(row.ci_high)]
    args: dict[str, Any] = {
        "condition": label,
        "seeds": entry.seeds,
        "standard_deviation": None if row.sd is None else _rounded(row.sd),
        "confidence_interval_95": interval,
        "examples": row.n,
    }
    # The library keeps what tells a data set of one data set, so a condition goes with the metric.
    return EvalResult(
        task_type=task_type,
        task_name=entry.task,
        dataset_type=data.repo if data else entry.task,
        dataset_name=f"{entry.task} ({row.name})" + (", sample data" if entry.sample else ""),
        dataset_config=row.name,
        dataset_split="test",
        dataset_revision=data.revision if data else None,
        metric_type=METRICS.get(entry.metric, entry.metric),
        metric_name=entry.metric if label == "clean" else f"{entry.metric} ({label})",
        metric_value=_rounded(row.mean),
        metric_args={name: value for name, value in args.items() if value is not None},
    )


def eval_result_files(entry: Entry) -> dict[str, list[dict[str, Any]]]:
    """The contents of `.eval_results`, a file for each condition as the hub wants it; none without data of the hub."""
    from huggingface_hub import eval_result_entries_to_yaml

    groups: dict[str, list[EvalResultEntry]] = {}
    for row in entry.scores:
        found = _eval_result(entry, row)
        if found is not None:
            label = label_of(row)
            name = entry.task if label == "clean" else f"{entry.task}_{label}"
            groups.setdefault(f"{file_name(name)}.yaml", []).append(found)
    return {name: eval_result_entries_to_yaml(results) for name, results in groups.items()}


def _eval_result(entry: Entry, row: TestSetScore) -> EvalResultEntry | None:
    from huggingface_hub import EvalResultEntry

    data = hub_data(entry)
    if data is None:
        return None
    return EvalResultEntry(
        dataset_id=data.repo,
        task_id=row.name,
        value=_rounded(row.mean),
        dataset_revision=data.revision,
        date=updated(entry),
        notes=f"{entry.metric}, {label_of(row)}, fine-tuned in {entry.source} with {entry.name}, {over_seeds(entry)}",
    )


def _task_type(plugins: Plugins, task: str) -> str | None:
    """The hub's name of a task's kind; None for another kind, and for a task whose plugin is not installed here."""
    try:
        return TASK_TYPES.get(plugins.load("tasks", task).kind.name)
    except UserError:
        return None


def _rounded(value: float) -> float:
    return round(value, PLACES)
