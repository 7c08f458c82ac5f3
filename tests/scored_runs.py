"""Runs made by hand whose scores come from saved predictions, as `xrobust run` writes them: no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from handmade_runs import make_run

from xrobust.contracts import Prediction
from xrobust.data.checks import fingerprint
from xrobust.evaluation.score_rows import Scored, clean_rows, rows_beside_clean
from xrobust.kinds import SequenceClassification, TokenClassification
from xrobust.metrics import metric, worst_rows
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import PerturbedRows
from xrobust.results.store import save_predictions, save_result
from xrobust.results.worst_case import perturbations_tried

LABELS = ("no", "yes")
TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
Gold = Sequence[Any]


def kind_of(gold: Gold, labels: Sequence[str] = LABELS) -> Any:
    """The kind of task: a label an example, or a tag a token."""
    return SequenceClassification(labels) if isinstance(gold[0], str) else TokenClassification(TAGS)


def write_scored_run(
    folder: Path,
    clean: Mapping[str, tuple[Sequence[str], Gold, Gold]],
    perturbed: Mapping[str, Mapping[str, tuple[Sequence[str], Gold, Gold]]] | None = None,
    *,
    metric_name: str = "accuracy",
    worst_case: bool = False,
    labels: Sequence[str] = LABELS,
    **run: Any,
) -> Path:
    """Writes a run and returns its folder.

    Args:
        folder: folder of runs.
        clean: language -> ids, gold labels and predictions, which are labels, or objects of `Prediction`.
        perturbed: label of a perturbation -> language -> the same of the examples that it changed.
        labels: the label set, where an example has one label.
        run: arguments of `make_run`: method, seed, task, params.
    """
    result = make_run([], **run)
    train = result.spec.train
    place = folder / train.task / "+".join(part.name for part in train.method) / result.run_id
    place.mkdir(parents=True, exist_ok=True)
    scorer = metric(metric_name)
    for language, (ids, gold, predicted) in clean.items():
        kind = kind_of(gold, labels)
        rows = scorer.statistics(gold, predicted, kind.labels)
        under = ScoreKey(language=language)
        scored = Scored(under, _rows_sha256(ids, gold), 0.1)
        result.scores += clean_rows(scored, [scorer], [rows])
        result.artifacts.append(_save(place, under, kind, ids, gold, predicted))
        variants = [rows]
        for label, tests in (perturbed or {}).items():
            if language in tests:
                variants.append(
                    _add_perturbed(result, place, scorer, kind, language, label, tests[language], ids, rows)
                )
        if worst_case and len(variants) > 1:
            its = {i for tests in (perturbed or {}).values() for i in tests.get(language, ((),))[0]}
            changed = [index for index, i in enumerate(ids) if i in its]
            worst = worst_rows(scorer, variants)[changed]
            scored = Scored(
                ScoreKey(condition="worst_case", language=language),
                _rows_sha256(ids, gold),
                0.1,
                worst_of=perturbations_tried(result, language),
            )
            result.scores += rows_beside_clean(scored, [scorer], [rows], changed, [worst])
    save_result(place, result)
    return place


def _add_perturbed(
    result: RunResult, place: Path, scorer: Any, kind: Any, language: str, label: str, test: Any, ids: Any, rows: Any
) -> np.ndarray:
    its, gold, predicted = test
    at = [list(ids).index(i) for i in its]
    after = scorer.statistics(gold, predicted, kind.labels)
    under = ScoreKey(condition="perturbed", language=language, perturbation=label)
    sha256 = _rows_sha256(its, gold)
    result.scores += rows_beside_clean(Scored(under, sha256, 0.1), [scorer], [rows], at, [after])
    result.artifacts.append(_save(place, under, kind, its, gold, predicted))
    result.data.perturbed.append(
        PerturbedRows(
            language=language,
            perturbation=label,
            key=f"{label}-{language}",
            examples=len(ids),
            changed_examples=len(its),
            tokens=len(ids),
            changed_tokens=len(its),
            coverage=len(its) / len(ids),
            rows_sha256=sha256,
        )
    )
    whole = rows.copy()
    whole[at] = after
    return whole


def _save(place: Path, under: ScoreKey, kind: Any, ids: Sequence[str], gold: Gold, predicted: Gold) -> Any:
    examples = [{"id": i, kind.gold_column: g} for i, g in zip(ids, gold, strict=True)]
    predictions = [_with_probabilities(p) for p in predicted]
    return save_predictions(place, under, kind, examples, predictions)


def _with_probabilities(predicted: Any) -> Prediction:
    if isinstance(predicted, Prediction):
        return predicted
    return Prediction(predicted, [1.0] if isinstance(predicted, str) else [1.0] * len(predicted))


def _rows_sha256(ids: Sequence[str], gold: Gold) -> str:
    return fingerprint([{"id": i, "label": g} for i, g in zip(ids, gold, strict=True)])


def under_attack(label: str, **strength: Any) -> Any:
    """Change of a document: its scores under perturbations become those under an attack of that label and strength."""

    def change(result: RunResult) -> None:
        result.scores = [row for row in result.scores if row.condition != "worst_case"]
        for row in result.scores:
            if row.condition == "perturbed":
                values = {"condition": "attack", "perturbation": None, "attack": label, "epsilon": 0.01, **strength}
                row.__dict__.update(values)
        for artifact in result.artifacts:
            if artifact.of is not None and artifact.of.condition == "perturbed":
                artifact.of = ScoreKey(condition="attack", language=artifact.of.language, attack=label)
        result.data.perturbed = []

    return change


def accuracy_group(
    folder: Path,
    method: str,
    accuracy: Mapping[str, float],
    seeds: Sequence[int],
    *,
    n: int = 200,
    parallel: bool = True,
    drop: float = 0.0,
    spread: float = 0.0,
    random: int = 0,
    label: str = "typos",
    **run: Any,
) -> list[Path]:
    """Runs of one method, one a seed: labels right with the probability `accuracy` of each language.

    `spread` is the standard deviation of that probability between seeds; `drop` what the perturbation `label` takes
    from it, on the first half of the examples. The data are the same for all methods.
    """
    folders = []
    for seed in seeds:
        rng = np.random.default_rng([random, seed, *method.encode()])
        shift = rng.normal(0, spread)
        clean, typos = {}, {}
        for language, p in accuracy.items():
            data = np.random.default_rng([7, *language.encode()])
            ids = [f"{i}" if parallel else f"{language}:{i}" for i in range(n)]
            gold = [LABELS[i] for i in data.integers(0, 2, n)]
            hard = np.random.default_rng(11).random(n) if parallel else data.random(n)
            mixed = 0.7 * hard + 0.3 * rng.random(n)
            right = mixed < np.quantile(mixed, np.clip(p + shift, 0, 1))
            clean[language] = (ids, gold, _predicted(gold, right))
            half = n // 2
            below = right[:half] & (rng.random(half) >= drop)
            typos[language] = (ids[:half], gold[:half], _predicted(gold[:half], below))
        folders.append(
            write_scored_run(
                folder,
                clean,
                {label: typos} if drop else None,
                worst_case=bool(drop),
                method=method,
                seed=seed,
                **run,
            )
        )
    return folders


def _predicted(gold: Sequence[str], right: np.ndarray) -> list[str]:
    return [g if ok else LABELS[1 - LABELS.index(g)] for g, ok in zip(gold, right, strict=True)]
