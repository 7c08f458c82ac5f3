"""The result document: one JSON document a run. `xrobust schema` prints its JSON Schema.

Numbers are numbers, scores are fractions of 1, times are seconds, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from xrobust.spec import Spec

SCHEMA_VERSION = 1

Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]
"""UTC, ISO 8601, to the second."""

Status = Literal["running", "interrupted", "failed", "complete"]


class Section(BaseModel):
    """A part of the document: unknown keys are refused, so that a misspelt field is found by the first test."""

    model_config = ConfigDict(extra="forbid")


class ModelSection(Section):
    """The pre-trained encoder, and how much of it was trained."""

    id: str
    revision: str | None = None
    sha256: str | None = None
    parameters: int | None = None
    trainable_parameters: int | None = None


class DataRows(Section):
    """The rows of one split in one language that the run used."""

    split: Literal["train", "dev", "test"]
    language: str
    rows: int
    sha256: str


class DataSection(Section):
    """Where the data came from and what was used of them."""

    id: str
    revision: str | None = None
    used: list[DataRows] = []


class Environment(Section):
    """Where the run ran. Nothing here is part of the run id."""

    packages: dict[str, str]
    plugins: dict[str, str]
    """Task and method names -> distribution and version they came from."""
    python: str
    platform: str
    device: str
    world_size: int
    threads: int
    precision: str
    git_commit: str | None
    """Commit of the checkout that xrobust was imported from; null for an installed package."""
    model_path: str
    """Hub id or folder that the base model was read from."""
    data_dir: str | None
    plugin_files: list[str] = []
    method_files: dict[str, dict[str, str]] = {}
    """Paths of the files that each method read."""
    micro_batch_size: int | None = None


class CurvePoint(Section):
    """The training loss at one logged step: mean over labelled items since the point before."""

    step: int
    loss: float
    learning_rate: float


class DevPoint(Section):
    """The main metric on the source dev set after `step` optimiser steps."""

    step: int
    value: float


class TrainingSection(Section):
    """How training went."""

    steps: int
    total_steps: int
    examples: int
    examples_per_second: float
    seconds: float
    peak_memory_bytes: int
    """Device memory on a GPU, else resident memory of the main process."""
    selected_step: int
    """The step whose weights were kept: the best on the source dev set, the earliest of equals."""
    curve: list[CurvePoint]
    dev: list[DevPoint]


class ScoreRow(Section):
    """One score of the trained model on one language."""

    language: str
    perturbation: str | None = None
    coverage: float = 1.0
    """Share of the examples that the perturbation changed; 1 on clean input."""
    metric: str
    value: float
    ci_low: float
    ci_high: float
    """Percentile bootstrap over examples, 1,000 draws, 95%, seed 0."""
    n: int
    rows_sha256: str
    seconds: float


class Summary(Section):
    """The main metric over languages, on clean input."""

    metric: str
    source: float | None
    average: float
    """Unweighted mean over all languages scored, the source language included (as XTREME does)."""
    average_targets: float | None
    """Unweighted mean over the others."""
    transfer_gap: float | None
    """source - average_targets."""
    languages: int


class Artifact(Section):
    """A file beside the document."""

    path: str
    """Relative to the run's folder."""
    sha256: str


class RunResult(Section):
    """The document."""

    schema_version: Literal[1] = 1
    run_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    group_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    status: Status
    error: str | None = None
    started: Time
    updated: Time
    spec: Spec
    model: ModelSection
    data: DataSection
    environment: Environment
    training: TrainingSection | None = None
    scores: list[ScoreRow] = []
    summary: Summary | None = None
    supervision: list[str]
    """What training saw: `source`, `target_unlabelled`, `bitext`, `target_few_shot`."""
    sample: bool = False
    """True for the small data that come with xrobust: such a score means nothing outside a test."""
    artifacts: dict[str, Artifact] = {}
    warnings: list[str] = []

    def scored(self, used: Iterable[DataRows] = ()) -> set[str]:
        """Languages that have scores; of those whose test rows are in `used`, the ones scored on these very rows."""
        there = {row.language: row.sha256 for row in used if row.split == "test"}
        return {row.language for row in self.scores if row.rows_sha256 == there.get(row.language, row.rows_sha256)}

    def value(self, language: str, metric: str | None = None) -> float:
        """A clean score. Raises KeyError where it is not there."""
        wanted = metric or self.main_metric
        for row in self.scores:
            if row.language == language and row.metric == wanted and row.perturbation is None:
                return row.value
        raise KeyError(f"no {wanted} for {language}")

    @property
    def main_metric(self) -> str:
        """The first metric of the task: the first that was scored."""
        return self.scores[0].metric

    def summarise(self) -> None:
        """Computes `summary` from `scores`."""
        if not self.scores:
            self.summary = None
            return
        main = self.main_metric
        values = {r.language: r.value for r in self.scores if r.metric == main and r.perturbation is None}
        source = values.get(self.spec.train.source)
        targets = [v for language, v in values.items() if language != self.spec.train.source]
        average_targets = sum(targets) / len(targets) if targets else None
        self.summary = Summary(
            metric=main,
            source=source,
            average=sum(values.values()) / len(values),
            average_targets=average_targets,
            transfer_gap=None if source is None or average_targets is None else source - average_targets,
            languages=len(values),
        )


def now() -> str:
    """The time, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunResult.model_json_schema()}
