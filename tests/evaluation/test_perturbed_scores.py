"""Scores on perturbed text: recomputed from the predictions, beside clean text, and only of what changed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrobust import RunSpec, load_model, load_result, run
from xrobust.config.run_spec import EvaluationRequest
from xrobust.contracts.metric import Metric
from xrobust.errors import RunError, UserError
from xrobust.evaluate_trained import evaluate
from xrobust.evaluation.conditions import perturbed
from xrobust.evaluation.scorer import Scorer
from xrobust.kinds import TokenClassification
from xrobust.metrics import drop_intervals, worst_rows
from xrobust.metrics.bootstrap import BOOTSTRAP_DRAWS, bootstrap_intervals
from xrobust.metrics.classification import Accuracy
from xrobust.metrics.spans import SpanF1
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import ScoreRow, Unscored
from xrobust.results.store import load_predictions

Copied = Callable[[Path], Path]


def score(folder: Path, plugin: Path, *names: str, **more: Any) -> RunResult:
    return evaluate(folder, request=EvaluationRequest(perturb=names, **more), plugin_files=[plugin])


def row(result: RunResult, language: str, label: str | None) -> ScoreRow:
    (found,) = [r for r in result.main_scores() if (r.language, r.key.label) == (language, label)]
    return found


def right(predictions: list[dict[str, Any]]) -> tuple[int, int]:
    """Right tokens, and all tokens."""
    pairs = [(a, b) for p in predictions for a, b in zip(p["label"], p["prediction"], strict=True)]
    return sum(a == b for a, b in pairs), len(pairs)


def test_the_scores_are_those_of_the_written_predictions(finished_run: Path, plugin: Path, copied: Copied) -> None:
    folder = copied(finished_run)
    result = score(folder, plugin, "shout", "reverse")
    for language in ("de", "en"):
        found = row(result, language, "shout")
        changed = {p["id"]: p for p in load_predictions(folder, language, "shout")}
        clean = {p["id"]: p for p in load_predictions(folder, language)}
        assert 0 < len(changed) <= len(clean) == 24 and found.n == len(changed)
        assert found.coverage == len(changed) / 24
        good, tokens = right(list(changed.values()))
        assert found.value == pytest.approx(good / tokens, abs=1e-12)
        before, _ = right([clean[i] for i in changed])
        assert found.clean_value == pytest.approx(before / tokens, abs=1e-12)
        assert found.drop == pytest.approx((before - good) / tokens, abs=1e-12)
        everything, total = right([changed.get(i, p) for i, p in clean.items()])
        assert found.value_all == pytest.approx(everything / total, abs=1e-12)
        assert found.drop_ci_low is not None and found.drop_ci_high is not None
        assert found.drop_ci_low <= found.drop <= found.drop_ci_high

        worst = right(
            [
                min(
                    (said for said in (p, changed.get(i), other.get(i)) if said is not None),
                    key=lambda said: right([said])[0],
                )
                for i, p in clean.items()
            ]
            if (other := {p["id"]: p for p in load_predictions(folder, language, "reverse")})
            else []
        )
        assert row(result, language, "worst_case").value == pytest.approx(worst[0] / worst[1], abs=1e-12)


def test_what_the_model_says_of_perturbed_text_is_what_it_says(
    finished_run: Path, plugin: Path, copied: Copied, tiny_data: Path
) -> None:
    """The perturbed rows are made again here, and given to the model by transformers alone."""
    import torch

    folder = copied(finished_run)
    score(folder, plugin, "reverse", languages=("de",))
    model, tokenizer = load_model(folder)
    said = load_predictions(folder, "de", "reverse")
    sentences = (tiny_data / "pos" / "test-de.tsv").read_text().strip().split("\n\n")
    for prediction in said[:5]:
        lines = sentences[int(prediction["id"].partition(":")[2])].split("\n")
        tokens = [line.split("\t")[0][::-1] for line in lines]
        assert prediction["label"] == [line.split("\t")[1] for line in lines]
        encoded = tokenizer(tokens, is_split_into_words=True, return_tensors="pt")
        with torch.inference_mode():
            best = model(**encoded).logits[0].argmax(dim=-1).tolist()
        words = encoded.word_ids()
        first = [words.index(i) for i in range(len(tokens))]
        assert prediction["prediction"] == [model.config.id2label[best[i]] for i in first]


def test_a_language_that_is_not_covered_says_so_and_has_no_score(
    finished_run: Path, plugin: Path, copied: Copied
) -> None:
    result = score(copied(finished_run), plugin, "shout", "nowhere")
    assert not [r for r in result.scores if r.language == "fr" and r.condition != "clean"]
    reasons = {(r.language, r.perturbation): (r.coverage, r.reason) for r in result.data.perturbed}
    assert reasons["fr", "shout"] == (0.0, "nobody shouts in it")
    assert reasons["de", "nowhere"] == (0.0, "it changed no example")
    assert reasons["en", "nowhere"] == (0.0, "its apply returned None for every example")
    assert result.summary is not None
    shout, nowhere, worst = result.summary.robustness
    assert (shout.perturbation, shout.languages, nowhere.languages, worst.condition) == ("shout", 1, 0, "worst_case")
    assert nowhere.value is nowhere.drop is None and nowhere.coverage == 0
    assert shout.coverage == pytest.approx(row(result, "de", "shout").coverage / 2)
    assert (shout.too_few, shout.drop, shout.min_examples) == (("de",), None, 30), "few examples are in no mean"
    assert shout.pooled_drop == row(result, "de", "shout").drop and shout.source_drop == row(result, "en", "shout").drop


def test_only_changed_examples_are_encoded_and_nothing_twice(
    finished_run: Path, plugin: Path, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(finished_run)
    encoded: list[int] = []
    original = TokenClassification.encode

    def counting(self: Any, examples: Any, tokenizer: Any, max_length: int) -> Any:
        examples = list(examples)
        encoded.append(len(examples))
        return original(self, examples, tokenizer, max_length)

    monkeypatch.setattr(TokenClassification, "encode", counting)
    result = score(folder, plugin, "shout", languages=("de", "fr"), perturb_params={"rate": 0.1})
    changed = row(result, "de", "shout(rate=0.1)").n
    assert encoded == [changed] and changed < 24, "the clean predictions were on disk, and fr is not covered"
    score(folder, plugin, "shout", languages=("de", "fr"), perturb_params={"rate": 0.1})
    assert encoded == [changed], "all of it had its scores"
    score(folder, plugin, "shout", languages=("de",))
    assert len(encoded) == 2, "another rate is another condition"


def test_another_run_meets_the_very_same_rows_from_the_cache(
    tiny_model: Path, tiny_data: Path, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(seed: int) -> RunSpec:
        return RunSpec(
            task="pos",
            model=str(tiny_model),
            data_dir=tiny_data,
            output=tmp_path / "out",
            training={"epochs": 1},
            languages=("de",),
            perturb=("shout", "nearest"),
            plugins=(plugin,),
            seed=seed,
        )

    first = run(asked(0))
    calls: list[Any] = []
    original = perturbed.perturb
    monkeypatch.setattr(perturbed, "perturb", lambda *a: calls.append(a) or original(*a))
    second = run(asked(1))
    assert not calls
    assert first.data.perturbed == second.data.perturbed and first.run_id != second.run_id

    kept = sorted((tmp_path / "cache" / "xrobust" / "perturbed").glob("*.gz"))
    assert len(kept) == 2
    kept[0].write_bytes(kept[0].read_bytes()[:-20])
    kept[1].write_bytes(b"not what was written")
    third = run(asked(2))
    assert len(calls) == 2, "a damaged file is made anew"
    assert third.data.perturbed == first.data.perturbed


def test_other_test_rows_are_perturbed_anew(
    finished_run: Path, plugin: Path, copied: Copied, tiny_data: Path, tmp_path: Path
) -> None:
    folder = copied(finished_run)
    before = score(folder, plugin, "shout", languages=("de",))
    other = tmp_path / "data" / "pos"
    other.mkdir(parents=True)
    sentences = (tiny_data / "pos" / "test-de.tsv").read_text().split("\n\n")[:9]
    (other / "test-de.tsv").write_text("\n\n".join(sentences) + "\n")
    request = EvaluationRequest(languages=("de",))
    result = evaluate(folder, request=request, data_dir=tmp_path / "data")
    assert row(result, "de", None).n == 9
    assert not [r for r in result.scores if r.language == "de" and r.condition != "clean"], "of other rows"
    assert not [r for r in result.data.perturbed if r.language == "de"]
    request = EvaluationRequest(languages=("de",), perturb=("shout",))
    again = evaluate(folder, request=request, data_dir=tmp_path / "data", plugin_files=[plugin])
    assert row(again, "de", "shout").n <= 9 < row(before, "de", "shout").n
    assert load_result(folder) == again


def test_a_perturbation_that_breaks_labels_is_a_defect_that_is_named(
    finished_run: Path, plugin: Path, copied: Copied
) -> None:
    folder = copied(finished_run)
    named = r"perturbation 'breaks' \(perturbations.py\): its apply failed at example de:0 of de: the tags changed"
    with pytest.raises(RunError, match=f"^1 of 1 test sets could not be scored; the first, de under breaks: {named}$"):
        score(folder, plugin, "breaks", languages=("de",))
    result = load_result(folder)
    assert result.status == "complete" and row(result, "de", None).n == 24
    with pytest.raises(RunError, match="asks for 'source_train', which is not in its `needs`"):
        score(folder, plugin, "peeks", languages=("de",))


def test_an_evaluation_that_is_stopped_anywhere_goes_on(
    finished_run: Path, plugin: Path, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at each save in turn, it ends with the document of one that was not stopped, and keeps what was there."""
    names = ("shout", "reverse")
    whole = score(copied(finished_run), plugin, *names, languages=("de", "fr"))

    def comparable(result: RunResult) -> Any:
        return [r.model_copy(update={"seconds": 0}) for r in result.scores], result.data, result.summary

    folder = finished_run.parent / "stopped"
    shutil.copytree(finished_run, folder)
    saved = RunFolder.save
    stops, left = 0, True
    while left and stops < 20:
        count = 0

        def save(self: RunFolder, result: RunResult) -> None:
            nonlocal count
            count += 1
            if count == 3:  # the first is that of the beginning
                raise KeyboardInterrupt
            saved(self, result)

        monkeypatch.setattr(RunFolder, "save", save)
        try:
            score(folder, plugin, *names, languages=("de", "fr"))
            left = False
        except KeyboardInterrupt:
            stops += 1
            scores = load_result(folder).scores
            assert [r for r in scores if r.condition == "clean"], "the clean scores stay"
    monkeypatch.undo()
    result = score(folder, plugin, *names, languages=("de", "fr"))
    shutil.rmtree(folder)
    assert stops > 2
    assert comparable(result) == comparable(whole)


def test_a_document_of_which_something_is_left_never_says_that_it_is_complete(
    finished_run: Path, plugin: Path, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill leaves the document as it is on the disk just then."""
    folder = copied(finished_run)
    on_disk: list[tuple[str, int]] = []
    saved = RunFolder.save

    def save(self: RunFolder, result: RunResult) -> None:
        saved(self, result)
        document = load_result(folder)
        on_disk.append((document.status, len(document.scores)))

    monkeypatch.setattr(RunFolder, "save", save)
    whole = score(folder, plugin, "shout", languages=("de", "en", "fr"))
    *early, last = on_disk
    assert {status for status, scores in early if scores < len(whole.scores)} == {"running"}
    assert last == ("complete", len(whole.scores)) == (whole.status, len(whole.scores))

    on_disk.clear()
    score(folder, plugin, "shout", languages=("de", "en", "fr"))
    assert {status for status, _ in on_disk} == {"complete"}, "nothing is left to score"

    killed = load_result(folder)
    killed.status = "running"
    killed.unscored = [Unscored(of=ScoreKey(language="it"))]
    saved(RunFolder(folder), killed)
    assert score(folder, plugin, "reverse", languages=("de",)).status == "interrupted", "what was killed is left"


def test_the_worst_case_is_of_all_perturbations_in_whatever_order_they_came(
    finished_run: Path, plugin: Path, copied: Copied, tmp_path: Path
) -> None:
    together = score(copied(finished_run), plugin, "shout", "reverse", languages=("de",))
    shutil.rmtree(tmp_path / "runs")
    folder = copied(finished_run)
    score(folder, plugin, "reverse", languages=("de",))
    apart = score(folder, plugin, "shout", languages=("de",))
    assert row(apart, "de", "worst_case").value == row(together, "de", "worst_case").value
    for label in ("shout", "reverse"):
        whole = row(together, "de", label).value_all
        assert whole is not None and (row(together, "de", "worst_case").value_all or 0) <= whole


def test_a_run_whose_evaluation_was_stopped_is_complete_when_the_same_command_has_ended(
    finished_run: Path, plugin: Path, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though not every language was to be scored under every perturbation."""
    folder = copied(finished_run)
    score(folder, plugin, "shout", languages=("de", "en"))

    def stop(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scorer, "predict", stop)
    with pytest.raises(KeyboardInterrupt):
        score(folder, plugin, "reverse", languages=("de",))
    assert load_result(folder).status == "interrupted"
    monkeypatch.undo()
    result = score(folder, plugin, "reverse", languages=("de",))
    assert result.status == "complete"
    assert result.summary is not None
    tried = {r.label: (r.languages, r.tried) for r in result.summary.robustness}
    assert tried == {"shout": (1, 1), "reverse": (1, 1), "worst of reverse, shout": (1, 1), "worst of shout": (0, 0)}


def test_a_failure_leaves_no_old_score_under_a_new_condition(
    finished_run: Path, copied: Copied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that a perturbation reads changes, and scoring anew fails once."""
    folder = copied(finished_run)
    words = tmp_path / "words.txt"
    reads = tmp_path / "reads.py"
    reads.write_text(
        "from pathlib import Path\n"
        "from xrobust.contracts import Perturbation, PerturbationInfo\n\n\n"
        "class Reads(Perturbation):\n"
        "    info = PerturbationInfo('reads', 'puts a word of a file', kinds=('token_classification',))\n\n"
        "    def files(self, language, data_dir, offline):\n"
        f"        return {{'words': Path({str(words)!r})}}\n\n"
        "    def prepare(self, ctx):\n"
        "        self.word = ctx.files['words'].read_text()\n\n"
        "    def apply(self, example, language, rng):\n"
        "        return {**example, 'tokens': [self.word, *example['tokens'][1:]]}\n"
    )
    words.write_text("Katze")
    first = score(folder, reads, "reads", languages=("de",))
    words.write_text("Haus")

    def fail(*arguments: Any) -> Any:
        raise ArithmeticError("no memory")

    monkeypatch.setattr(Scorer, "predict", fail)
    with pytest.raises(RunError, match="no memory"):
        score(folder, reads, "reads", languages=("de",))
    monkeypatch.undo()
    assert row(load_result(folder), "de", "reads") == row(first, "de", "reads")
    second = score(folder, reads, "reads", languages=("de",))
    assert row(second, "de", "reads").rows_sha256 != row(first, "de", "reads").rows_sha256
    assert [r.rows_sha256 for r in second.data.perturbed] == [row(second, "de", "reads").rows_sha256]


IMPORTING = """
from xrobust.contracts import Perturbation, PerturbationInfo
from word_of_the_day import WORD


class Puts(Perturbation):
    info = PerturbationInfo("puts", "puts a word first", kinds=("token_classification",))

    def apply(self, example, language, rng):
        return {**example, "tokens": [WORD, *example["tokens"][1:]]}
"""


def test_edited_code_makes_other_rows_and_scores_them_only_if_they_are_others(
    finished_run: Path, copied: Copied, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copied(finished_run)
    path = tmp_path / "path"  # not where the plugin file lies, beside which nothing may be imported
    path.mkdir()
    plugin, imported = tmp_path / "puts.py", path / "word_of_the_day.py"
    plugin.write_text(IMPORTING)
    monkeypatch.syspath_prepend(path)
    predicted: list[int] = []
    predict = Scorer.predict
    monkeypatch.setattr(Scorer, "predict", lambda *a: predicted.append(1) or predict(*a))

    def scored(source: str) -> RunResult:
        """The document after `word_of_the_day.py` became `source`, as a new process makes it."""
        imported.write_text(source)
        for name in [
            name for name in sys.modules if name == "word_of_the_day" or name.startswith("xrobust_plugin_puts")
        ]:
            del sys.modules[name]
        shutil.rmtree(path / "__pycache__", ignore_errors=True)
        return score(folder, plugin, "puts", languages=("de",))

    first, same = scored("WORD = 'Katze'"), scored("WORD = 'Katze'")
    assert predicted == [1] and same.data.perturbed == first.data.perturbed
    (before,) = first.data.perturbed
    (after,) = (edited := scored("WORD = 'Kat' + 'ze'")).data.perturbed
    assert predicted == [1] and edited.scores == first.scores, "they are the rows that have their scores"
    assert after.key != before.key and after.rows_sha256 == before.rows_sha256
    (other,) = scored("WORD = 'Haus'").data.perturbed
    assert predicted == [1, 1] and other.rows_sha256 != before.rows_sha256


def test_what_prepare_refuses_is_said_before_anything_is_written(
    finished_run: Path, copied: Copied, tmp_path: Path
) -> None:
    """Whether or not it looks at any data."""
    refuses = tmp_path / "refuses.py"
    refuses.write_text(
        "from xrobust.contracts import Perturbation, PerturbationInfo\n"
        "from xrobust.errors import UserError\n\n\n"
        "class Refuses(Perturbation):\n"
        "    info = PerturbationInfo('refuses', 'has nothing to work with', kinds=('token_classification',))\n\n"
        "    def prepare(self, ctx):\n"
        "        raise UserError('the list is empty')\n\n"
        "    def apply(self, example, language, rng):\n"
        "        return None\n"
    )
    folder = copied(finished_run)
    before = (folder / "result.json").read_bytes()
    with pytest.raises(UserError, match="the list is empty"):
        score(folder, refuses, "refuses", languages=("de",))
    assert (folder / "result.json").read_bytes() == before


def test_the_seed_of_perturbations_is_their_own(finished_run: Path, plugin: Path, copied: Copied) -> None:
    folder = copied(finished_run)
    result = score(folder, plugin, "shout", languages=("de",))
    other = score(folder, plugin, "shout", languages=("de",), perturb_params={"seed": 1})
    by_label = {r.perturbation: r for r in other.data.perturbed}
    assert by_label["shout"] == result.data.perturbed[0]
    assert by_label["shout"].rows_sha256 != by_label["shout(seed=1)"].rows_sha256


@pytest.mark.parametrize(
    ("names", "params", "message"),
    [
        (("shut",), {}, "unknown perturbation 'shut': did you mean 'shout'"),
        (
            ("xrobust/typos", "typos"),
            {},
            "have one short name, by which --set names their parameters: score them one at a time",
        ),
        (("shout",), {"rat": 1}, "unknown setting 'perturb.rat' of shout: did you mean 'rate'"),
        (("shout",), {"rate": 2}, "setting 'perturb.shout.rate' is 2"),
        (("shout",), {"seed": -1}, "setting 'perturb.seed' is -1"),
        ((), {"rate": 0.1}, "setting 'perturb.rate' without a perturbation: name one with --perturb"),
        (("entity_swap",), {}, "perturbation 'entity_swap' does not fit task 'pos'"),
        (("word_order",), {}, "perturbation 'word_order' does not fit task 'pos': it is for"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_before_anything_is_read(
    finished_run: Path, plugin: Path, copied: Copied, names: tuple[str, ...], params: dict[str, Any], message: str
) -> None:
    folder = copied(finished_run)
    before = (folder / "result.json").read_bytes()
    with pytest.raises(UserError) as caught:
        score(folder, plugin, *names, perturb_params=params)
    assert message in str(caught.value)
    assert (folder / "result.json").read_bytes() == before


def test_drop_intervals_are_paired() -> None:
    """Examples of very different difficulty that all lose the same: the drop is known well, the scores are not."""
    rng = np.random.default_rng(0)
    total = np.full(200, 10.0)
    before = np.stack([rng.integers(1, 11, 200), total], axis=1)
    after = before - [1, 0]
    (interval,) = drop_intervals(Accuracy(), before, after)
    assert 0.08 < interval.low < 0.1 < interval.high < 0.12
    (drawn,) = bootstrap_intervals(Accuracy(), before, after)
    assert drawn == pytest.approx((0.1, 0.1), abs=1e-12)


def test_the_paired_interval_of_many_examples_is_that_of_scipys_bootstrap() -> None:
    from scipy.stats import bootstrap

    rng = np.random.default_rng(1)
    before = np.stack([rng.integers(0, 2, 300), np.ones(300)], axis=1).astype(float)
    after = np.stack([rng.integers(0, 2, 300), np.ones(300)], axis=1).astype(float)
    theirs = bootstrap(
        (before[:, 0], after[:, 0]),
        lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
        paired=True,
        vectorized=True,
        n_resamples=BOOTSTRAP_DRAWS,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    for intervals in (drop_intervals, bootstrap_intervals):
        assert intervals(Accuracy(), before, after) == [pytest.approx((theirs.low, theirs.high), abs=0.02)]


def test_the_worst_of_an_example_where_nothing_is_to_be_found_is_a_find_too_many() -> None:
    """Span F1 of no entity and no prediction is 0 as a ratio, and yet it is not worse than a wrong prediction."""
    clean = np.array([[0.0, 0, 0], [1, 1, 1]])
    perturbed = np.array([[0.0, 1, 0], [1, 1, 1]])
    assert worst_rows(SpanF1(), [clean, perturbed]).tolist() == perturbed.tolist()
    assert worst_rows(SpanF1(), [perturbed, clean]).tolist() == perturbed.tolist()


found = st.tuples(st.integers(0, 2), st.integers(0, 2))


def counted(example: tuple[int, list[tuple[int, int]]]) -> list[tuple[float, float, float]]:
    """Right, predicted and gold spans of an example in three variants; perturbations keep the gold ones."""
    gold, variants = example
    return [(float(min(right, predicted, gold)), float(predicted), float(gold)) for right, predicted in variants]


an_example = st.tuples(st.integers(0, 2), st.lists(found, min_size=3, max_size=3)).map(counted)


@settings(max_examples=60, deadline=None)
@given(st.lists(an_example, min_size=1, max_size=5))
def test_the_worst_case_is_the_lowest_score_that_any_choice_gives(examples: list[Any]) -> None:
    """Every choice is tried; no single variant is worse, and one variant more only lowers it."""
    variants = [np.array([example[k] for example in examples]) for k in range(3)]
    scorer: Metric = SpanF1()

    def value(rows: np.ndarray) -> float:
        return float(scorer.score(rows.sum(axis=0))[0])

    worst = value(worst_rows(scorer, variants))
    choices = product(range(3), repeat=len(examples))
    assert worst == pytest.approx(
        min(value(np.array([variants[k][i] for i, k in enumerate(choice)])) for choice in choices), abs=1e-12
    )
    assert worst <= value(worst_rows(scorer, variants[:2])) + 1e-12
