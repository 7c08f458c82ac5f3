"""Entries of a leaderboard as records of Every Eval Ever: one aggregate record for each.

The format: https://github.com/evaleval/every_eval_ever. Scores are means over seeds, on each test set under each
condition and on average. Drops from clean text are differences of these scores: they stand in a score's details, not as
results of their own.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from xrobust.errors import UserError
from xrobust.metrics.by_name import metric_of_output
from xrobust.report.export_facts import check_scores, file_name, hub_data, hub_model, label_of, over_seeds, updated
from xrobust.results.board.document import ConditionScore, Entry, Leaderboard, TestSetScore
from xrobust.storage.hashing import canonical_json

SCHEMA = "every_eval_ever.schema.json"
METRICS = {"accuracy": ("accuracy", "accuracy"), "macro_f1": ("f1_macro", "f1"), "span_f1": ("span_f1", "f1")}
"""Metric -> its id and its family over there; others get an id that begins with `xrobust.`."""


def every_eval_ever_files(
    board: Leaderboard, entries: Sequence[Entry], organization: str = "unknown"
) -> dict[Path, str]:
    """The records of entries as JSON, by their paths in the layout of the format's datastore.

    Each is valid by the published schema. Raises UserError where one is not, and where jsonschema is missing.
    """
    validate = _validator()
    files: dict[Path, str] = {}
    for entry in entries:
        check_scores(entry)
        record = evaluation_record(board, entry, organization)
        error = next(validate.iter_errors(record), None)
        if error is not None:
            where = ".".join(map(str, error.absolute_path))
            raise UserError(f"entry {entry.id} does not fit the schema of every_eval_ever at {where}: {error.message}")
        files[record_path(record, entry)] = json.dumps(record, indent=2, allow_nan=False) + "\n"
    return files


def evaluation_record(board: Leaderboard, entry: Entry, organization: str = "unknown") -> dict[str, Any]:
    """The record of one entry, in plain values.

    It is dated by the entry's newest run, not by the clock: equal runs give equal records.
    """
    when = updated(entry)
    seconds = str(int(datetime.fromisoformat(when).timestamp()))
    return {
        "schema_version": schema()["version"],
        "evaluation_id": "/".join([_collection(entry), f"{entry.model.replace('/', '_')}_{entry.id}", seconds]),
        "evaluation_timestamp": when,
        "retrieved_timestamp": seconds,
        "source_metadata": _source(board, organization),
        "eval_library": _library(board, entry),
        "model_info": _model(entry),
        "evaluation_results": [
            *(_of_test_set(entry, row) for row in entry.scores),
            *(_of_average(board, entry, row) for row in entry.conditions),
        ],
    }


def record_path(record: Mapping[str, Any], entry: Entry) -> Path:
    """`data/<collection>/<developer>/<model>/<uuid>.json`.

    The datastore takes UUIDs of version 4 alone, which are random: this one has the bits of a hash of the record's id.
    """
    digest = hashlib.sha256(record["evaluation_id"].encode()).digest()
    owner, _, name = entry.model.rpartition("/")
    folder = Path("data", file_name(_collection(entry)), file_name(owner or "unknown"), file_name(name))
    return folder / f"{uuid.UUID(bytes=digest[:16], version=4)}.json"


def schema() -> dict[str, Any]:
    """The published JSON Schema of a record."""
    text = resources.files("xrobust.report").joinpath("schemas", SCHEMA).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _validator() -> Any:
    try:
        from jsonschema import Draft7Validator
    except ImportError as error:
        raise UserError('the export to every_eval_ever needs jsonschema: pip install "xrobust[export]"') from error
    return Draft7Validator(schema())


def _collection(entry: Entry) -> str:
    """The folder of the records: of this source alone, not of all that others report on the same data."""
    return f"xrobust-{entry.task}"


def _source(board: Leaderboard, organization: str) -> dict[str, Any]:
    # `evaluation_run` is for scores that were computed from outputs, `documentation` for those that were taken over.
    return {
        "source_name": "xrobust leaderboard",
        "source_type": "evaluation_run" if board.verified == "predictions" else "documentation",
        "source_organization_name": organization,
        "evaluator_relationship": "other",
        "additional_details": {
            "evaluator_relationship": "the evaluator fine-tuned the model; model_info.id names the encoder"
        },
    }


def _library(board: Leaderboard, entry: Entry) -> dict[str, Any]:
    return {
        "name": "xrobust",
        "version": ", ".join(entry.packages.get("xrobust", [])) or "unknown",
        "additional_details": _strings(
            {
                "leaderboard_version": board.xrobust,
                "leaderboard_sha256": board.sha256,
                "verified_by": board.verified,
                "packages": entry.packages,
            }
        ),
    }


def _model(entry: Entry) -> dict[str, Any]:
    owner = entry.model.rpartition("/")[0]
    return {
        "name": f"{entry.model} fine-tuned with {entry.name}",
        "id": entry.model,
        "developer": owner or "unknown",
        "additional_details": _strings(
            {
                "deployment_type": "self_deployed",
                # Of the weights that were scored, which the document says nothing of, not of the encoder.
                "model_availability": "unknown",
                "base_model": hub_model(entry),
                "base_model_revision": entry.model_identity.get("revision"),
                "base_model_sha256": entry.model_identity.get("sha256"),
                "fine_tuned_on": f"{entry.task} in {entry.source}",
                "supervision": ", ".join(entry.supervision),
                "strict_zero_shot": entry.zero_shot,
                "method": entry.method,
                "training_settings": entry.settings,
                "training_steps": entry.budget.steps,
                "parameters": entry.cost.parameters,
                "trainable_parameters": entry.cost.trainable_parameters,
                "training_seconds": entry.cost.seconds,
                "devices": ", ".join(entry.cost.devices),
                "run_ids": [run.run_id for run in entry.runs],
                "seeds": entry.seeds,
                "entry": entry.id,
            }
        ),
    }


def _of_test_set(entry: Entry, row: TestSetScore) -> dict[str, Any]:
    label = label_of(row)
    clean = None if row.clean_values is None else math.fsum(row.clean_values) / len(row.clean_values)
    place = {"pair" if row.pair else "language": row.name, "test_rows": row.rows}
    return {
        "evaluation_name": ".".join([entry.task, label, row.name]),
        "source_data": _data(entry, row.n, place),
        "metric_config": _metric(entry, f"{label} test set in {row.name}", row.metric_version),
        "score_details": _score(
            entry,
            row,
            row.n,
            row.examples_se**2,
            "t, over seeds and test examples",
            {
                "level": "test set",
                "condition": label,
                "score_on_clean_text": clean,
                "drop_from_clean_text": None if clean is None else clean - row.mean,
            },
        ),
    }


def _of_average(board: Leaderboard, entry: Entry, row: ConditionScore) -> dict[str, Any]:
    label = label_of(row)
    too_few = entry.too_few.get(row.label, ())
    parts = [
        score
        for score in entry.scores
        if label_of(score) == label and (score.pair is not None) == row.pairs and score.name not in too_few
    ]
    over = "pairs" if row.pairs else "languages"
    names = {over: ", ".join(score.name for score in parts)}
    its = next((one.examples_from for one in board.boards if one.id == entry.board), "bound")
    return {
        "evaluation_name": ".".join([entry.task, label, f"average over {over}"]),
        "source_data": _data(entry, sum(score.n for score in parts), names),
        "metric_config": _metric(
            entry, f"{label} test sets, unweighted mean over {row.test_sets} {over}", parts[0].metric_version
        ),
        "score_details": _score(
            entry,
            row,
            sum(score.n for score in parts),
            row.examples_variance,
            f"t, over seeds and test examples (variance over examples from {its})",
            {
                "level": f"average over {over}",
                "condition": label,
                "average_without_source_language": row.targets,
                "transfer_gap": row.transfer_gap,
                "drop_from_clean_text": row.drop,
                "rank": row.rank,
                "board": entry.board,
            },
        ),
    }


def _data(entry: Entry, examples: int, details: Mapping[str, object]) -> dict[str, Any]:
    """The source of the test data: a data set of the hub where the documents say so, else what they say."""
    of_runs = sorted({run.data for run in entry.runs})
    revisions = sorted({run.data_revision for run in entry.runs if run.data_revision})
    more = {
        "data": ", ".join(of_runs),
        "revision": ", ".join(revisions) or None,
        "samples_number": examples,
        "sample_data": "true: bundled with xrobust to try things on; the scores mean nothing" if entry.sample else None,
    }
    found = hub_data(entry)
    if found is None:
        return {"dataset_name": entry.task, "source_type": "other", "additional_details": _strings({**more, **details})}
    return {
        "dataset_name": entry.task,
        "source_type": "hf_dataset",
        "hf_repo": found.repo,
        "hf_split": "test",
        "samples_number": examples,
        "additional_details": _strings({"revision": found.revision, **details}),
    }


def _metric(entry: Entry, where: str, version: int) -> dict[str, Any]:
    name, family = METRICS.get(entry.metric, (f"xrobust.{entry.metric}", entry.metric))
    built_in = metric_of_output(entry.metric)
    definition = {} if built_in is None else {"definition": built_in[0].definition}
    return {
        "evaluation_description": f"{entry.metric} on the {where}; {over_seeds(entry)}",
        "metric_id": name,
        "metric_name": entry.metric,
        "metric_kind": family,
        "metric_unit": "proportion",
        "metric_parameters": {"version": version},
        "lower_is_better": False,
        "score_type": "continuous",
        "min_score": 0.0,
        "max_score": 1.0,
        "additional_details": definition,
    }


def _score(
    entry: Entry,
    row: TestSetScore | ConditionScore,
    examples: int,
    examples_variance: float,
    method: str,
    details: Mapping[str, object],
) -> dict[str, Any]:
    """The mean with its interval. The format's `standard_deviation` is that of single examples: it is left out, and the
    one between seeds stands in the details."""
    uncertainty: dict[str, Any] = {"num_samples": examples}
    if row.sd is not None:
        error = math.sqrt(row.sd**2 / len(row.values) + examples_variance)
        uncertainty["standard_error"] = {"value": error, "method": "analytic: seeds and test examples"}
    if row.ci_low is not None and row.ci_high is not None:
        uncertainty["confidence_interval"] = {
            "lower": row.ci_low,
            "upper": row.ci_high,
            "confidence_level": 0.95,
            "method": method,
        }
    seeds = {
        "seeds": entry.seeds,
        "scores_by_seed": row.values,
        "standard_deviation_between_seeds": row.sd,
        "standard_error_of_examples": math.sqrt(examples_variance),
    }
    return {"score": row.mean, "uncertainty": uncertainty, "details": _strings({**details, **seeds})}


def _strings(values: Mapping[str, object]) -> dict[str, str]:
    """The values that there are, as strings, which details must be: text as it is, all else as JSON."""
    return {
        name: value if isinstance(value, str) else canonical_json(value)
        for name, value in values.items()
        if value is not None
    }
