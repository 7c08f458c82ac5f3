"""`xrobust analyze`: what it prints, what it draws, and what bad input gets."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from handmade_runs import make_run, score

from xrobust.analysis.distance import DISTANCES
from xrobust.analysis.uriel import table
from xrobust.cli.main import main

Write = Callable[..., Path]
Command = Callable[..., str]

LANGUAGES = "de nl fr es ru hi fi tr ja ko zh ar".split()


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`xrobust analyze <arguments>`: exit code, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(["analyze", *map(str, arguments)])
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def good(ran: Callable[..., tuple[int, str, str]]) -> Command:
    def run(*arguments: object) -> str:
        code, out, err = ran(*arguments)
        assert (code, err) == (0, "")
        return out

    return run


@pytest.fixture
def refused(ran: Callable[..., tuple[int, str, str]]) -> Command:
    def run(*arguments: object) -> str:
        code, out, err = ran(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("xrobust: ") and err.count("\n") == 1
        return err

    return run


@pytest.fixture
def uriel() -> None:
    pytest.importorskip("urielplus", reason='language distances are not installed: pip install "xrobust[analysis]"')


@pytest.fixture
def matplotlib() -> None:
    pytest.importorskip("matplotlib", reason='plots need: pip install "xrobust[analysis]"')


@pytest.fixture
def runs(write: Write) -> Path:
    """Two methods on twelve languages; rs_aug gains more the later a language is in the list."""
    vanilla = dict.fromkeys(LANGUAGES, 0.5)
    gains = {language: 0.5 + i / 100 for i, language in enumerate(LANGUAGES)}
    return write(
        make_run({"en": 0.9, **vanilla}), make_run({"en": 0.8, **gains}, "rs_aug", budget={"processed_tokens": 160})
    )


# ---------------------------------------------------------------------------------------------------------- distance


@pytest.mark.usefixtures("uriel")
def test_distance_prints_tables_and_tests(runs: Path, good: Command):
    lines = good("distance", runs).splitlines()
    assert lines[0] == "pos: distances to en, and gain over vanilla in points of accuracy (examples)"
    assert lines[1].split() == ["language", *DISTANCES, *"rs_aug, equal steps and epochs".split()]
    table = {line.split()[0]: line.split() for line in lines[2 : 2 + len(LANGUAGES)]}
    assert set(table) == set(LANGUAGES)
    assert [table[language][-2:] for language in ("de", "nl", "ar")] == [[v, "(40)"] for v in ("+0.0", "+1.0", "+11.0")]
    assert table["de"][1 + list(DISTANCES).index("genetic")] == "0.634"
    budgets = [line.split() for line in lines[3 + len(LANGUAGES) : 6 + len(LANGUAGES)]]
    assert budgets[0] == "training budget seeds epochs steps batch examples word pieces processed looks seconds".split()
    assert budgets[1] == "rs_aug, equal steps and epochs 0 3 1 8 8 80 160 0 1".split()
    assert budgets[2] == "over vanilla 0 3 1 8 8 80 - 0 1".split(), "what an older document does not say"
    tests = [line for line in lines if line.startswith("gain of pos rs_aug")]
    assert [line.split("epochs")[1].split()[0] for line in tests] == list(DISTANCES)
    assert any(line.startswith("14 tests: p by Student's t, for as many unrelated languages") for line in lines)
    related = "10 groups of languages; related: Germanic (de, nl); Italic (es, fr)"
    assert related in lines


@pytest.mark.usefixtures("uriel")
def test_distance_as_json(runs: Path, good: Command):
    document = json.loads(good("distance", runs, "--distance", "syntactic,script", "--json"))
    (one,) = document["series"]
    assert (one["of"]["method"], one["of"]["seeds"], one["baseline"]["seeds"]) == ("rs_aug", [0], [0])
    assert (one["equal"], one["of"]["budget"]["processed_tokens"]) == (["steps", "epochs"], 160)
    assert one["values"]["ja"] == pytest.approx(0.08)
    assert list(one["distances"]) == ["syntactic", "script"]
    assert "en" not in one["values"]
    answer = document["answers"][0]
    assert (answer["outcome"], answer["predictor"], answer["n"]) == (
        *("pos rs_aug, equal steps and epochs", "syntactic", 12),
    )
    assert answer["correlation"]["pearson"]["p"] <= answer["pearson_holm"]
    assert 5 < answer["correlation"]["pearson"]["effective_n"] <= 12
    assert document["groups"]["de"] == document["groups"]["nl"] == "Germanic"
    assert 0.3 < answer["correlation"]["pearson"]["value"] < 1


@pytest.mark.usefixtures("uriel")
def test_scores_in_place_of_gains(write: Write, good: Command, refused: Command):
    folder = write(make_run({language: i / 20 for i, language in enumerate(LANGUAGES)}))
    assert "only runs of vanilla" in refused("distance", folder)
    out = good("distance", folder, "--of", "score", "--distance", "genetic")
    assert out.startswith("pos: distances to en, and score in points of accuracy")
    assert "score of pos vanilla  genetic   12" in out
    assert "\n2 tests: " in out


@pytest.mark.usefixtures("uriel")
def test_with_few_languages_a_correlation_means_nothing(write: Write, good: Command):
    four = dict.fromkeys("de fr ja zh".split(), 0.5)
    folder = write(make_run(four), make_run({**four, "ja": 0.7}, "rs_aug"))
    out = good("distance", folder, "--distance", "syntactic")
    assert "+20.0" in out
    assert (
        "equal steps and epochs, distance (syntactic), n = 4: with fewer than 5 languages a correlation means " in out
    )
    assert "Pearson" not in out and "tests" not in out


@pytest.mark.usefixtures("uriel")
def test_series_of_one_name_are_told_apart_and_tested_together(write: Write, good: Command):
    values = {language: i / 20 for i, language in enumerate(LANGUAGES)}
    first, second = make_run(values), make_run(values, model="n" * 64)
    out = good("distance", write(first, second), "--of", "score", "--distance", "syntactic")
    for run in (first, second):
        assert f"score of pos vanilla [{run.group_id}]" in out
    assert "\n4 tests: " in out


@pytest.mark.usefixtures("uriel")
def test_what_is_left_out_is_said(write: Write, good: Command):
    values = dict.fromkeys([*LANGUAGES, "qq", "kk"], 0.5)
    folder = write(make_run(values), make_run({**values, "de": 0.6}, "rs_aug"), make_run(values, "lora", source="de"))
    notes = [line for line in good("distance", folder).splitlines() if line.startswith("note: ")]
    assert len(notes) == 4
    assert any("pos lora" in note and "differs in source" in note for note in notes)
    assert "note: pos: URIEL knows no language qq: without distances" in notes
    assert any("no phonological distance from en" in note and "kk 2" in note for note in notes)


@pytest.mark.usefixtures("uriel")
def test_under_a_perturbation(write: Write, good: Command):
    def rows(gain: float) -> list:
        return [
            row
            for i, language in enumerate(LANGUAGES)
            for row in (score(language, 0.5), score(language, 0.3 + gain * i, perturbation="typos(rate=0.1)"))
        ]

    folder = write(make_run(rows(0)), make_run(rows(0.01), "rs_aug"))
    label = ("--perturbation", "typos(rate=0.1)", "--distance", "genetic")
    assert "gain of pos rs_aug, equal steps and epochs  genetic   12" in good("distance", folder, *label)
    out = good("distance", folder, "--distance", "genetic")
    assert "gain of pos rs_aug, equal steps and epochs, distance (genetic), n = 12: all values are equal" in out


def test_without_the_extra(runs: Path, refused: Command, monkeypatch: pytest.MonkeyPatch):
    table.cache_clear()
    monkeypatch.setitem(sys.modules, "urielplus", None)
    assert 'pip install "xrobust[analysis]"' in refused("distance", runs)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert '--plot needs matplotlib: pip install "xrobust[analysis]"' in refused("distance", runs, "--plot", "x.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--distance", "syntax"), "unknown language distance 'syntax': did you mean 'syntactic'?"),
        (("--plot", "plot.jpeg"), "--plot plot.jpeg: a name that ends in .png, .svg, .pdf is expected"),
        (("--plot", "no/where.png"), "--plot no/where.png: there is no folder no"),
        (("--of", "loss"), "'loss' is not one of"),
        (("--metric", "bleu"), "no run has scores of metric 'bleu': there are accuracy"),
        (("--perturbation", "typos"), "no run has scores under perturbation 'typos': there are clean ones only"),
    ],
)
def test_bad_input(runs: Path, refused: Command, arguments: tuple[str, ...], message: str):
    assert message in refused("distance", runs, *arguments)


def test_no_runs(tmp_path: Path, refused: Command):
    assert "no runs in" in refused("distance", tmp_path)
    assert "does not exist" in refused("overlap", tmp_path / "nowhere")


# -------------------------------------------------------------------------------------------------------------- plot


@pytest.mark.usefixtures("uriel", "matplotlib")
@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_plot_is_written(runs: Path, good: Command, tmp_path: Path, ending: str, begins: bytes):
    file = tmp_path / f"plot.{ending}"
    out = good("distance", runs, "--distance", "genetic,script", "--plot", file)
    assert out.endswith(f"plot of genetic distance: {file}\n")
    assert file.read_bytes().startswith(begins)


@pytest.mark.usefixtures("matplotlib")
def test_names_in_a_plot_cover_neither_points_nor_one_another():
    """Twenty-eight points, half of them on one line as with genetic distances."""
    from matplotlib.text import Text

    from xrobust.report.distance_plot import Panel, figure

    rng = random.Random(3)
    names = [a + b for a in "abcdefg" for b in "wxyz"]
    points = {name: (1.0 if i % 2 else rng.uniform(0.6, 1), rng.gauss(0, 4)) for i, name in enumerate(names)}
    drawn = figure([Panel("pos, rs_aug", "distance", "gain", points, None, True)])
    drawn.draw_without_rendering()
    (axis,) = drawn.axes
    # Of the text alone: an annotation's own extent holds its line to the point too.
    boxes = {text.get_text(): Text.get_window_extent(text) for text in axis.texts}
    assert set(boxes) == set(names)
    for a, b in combinations(names, 2):
        assert not boxes[a].overlaps(boxes[b]), (a, b)
    for name, box in boxes.items():
        for point in points.values():
            assert not box.contains(*axis.transData.transform(point)), name
        assert axis.get_window_extent().contains(*box.min) and axis.get_window_extent().contains(*box.max)


@pytest.mark.usefixtures("matplotlib")
def test_the_line_and_the_numbers_of_a_plot():
    """The band against the textbook's formula at the mean of x, where it is t * s / sqrt(n)."""
    import numpy as np
    from scipy.stats import linregress, t

    from xrobust.analysis.correlation import correlation
    from xrobust.report.distance_plot import Panel, figure

    x, y = [0.0, 1, 2, 3, 4, 5, 6], [1.0, 0, 3, 2, 6, 3, 7]
    points = {str(i): pair for i, pair in enumerate(zip(x, y, strict=True))}
    axis, other = figure(
        [
            Panel("pos, rs_aug", "distance", "gain", points, correlation(x, y), False),
            Panel("pos, lora", "distance", "gain", dict(list(points.items())[:3]), None, True),
        ]
    ).axes
    fit = linregress(x, y)
    (line,) = axis.lines
    assert line.get_ydata()[[0, -1]] == pytest.approx([fit.intercept, fit.intercept + 6 * fit.slope])
    residuals = np.array(y) - fit.intercept - fit.slope * np.array(x)
    half = t.ppf(0.975, 5) * np.sqrt((residuals**2).sum() / 5) / np.sqrt(7)
    band = (
        next(c for c in axis.collections if c.__class__.__name__ == "FillBetweenPolyCollection").get_paths()[0].vertices
    )
    at_mean = np.abs(band[np.abs(band[:, 0] - 3) < 0.04][:, 1] - (fit.intercept + 3 * fit.slope))
    assert at_mean == pytest.approx(half, rel=0.02, abs=0.1)
    assert f"r = {fit.rvalue:.2f} (p = 0.0" in axis.get_title(loc="left")
    assert "3 languages, no correlation" in other.get_title(loc="left")
    assert len(other.lines) == 1  # the zero


# ----------------------------------------------------------------------------------------------------------- overlap


def test_overlap_of_a_run(finished_run: Path, good: Command):
    lines = good("overlap", finished_run).splitlines()
    assert lines[0] == "pos: overlap with training, and accuracy (all in %)"
    assert lines[1].split() == ["source", "test", "(examples)", "words", "vanilla"]
    assert [line.split()[:2] for line in lines[2:5]] == [["en", "de"], ["en", "en"], ["en", "fr"]]
    assert lines[3].split()[3] == "100.0"
    assert lines[-1] == (
        "score of pos vanilla, overlap (words), n = 2: with fewer than 5 languages a correlation means nothing"
    )


def test_overlap_as_json(finished_run: Path, good: Command):
    document = json.loads(good("overlap", finished_run / "result.json", "--json"))
    assert [(m["source"], m["language"]) for m in document["measured"]] == [("en", "de"), ("en", "en"), ("en", "fr")]
    assert document["measured"][1]["overlap"] == {"entities": None, "chunks": None, "words": 1.0}
    (answer,) = document["answers"]
    assert (answer["predictor"], answer["n"], answer["correlation"]) == ("words", 2, None)


def test_overlap_is_correlated_over_pairs_of_languages(monkeypatch: pytest.MonkeyPatch, write: Write, good: Command):
    """Two sources with three targets each make six pairs; a language as its own source is no transfer."""
    from xrobust.analysis import overlap

    class Data:
        def __init__(self, result: object, folder: object, offline: bool, plugin_files: object) -> None:
            self.source = result.spec.train.source  # type: ignore[attr-defined]

        def overlap(self, language: str) -> overlap.Overlap:
            return overlap.Overlap(None, None, 1.0 if language == self.source else len(self.source + language) / 10)

        def other_rows(self, result: object) -> list[str]:
            return []

    monkeypatch.setattr(overlap, "_Data", Data)
    folder = write(
        make_run({"fr": 0.9, "oc": 0.2, "ast": 0.3, "br": 0.2}, source="fr"),
        make_run({"ar": 0.9, "hi": 0.2, "ckb": 0.4, "fa": 0.2}, source="ar"),
    )
    out = good("overlap", folder)
    assert "score of pos vanilla  words    6  +0.9" in out
