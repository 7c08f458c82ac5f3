"""Results on disk: atomic writes, loading with verification, predictions."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from xrobust.config.resolved_spec import group_id, run_id
from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction
from xrobust.errors import RunError, UserError, first_line
from xrobust.results.migrate import OLDER_VERSIONS, migrated
from xrobust.results.schema import SCHEMA_VERSION, RunResult, now, section_sums
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import Artifact
from xrobust.results.summary import summarise
from xrobust.results.worst_case import name_worst_cases
from xrobust.storage.atomic import write_atomically, writing
from xrobust.storage.hashing import canonical_json, file_sha256
from xrobust.storage.json_file import read_json
from xrobust.storage.regular_file import open_regular

RESULT = "result.json"
PREDICTIONS = "predictions"
MODEL = "model"
WEIGHT_SUFFIXES = (".safetensors", ".bin")
CHECKPOINTS = "checkpoints"
LOG = "run.log"


def save_result(folder: Path, result: RunResult) -> None:
    """Writes the document, with its time stamp, summary and sums brought up to date.

    Raises RunError for a number that is not finite: JSON has none, and a null in its place would say nothing.
    """
    result.updated = now()
    result.summary = summarise(result)
    try:
        result.sums = result.computed_sums()
        result.sha256 = result.computed_sha256()
    except ValueError as error:
        what = not_finite(result.model_dump(mode="json")) or str(error)
        raise RunError(f"{folder / RESULT} cannot be written: {what}") from error
    text = result.model_dump_json(indent=2) + "\n"
    write_atomically(folder / RESULT, lambda file: file.write(text.encode()))


def load_result(path: Path | str) -> RunResult:
    """Loads the document of a run folder (or a `result.json`), and verifies it: schema, run id and sha256.

    The hashes are taken over the stored JSON, before any default is filled in. The summary of a document that another
    version of xrobust wrote is made anew where means are taken otherwise today. Raises UserError.
    """
    file = Path(path)
    if file.is_dir():
        file = file / RESULT
    try:
        raw = read_json(file)
    except FileNotFoundError:
        raise UserError(f"no run at {path}: {file} does not exist (xrobust runs DIR lists what is there)") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is not a result document: {error}") from error
    if not isinstance(raw, dict):
        raise UserError(f"{file} is not a result document: it holds no fields")
    version = raw.get("schema_version")
    if version not in (*OLDER_VERSIONS, SCHEMA_VERSION):
        known = " and ".join(map(str, (*OLDER_VERSIONS, SCHEMA_VERSION)))
        raise UserError(f"{file}: schema version {version!r} where this xrobust reads {known}")
    try:
        result = RunResult.model_validate(raw if version == SCHEMA_VERSION else migrated(raw))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if not isinstance(error, ValidationError):
            raise UserError(f"{file} does not fit schema version {version}: {first_line(error)}") from error
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{file} does not fit the schema at {where}: {first['msg']}") from error
    stored = raw["spec"]["train"]
    try:
        fits = (run_id(stored), group_id(stored)) == (result.run_id, result.group_id)
    except ValueError:  # NaN, or half of a surrogate pair: neither is ever written
        fits = False
    if not fits:
        raise UserError(f"{file}: run_id {result.run_id} does not fit the spec in it: the document was changed")
    if version == SCHEMA_VERSION and not _fits_its_sha256(raw, result):
        raise UserError(f"{file}: {changed_sections(raw, result)}: the document was changed")
    if version != SCHEMA_VERSION or _has_older_means(result):
        name_worst_cases(result)
        result.summary = summarise(result)
    return result


def _has_older_means(result: RunResult) -> bool:
    """True for a document from before small test sets were left out of means, and sets of worst cases named."""
    return result.summary is not None and any(row.min_examples is None for row in result.summary.robustness)


def _fits_its_sha256(raw: Mapping[str, Any], result: RunResult) -> bool:
    """True if the document's sha256 is that of its stored JSON, or that of its values.

    The stored JSON has no fields that were added to the schema since; in the values, 1 and 1.0 are one number, which
    other programs write as they like.
    """
    if result.sha256 is None:
        return False
    whole = {key: value for key, value in raw.items() if key not in ("local", "sha256")}
    try:
        stored = hashlib.sha256(canonical_json(whole).encode()).hexdigest()
        return stored == result.sha256 or result.computed_sha256() == result.sha256
    except ValueError:  # NaN, or half of a surrogate pair: neither is ever written
        return False


def changed_sections(raw: Mapping[str, Any], result: RunResult) -> str:
    """Words for what was changed in a document whose sha256 does not fit: a number that is none, or its fields."""
    if (what := not_finite(raw)) is not None:
        return what
    try:
        stored, values = section_sums(raw), result.computed_sums()
    except ValueError as error:
        return str(error)
    names = [name for name in values if result.sums.get(name) not in (stored.get(name), values[name])]
    if names and result.sums:
        return f"{' and '.join(names)} {'does' if len(names) == 1 else 'do'} not fit the sha256 in `sums`"
    return "its sha256 does not fit its content"


def not_finite(document: Mapping[str, Any]) -> str | None:
    """The first number of a document that is not finite, with its place; None where there is none."""
    for i, row in enumerate(document.get("scores") or ()):
        for name, value in row.items():
            if isinstance(value, float) and not math.isfinite(value):
                under = row.get("perturbation") or row.get("attack") or row.get("condition")
                test = row.get("language") or ":".join(row.get("pair") or ())
                return f"scores.{i} ({row.get('metric')} of {test}, {under}): {name} is {value}"
    return next((f"{place} is {value}" for place, value in _numbers(document, "") if not math.isfinite(value)), None)


def _numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    """Places, as in `training.curve.3.loss`, and values of all floats."""
    if isinstance(value, float):
        yield place, value
    elif isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _numbers(item, f"{place}.{key}".lstrip("."))


def predictions_path(folder: Path, test_set: str, label: str | None = None) -> Path:
    """The file for the predictions of a language, or of a pair such as `en:de`, under the condition of that label."""
    below = folder / PREDICTIONS
    if label is not None:
        below /= re.sub(r"[^\w.=,()+-]|^\.", "_", label)
    name = re.sub(r"[/\\\0]|^\.", "_", test_set)
    return below / f"{name.replace(':', '--')}.parquet"  # a colon is not a character of file names everywhere


def save_predictions(
    folder: Path, under: ScoreKey, kind: Kind, examples: Sequence[Example], predictions: Sequence[Prediction]
) -> Artifact:
    """Writes `id, label, prediction, scores`, a row an example in file order; for tagging the last three are lists.

    Under a perturbation, only the examples that it changed are given.
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
    path = predictions_path(folder, under.name, under.label)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: pq.write_table(table, file))
    return Artifact(path=str(path.relative_to(folder)), role="predictions", sha256=file_sha256(path), of=under)


def load_predictions(run: Path | str, language: str, label: str | None = None) -> list[dict[str, Any]]:
    """The saved predictions of one language, or a pair such as `en:de`, clean or under the condition of that label.

    `label` is that of a perturbation or of an attack, as the document has it. Dicts with `id, label, prediction,
    scores`. Raises UserError where there are none, or others than the document has the sha256 of.
    """
    result = load_result(run)
    for artifact in result.artifacts:
        if artifact.of is not None and (artifact.of.name, artifact.of.label) == (language, label):
            return read_predictions(run_folder_of(run), artifact, result.examples_of(artifact.of))
    under = "" if label is None else f" under {label!r}"
    option = "--pairs" if ":" in language else "--languages"
    raise UserError(
        f"no predictions for {language!r}{under} in {run}: score it with xrobust eval {run} {option} {language}"
        + ("" if label is None else " and --perturb or --attack; `scores` of its document has the labels")
    )


def run_folder_of(run: Path | str) -> Path:
    """The folder of a run that is named by its folder or by the `result.json` in it."""
    path = Path(run)
    return path if path.is_dir() else path.parent


def read_predictions(folder: Path, artifact: Artifact, n: int | None) -> list[dict[str, Any]]:
    """The rows that `save_predictions` wrote. Raises UserError; see `predictions_table`."""
    rows: list[dict[str, Any]] = predictions_table(folder, artifact, n).to_pylist()
    return rows


def predictions_table(folder: Path, artifact: Artifact, n: int | None, columns: Sequence[str] | None = None) -> Any:
    """The pyarrow table that `save_predictions` wrote, with all columns or those named.

    `n` is the number of examples by the document, None where it has none; a file of more rows is not read, since a
    small one can hold so many that they fill memory.

    Raises UserError for a file that is missing, is another than the document says, lies elsewhere, or cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / artifact.path
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"its predictions lie outside the run's folder, at {artifact.path}")
    try:
        with open_regular(path) as file:
            content = file.read()
        if hashlib.sha256(content).hexdigest() != artifact.sha256:
            raise UserError(f"{path} was changed since it was written (its sha256 is another)")
        table = pq.ParquetFile(pa.BufferReader(content))
        if n is not None and (rows := table.metadata.num_rows) > n:
            raise UserError(f"{path} holds {rows} predictions where the document says {n} examples")
        return table.read(columns=None if columns is None else [*columns])
    except FileNotFoundError:
        raise UserError(f"its predictions are missing, {path} does not exist") from None
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error


def model_artifacts(folder: Path) -> list[Artifact]:
    """The files of the trained model of a run, with their sha256; none if it was not kept."""
    files = sorted(path for path in (folder / MODEL).rglob("*") if path.is_file())
    return [
        Artifact(
            path=str(path.relative_to(folder)),
            role="weights" if path.suffix in WEIGHT_SUFFIXES else "model",
            sha256=file_sha256(path),
        )
        for path in files
    ]
