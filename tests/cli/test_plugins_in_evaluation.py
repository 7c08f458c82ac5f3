"""Plugins that fail, or change what they are given, while a run is scored: the others' scores are as without them."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ended_command import Command

from xrobust import load_predictions, load_result
from xrobust.errors import RunError
from xrobust.evaluation.scorer import Scorer
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import RunResult

PERTURBATIONS = '''
import gc

from xrobust.contracts import Perturbation, PerturbationInfo

KINDS = ("token_classification", "sequence_classification")


class Mutates(Perturbation):
    """Changes what it is given, in place, and keeps what it gave back."""

    info = PerturbationInfo("mutates", "changes examples in place", kinds=KINDS)
    needs = frozenset({"target_test", "source_train"})
    kept = []

    def prepare(self, ctx):
        for examples in (ctx.target_test(), ctx.source_train()):
            for example in examples:
                example["tokens"][:] = ["x"] * len(example["tokens"])
                example["tags"].clear()
            examples[0]["tokens"].clear()
            examples[:2][1]["tokens"].clear()

    def apply(self, example, language, rng):
        for row in self.kept:
            row["tokens"].clear()
        example["tokens"][0] = example["tokens"][0].upper() + "x"
        self.kept.append(example)
        return example


class Digs(Perturbation):
    """Changes the test rows by a way that no copy closes."""

    info = PerturbationInfo("digs", "finds the rows in memory", kinds=KINDS)

    def apply(self, example, language, rng):
        if example["id"].endswith(":0"):
            for found in gc.get_objects():
                if type(found) is dict and found.get("id") == "de:3" and found.get("tokens"):
                    found["tokens"][0] = "x"
        return {**example, "tokens": [token.upper() for token in example["tokens"]]}


class Raises(Perturbation):
    """Raises at one example of one language."""

    info = PerturbationInfo("raises", "raises in fr", kinds=KINDS)

    def apply(self, example, language, rng):
        if example["id"] == "fr:7":
            raise ValueError("oh")
        return {**example, "tokens": [token.upper() for token in example["tokens"]]}
'''


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "xrobust"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "guests.py"
    path.write_text(PERTURBATIONS)
    return path


@pytest.fixture
def a_run(finished_run: Path, tmp_path: Path) -> Callable[[], Path]:
    """A complete run on de, en and fr, each time a new copy."""
    made: list[Path] = []

    def copy() -> Path:
        made.append(tmp_path / f"run-{len(made)}")
        return Path(shutil.copytree(finished_run, made[-1]))

    return copy


def scores(result: RunResult, label: str | None = None) -> list[Any]:
    return [row.model_copy(update={"seconds": 0}) for row in result.scores if row.label == label]


def unscored(folder: Path) -> dict[tuple[str, str | None], str | None]:
    return {(one.of.name, one.of.label): one.error for one in load_result(folder).unscored or ()}


# One plugin and another's rows


def test_a_perturbation_that_changes_examples_in_place_changes_nobody_elses(
    command: Command, a_run: Callable[[], Path], plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, beside = a_run(), a_run()
    assert command("eval", alone, "--perturb", "typos", "-l", "de,fr").code == 0
    first = tmp_path / "cache" / "xrobust" / "perturbed"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    done = command("eval", beside, "--perturb", "mutates,typos", "--plugin", plugin, "-l", "de,fr")
    assert done.code == 0, done
    there, here = load_result(beside), load_result(alone)
    assert scores(here, "typos") and scores(there, "typos") == scores(here, "typos")
    assert scores(there) == scores(here)
    typos = {row.language: row.key for row in here.data.perturbed}
    assert typos == {row.language: row.key for row in there.data.perturbed if row.perturbation == "typos"}
    for key in typos.values():
        second = tmp_path / "other" / "xrobust" / "perturbed"
        one, other = (gzip.decompress((kept / f"{key}.jsonl.gz").read_bytes()) for kept in (first, second))
        assert one == other
    for language in typos:
        assert load_predictions(alone, language, "typos") == load_predictions(beside, language, "typos")
    changed = [row for row in there.data.perturbed if row.perturbation == "mutates"]
    assert [row.changed_examples for row in changed] == [24, 24], "each example that it gave back is as it was then"
    assert all(row.changed_tokens == 24 for row in changed)


def test_rows_that_are_changed_all_the_same_are_kept_under_no_key(
    command: Command, a_run: Callable[[], Path], plugin: Path, own_cache: Path
) -> None:
    folder = a_run()
    done = command("eval", folder, "--perturb", "digs", "--plugin", plugin, "-l", "de")
    assert done.code == 1 and done.err.count("\n") == 1
    assert "test set of de, perturbation digs: the examples in memory are not those that were read" in done.err
    assert not list((own_cache / "perturbed").glob("*")) and load_result(folder).status == "complete"


# One test set that fails


def test_a_run_scores_the_rest_and_the_same_command_tries_what_failed(
    command: Command, plugin: Path, folder: Path
) -> None:
    asked = (
        *("run", "--preset", "mini", "--task", "wikiann", "--limit", 30, "-l", "de,fr,es", "-o", "runs"),
        *("--perturb", "raises,typos", "--plugin", plugin),
    )
    done = command(*asked)
    line = (
        "xrobust: 1 of 9 test sets could not be scored; the others have their scores; the first, fr under raises: "
        "perturbation 'raises' (guests.py): its apply failed at example fr:7 of fr: ValueError: oh (guests.py:52)\n"
    )
    assert (done.code, done.err) == (1, line)
    assert "  fr raises  not scored: perturbation 'raises'" in done.out
    (document,) = folder.glob("runs/*/*/*/result.json")
    result = load_result(document)
    assert (result.status, result.error) == ("failed", line.removeprefix("xrobust: ").strip())
    tried = {(row.language, row.key.label) for row in result.scores}
    whole = {(code, label) for code in ("de", "fr", "es") for label in (None, "typos", "raises", "worst_case")}
    assert tried == whole - {("fr", "raises")}
    assert list(unscored(document)) == [("fr", "raises")]
    again = command(*asked)
    assert again.code == 1 and "evaluate: 1 test sets" in again.out and "train:" not in again.out
    plugin.write_text(PERTURBATIONS.replace('"fr:7"', "None"))
    last = command(*asked)
    assert last.code == 0 and "train:" not in last.out, last
    result = load_result(document)
    assert (result.status, result.error, result.unscored) == ("complete", None, [])
    assert {(row.language, row.key.label) for row in result.scores} == whole


def test_a_failing_evaluation_leaves_a_complete_run_complete(
    command: Command, a_run: Callable[[], Path], plugin: Path
) -> None:
    folder = a_run()
    done = command("eval", folder, "--perturb", "raises", "--plugin", plugin)
    assert done.code == 1 and "1 of 3 test sets could not be scored" in done.err
    result = load_result(folder)
    assert (result.status, result.error) == ("complete", None) and result.is_scored()
    assert {row.language for row in result.scores if row.label == "raises"} == {"de", "en"}
    error = unscored(folder)["fr", "raises"]
    assert error is not None and error.startswith("perturbation 'raises' (guests.py): its apply failed at example fr:7")
    assert command("eval", folder, "--perturb", "typos", "-l", "fr").code == 0
    assert load_result(folder).status == "complete" and list(unscored(folder)) == [("fr", "raises")]
    plugin.write_text(PERTURBATIONS.replace('"fr:7"', "None"))
    assert command("eval", folder, "--perturb", "raises", "--plugin", plugin).code == 0
    assert load_result(folder).status == "complete" and not unscored(folder)


def test_the_next_seed_is_run_after_one_that_lacks_a_score(command: Command, plugin: Path, folder: Path) -> None:
    asked = ("--preset", "mini", "--task", "pos", "--limit", 20, "-l", "fr", "--perturb", "raises", "-o", "runs")
    done = command("run", *asked, "--plugin", plugin, "--seeds", "1,2")
    assert done.code == 1 and done.err.count("\n") == 1
    assert [load_result(path).status for path in folder.glob("runs/*/*/*/result.json")] == ["failed", "failed"]


PREPARES = """
from xrobust.contracts import Perturbation, PerturbationInfo


class Prepares(Perturbation):
    info = PerturbationInfo("prepares", "fails at fr", kinds=("token_classification",))

    def prepare(self, ctx):
        if ctx.language == "fr":
            raise ValueError("oh")

    def apply(self, example, language, rng):
        return {**example, "tokens": [token.upper() for token in example["tokens"]]}
"""


def test_a_failing_preparation_stops_a_run_before_training_and_costs_a_trained_one_its_test_set_alone(
    command: Command, tmp_path: Path, folder: Path
) -> None:
    plugin = tmp_path / "prepares.py"
    plugin.write_text(PREPARES)
    asked = ("run", "--preset", "mini", "--task", "pos", "--limit", 20, "-l", "de,fr", "-o", "runs")
    perturbed = (*asked, "--perturb", "prepares,typos", "--plugin", plugin)
    line = "perturbation 'prepares' (prepares.py): its prepare failed at fr: ValueError: oh (prepares.py:10)\n"
    for more in ((), ("--dry-run",), ("--num-processes", 2)):
        done = command(*perturbed, *more)
        assert (done.code, done.err) == (1, f"xrobust: {line}") and not (folder / "runs").exists()
    assert command(*asked).code == 0
    done = command(*perturbed)
    assert done.code == 1 and done.err.endswith(f"the first, fr under prepares: {line}") and "train:" not in done.out
    (document,) = folder.glob("runs/*/*/*/result.json")
    assert list(unscored(document)) == [("fr", "prepares")]
    assert {row.language for row in load_result(document).scores if row.label == "prepares"} == {"de"}
    assert {row.language for row in load_result(document).scores if row.label == "typos"} == {"de", "fr"}


def test_a_test_set_that_cannot_be_loaded_stops_a_run_before_training_and_no_evaluation(
    command: Command, tmp_path: Path, tiny_model: Path, folder: Path
) -> None:
    plugin = tmp_path / "own.py"
    fails = INSIDE.replace("        return [", "        if language == 'de':\n            1 / 0\n        return [")
    plugin.write_text(fails)
    asked = ("run", "--task", "inside", "--plugin", plugin, "--model", tiny_model, "-o", "runs")
    said = (
        "task 'inside' (own.py): its load failed at test set of de: ZeroDivisionError: division by zero (own.py:15)\n"
    )
    done = command(*asked)
    assert (done.code, done.err) == (1, f"xrobust: {said}") and not (folder / "runs").exists()
    assert command(*asked, "-l", "en").code == 0
    (document,) = folder.glob("runs/*/*/*/result.json")
    done = command("eval", document.parent, "-l", "de,en", "--perturb", "typos")
    assert done.code == 1 and done.err.startswith("xrobust: 2 of 3 test sets could not be scored")
    assert done.err.endswith(f"the first, de: {said}")
    result = load_result(document)
    assert result.status == "complete" and set(unscored(document)) == {("de", None), ("de", "typos")}
    assert {(row.language, row.key.label) for row in result.scores} == {
        ("en", x) for x in (None, "typos", "worst_case")
    }
    assert not [row for row in result.data.used if not row.sha256]


def test_an_error_that_nobody_foresaw_costs_one_test_set_its_scores_alone(
    command: Command, a_run: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_run()
    original = Scorer.encode

    def encode(self: Scorer, examples: Any, rows_sha256: str) -> Any:
        if examples[0]["id"].startswith("en"):
            raise IndexError("out of range")
        return original(self, examples, rows_sha256)

    monkeypatch.setattr(Scorer, "encode", encode)
    done = command("eval", folder, "--perturb", "typos")
    named = "the first, en under typos: IndexError: out of range (traceback in run.log)\n"
    assert done.code == 1 and done.err.endswith(named)
    assert list(unscored(folder)) == [("en", "typos")] and "Traceback" in (folder / "run.log").read_text()
    assert {row.language for row in load_result(folder).scores if row.label == "typos"} == {"de", "fr"}


METRIC = """
from xrobust.contracts import Metric
from xrobust_tasks.pos import Pos
import numpy as np


class Fails(Metric):
    name, definition, outputs = "fails", "-", ("fails",)

    def statistics(self, references, predictions, labels):
        for reference in references:
            if "chat" in labels or len(references) == 24 and reference[:2] == {tags!r}:
                raise ValueError("odd tags")
        return np.ones((len(references), 1))

    def score(self, counts):
        return counts


class Own(Pos):
    info = Pos.info.__class__("own", "pos with a metric", ("en", "de"), "-", "-")
    metrics = ("accuracy", Fails())
"""


def test_a_clean_test_set_that_fails_takes_its_conditions_with_it_and_no_other_language(
    command: Command, tmp_path: Path, tiny_data: Path, tiny_model: Path, folder: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_data / "pos", data / "own")
    odd = (data / "own" / "test-de.tsv").read_text().split("\n\n")
    words = [line.split("\t")[0] for line in odd[5].strip().split("\n")]
    odd[5] = "\n".join(f"{word}\tX" for word in words)
    (data / "own" / "test-de.tsv").write_text("\n\n".join(odd))
    plugin = tmp_path / "metric.py"
    plugin.write_text(METRIC.format(tags=["X", "X"]))
    done = command(
        *("run", "--task", "own", "--plugin", plugin, "--model", tiny_model, "--data-dir", data, "-o", "runs"),
        *("-s", "training.epochs=1", "--perturb", "typos", "--attack", "pgd", "-s", "attack.epsilons=[0.01,0.02]"),
    )
    named = "the first, de: metric 'fails' (metric.py): its statistics failed at example de:5: ValueError: odd tags"
    assert done.code == 1 and "3 of 9 test sets could not be scored" in done.err
    # One example alone does not fail, so the set is named.
    assert named in done.err or "its statistics failed: ValueError: odd tags (metric.py:" in done.err
    (document,) = folder.glob("runs/*/*/*/result.json")
    assert {row.language for row in load_result(document).scores} == {"en", "fr"}
    labels = [None, "typos", "pgd(epsilon=0.01)", "pgd(epsilon=0.02)"]
    assert list(unscored(document)) == [("de", label) for label in labels]


def test_a_pair_that_fails_is_left_out_alone(
    command: Command, tmp_path: Path, tiny_data: Path, tiny_model: Path, folder: Path
) -> None:
    plugin = tmp_path / "joins.py"
    plugin.write_text(
        "from xrobust.kinds import SequenceClassification\nfrom xrobust_tasks.pawsx import PawsX\n\n\n"
        "class Joins(SequenceClassification):\n"
        "    def join(self, first, second, examples, encoder):\n"
        "        if 'chien' in ' '.join(e['text_pair'] for e in examples):\n"
        "            raise LookupError('no French')\n"
        "        return super().join(first, second, examples, encoder)\n\n\n"
        "class Own(PawsX):\n"
        "    info = PawsX.info.__class__('own', '-', ('en', 'de'), '-', '-')\n"
        "    kind = Joins(PawsX.kind.labels)\n"
    )
    shutil.copytree(tiny_data / "pawsx", tmp_path / "data" / "own")
    done = command(
        *("run", "--task", "own", "--plugin", plugin, "--model", tiny_model, "--data-dir", tmp_path / "data"),
        *("-o", "runs", "-s", "training.epochs=1", "-l", "en", "--pairs", "en:de,en:fr,de:en"),
    )
    assert done.code == 1 and "1 of 4 test sets could not be scored" in done.err
    assert "the first, en:fr: kind of task 'sequence_classification' (joins.py): its join failed at en:fr:" in done.err
    (document,) = folder.glob("runs/*/*/*/result.json")
    result = load_result(document)
    assert {row.pair for row in result.scores} == {None, ("en", "de"), ("de", "en")}
    assert {row.pair for row in result.data.pairs} == {("en", "de"), ("de", "en")}


def test_what_is_no_plugins_doing_ends_the_evaluation_and_leaves_the_run_complete(
    command: Command, a_run: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_run()
    original, calls = Scorer.predict, []

    def predict(self: Scorer, *given: Any) -> Any:
        calls.append(given)
        if len(calls) == 2:
            raise RunError("the disk is full")
        return original(self, *given)

    monkeypatch.setattr(Scorer, "predict", predict)
    done = command("eval", folder, "--perturb", "typos")
    assert (done.code, done.err, len(calls)) == (1, "xrobust: the disk is full\n", 2)
    result = load_result(folder)
    assert (result.status, result.error) == ("complete", None)
    assert unscored(folder) == {("en", "typos"): "the disk is full", ("fr", "typos"): "the disk is full"}


def test_two_processes_leave_out_what_fails_on_one_of_them(
    a_run: Callable[[], Path], tmp_path: Path, xrobust: Command
) -> None:
    plugin = tmp_path / "ranks.py"
    plugin.write_text(
        PERTURBATIONS.replace("import gc", "import os").replace(
            'example["id"] == "fr:7"', '(language, os.environ["RANK"]) in (("fr", "0"), ("de", "1"))'
        )
    )
    folder = a_run()
    done = xrobust("eval", folder, "--perturb", "raises", "--plugin", plugin, "--num-processes", 2)
    assert done.returncode == 1, done
    # The main process keeps the rows of de, which the other then reads.
    assert done.stderr.startswith("xrobust: 1 of 3 test sets could not be scored") and "ValueError: oh" in done.stderr
    result = load_result(folder)
    assert {row.language for row in result.scores if row.label == "raises"} == {"de", "en"}
    assert result.status == "complete" and list(unscored(folder)) == [("fr", "raises")]


# Complete, and not


@pytest.mark.parametrize("killed", [False, True], ids=["Ctrl-C", "kill -9"])
def test_an_evaluation_at_new_radii_that_is_stopped_leaves_no_mixed_curves_in_a_complete_run(
    command: Command, a_run: Callable[[], Path], monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    folder = a_run()
    attack = ("eval", folder, "--attack", "pgd", "-s", "attack.steps=1")
    assert command(*attack, "-s", "attack.epsilons=[0.01]").code == 0
    assert load_result(folder).status == "complete"
    original = Scorer.encode

    def encode(self: Scorer, examples: Any, rows_sha256: str) -> Any:
        if examples[0]["id"].startswith("en"):
            raise KeyboardInterrupt
        return original(self, examples, rows_sha256)

    monkeypatch.setattr(Scorer, "encode", encode)
    if killed:  # then nothing is written at the end
        monkeypatch.setattr(RunFolder, "_end", lambda *given: None)
    stopped = command(*attack, "-s", "attack.epsilons=[0.02,0.03]")
    monkeypatch.undo()
    assert stopped.code == 130
    result = load_result(folder)
    assert {row.language: row.epsilon for row in result.scores if row.attack} == {"de": 0.03, "en": 0.01, "fr": 0.01}
    assert result.status == ("running" if killed else "interrupted") and not result.is_scored()
    assert set(unscored(folder)) == {(code, f"pgd(epsilon={e},steps=1)") for code in ("en", "fr") for e in (0.02, 0.03)}
    assert command("eval", folder, "-l", "de").code == 0
    assert load_result(folder).status == "interrupted", "another evaluation does not make it complete"
    assert command(*attack, "-s", "attack.epsilons=[0.02,0.03]").code == 0
    result = load_result(folder)
    assert result.status == "complete" and not result.unscored
    assert {row.epsilon for row in result.scores if row.attack} == {0.02, 0.03}


def test_old_radii_settle_what_was_left_of_new_ones(
    command: Command, a_run: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_run()
    attack = ("eval", folder, "--attack", "pgd", "-s", "attack.steps=1", "-l", "de")
    with monkeypatch.context() as patched:
        patched.setattr(Scorer, "encode", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        assert command(*attack, "-s", "attack.epsilons=[0.02]").code == 130
    assert load_result(folder).status == "interrupted"
    assert command(*attack, "-s", "attack.epsilons=[0.01]").code == 0
    assert load_result(folder).status == "complete" and not unscored(folder)


def test_an_edited_perturbation_that_is_stopped_leaves_no_mixed_rows_in_a_complete_run(
    command: Command, a_run: Callable[[], Path], plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin.write_text(PERTURBATIONS.replace('"fr:7"', "None"))
    folder = a_run()
    asked = ("eval", folder, "--perturb", "raises", "--plugin", plugin)
    assert command(*asked).code == 0
    plugin.write_text(plugin.read_text().replace("token.upper() for", "token.lower() for"))
    original = Scorer.predict

    def predict(self: Scorer, *given: Any) -> Any:
        if given[1][0]["id"].startswith("en"):
            raise KeyboardInterrupt
        return original(self, *given)

    monkeypatch.setattr(Scorer, "predict", predict)
    assert command(*asked).code == 130
    monkeypatch.undo()
    result = load_result(folder)
    assert result.status == "interrupted" and not result.is_scored()
    assert ("en", "raises") in unscored(folder) and ("de", "raises") not in unscored(folder)
    assert command(*asked).code == 0
    assert load_result(folder).status == "complete" and not unscored(folder)


# Tasks that read by themselves

OWN_NAMES = """
from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.kinds import TokenClassification


class OwnNames(Task):
    info = TaskInfo(name="own_names", summary="files of its own", languages=("en", "de"), license="-", citation="-")
    kind = TokenClassification(("DET", "NOUN", "VERB"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1e-3, select_every=None, batch_size=8)
    columns = ("tokens", "tags")

    def load(self, split, language, source):
        lines = (source.data_dir / "texts" / f"{language}_{split}.txt").read_text().splitlines()
        pairs = [[word.split("/") for word in line.split()] for line in lines]
        return [
            {"id": f"{language}:{i}", "tokens": [a for a, _ in row], "tags": [b for _, b in row]}
            for i, row in enumerate(pairs)
        ]
"""
INSIDE = """
from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.kinds import SequenceClassification


class Inside(Task):
    info = TaskInfo(name="inside", summary="data in the package", languages=("en", "de"), license="-", citation="-")
    kind = SequenceClassification(("a", "b"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1e-3, select_every=None, batch_size=8)
    columns = ("text", "label")

    def load(self, split, language, source):
        return [{"id": f"{language}:{i}", "text": f"{language} {split} {i}", "label": "ab"[i % 2]} for i in range(8)]
"""
LANGUAGES = """
    def languages(self, split, source):
        return ("fr", "de") if split == "test" else ("en",)
"""


@pytest.mark.parametrize("inside", [False, True], ids=["own file names", "inside the package"])
@pytest.mark.parametrize(
    ("hook", "expected"), [("", {"en", "de"}), (LANGUAGES, {"fr", "de"})], ids=["by info", "by languages()"]
)
@pytest.mark.parametrize("data_dir", [True, False], ids=["with a folder", "without"])
def test_a_task_with_data_of_its_own_is_scored_in_its_languages(
    command: Command,
    tmp_path: Path,
    tiny_model: Path,
    folder: Path,
    inside: bool,
    hook: str,
    expected: set[str],
    data_dir: bool,
) -> None:
    if not (inside or data_dir):
        pytest.skip("its files are in a folder")
    plugin = tmp_path / "own.py"
    plugin.write_text((INSIDE if inside else OWN_NAMES) + hook)
    (tmp_path / "data" / "texts").mkdir(parents=True)
    for split in ("train", "dev", "test"):
        for language in ("en", "de", "fr"):
            lines = "the/DET cat/NOUN\nsees/VERB the/DET dog/NOUN\n"
            (tmp_path / "data" / "texts" / f"{language}_{split}.txt").write_text(lines)
    name = "inside" if inside else "own_names"
    where = ("--data-dir", tmp_path / "data") if data_dir else ()
    asked = ("--task", name, "--plugin", plugin, "--model", tiny_model, *where, "-o", "runs")
    done = command("run", *asked)
    assert done.code == 0, done
    (document,) = folder.glob("runs/*/*/*/result.json")
    assert load_result(document).scored() == expected
    assert load_result(document).status == "complete"
    done = command("eval", document.parent, "--perturb", "typos", "-l", "de")
    assert done.code == 0, done


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ('languages=("en", "de")', "languages=()", 2, "task inside names no language that it can be scored in"),
        ("    def load", LANGUAGES.replace('("fr", "de")', "()") + "    def load", 0, ""),
        ("    def load", LANGUAGES.replace('("fr", "de")', '"de"') + "    def load", 1,
         "task 'inside' (own.py): its languages failed at test set: it gives 'de'; a tuple of language codes"),
        ("    def load", LANGUAGES.replace('("fr", "de")', "1 / 0") + "    def load", 1,
         "its languages failed at test set: ZeroDivisionError: division by zero (own.py:15)"),
    ],
)  # fmt: skip
def test_nothing_to_score_is_said_before_anything_is_trained(
    command: Command, tmp_path: Path, tiny_model: Path, folder: Path, old: str, new: str, code: int, said: str
) -> None:
    plugin = tmp_path / "own.py"
    plugin.write_text(INSIDE.replace(old, new))
    done = command("run", "--task", "inside", "--plugin", plugin, "--model", tiny_model, "-o", "runs")
    assert done.code == code and said in done.err
    assert (folder / "runs").exists() == (code == 0)


ELSEWHERE = """
import os

from xrobust import hookimpl
from xrobust.contracts import Perturbation, PerturbationInfo

os.chdir("/")


class Away(Perturbation):
    info = PerturbationInfo("away", "changes the working folder", kinds=("token_classification",))

    def apply(self, example, language, rng):
        os.chdir("/")
        return {**example, "tokens": [token.upper() for token in example["tokens"]]}


@hookimpl
def evaluation_started(spec):
    os.chdir("/")
"""


def test_the_scores_are_where_the_run_is_whatever_the_working_folder_of_a_plugin(
    a_run: Callable[[], Path], tmp_path: Path, command: Command, folder: Path
) -> None:
    (folder / "away.py").write_text(ELSEWHERE)
    a_run().rename(folder / "run")
    assert command("eval", "run", "--plugin", "away.py", "--perturb", "away", "--languages", "de").code == 0
    assert Path.cwd() == folder
    assert load_predictions("run", "de", load_result("run").scores[-1].label)
