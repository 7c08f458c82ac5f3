"""Metrics that are a function of the whole set: those of a plugin, and modules of the library `evaluate`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import evaluate
import numpy as np
import pytest
from datasets import Features, Value
from datasets import Sequence as ListOf
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm, t
from seqeval.metrics import f1_score as seqeval_f1
from sklearn.metrics import f1_score, matthews_corrcoef

from xrobust import RunError, RunSpec, UserError, run
from xrobust.contracts import WholeSetMetric
from xrobust.metrics import (
    Accuracy,
    FromEvaluate,
    SpanF1,
    drop_intervals,
    evaluate_metric,
    score,
    score_rows,
    values_of,
    worst_rows,
)
from xrobust.metrics.bootstrap import bootstrap, bootstrap_intervals

LABELS = ["b", "a", "c"]

SCRIPT = """
import datasets
import evaluate
from sklearn.metrics import f1_score


class MyF1(evaluate.Metric):
    def _info(self):
        one = datasets.Value("int32")
        return evaluate.MetricInfo(
            description="-", citation="-", features=datasets.Features({"predictions": one, "references": one})
        )

    def _compute(self, predictions, references, average="binary"):
        return {"f1": f1_score(references, predictions, average=average), "all": list(predictions)}
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "my_f1" / "my_f1.py"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    return path


class Matthews(WholeSetMetric):
    """A metric of a plugin's own."""

    name = "matthews"
    definition = "correlation of references and predictions"
    outputs = ("matthews",)

    def score_set(self, references: Sequence[Any], predictions: Sequence[Any]) -> list[float]:
        return [float(matthews_corrcoef(references, predictions))]


class Spans(evaluate.Metric):
    """seqeval as a module: lists of strings."""

    def _info(self) -> evaluate.MetricInfo:
        tags = ListOf(Value("string"))
        return evaluate.MetricInfo(
            description="-", citation="-", features=Features({"predictions": tags, "references": tags})
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, float]:
        return {"overall_f1": seqeval_f1(references, predictions)}


def guesses(count: int) -> tuple[list[str], list[str]]:
    rng = np.random.default_rng(3)
    gold = rng.choice(["a", "b", "c"], count).tolist()
    return gold, [g if rng.random() < 0.6 else str(rng.choice(["a", "b", "c"])) for g in gold]


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_module_on_this_machine(script: Path, as_folder: bool) -> None:
    gold, guess = guesses(60)
    macro = FromEvaluate(script.parent if as_folder else str(script), {"my_macro": "f1"}, average="macro")
    assert macro.name == "my_macro"
    assert macro.outputs == ("my_macro",)
    macro.prepare()
    assert macro(gold, guess, LABELS) == {"my_macro": pytest.approx(f1_score(gold, guess, average="macro"))}


def test_numbers_are_those_of_the_tasks_labels(script: Path) -> None:
    gold, guess = ["a", "b", "b", "a"], ["a", "b", "a", "a"]
    binary = FromEvaluate(script, "f1")
    assert binary(gold, guess, ["b", "a"]) == {"f1": pytest.approx(f1_score(gold, guess, pos_label="a"))}
    assert binary(gold, guess, ["a", "b"]) == {"f1": pytest.approx(f1_score(gold, guess, pos_label="b"))}


def test_tags_are_lists_for_one_module_and_tokens_for_another(script: Path) -> None:
    gold = [["B-PER", "I-PER", "O"], ["B-LOC", "O"], ["O"]]
    guess = [["B-PER", "I-PER", "O"], ["B-PER", "O"], ["O"]]
    labels = ["O", "B-PER", "I-PER", "B-LOC"]
    spans = FromEvaluate(Spans, {"spans": "overall_f1"})
    assert spans(gold, guess, labels) == {"spans": pytest.approx(SpanF1()(gold, guess)["span_f1"])}
    flat_gold, flat_guess = [t for s in gold for t in s], [t for s in guess for t in s]
    tokens = FromEvaluate(script, "f1", average="macro")(gold, guess, labels)
    assert tokens == {"f1": pytest.approx(f1_score(flat_gold, flat_guess, average="macro"))}


def test_our_own_metric_there_and_back() -> None:
    gold, guess = guesses(40)
    back = FromEvaluate(evaluate_metric("accuracy"), "accuracy", draws=50)
    (theirs,) = score(back, gold, guess)
    (ours,) = score("accuracy", gold, guess)
    assert (theirs.value, theirs.n, theirs.interval, ours.interval) == (ours.value, 40, "bootstrap", "agresti_coull")
    there = evaluate_metric(Matthews()).compute(references=gold, predictions=guess)
    assert there == {"matthews": pytest.approx(matthews_corrcoef(gold, guess))}


def test_intervals() -> None:
    gold, guess = guesses(300)
    (found,) = score(Matthews(), gold, guess)
    assert (found.metric, found.interval) == ("matthews", "bootstrap")
    assert found.value == pytest.approx(matthews_corrcoef(gold, guess))
    codes = {label: i for i, label in enumerate(LABELS)}
    theirs = scipy_bootstrap(
        ([codes[g] for g in gold], [codes[g] for g in guess]),
        lambda a, b: matthews_corrcoef(a, b),
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    # An end of ours is uncertain by a tenth of the half width: three times that.
    half = (theirs.high - theirs.low) / 2
    assert found.ci_low == pytest.approx(theirs.low, abs=0.3 * half)
    assert found.ci_high == pytest.approx(theirs.high, abs=0.3 * half)
    assert score(Matthews(), gold, guess) == [found]


def test_drops_are_paired() -> None:
    scorer = Matthews()
    gold, guess = guesses(200)
    before = scorer.statistics(gold, guess, LABELS)
    worse = scorer.statistics(gold, ["a"] * 100 + guess[100:], LABELS)
    assert values_of(scorer, before).tolist() == [pytest.approx(matthews_corrcoef(gold, guess))]
    ((low, high),) = drop_intervals(scorer, before, worse)
    drop = float((values_of(scorer, before) - values_of(scorer, worse))[0])
    assert 0 < low < drop < high
    ((low, high),) = drop_intervals(scorer, before, before)
    assert -0.05 < low < 0 < high < 0.05


def test_the_worst_case_has_the_fewest_right_labels() -> None:
    scorer = FromEvaluate(Spans, {"spans": "overall_f1"})
    gold = [["O", "B-PER"], ["O", "O"], ["B-LOC"]]
    variants = [
        scorer.statistics(gold, guess, ["O"])
        for guess in (gold, [["O", "O"], ["O", "O"], ["B-LOC"]], [["B-LOC", "O"], ["O", "O"], ["O"]])
    ]
    assert worst_rows(scorer, variants)[:, 1].tolist() == [["B-LOC", "O"], ["O", "O"], ["O"]]


def test_sums_are_scored_as_ever() -> None:
    gold, guess = guesses(50)
    rows = Accuracy().statistics(gold, guess, LABELS)
    assert values_of(Accuracy(), rows).tolist() == [(rows[:, 0].sum() / 50)]
    with pytest.raises(TypeError, match="values_of"):
        Matthews().score(np.zeros(2))


def test_each_draw_is_a_call() -> None:
    class Counting(Matthews):
        draws = 7
        calls = 0

        def score_set(self, references: Sequence[Any], predictions: Sequence[Any]) -> list[float]:
            self.calls += 1
            return super().score_set(references, predictions)

    scorer = Counting()
    gold, guess = guesses(40)
    bootstrap_intervals(scorer, scorer.statistics(gold, guess, LABELS))
    assert scorer.calls == 1 + 7


def test_the_bootstrap_of_few_examples_is_lengthened() -> None:
    rows = np.array([[1.0, 1], [1, 1], [1, 1], [0, 1], [0, 1]])
    low, high = np.percentile(Accuracy().score(bootstrap(rows))[:, 0], [2.5, 97.5])
    longer = (5 / 4) ** 0.5 * t.ppf(0.975, 4) / norm.ppf(0.975)
    expected = (0.6 - longer * (0.6 - low), 0.6 + longer * (high - 0.6))
    assert bootstrap_intervals(Accuracy(), rows) == [pytest.approx(expected)]


def test_the_bootstrap_says_nothing_of_one_example() -> None:
    one = Matthews().statistics(["a"], ["b"], LABELS)
    assert bootstrap_intervals(Matthews(), one) == [(-1, 1)]
    assert bootstrap_intervals(Matthews(), one, one) == [(-2, 2)]


class Constant(Matthews):
    name = "constant"
    outputs = ("constant",)

    def score_set(self, references: Sequence[Any], predictions: Sequence[Any]) -> list[float]:
        return [0.5 if len(set(references)) > 1 else float("nan")]


def test_what_has_no_score() -> None:
    (found,) = score(Constant(), ["a", "b"], ["a", "b"])  # of the draws one in two is of one label only
    share = t.ppf(0.975, 1) ** 2 / (2 + t.ppf(0.975, 1) ** 2)  # of the way to the range's end
    assert found.value == 0.5
    assert (found.ci_low, found.ci_high) == pytest.approx((0.5 - 1.5 * share, 0.5 + 0.5 * share))
    with pytest.raises(RunError, match=r"constant of 2 examples is nan: no score can be written$"):
        score(Constant(), ["a", "a"], ["a", "b"])
    with pytest.raises(ValueError):
        score_rows(Constant(), Constant().statistics(["a"], ["a", "b"], ["a", "b"]))


def unreachable() -> evaluate.EvaluationModule:
    raise ConnectionError("Couldn't reach the hub\n(and more)")


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (
            FromEvaluate("f1", "f1"),
            "metric f1: there is no module of evaluate at f1; one of the hub is given as a function: "
            "lambda: evaluate.load('f1', revision=...)",
        ),
        (
            FromEvaluate(unreachable, "f1"),
            "metric f1: cannot load its module of evaluate (ConnectionError: Couldn't reach the hub (and more))",
        ),
        (FromEvaluate(lambda: 3, "f1"), "metric f1: a module of evaluate is expected, not a int"),  # type: ignore[arg-type, return-value]
    ],
)
def test_a_module_that_cannot_be_loaded(metric: FromEvaluate, message: str) -> None:
    with pytest.raises(UserError) as error:
        metric.prepare()
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("key", "options", "message"),
    [
        (
            "recall",
            {"average": "macro"},
            "metric recall: evaluate's module my_f1 computes no 'recall'; it computes 'f1', 'all'",
        ),
        ("all", {"average": "macro"}, "metric all: evaluate's module my_f1: 'all' is a list, not one number"),
        ("f1", {"averag": "macro"}, "metric f1: evaluate's module my_f1 fails: TypeError: "),
    ],
)
def test_a_module_that_does_not_fit(script: Path, key: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        FromEvaluate(script, key, **options)(["a", "b"], ["a", "c"], LABELS)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_task_class_that_names_one_loads_nothing() -> None:
    program = (
        "import sys; from xrobust.metrics import FromEvaluate; FromEvaluate('a', 'f1')\n"
        "print(*(name for name in ('numpy', 'evaluate', 'datasets', 'torch') if name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == ""


def test_a_run_of_a_task_that_names_one(tmp_path: Path, script: Path, tiny_model: Path, tiny_data: Path) -> None:
    plugin = tmp_path / "tokens.py"
    plugin.write_text(
        "from xrobust.metrics import FromEvaluate\n"
        "from xrobust_tasks.pos import Pos\n\n\n"
        "class Tokens(Pos):\n"
        "    info = __import__('dataclasses').replace(Pos.info, name='pos_f1')\n"
        f"    metrics = (FromEvaluate({str(script)!r}, {{'token_f1': 'f1'}}, average='macro', draws=20), 'macro_f1')\n"
    )
    data = tmp_path / "data"
    data.mkdir()
    (data / "pos_f1").symlink_to(tiny_data / "pos")
    result = run(
        RunSpec(
            task="pos_f1",
            plugins=(plugin,),
            model=str(tiny_model),
            data_dir=data,
            output=tmp_path / "runs",
            training={"max_steps": 2},
        )
    )
    values = {(row.language, row.metric): row.value for row in result.scores}
    assert {metric for _, metric in values} == {"token_f1", "macro_f1"}
    for language in ("en", "de", "fr"):
        assert values[language, "token_f1"] == pytest.approx(values[language, "macro_f1"])
