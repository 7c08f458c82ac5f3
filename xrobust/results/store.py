"""Results on disk: atomic writes, loading with verification, predictions."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xrobust.config.resolved_spec import group_id, run_id
from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction
from xrobust.errors import UserError
from xrobust.results.schema import SCHEMA_VERSION, Artifact, RunResult, now
from xrobust.storage.atomic import write_atomically, writing
from xrobust.storage.hashing import file_sha256

RESULT = "result.json"

PREDICTIONS = "predictions"

MODEL = "model"

CHECKPOINTS = "checkpoints"

LOG = "run.log"


def save_result(folder: Path, result: RunResult) -> None:
    """Writes the document, its time stamp and its summary brought up to date."""
    result.updated = now()
    result.summarise()
    text = result.model_dump_json(indent=2) + "\n"
    write_atomically(folder / RESULT, lambda file: file.write(text.encode()))


def load_result(path: Path | str) -> RunResult:
    """The result document of a run folder (or of a `result.json`), verified: schema, and hash against its spec.

    The hash is taken over the stored JSON, before any default is filled in. Raises UserError.
    """
    file = Path(path)
    if file.is_dir():
        file = file / RESULT
    try:
        raw = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise UserError(f"no run at {path}: {file} does not exist (xrobust runs DIR lists what is there)") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is not a result document: {error}") from error
    if not isinstance(raw, dict) or raw.get("schema_version") != SCHEMA_VERSION:
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        raise UserError(f"{file}: schema version {version!r} where this xrobust reads {SCHEMA_VERSION}")
    try:
        result = RunResult.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{file} does not fit the schema at {where}: {first['msg']}") from error
    stored = raw["spec"]["train"]
    if run_id(stored) != result.run_id or group_id(stored) != result.group_id:
        raise UserError(f"{file}: run_id {result.run_id} does not fit the spec in it: the document was changed")
    return result


def predictions_path(folder: Path, language: str, perturbation: str | None = None) -> Path:
    """Where the predictions of a language, or a pair of them, lie."""
    name = language.replace(":", "--")  # a colon is not a character of file names everywhere
    below = folder / PREDICTIONS
    if perturbation is not None:
        below /= re.sub(r"[^\w.=,()+-]", "_", perturbation)
    return below / f"{name}.parquet"


def save_predictions(
    folder: Path,
    language: str,
    kind: Kind,
    examples: Sequence[Example],
    predictions: Sequence[Prediction],
    perturbation: str | None = None,
) -> Artifact:
    """Writes `id, label, prediction, scores`, a row an example in file order; for tagging the last three are lists.

    With the label of a perturbation, only the examples that it changed are given.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "id": [example["id"] for example in examples],
            "label": [example[kind.gold_column] for example in examples],
            "prediction": [prediction.value for prediction in predictions],
            "scores": pa.array([prediction.scores for prediction in predictions], type=pa.list_(pa.float32())),
        }
    )
    path = predictions_path(folder, language, perturbation)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: pq.write_table(table, file))
    return Artifact(path=str(path.relative_to(folder)), sha256=file_sha256(path))


def load_predictions(run: Path | str, language: str, perturbation: str | None = None) -> list[dict[str, Any]]:
    """The saved predictions of one language, or a pair, clean or under the perturbation of that label.

    Dicts with `id, label, prediction, scores`. Raises UserError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = predictions_path(Path(run), language, perturbation)
    if not path.exists():
        raise UserError(
            f"no predictions for {language!r} in {run}: score it with xrobust eval {run} --languages {language}"
        )
    try:
        return pq.read_table(path).to_pylist()
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
