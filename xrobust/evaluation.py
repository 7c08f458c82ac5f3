"""Scoring a trained model on one language."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xrobust.contracts import Example, Prediction, Source, Task
from xrobust.encoded import Encoded
from xrobust.engine.predict import predict
from xrobust.metrics import metric, score
from xrobust.plan import Plan, load_split
from xrobust.results.schema import DataRows, RunResult, ScoreRow
from xrobust.spec import TrainSpec


@dataclass(frozen=True)
class Scored:
    """One language: its examples and their fingerprint, what the model says of them, and the scores."""

    examples: Sequence[Example]
    used: DataRows
    predictions: list[Prediction]
    rows: list[ScoreRow]


def predictions(
    task: Task, model: Any, encoded: Encoded, examples: Sequence[Example], accelerator: Any, pad_id: int
) -> list[Prediction]:
    """The model's predictions, in the order of `examples`."""
    return task.kind.decode(predict(model, encoded, accelerator, pad_id), encoded, examples)


def main_metric(
    task: Task, model: Any, encoded: Encoded, examples: Sequence[Example], accelerator: Any, pad_id: int
) -> float:
    """The task's main metric on encoded examples: what selection on the source dev set goes by."""
    guesses = predictions(task, model, encoded, examples, accelerator, pad_id)
    scorer = metric(task.metrics[0])
    gold = [example[task.kind.gold_column] for example in examples]
    return scorer(gold, [guess.value for guess in guesses])[scorer.outputs[0]]


def score_language(
    task: Task, source: Source, spec: TrainSpec, model: Any, tokenizer: Any, language: str, accelerator: Any
) -> Scored:
    """Every metric of the task, with its interval, on the test set of `language`."""
    started = time.perf_counter()
    examples, rows = load_split(task, source, "test", language, spec.limit)
    encoded = task.kind.encode(examples, tokenizer, spec.training.max_length)
    guesses = predictions(task, model, encoded, examples, accelerator, tokenizer.pad_token_id)
    gold = [example[task.kind.gold_column] for example in examples]
    values = [guess.value for guess in guesses]
    scores = [s for name in task.metrics for s in score(name, gold, values)]
    seconds = time.perf_counter() - started
    return Scored(
        examples,
        rows,
        guesses,
        [
            ScoreRow(
                language=language,
                metric=s.metric,
                value=s.value,
                ci_low=s.ci_low,
                ci_high=s.ci_high,
                n=s.n,
                rows_sha256=rows.sha256,
                seconds=seconds,
            )
            for s in scores
        ],
    )


def out_of_range(plan: Plan, result: RunResult) -> list[str]:
    """Warnings where the published recipe's score is known and this run, in the same setting, is far from it."""
    recipe, spec = plan.task.recipe, result.spec.train
    asked_for_less = spec.limit is not None or not set(plan.task.info.languages) <= result.scored()
    if asked_for_less or spec.source != plan.task.info.source_language or plan.request.training:
        return []
    warnings = []
    for expected in recipe.expected:
        values = [
            r.value for r in result.scores if r.metric == expected.metric and r.language in plan.task.info.languages
        ]
        if _name(expected.model) != _name(plan.request.model) or not values:
            continue
        average = sum(values) / len(values)
        if not expected.low <= average <= expected.high:
            warnings.append(
                f"average {expected.metric} {100 * average:.1f} is outside the expected range "
                f"{100 * expected.low:.1f}-{100 * expected.high:.1f} ({expected.source})"
            )
    return warnings


def _name(model: str) -> str:
    """The last part of a hub id: `bert-base-multilingual-cased` is also found as `google-bert/...`."""
    return model.rpartition("/")[2]
