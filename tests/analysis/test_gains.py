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
    assert (found.task, found.source, found.method, found.metric) == ("pos", "en", "rs_aug", "accuracy")
    assert (found.seeds, found.baseline_seeds) == ([0, 2], [0, 1])
    scores, _ = series(runs, "score")
    assert [one.method for one in scores] == ["rs_aug", "vanilla"]
    assert scores[1].values == pytest.approx({"de": 0.6, "fr": 0.6})
    assert scores[1].baseline_seeds == []


def test_only_like_is_compared_with_like():
    runs = [
        make_run(VANILLA),
        make_run(VANILLA, "rs_aug", epochs=9),
        make_run(VANILLA, "lora", model="n" * 64, epochs=4),
        make_run(VANILLA, "rs_random", source="de"),
        make_run(VANILLA, "adapter", task="xnli"),
        make_run({"de": 0.7}, "adversarial"),
    ]
    (found,), notes = series(runs)
    assert found.method == "adversarial"
    assert len(notes) == 5
    for expected in (
        r"^pos lora \(group \w{16}\) has no gain: .*, the nearest differs in model.sha256, training.epochs$",
        r"^pos rs_aug .* no run of vanilla is like it, the nearest differs in training.epochs$",
        r"^pos adversarial and pos vanilla: not every run has scores in en, fr: left out$",
        r"^pos rs_random .* the nearest differs in source$",
        r"^xnli adapter .* there is no run of vanilla for xnli$",
    ):
        assert sum(bool(re.search(expected, note)) for note in notes) == 1, (expected, notes)


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
