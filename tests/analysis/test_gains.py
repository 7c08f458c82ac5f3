"""Gains over vanilla: of like with like, and what is left out is said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from handmade_runs import make_run, score, signed

from xrobust.analysis.gains import series
from xrobust.errors import UserError
from xrobust.results.runs import find_runs, grouped

Write = Callable[..., Path]

VANILLA = {"en": 0.9, "de": 0.5, "fr": 0.6}


def test_the_gain_is_the_difference_of_means_over_seeds():
    runs = [
        make_run(VANILLA, seed=0),
        make_run({"en": 0.8, "de": 0.7, "fr": 0.6}, seed=1),
        make_run({"en": 0.9, "de": 0.9, "fr": 0.5}, "rs_aug", seed=0),
        make_run({"en": 0.9, "de": 0.8, "fr": 0.4}, "rs_aug", seed=2),
    ]
    (found,), notes = series(runs)
    assert notes == []
    assert found.values == pytest.approx({"de": 0.25, "fr": -0.15})
    assert (found.task, found.source, found.of.method, found.metric) == ("pos", "en", "rs_aug", "accuracy")
    assert found.baseline is not None and (found.of.seeds, found.baseline.seeds) == ([0, 2], [0, 1])
    assert (found.equal, found.name) == (("steps", "epochs"), "rs_aug, equal steps and epochs")
    scores, _ = series(runs, "score")
    assert [one.name for one in scores] == ["rs_aug", "vanilla"]
    assert scores[1].values == pytest.approx({"de": 0.6, "fr": 0.6})
    assert scores[1].baseline is None and scores[1].equal == ()


def test_only_like_is_compared_with_like():
    runs = [
        make_run(VANILLA),
        make_run(VANILLA, "rs_aug", epochs=9, budget={"steps": 3, "dev_evaluations": 2}),
        make_run(VANILLA, "lora", model="n" * 64, epochs=4),
        make_run(VANILLA, "rs_random", source="de"),
        make_run(VANILLA, "adapter", task="xnli"),
        make_run({"de": 0.7}, "adversarial"),
    ]
    (found,), notes = series(runs)
    assert found.of.method == "adversarial"
    assert len(notes) == 5
    for expected in (
        r"^pos lora \(group \w{16}\) has no gain: .* is for the same, the nearest differs in model.sha256$",
        r"^pos rs_aug .* has no gain at an equal budget: it had 3 steps of 8 examples with 2 looks at the dev set, the "
        r"nearest vanilla \(group \w{16}\) 1 steps of 8 examples with 0 looks at the dev set; train vanilla with --set "
        r"training.max_steps=3 --set training.dev_looks=2$",
        r"^pos adversarial and pos vanilla: not every run has scores in en, fr: left out$",
        r"^pos rs_random .* the nearest differs in source$",
        r"^xnli adapter .* there is no run of vanilla for xnli$",
    ):
        assert sum(bool(re.search(expected, note)) for note in notes) == 1, (expected, notes)


TRAINED = {
    "vanilla": make_run(VANILLA, budget={"steps": 10, "dev_evaluations": 3}, dev=0.7),
    "vanilla, longer": make_run(
        {"de": 0.6}, settings={"max_steps": 40}, budget={"steps": 40, "dev_evaluations": 3}, dev=0.6
    ),
    "rs_aug": make_run({"de": 0.7}, "rs_aug", budget={"steps": 40, "dev_evaluations": 3}),
    "rs_aug, shorter": make_run(
        {"de": 0.45}, "rs_aug", settings={"max_steps": 10}, budget={"steps": 10, "dev_evaluations": 3}
    ),
}
"""A method that trains on four times the data, and both controls."""


def gains(*names: str) -> list[tuple[str, str, float]]:
    found, _ = series([TRAINED[name] for name in names])
    return [(one.name, one.baseline.method if one.baseline else "", round(one.values["de"], 6)) for one in found]


def test_a_gain_for_each_kind_of_equal_budget():
    assert gains("vanilla", "rs_aug") == [("rs_aug, equal epochs", "vanilla", 0.2)]
    assert gains("vanilla, longer", "rs_aug") == [("rs_aug, equal steps", "vanilla", 0.1)]
    assert gains("vanilla", "rs_aug, shorter") == [("rs_aug, equal steps", "vanilla", -0.05)]
    assert gains(*TRAINED) == [
        ("rs_aug, equal steps", "vanilla [max_steps 40]", 0.1),
        ("rs_aug, equal epochs", "vanilla", 0.2),
        ("rs_aug [max_steps 10], equal steps", "vanilla", -0.05),
    ]
    found, notes = series([TRAINED["vanilla"], TRAINED["rs_aug"]])
    assert found[0].of.budget is not None and found[0].of.budget.steps == 40
    assert [note for note in notes if "has no gain at equal steps" in note and "training.max_steps=40" in note]


def test_equal_steps_are_equal_in_batches_and_looks_too():
    vanilla = make_run(VANILLA, epochs=2, budget={"dev_evaluations": 3})
    for settings, budget, asked in (
        ({"batch_size": 16}, {"dev_evaluations": 3}, "training.max_steps=1 --set training.batch_size=16$"),
        ({}, {"dev_evaluations": 4}, "training.max_steps=1 --set training.dev_looks=4$"),
    ):
        with pytest.raises(UserError, match=f"no gain at an equal budget: .*{asked}"):
            series([vanilla, make_run(VANILLA, "rs_aug", settings=settings, budget=budget)])


def test_of_several_baselines_the_best_on_the_source_dev_set_is_taken():
    """Not the best on test sets: no target label decides."""
    runs = [
        make_run({"de": 0.9}, dev=0.5),
        make_run({"de": 0.6}, settings={"learning_rate": 2e-3}, seed=0, dev=0.9),
        make_run({"de": 0.4}, settings={"learning_rate": 2e-3}, seed=1, dev=0.3),
        make_run({"de": 0.8}, "lora", settings={"learning_rate": 5e-3}),
    ]
    (found,), notes = series(runs)
    assert found.baseline is not None and found.baseline.method == "vanilla [learning_rate 0.002]"
    assert found.values == pytest.approx({"de": 0.3}) and found.differ_in == ["training.learning_rate"]
    assert any(
        re.search(
            r"^pos lora, equal steps and epochs: beside vanilla \[learning_rate 0.002\] \(group \w{16}\), the best of "
            r"2 on the source dev set; they differ in training.learning_rate 0.005 and 0.002$",
            note,
        )
        for note in notes
    )
    runs[2] = make_run({"de": 0.4}, settings={"learning_rate": 2e-3}, seed=1, dev=0.0)
    assert series(runs)[0][0].values == pytest.approx({"de": -0.1})


def test_groups_of_one_method_are_told_apart_by_the_settings_that_differ():
    runs = [
        make_run(VANILLA, settings={"max_steps": 9}),
        make_run(VANILLA),
        make_run(VANILLA, task="xnli", settings={"learning_rate": 2e-3}),
        make_run(VANILLA, "rs_aug", settings={"learning_rate": 2e-3, "batch_size": 4}),
        make_run(VANILLA, "rs_aug"),
    ]
    assert [(group.train.task, group.method) for group in grouped(runs)] == [
        ("pos", "rs_aug [learning_rate 0.001, batch_size 8]"),
        ("pos", "rs_aug [learning_rate 0.002, batch_size 4]"),
        ("pos", "vanilla"),
        ("pos", "vanilla [max_steps 9]"),
        ("xnli", "vanilla"),
    ]


def test_languages_that_cannot_be_compared():
    runs = [
        make_run([score("de", 0.5), score("fr", 0.5, rows="old"), score("ja", 0.5)]),
        make_run([score("de", 0.6), score("fr", 0.6, rows="new"), score("ko", 0.6)], "rs_aug"),
    ]
    (found,), notes = series(runs)
    assert found.values == pytest.approx({"de": 0.1})
    assert notes == [
        "pos rs_aug and pos vanilla: not every run has scores in ja, ko: left out",
        "pos rs_aug and pos vanilla: the runs were scored on different rows in fr: left out",
    ]


def rows(clean: float, perturbed: float) -> list:
    return [
        score("de", clean),
        score("de", clean / 2, metric="xtreme_f1"),
        score("de", perturbed, perturbation="typos"),
        score("en", 0.3).model_copy(update={"language": None, "pair": ("en", "de")}),
    ]


def test_clean_scores_of_single_languages_unless_asked_otherwise():
    runs = [make_run(rows(0.4, 0.1)), make_run(rows(0.6, 0.5), "rs_aug")]
    assert series(runs)[0][0].values == pytest.approx({"de": 0.2})
    assert series(runs, metric="xtreme_f1")[0][0].values == pytest.approx({"de": 0.1})
    assert series(runs, perturbation="typos")[0][0].values == pytest.approx({"de": 0.4})
    with pytest.raises(UserError, match=r"no run has scores of metric 'f1': there are accuracy, xtreme_f1$"):
        series(runs, metric="f1")
    with pytest.raises(UserError, match=r"no run has scores under perturbation 'typo': there are typos$"):
        series(runs, perturbation="typo")
    with pytest.raises(UserError, match=r"there are clean ones only$"):
        series([make_run(VANILLA)], perturbation="typos")


def test_nothing_to_take_the_gain_of():
    with pytest.raises(UserError, match=r"only runs of vanilla, and no method to take the gain of: use --of score$"):
        series([make_run(VANILLA)])
    with pytest.raises(UserError, match=r"nothing to analyse: pos rs_aug .* there is no run of vanilla for pos$"):
        series([make_run(VANILLA, "rs_aug")])
    with pytest.raises(UserError, match=r"nothing to analyse: pos vanilla: no target language with accuracy: left out"):
        series([make_run({"en": 0.9})], "score")


def test_methods_of_one_name_are_told_apart_by_what_differs():
    runs = [
        make_run(VANILLA, "rs_aug", params={"copies": 3, "mode": "copies"}),
        make_run(VANILLA, "rs_aug", params={"copies": 10, "mode": "copies"}),
        make_run(VANILLA, "lora", params={"rank": 8}),
        make_run(VANILLA, "rs_random+lora", params={"rank": 8}),
        make_run(VANILLA, "rs_random+lora", params={"rank": 8}, seed=1),
    ]
    assert [(group.method, group.seeds) for group in grouped(runs)] == [
        ("lora", [0]),
        ("rs_aug(copies=10)", [0]),
        ("rs_aug(copies=3)", [0]),
        ("rs_random+lora", [0, 1]),
    ]


def test_runs_are_found_at_any_depth_and_taken_once(write: Write):
    first, second = make_run(VANILLA), make_run(VANILLA, "rs_aug")
    folder = write(first, second, make_run(VANILLA, seed=3, status="interrupted"))
    document = next((folder / "pos" / "vanilla" / first.run_id).iterdir())
    results, notes = find_runs([folder, folder / "pos", document])
    assert {result.run_id for result in results} == {first.run_id, second.run_id}
    assert len(results) == 2
    assert len(notes) == 1 and notes[0].endswith(": the run is interrupted, not complete: left out")


def test_of_two_copies_of_a_run_the_later_counts(write: Write):
    folder = write(make_run(VANILLA))
    other = write(make_run(VANILLA), name="copy")
    (path,) = folder.rglob("result.json")
    document = json.loads(path.read_text())
    document["updated"] = "2001-01-01T00:00:00+00:00"
    document["scores"] = document["scores"][:1]
    document = signed(document)
    path.write_text(json.dumps(document))
    for paths in ([folder, other], [other, folder]):
        (result,), _ = find_runs(paths)
        assert len(result.scores) == 3


def test_what_is_no_run(write: Write, tmp_path: Path):
    folder = write(make_run(VANILLA))
    (path,) = folder.rglob("result.json")
    damaged = tmp_path / "runs" / "pos" / "x"
    damaged.mkdir()
    (damaged / "result.json").write_text("{")
    results, notes = find_runs([folder])
    assert len(results) == 1
    assert len(notes) == 1 and notes[0].startswith(f"{damaged}/result.json: is not a result")
    with pytest.raises(UserError, match=r"is not a result document"):
        find_runs([damaged / "result.json"])
    with pytest.raises(UserError, match=r"nowhere does not exist"):
        find_runs([tmp_path / "nowhere"])
    path.unlink()
    with pytest.raises(UserError, match=r"no complete run in .*runs \(.*/x/result.json: is not a result"):
        find_runs([folder])
