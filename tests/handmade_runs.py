"""Result documents made by hand: no training, any scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xrobust.config.resolved_spec import EvaluationSpec, MethodSpec, Spec, TrainSpec, group_id, run_id
from xrobust.config.training_settings import TrainingSettings
from xrobust.results.schema import RunResult, now
from xrobust.results.sections import (
    Budget,
    DataSection,
    DevPoint,
    Environment,
    Local,
    ModelSection,
    ScoreRow,
    TrainingSection,
)
from xrobust.results.store import save_result


def score(
    language: str, value: float, metric: str = "accuracy", perturbation: str | None = None, rows: str = ""
) -> Any:
    return ScoreRow(
        language=language,
        condition="clean" if perturbation is None else "perturbed",
        perturbation=perturbation,
        metric=metric,
        metric_version=1,
        value=value,
        ci_low=value,
        ci_high=value,
        n=40,
        rows_sha256=rows or f"{language}-rows",
        seconds=0.1,
    )


def make_run(
    scores: Mapping[str, float] | list[Any],
    method: str = "vanilla",
    seed: int = 0,
    *,
    task: str = "pos",
    source: str = "en",
    epochs: int = 3,
    settings: Mapping[str, Any] | None = None,
    budget: Mapping[str, int] | None = None,
    dev: float | None = None,
    params: Mapping[str, Any] | None = None,
    model: str = "m" * 64,
    status: str = "complete",
    updated: str | None = None,
) -> RunResult:
    train = TrainSpec(
        task=task,
        method=tuple(MethodSpec(name=name, params=dict(params or {})) for name in method.split("+")),
        model={"sha256": model},
        source=source,
        training=TrainingSettings(
            **{"epochs": epochs, "learning_rate": 1e-3, "batch_size": 8, "max_length": 64, **(settings or {})}
        ),
        precision="fp32",
        seed=seed,
        limit=None,
        data={"train": "t" * 64, "dev": "d" * 64},
    )
    rows = [score(language, value) for language, value in scores.items()] if isinstance(scores, Mapping) else scores
    plain = train.model_dump(mode="json")
    return RunResult(
        run_id=run_id(plain),
        group_id=group_id(plain),
        status=status,  # type: ignore[arg-type]
        started=now(),
        updated=updated or now(),
        spec=Spec(
            train=train,
            evaluation=EvaluationSpec(languages=tuple(dict.fromkeys(row.language for row in rows if row.language))),
        ),
        model=ModelSection(id="tiny"),
        data=DataSection(id="local"),
        environment=Environment(
            packages={},
            plugins={},
            python="3.11",
            platform="test",
            device="cpu",
            world_size=1,
            threads=1,
            precision="fp32",
            git_commit=None,
        ),
        local=Local(model_path="tiny"),
        training=TrainingSection(
            budget=Budget(**{"steps": 1, "examples": 8, "tokens": 80, "dev_evaluations": 0, **(budget or {})}),
            total_steps=1,
            examples_per_second=1.0,
            seconds=1.0,
            peak_memory_bytes=1,
            selected_step=1,
            curve=[],
            dev=[] if dev is None else [DevPoint(step=1, value=dev)],
            weights={},
        ),
        scores=rows,
        supervision=["source"],
    )


def signed(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, as plain values, with the sha256 that fits it."""
    return document | {"sha256": RunResult.model_validate(document).computed_sha256()}


def write_runs(folder: Path, *results: RunResult) -> Path:
    """Writes documents below a folder as `xrobust run` does, and returns the folder."""
    for result in results:
        train = result.spec.train
        run = folder / train.task / "+".join(part.name for part in train.method) / result.run_id
        run.mkdir(parents=True)
        save_result(run, result)
    return folder
