"""`xrobust compare` through the command line: forms of the output, refusals, exit codes, and no torch."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scored_runs import LABELS, accuracy_group, write_scored_run

Good = Callable[..., str]
Refused = Callable[..., str]

LANGUAGES = {"en": 0.8, "de": 0.6}
BETTER = {"en": 0.8, "de": 0.72}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "runs"
    accuracy_group(folder, "vanilla", LANGUAGES, [1, 2, 3], drop=0.2, spread=0.004)
    accuracy_group(folder, "rs_aug", BETTER, [1, 2, 3], drop=0.1, spread=0.004)
    return folder


@pytest.fixture
def runs(written: Path, folder: Path) -> Path:
    """`runs` in the working folder: two methods, three seeds, clean and under typos."""
    shutil.copytree(written, folder / "runs")
    return folder / "runs"


def test_table_and_sentences(good: Good, runs: Path) -> None:
    out = good("compare", "method=vanilla", "method=rs_aug")
    first = out.splitlines()[0]
    assert first == "pos: rs_aug beside vanilla, accuracy, clean (3 and 3 seeds; equal steps and epochs)"
    assert "en (source)" in out and "average (2)" in out and "typos, drop, average (2)" in out
    assert "On clean text, rs_aug is better than vanilla by" in out
    assert "rs_aug, clean: at least 1 of 2 are better, at least 0 worse (95% confidence)" in out


def test_arguments_may_be_folders_ids_and_globs(good: Good, runs: Path) -> None:
    wanted = good("compare", "method=vanilla", "method=rs_aug")
    group = json.loads((next((runs / "pos" / "rs_aug").iterdir()) / "result.json").read_text())["group_id"]
    assert good("compare", "runs/pos/vanilla", "runs/pos/rs_aug") == wanted
    assert good("compare", "runs/pos/vanilla", group) == wanted
    assert good("compare", "runs/pos/vanilla/*", "runs/pos/r*") == wanted
    assert good("compare", *sorted((runs / "pos" / "vanilla").iterdir()), "method=rs_aug") == wanted


def test_json_is_the_document(good: Good, runs: Path) -> None:
    document = json.loads(good("compare", "method=vanilla", "method=rs_aug", "--json"))
    assert document["kind"] == "comparison" and document["compared"][0]["other"]["seeds"] == [1, 2, 3]
    good("compare", "method=vanilla", "method=rs_aug", "--json", "-o", "comparison.json")
    assert json.loads(Path("comparison.json").read_text()) == document


def test_csv_has_numbers(good: Good, runs: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(good("compare", "method=vanilla", "method=rs_aug", "--format", "csv"))))
    average = next(row for row in rows if row["over"] == "average" and row["condition"] == "clean")
    assert float(average["difference"]) == pytest.approx(float(average["other"]) - float(average["baseline"]))


def test_markdown_and_latex_escape_text(good: Good, folder: Path) -> None:
    accuracy_group(folder / "runs", "my_method", BETTER, [1, 2], n=40)
    accuracy_group(folder / "runs", "vanilla", LANGUAGES, [1, 2], n=40)
    markdown = good("compare", "method=vanilla", "method=my_method", "--format", "markdown")
    assert "| my\\_method |" in markdown and "| ---: |" in markdown
    latex = good("compare", "method=vanilla", "method=my_method", "--format", "latex")
    assert "my\\_method" in latex and "\\toprule" in latex and "95\\% interval" in latex


def test_one_condition_by_language(good: Good, refused: Refused, runs: Path) -> None:
    out = good("compare", "method=vanilla", "method=rs_aug", "--condition", "typos")
    assert out.splitlines()[0] == "pos: rs_aug beside vanilla, accuracy, typos (3 and 3 seeds; equal steps and epochs)"
    assert "drop, typos" in out and "worst_case, average" not in out
    assert "did you mean 'typos'" in refused("compare", "method=vanilla", "method=rs_aug", "--condition", "typo")


def test_bootstrap_is_printed_beside(good: Good, runs: Path) -> None:
    assert "bootstrap" in good("compare", "method=vanilla", "method=rs_aug", "--check", "bootstrap").splitlines()[1]


def test_single_runs_get_mcnemars_test(good: Good, runs: Path) -> None:
    out = good("compare", "method=vanilla,seed=1", "method=rs_aug,seed=1")
    assert "are these two trained models different? McNemar's exact test over examples" in out
    assert "nothing is said of the score of rs_aug beside vanilla" in out


def test_flips_list_examples(command: Any, refused: Refused, runs: Path) -> None:
    done = command("compare", "method=vanilla", "method=rs_aug", "--flips", "de", "--json")
    assert done.code == 0 and done.err.startswith("no texts: "), "there are no data of these runs"
    rows = json.loads(done.out)
    assert rows and {row["change"] for row in rows} <= {"gained", "lost"}
    assert all((row["other_right"] > 0.5) != (row["baseline_right"] > 0.5) for row in rows)
    assert all(row["label"] in LABELS for row in rows)
    assert "it has en, de" in refused("compare", "method=vanilla", "method=rs_aug", "--flips", "fr")


def test_flips_have_the_text_of_the_data(good: Good, folder: Path) -> None:
    (folder / "data" / "xnli").mkdir(parents=True)
    lines = [f"premise {i}\thypothesis {i}\tneutral" for i in range(4)]
    (folder / "data" / "xnli" / "test-de.tsv").write_text("\n".join(lines) + "\n")
    from xrobust.data.sources import open_source
    from xrobust.data.splits import load_split
    from xrobust.registry.plugins import Plugins
    from xrobust.results.schema import now
    from xrobust.results.store import load_result, save_result

    task = Plugins().load("tasks", "xnli")()
    examples, rows = load_split(task, open_source(folder / "data", offline=True), "test", "de", None)
    ids, gold = [e["id"] for e in examples], [e["label"] for e in examples]
    for method, predicted in (("vanilla", gold), ("rs_aug", [*gold[:3], "entailment"])):
        place = write_scored_run(folder / "runs", {"de": (ids, gold, predicted)}, method=method, seed=1, task="xnli")
        result = load_result(place)
        assert result.local is not None
        result.local.data_dir = str(folder / "data")
        result.data.used.append(rows)
        result.updated = now()
        save_result(place, result)
    out = good("compare", "method=vanilla", "method=rs_aug", "--flips", "de")
    assert "0 examples gained, 1 lost" in out and "premise 3 | hypothesis 3" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "method=rs_aug"], "nowhere does not exist"),
        (["method=vanilla", "method=nothing"], "nothing"),
        (["method=vanilla"], "name what to compare it with"),
        (["runs", "method=vanilla"], "the baseline must be one group"),
        (["method=vanilla", "method=rs_aug", "--metric", "f1"], "no scores of metric 'f1'"),
        (["method=vanilla", "method=rs_aug", "-o", "no/where.json"], "there is no folder no"),
        (["method=vanilla", "method=rs_aug", "--format", "html"], "html"),
    ],
)
def test_wrong_arguments(refused: Refused, runs: Path, arguments: list[str], message: str) -> None:
    assert message in refused("compare", *arguments)


def test_what_was_left_out_is_said_and_counts_if_it_was_named(command: Any, runs: Path) -> None:
    _, damaged, _ = folders = sorted(run.relative_to(runs.parent) for run in (runs / "pos" / "vanilla").iterdir())
    (damaged / "result.json").write_text("{")
    done = command("compare", "runs/pos/vanilla", "method=rs_aug")
    assert (
        done.code == 0 and f"left out: {damaged}" in done.err and "(2 and 3 seeds; equal steps and epochs)" in done.out
    )
    done = command("compare", *folders, "method=rs_aug")
    assert (
        done.code == 1 and f"left out: {damaged}" in done.err and "(2 and 3 seeds; equal steps and epochs)" in done.out
    )
    done = command("compare", damaged, "method=rs_aug")
    assert done.code == 2 and "no complete run for a baseline" in done.err
