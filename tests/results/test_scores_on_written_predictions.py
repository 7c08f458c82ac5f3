"""seqeval's and scikit-learn's own scores on the predictions that a run wrote are those in its document."""

from __future__ import annotations

import hashlib
import json
import warnings
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import seqeval.metrics
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score

from xrobust import RunSpec, load_predictions, load_result, run
from xrobust.results.score_key import ScoreKey


def independent(task: str, rows: list[dict[str, Any]]) -> dict[str, float]:
    """The task's scores, computed by the libraries whose numbers the field quotes."""
    gold, guess = [row["label"] for row in rows], [row["prediction"] for row in rows]
    if task in ("pawsx", "xnli"):
        right = [a == b for a, b in zip(gold, guess, strict=True)]
        return {
            "accuracy": accuracy_score(gold, guess),
            "ece": calibration([max(row["scores"]) for row in rows], right),
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if task == "pos":
            return {
                "accuracy": accuracy_score(list(chain(*gold)), list(chain(*guess))),
                "xtreme_f1": seqeval.metrics.f1_score(gold, guess),
                "ece": calibration(
                    list(chain(*(row["scores"] for row in rows))),
                    [a == b for a, b in zip(chain(*gold), chain(*guess), strict=True)],
                ),
            }
        strict = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
        return {
            "span_f1": seqeval.metrics.f1_score(gold, guess, zero_division=0),
            "span_precision": seqeval.metrics.precision_score(gold, guess, zero_division=0),
            "span_recall": seqeval.metrics.recall_score(gold, guess, zero_division=0),
            "span_f1_strict": seqeval.metrics.f1_score(gold, guess, **strict),
        }


def calibration(confidences: list[float], right: list[bool]) -> float:
    """Expected calibration error over 15 bins, by a table of pandas."""
    bins = pd.cut(confidences, np.linspace(0, 1, 16), include_lowest=True)
    table = pd.DataFrame({"gap": np.array(right) - np.array(confidences)}).groupby(bins, observed=True)["gap"].sum()
    return float(table.abs().sum()) / len(right)


def check(folder: Path, task: str) -> None:
    result = load_result(folder)
    for language in result.scored():
        rows = load_predictions(folder, language)
        document = {row.metric: row for row in result.scores if row.language == language}
        expected = independent(task, rows)
        assert document.keys() == expected.keys()
        for metric, value in expected.items():
            assert document[metric].value == pytest.approx(value, abs=1e-12), (language, metric)
            assert document[metric].n == len(rows)
            assert document[metric].ci_low <= document[metric].value <= document[metric].ci_high
        artifact = result.predictions_of(ScoreKey(language=language))
        assert artifact is not None
        assert hashlib.sha256((folder / artifact.path).read_bytes()).hexdigest() == artifact.sha256
    summary, main = result.summary, result.main_metric
    assert summary is not None
    targets = [result.value(code, main) for code in result.scored() if code != "en"]
    assert summary.average_targets == pytest.approx(np.mean(targets))
    assert summary.average == pytest.approx(np.mean([*targets, result.value("en", main)]))
    assert summary.transfer_gap == pytest.approx(result.value("en", main) - np.mean(targets))


@pytest.mark.parametrize("task", ["pawsx", "xnli", "wikiann", "pos"])
def test_tiny(task: str, tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    training = {"epochs": 6, "learning_rate": 1e-2, "batch_size": 8}
    result = run(RunSpec(task=task, model=str(tiny_model), data_dir=tiny_data, output=tmp_path, training=training))
    folder = tmp_path / task / "vanilla" / result.run_id
    check(folder, task)
    if task in ("wikiann", "pos"):
        assert result.summary is not None and result.summary.average > 0.1, "a score of 0 equals any other 0"


@pytest.mark.parametrize("task", ["wikiann", "pos"])
def test_real(task: str, tmp_path: Path, real_model: Path, few_real_rows: Path) -> None:
    training = {"epochs": 3, "learning_rate": 1e-3, "batch_size": 8}
    spec = RunSpec(
        task=task,
        model=str(real_model),
        data_dir=few_real_rows,
        output=tmp_path,
        languages=("en", "de", "ar"),
        training=training,
    )
    result = run(spec)
    check(tmp_path / task / "vanilla" / result.run_id, task)
    assert result.value("en") > (0.1 if task == "wikiann" else 0.5)


def test_the_gold_labels_in_the_predictions_are_those_of_the_data(finished_run: Path, tiny_data: Path) -> None:
    text = (tiny_data / "pos" / "test-de.tsv").read_text()
    gold = [[line.split("\t")[1] for line in block.splitlines()] for block in text.strip().split("\n\n")]
    rows = load_predictions(finished_run, "de")
    assert [row["label"] for row in rows] == gold
    assert [row["id"] for row in rows] == [f"de:{i}" for i in range(len(gold))]
    assert all(len(row["scores"]) == len(row["label"]) and min(row["scores"]) > 0 for row in rows)


def test_the_document_is_plain_json(finished_run: Path) -> None:
    text = (finished_run / "result.json").read_text()

    def no_constants(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    document = json.loads(text, parse_constant=no_constants)
    assert next(iter(document)) == "schema_version"
    assert all(0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1 for row in document["scores"])
