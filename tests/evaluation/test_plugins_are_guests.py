"""What plugins are given while data are read and scored are copies; what they give back wrong names them."""

from __future__ import annotations

import copy
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xrobust import load_result
from xrobust.config.run_spec import EvaluationRequest
from xrobust.contracts import Cleaner, Kind, Metric, Perturbation, PerturbationInfo, Prediction, Task, WholeSetMetric
from xrobust.contracts.encoded import Encoded
from xrobust.contracts.example import Copies, copied
from xrobust.data.checks import checked, fingerprint
from xrobust.data.local import LocalSource
from xrobust.data.splits import languages_of, load_split, open_split
from xrobust.encoding.cache import EncodingCache
from xrobust.encoding.kind_calls import encoded_by, problem_of
from xrobust.errors import NotAllScored, PluginError, RunError, UserError
from xrobust.evaluate_trained import evaluate
from xrobust.evaluation.apply_perturbation import perturb
from xrobust.evaluation.predictions import decoded
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification
from xrobust.metrics import score, score_rows, worst_rows
from xrobust.metrics.calls import statistics_of
from xrobust.models.description import auto_class
from xrobust_tasks.pos import Pos

EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "tagging": [{"id": str(i), "tokens": ["the", "cat"], "tags": ["A", "B"]} for i in range(3)],
    "choices": [{"id": str(i), "text": "the cat", "choices": ["a", "b"], "label": "1"} for i in range(3)],
    "pairs": [{"id": str(i), "text": "the cat", "text_pair": "a dog", "label": "1"} for i in range(3)],
}
KINDS: dict[str, Kind] = {
    "tagging": TokenClassification(("A", "B")),
    "choices": MultipleChoice(("1", "2")),
    "pairs": SequenceClassification(("1", "2")),
}


def spoil(example: Any) -> None:
    """Changes an example in place, as deep as it goes."""
    for value in example.values():
        if isinstance(value, list):
            value.reverse()
            value.append("spoilt")
    example["text"] = "spoilt"


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def test_copies_share_nothing_that_can_be_changed() -> None:
    examples = [{"id": "1", "deep": [["a"], {"b": ["c"]}, ("d", ["e"])]}, {"id": "2", "deep": []}]
    before = copy.deepcopy(examples)
    copies = Copies(examples)
    assert list(copies) == [copies[0], copies[-1]] == copies[:] == examples and len(copies) == 2
    for given in (*copies, copies[0], *copies[:1], copied(examples[0])):
        for value in given["deep"]:
            value[0].append("x") if isinstance(value[0] if not isinstance(value, dict) else 0, list) else None
        given["deep"][:] = []
    nested = copies[0]["deep"]
    nested[0].append("x"), nested[1]["b"].append("x"), nested[2][1].append("x")
    assert examples == before


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_perturbation_is_given_copies_and_what_it_gives_back_is_copied(name: str) -> None:
    kept: list[Any] = []

    class Spoils(Perturbation):
        info = PerturbationInfo("spoils", "-", kinds=())

        def apply(self, example: Any, language: str, rng: random.Random) -> Any:
            for row in kept:
                spoil(row)
            changed = copied(example)
            column = {"tagging": "tokens", "choices": "choices", "pairs": "text"}[name]
            changed[column] = "new" if name == "pairs" else ["new", *changed[column][1:]]
            spoil(example)
            kept.append(changed)
            return changed

    examples = copy.deepcopy(EXAMPLES[name])
    applied = perturb(Spoils(None), KINDS[name], examples, "en", 0)
    assert examples == EXAMPLES[name]
    assert len(applied.rows) == 3 and "spoilt" not in str(applied.rows)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_kind_is_given_copies(name: str, tokenizer: Any) -> None:
    plain = KINDS[name]
    examples = copy.deepcopy(EXAMPLES[name])
    base: Any = type(plain)

    class Spoils(base):  # type: ignore[misc]
        def problem(self, example: Any) -> str | None:
            spoil(example)
            return None

        def encode(self, examples: Any, tokenizer: Any, max_length: int) -> Encoded:
            given = list(examples)
            encoded: Encoded = base.encode(self, given, tokenizer, max_length)
            for example in given:
                spoil(example)
            return encoded

        def decode(self, outputs: Any, encoded: Encoded, examples: Any) -> list[Prediction]:
            made: list[Prediction] = base.decode(self, outputs, encoded, examples)
            for example in examples:
                spoil(example)
            with pytest.raises(ValueError, match="read-only"):
                encoded.labels[:] = 0
            return made

    kind = Spoils(plain.labels)
    assert problem_of(kind, examples[0]) is None
    encoded, count = encoded_by(kind, examples, tokenizer, 16)
    assert count == 3
    wide = [np.array([0.2, 0.8])] * 3 if name != "tagging" else [np.array([[0.2, 0.8]] * 2)] * 3
    assert decoded(kind, wide, encoded, examples) == plain.decode(wide, encoded, examples)
    assert examples == EXAMPLES[name]
    whole, _ = encoded_by(plain, examples, tokenizer, 16)
    assert np.array_equal(encoded.input_ids, whole.input_ids) and np.array_equal(encoded.labels, whole.labels)


class OneColumn(Metric):
    """Counts examples; `outcome` makes another thing of its statistics."""

    name, definition, outputs = "own", "-", ("own",)
    outcome: Callable[[np.ndarray], Any] = staticmethod(lambda rows: rows)

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        for values in (*references, *predictions):
            if isinstance(values, list):
                values.clear()
        for side in (references, predictions):
            side.clear()  # type: ignore[attr-defined]
        return np.zeros((0, 1))

    def score(self, counts: np.ndarray) -> np.ndarray:
        return counts


def test_a_metric_is_given_copies() -> None:
    gold, said = [["A", "B"], ["A"]], [["A", "A"], ["B"]]
    with pytest.raises(PluginError, match="it gives 0 rows for 2 examples"):
        statistics_of(OneColumn(), gold, said, ("A", "B"))
    assert (gold, said) == ([["A", "B"], ["A"]], [["A", "A"], ["B"]])

    class Whole(WholeSetMetric):
        name, definition, outputs = "whole", "-", ("whole",)

        def score_set(self, references: Sequence[Any], predictions: Sequence[Any]) -> Sequence[float]:
            share = sum(map(len, references)) / 3
            for values in (*references, *predictions):
                values.clear()
            return [share]

    found = score(Whole(), gold, said, ("A", "B"))
    assert found[0].value == 1.0 and gold == [["A", "B"], ["A"]]


class Own(Pos):
    """Rows of its own, which it keeps."""

    rows: list[Any] = []

    def load(self, split: Any, language: str, source: Any) -> Any:
        return type(self).rows


def tagged(count: int = 3) -> list[dict[str, Any]]:
    return [{"id": str(i), "tokens": ["the", "cat"], "tags": ["DET", "NOUN"]} for i in range(count)]


@pytest.fixture
def source(tmp_path: Path) -> LocalSource:
    return LocalSource(tmp_path)


def test_rows_that_a_task_keeps_are_not_those_that_are_used(source: LocalSource) -> None:
    class Keeps(Own):
        rows = tagged()

    examples, rows = load_split(Keeps(), source, "test", "en", None)
    for row in Keeps.rows:
        spoil(row)
    Keeps.rows.pop()
    assert list(examples) == tagged() and fingerprint(examples) == rows.sha256


def test_a_cleaner_that_works_in_place_cleans_what_is_used_and_nothing_else(source: LocalSource) -> None:
    kept: list[Any] = []

    def clean(row: Any) -> Any:
        for earlier in kept:
            spoil(earlier)
        if row["id"] == "1":
            row["tokens"][0] = "a"
        kept.append(row)
        return row

    class Cleans(Own):
        rows = tagged()

        def cleaner(self, rows: Any) -> Cleaner:
            for row in rows:
                spoil(row)
            return Cleaner(clean, "articles")

    examples, rows = load_split(Cleans(), source, "test", "en", None)
    expected = tagged()
    expected[1]["tokens"][0] = "a"
    assert list(examples) == expected and rows.changed == {"articles": 1}
    assert Cleans.rows == tagged()


def test_a_task_that_gives_other_rows_the_second_time_is_named(
    finished_run: Path, copied: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def load(self: Any, split: Any, language: str, source: Any) -> Any:
        nonlocal count
        count += 1
        rows = source.load(self, split, language)
        return rows if count < 4 else rows[:-1]

    monkeypatch.setattr(Pos, "load", load)
    with pytest.raises(
        RunError, match=r"task 'pos'.*: its load failed at test set of de: it gives other rows than a mom"
    ):
        evaluate(copied(finished_run), request=EvaluationRequest(languages=("de",), perturb=("typos",)))
    assert count >= 4


# What comes back wrong


class Faulty(OneColumn):
    """A metric that counts right, but for what a test changes."""

    def __init__(self, **changes: Any) -> None:
        vars(self).update(changes)

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> Any:
        rows = np.array([[float(a == b), 1.0] for a, b in zip(references, predictions, strict=True)])
        return vars(self).get("made", lambda rows: rows)(rows)

    def score(self, counts: np.ndarray) -> Any:
        return vars(self).get("scored", lambda counts: counts[..., :1] / counts[..., 1:])(counts)

    def ratio(self, counts: np.ndarray) -> Any:
        return vars(self).get("ratio_", lambda counts: (counts[..., 0], counts[..., 1]))(counts)


def at(row: int, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(rows: np.ndarray) -> np.ndarray:
        rows[row, 0] = value
        return rows

    return change


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"made": lambda rows: rows[1:]}, "its statistics failed: it gives 2 rows for 3 examples"),
        ({"made": lambda rows: rows[:, 0]}, r"its statistics failed: it gives an array of shape \(3,\); \(ex"),
        ({"made": lambda rows: rows.tolist()}, "its statistics failed: it gives a list; a float64 array"),
        ({"made": lambda rows: None}, "its statistics failed: it gives a NoneType; a float64 array"),
        ({"made": lambda rows: rows.astype(object)}, "its statistics failed: it gives a object array of"),
        ({"made": at(1, math.nan)}, r"its statistics failed at example de:7: it gives \[nan, 1.0\]; finite numbers"),
        ({"made": at(2, math.inf)}, r"its statistics failed at example de:9: it gives \[inf, 1.0\]; finite numbers"),
        ({"made": lambda rows: 1 / 0}, "its statistics failed at example de:3: ZeroDivisionError"),
        ({"scored": lambda counts: counts}, r"its score failed: it gives a float64 array of \(2,\); a float64 arr"),
        ({"scored": lambda counts: 0.5}, r"its score failed: it gives a float; a float64 array of \(1,\) is expected"),
        ({"scored": lambda counts: counts[..., :1] * math.nan}, "its score failed: own of 3 examples is nan: no score"),
        ({"scored": lambda counts: counts[..., :1] * math.inf}, "its score failed: own of 3 examples is inf: no score"),
        ({"scored": lambda counts: 1 / 0}, "its score failed: ZeroDivisionError: division by zero"),
        ({"ratio_": lambda counts: counts}, r"its ratio failed: it gives a float64 array of \(2, 3, 2\); two "),
        ({"ratio_": lambda counts: 1 / 0}, "its ratio failed: ZeroDivisionError"),
    ],
)  # fmt: skip
def test_a_metric_that_gives_something_else_is_named(changes: dict[str, Any], said: str) -> None:
    metric = Faulty(**changes)
    with pytest.raises(PluginError, match=rf"^metric 'own' \({__name__}\): {said}"):
        rows = statistics_of(metric, ["a", "b", "a"], ["a", "a", "a"], ("a", "b"), ["de:3", "de:7", "de:9"])
        score_rows(metric, rows)
        worst_rows(metric, [rows, rows])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.5, 0.5], "it gives 2 values for its 1 `outputs`"),
        (0.5, "it gives a float; a list of numbers is expected"),
        (["a"], "it gives a list; a list of numbers is expected"),
        ([math.nan], "whole of 2 examples is nan: no score can be written"),
    ],
)
def test_a_score_of_a_whole_set_that_is_none_is_named(values: Any, said: str) -> None:
    class Whole(WholeSetMetric):
        name, definition, outputs = "whole", "-", ("whole",)

        def score_set(self, references: Sequence[Any], predictions: Sequence[Any]) -> Any:
            return values

    with pytest.raises(PluginError, match=f"^metric 'whole' .*: its score_set failed: {said}$"):
        score(Whole(), ["a", "b"], ["a", "b"], ("a", "b"))


def test_the_one_example_that_a_metric_fails_for_is_named() -> None:
    class Picky(Faulty):
        def statistics(self, references: Any, predictions: Any, labels: Any) -> Any:
            if "odd" in references:
                raise LookupError("odd")
            return super().statistics(references, predictions, labels)

    with pytest.raises(PluginError, match="its statistics failed at example de:7: LookupError: odd"):
        statistics_of(Picky(), ["a", "odd"], ["a", "a"], ("a",), ["de:3", "de:7"])


def changed_encoding(**changes: Any) -> Callable[[Encoded], Any]:
    return lambda encoded: Encoded(**{**{k: v for k, v in vars(encoded).items() if k != "lengths"}, **changes})


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda encoded: None, "it gives a NoneType; an Encoded, as EncodedBuilder makes it, is expected"),
        (changed_encoding(example=np.arange(2)), "it gives 3 sequences in 2 items of 1"),
        (changed_encoding(example=np.array([0, 1, 3])), "it gives items of 3 examples, [0, 1, 3], and there are 3"),
        (changed_encoding(example=np.array([0, 0, 1])), "it gives items of 2 examples, [0, 1], and there are 3"),
        (changed_encoding(labels=np.zeros(2, dtype=int)), "it gives 2 values in 'labels', and 3 are expected"),
        (changed_encoding(special=np.zeros(2, dtype=bool)), "it gives 2 values in 'special', and "),
        (changed_encoding(cut=np.zeros(1, dtype=int)), "it gives 1 values in 'cut', and 3 are expected"),
        (changed_encoding(labels=np.array([0, 7, 0])), "it gives label 7; 0 to 0, or IGNORED, are expected"),
        (changed_encoding(labels=np.array([0, -1, 0])), "it gives label -1; 0 to 0, or IGNORED, are expected"),
        (lambda encoded: changed_encoding(input_ids=encoded.input_ids + 10**6)(encoded), "it gives input id 10"),
    ],
)
def test_an_encoding_that_does_not_fit_is_named(made: Any, said: str, tokenizer: Any) -> None:
    class Odd(SequenceClassification):
        def encode(self, *given: Any) -> Any:
            return made(super().encode(*given))

    with pytest.raises(PluginError) as error:
        encoded_by(Odd(("1",)), EXAMPLES["pairs"], tokenizer, 16)
    named = f"kind of task 'sequence_classification' ({__name__}): its encode failed: "
    assert str(error.value).startswith(named + said)


def test_a_kind_that_changes_the_tokenizer_is_named_each_time(tiny_model: Path, tmp_path: Path) -> None:
    from accelerate import Accelerator
    from transformers import AutoTokenizer

    class Adds(SequenceClassification):
        def encode(self, examples: Any, tokenizer: Any, max_length: int) -> Encoded:
            tokenizer.add_tokens(["foo"])
            return super().encode(examples, tokenizer, max_length)

    own = AutoTokenizer.from_pretrained(tiny_model)
    cache = EncodingCache(Adds(("1",)), own, 16, Accelerator(cpu=True))
    for rows in "ab":
        with pytest.raises(PluginError, match="its encode failed: it changed the tokenizer, which is the model's"):
            cache.encode({"rows": rows}, lambda: EXAMPLES["pairs"])


def test_a_kind_without_a_class_of_transformers_is_named() -> None:
    class Odd(SequenceClassification):
        auto_class = "AutoModelForNothing"

    with pytest.raises(PluginError, match=r"its declaration failed: its auto_class is 'AutoModelForNothing'; the name"):
        auto_class(Odd(("1",)))


def test_a_kind_that_fails_at_an_example_or_leaves_some_is_named(tokenizer: Any) -> None:
    class Odd(SequenceClassification):
        def encode(self, examples: Any, *given: Any) -> Any:
            for example in examples:
                if example["id"] == "1":
                    raise LookupError("odd")

    with pytest.raises(
        PluginError, match=r"its encode failed at example 1 \(the last of 2 that it took\): LookupError"
    ):
        encoded_by(Odd(("1",)), EXAMPLES["pairs"], tokenizer, 16)

    class Lazy(SequenceClassification):
        def encode(self, examples: Any, *given: Any) -> Any:
            return super().encode([next(examples)], *given)

    with pytest.raises(PluginError, match="its encode failed: it took 1 examples, and there are more"):
        encoded_by(Lazy(("1",)), EXAMPLES["pairs"], tokenizer, 16)

    def broken() -> Any:
        yield EXAMPLES["pairs"][0]
        raise LookupError("of the examples")

    with pytest.raises(LookupError, match="of the examples"):
        encoded_by(KINDS["pairs"], broken(), tokenizer, 16)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (None, "its decode failed: it gives None; a list of Prediction is expected"),
        (["1", "1", "1"], "its decode failed: it gives \\['1', '1', '1'\\]; a list of Prediction is expected"),
        ([Prediction("1", [1.0])], "its decode failed: it gives 1 predictions for 3 examples"),
        ([Prediction("3", [1.0])] * 3, "its decode failed at example 0: it gives the label '3', which is none of 1, 2"),
        ([Prediction(object(), [1.0])] * 3, "its decode failed at example 0: it gives the label <object"),
        ([Prediction("1", [math.nan])] * 3, r"its decode failed at example 0: its probabilities are \[nan\]; a list"),
        ([Prediction("1", None)] * 3, "its decode failed at example 0: its probabilities are None; a list of numbers"),
    ],
)
def test_predictions_that_are_none_are_named(made: Any, said: str, tokenizer: Any) -> None:
    class Odd(SequenceClassification):
        def decode(self, *given: Any) -> Any:
            return made

    kind = Odd(("1", "2"))
    encoded, _ = encoded_by(kind, EXAMPLES["pairs"], tokenizer, 16)
    with pytest.raises(PluginError, match=f"^kind of task 'sequence_classification' .*: {said}"):
        decoded(kind, [np.ones(2)] * 3, encoded, EXAMPLES["pairs"])


def odd(**columns: Any) -> dict[str, Any]:
    return {"id": "0", "tokens": ["a", "b"], "tags": ["A", "B"], **columns}


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ([1], "it gives a list; an example, or None, is expected"),
        ("text", "it gives a str; an example, or None, is expected"),
        ({"id": "0", "tokens": "ab", "tags": ["A", "B"]}, r"'tokens' became 'ab' where \['the', 'cat'\] was"),
        ({"id": "0", "tokens": ["a", "b"], "tags": "AB"}, r"'tags' became 'AB' where \['A', 'B'\] was"),
        ({"id": "0", "tokens": ["a", "b"]}, "the columns became id, tokens"),
        (odd(tokens=[1, 2]), r"'tokens' became \[1, 2\] where \['the', 'cat'\] was"),
        (odd(tokens=None), r"'tokens' became None where \['the', 'cat'\] was"),
        (odd(tokens=np.array(["a", "b"])), r"'tokens' became array\(.*\) where \['the', 'cat'\] was"),
        (odd(tags=None), r"'tags' became None where \['A', 'B'\] was"),
        (odd(tokens=["a\ud800", "b"]), r"'tokens' became \['a\\ud800', 'b'\], which UTF-8 cannot encode"),
        (MemoryError("oh"), r"MemoryError: oh \(test_plugins_are_guests.py:\d+\)"),
        (GeneratorExit(), r"GeneratorExit \(test_plugins_are_guests.py:\d+\)"),
    ],
)
def test_a_perturbation_that_gives_no_example_is_named(after: Any, said: str) -> None:
    class Odd(Perturbation):
        info = PerturbationInfo("odd", "-", kinds=())

        def apply(self, *given: Any) -> Any:
            if isinstance(after, BaseException):
                raise after
            return after

    with pytest.raises(PluginError, match=rf"^perturbation 'odd' .*: its apply failed at example 0 of en: {said}$"):
        perturb(Odd(None), KINDS["tagging"], EXAMPLES["tagging"], "en", 0)


CALLS = """
from pathlib import Path

from xrobust.contracts import Perturbation, PerturbationInfo


class Odd(Perturbation):
    info = PerturbationInfo("odd", "-", kinds=("token_classification",))

    def apply(self, example, language, rng):
        return None
"""


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("files(self, *given): return {'a': Path('no_such')}", "its files failed at de: 'a', no_such, does not exist"),
        ("files(self, *given): return {'a': Path('/')}", "its files failed at de: 'a', /, is no file"),
        ("files(self, *given): return ['no_such']", r"its files failed at de: it gives \['no_such'\]; a dict of paths"),
        ("files(self, *given): return None", "its files failed at de: it gives None; a dict of paths is expected"),
        ("files(self, *given): return {'a': 'no_such'}", "its files failed at de: it gives .*; a dict of paths is exp"),
        ("files(self, *given): 1 / 0", "its files failed at de: ZeroDivisionError"),
        ("prepare(self, ctx): 1 / 0", "its prepare failed at de: ZeroDivisionError"),
        ("language_problem(self, language): 1 / 0", "its language_problem failed at de: ZeroDivisionError"),
        (
            "language_problem(self, language): return True",
            "its language_problem failed at de: it returned True; a reas",
        ),
        ("task_problem(task): 1 / 0", "its task_problem failed: ZeroDivisionError"),
        (
            "task_problem(task): return True",
            "its task_problem failed: it returned True; a reason in a few words, or None",
        ),
        ("__init__(self): 1 / 0", "its __init__ failed: TypeError"),
    ],
)
def test_what_a_perturbation_does_while_it_is_planned_costs_it_its_own_scores_alone(
    method: str, said: str, finished_run: Path, copied: Callable[[Path], Path], tmp_path: Path
) -> None:
    plugin = tmp_path / "odd.py"
    decorator = "    @staticmethod\n" if method.startswith("task_problem") else ""
    plugin.write_text(f"{CALLS}\n{decorator}    def {method}\n")
    folder = copied(finished_run)
    request = EvaluationRequest(languages=("de",), perturb=("odd", "typos"))
    with pytest.raises(NotAllScored, match=rf"^1 of 2 .* de under odd: perturbation 'odd' \(odd.py\): {said}"):
        evaluate(folder, request=request, plugin_files=[plugin])
    result = load_result(folder)
    assert result.status == "complete" and {row.perturbation for row in result.scores} == {None, "typos"}
    assert [(one.of.language, one.of.perturbation) for one in result.unscored or ()] == [("de", "odd")]


def there(task: Task, source: LocalSource, split: Any, *given: Any) -> tuple[str, ...]:
    return languages_of(task, source, split)


class Broken(Own):
    """A task whose parts a test breaks."""

    rows = tagged()


@pytest.mark.parametrize(
    ("part", "made", "call", "error", "said"),
    [
        ("load", lambda *a: None, load_split, PluginError, "its load failed at test set of en: it gives a NoneT"),
        ("load", lambda *a: 1 / 0, load_split, PluginError, "its load failed at test set of en: ZeroDivisionError"),
        ("load", lambda *a: [("a", "b")], load_split, UserError, "pos test en, row 0: a tuple; a dict of columns is"),
        ("files", lambda *a: "x.tsv", open_split, PluginError, "its files failed at test set of en: it gives 'x.tsv'"),
        ("files", lambda *a: ["x"], open_split, PluginError, r"its files failed .* it gives \['x'\]; a list of paths"),
        ("files", lambda *a: 1 / 0, open_split, PluginError, "its files failed at test set of en: ZeroDivisionError"),
        ("languages", lambda *a: ("en", "../../x"), there, PluginError,
         "its languages failed at test set: it gives '../../x', which is no language code"),
        ("languages", lambda *a: ("/x",), there, PluginError, "it gives '/x', which is no language code"),
        ("languages", lambda *a: ("e\0n",), there, PluginError, "which is no language code"),
        ("languages", lambda *a: (".en",), there, PluginError, "which is no language code"),
        ("cleaner", lambda *a: len, load_split, PluginError, "its cleaner failed: it gives a builtin_function_or"),
        ("cleaner", lambda *a: 1 / 0, load_split, PluginError, "its cleaner failed: ZeroDivisionError"),
        ("cleaner", lambda *a: Cleaner(lambda row: None), load_split, PluginError,
         "its cleaner failed at example 0: it gives a NoneType; the row, a new one, or LeftOut is expected"),
        ("cleaner", lambda *a: Cleaner(lambda row: 1 / 0), load_split, PluginError,
         "its cleaner failed at example 0: ZeroDivisionError"),
    ],
)  # fmt: skip
def test_what_a_task_gives_wrong_is_blamed_on_it(
    part: str, made: Any, call: Any, error: type[Exception], said: str, source: LocalSource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(Broken, part, made)
    with pytest.raises(error, match=said) as raised:
        call(Broken(), source, "test", "en", None)
    assert "\n" not in str(raised.value)


def test_a_problem_that_is_no_text_is_named() -> None:
    class Odd(SequenceClassification):
        def problem(self, example: Any) -> Any:
            return False

    with pytest.raises(
        PluginError, match=r"its problem failed at here, row 0 .*: it returned False; a reason in a few words"
    ):
        task = type("T", (Pos,), {"kind": Odd(("1", "2"))})()
        checked(task, EXAMPLES["pairs"], "here")


# Raw strings


@pytest.mark.parametrize(
    ("column", "value"), [("tokens", "ab"), ("tags", "XX")], ids=["tokens in one string", "tags in one string"]
)
def test_a_string_where_a_list_of_tokens_was_meant_is_refused(column: str, value: str, source: LocalSource) -> None:
    class Strings(Own):
        kind = TokenClassification(("X",))
        rows = [{"id": "0", "tokens": ["a", "b"], "tags": ["X", "X"], column: value}]

    with pytest.raises(
        UserError, match=f"row 0 .*'{column}' is the text '{value}'; a list is expected, one entry a token"
    ):
        load_split(Strings(), source, "test", "en", None)


@pytest.mark.parametrize(
    ("name", "column", "value", "said"),
    [
        ("choices", "choices", "ab", "'choices' is the text 'ab'; a list is expected, one entry a choice"),
        ("pairs", "text", ["the", "cat"], "'text' is ['the', 'cat']; one text is expected"),
        ("pairs", "text_pair", ["the", "cat"], "'text_pair' is ['the', 'cat']; one text is expected"),
    ],
)
def test_text_of_another_shape_than_the_kinds_is_a_problem(name: str, column: str, value: Any, said: str) -> None:
    assert problem_of(KINDS[name], {**EXAMPLES[name][0], column: value}) == said


def test_a_kind_sees_what_the_tasks_own_load_made_of_raw_strings(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Graded(SequenceClassification):
        def problem(self, example: Any) -> str | None:
            seen.append(example["label"])
            return None if isinstance(example["label"], str) and "." not in example["label"] else "no grade"

    class Grades(Task):
        info = Pos.info
        kind = Graded(("1", "2"))
        columns = ("text", "label")

        def load(self, split: Any, language: str, source: Any) -> Any:
            return [{**row, "label": str(round(float(row["label"])))} for row in source.load(self, split, language)]

    (tmp_path / "pos").mkdir()
    (tmp_path / "pos" / "test-en.tsv").write_text("a\t1.2\nb\t1.9\n")
    examples, _ = load_split(Grades(), LocalSource(tmp_path), "test", "en", None)
    assert [example["label"] for example in examples] == seen == ["1", "2"]
    assert languages_of(Grades(), LocalSource(tmp_path), "test") == ("en",)
