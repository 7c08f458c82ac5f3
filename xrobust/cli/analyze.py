"""`xrobust analyze`: explanations of the differences between languages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xrobust.cli.options import Plugin
from xrobust.cli.table import print_table
from xrobust.config.values import comma_separated
from xrobust.report.format import percent
from xrobust.runtime.screen import json_text, say, write_data

if TYPE_CHECKING:
    from xrobust.analysis.answers import Answer
    from xrobust.analysis.correlation import Coefficient
    from xrobust.analysis.explain import ByDistance, ByOverlap
    from xrobust.analysis.gains import Series

analyze_app = typer.Typer(
    help="What explains the differences between languages.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUNS", help="Folders with runs, at any depth, result documents, or experiments."),
]
Metric = Annotated[
    str | None, typer.Option("--metric", metavar="METRIC", help="Metric id. [default: the task's main metric]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class Of(StrEnum):
    """Quantity to explain."""

    gain = "gain"
    score = "score"


@analyze_app.command("overlap")
def overlap_command(
    runs: Runs,
    metric: Metric = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            "--data-dir",
            metavar="FOLDER",
            help="Folder with the data, or a name (xrobust list data). [default: where each run's data lay]",
        ),
    ] = None,
    plugin: Plugin = None,
    offline: Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how much of each test set occurs in the training set, and whether that goes with the clean scores.

    entities: share of the entity tokens, chunks: of the different entities, words: of the words.
    """
    from xrobust.analysis.explain import by_overlap

    analysis = by_overlap(runs, metric=metric, data_dir=data_dir, offline=offline, plugin_files=plugin or ())
    if as_json:
        _print_json(_plain(analysis))
        return
    _print_overlaps(analysis)
    _print_answers(analysis.answers, "score of", "overlap")
    _print_notes(analysis.notes)


@analyze_app.command("distance")
def distance_command(
    runs: Runs,
    of: Annotated[Of, typer.Option("--of", help="What to explain: the gain over vanilla, or the score.")] = Of.gain,
    metric: Metric = None,
    perturbation: Annotated[
        str | None,
        typer.Option(
            "--perturbation",
            metavar="LABEL",
            help="Scores under this perturbation, or worst_case. [default: clean ones]",
        ),
    ] = None,
    distance: Annotated[
        str | None,
        typer.Option(
            "--distance",
            metavar="NAMES",
            help="Distances to test, as in syntactic,genetic; the plot shows the first. [default: all]",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw a plot: FILE ends in .png, .svg or .pdf.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test if languages further from the source gain more: gains over vanilla against URIEL's language distances.

    Languages of one branch of Indo-European, or of one other family, count as related in p-values and intervals.
    """
    from xrobust.analysis.distance import DISTANCES
    from xrobust.analysis.explain import by_distance
    from xrobust.report.distance_plot import check_plot

    if plot is not None:
        check_plot(plot)
    names = comma_separated(distance) or tuple(DISTANCES)
    analysis = by_distance(runs, of=of.value, metric=metric, perturbation=perturbation, names=names)
    if plot is not None:
        from xrobust.report.distance_plot import draw, panels

        draw(panels(analysis, of.value, names[0]), plot)
    if as_json:
        _print_json(_distance_document(analysis))
        return
    _print_series(analysis, of)
    _print_answers(analysis.answers, f"{of} of", "distance")
    _print_groups(analysis.groups)
    _print_notes(analysis.notes)
    if plot is not None:
        say(f"plot of {names[0]} distance: {plot}")


def _print_overlaps(analysis: ByOverlap) -> None:
    from xrobust.analysis.overlap import SHARES
    from xrobust.report.budget_columns import BUDGET_COLUMNS, budget_cells
    from xrobust.results.budgets import equal_in, how_equal

    for purpose in dict.fromkeys(m.purpose for m in analysis.measured):
        section = [m for m in analysis.measured if m.purpose == purpose]
        methods = list(dict.fromkeys(method for m in section for method in m.scores))
        shares = [share for share in SHARES if any(getattr(m.overlap, share) is not None for m in section)]
        rows = [
            [
                m.source,
                f"{m.language} ({m.examples})",
                *(percent(getattr(m.overlap, share), 1) for share in shares),
                *(percent(m.scores.get(method), 1) for method in methods),
            ]
            for m in section
        ]
        title = f"{section[0].task}: overlap with training, and {section[0].metric} (all in %)"
        print_table(("source", "test (examples)", *shares, *methods), rows, title)
        say()
        budgets = {(m.source, method): budget for m in section for method, budget in m.budgets.items()}
        print_table(
            ("source", "method", *BUDGET_COLUMNS),
            [[*names, *budget_cells(budget)] for names, budget in budgets.items()],
            f"{section[0].task}: training budgets ({how_equal(equal_in(budgets.values()))})",
        )
        say()


def _print_series(analysis: ByDistance, of: Of) -> None:
    """Prints two tables for each purpose: distances with the gain or score of each method, and training budgets."""
    for purpose in dict.fromkeys(one.purpose for one in analysis.series):
        section = [(s, d) for s, d in zip(analysis.series, analysis.distances, strict=True) if s.purpose == purpose]
        first = section[0][0]
        names = list(section[0][1])
        rows = []
        for language in sorted({code for one, _ in section for code in one.values | one.few}):
            known = next(table for one, table in section if language in one.values | one.few)
            cells = [f"{known[name][language]:.3f}" if language in known[name] else "-" for name in names]
            signed = of is Of.gain
            rows.append([language, *cells, *(_value(one, language, signed=signed) for one, _ in section)])
        what = "gain over vanilla" if of is Of.gain else "score"
        sample = " (sample data)" if first.sample else ""
        print_table(
            ("language", *names, *(one.name for one, _ in section)),
            rows,
            f"{first.task}: distances to {first.source}, and {what} in points of {first.metric} (examples){sample}",
        )
        if any(one.few for one, _ in section):
            say("* too few changed examples (robustness.min_examples): in no test")
        say()
        _print_budgets([one for one, _ in section])


def _value(one: Series, language: str, *, signed: bool) -> str:
    """A gain or score with the number of examples; with a mark where these are too few for a test."""
    value = (one.values | one.few).get(language)
    if value is None:
        return "-"
    return f"{percent(value, 1, signed=signed)} ({one.examples[language]}){'*' * (language in one.few)}"


def _print_budgets(section: Sequence[Series]) -> None:
    """Prints the training budgets of some series, each gain with its baseline below it."""
    from xrobust.report.budget_columns import BUDGET_COLUMNS, budget_cells

    rows = []
    for one in section:
        for name, side in ((one.name, one.of), (f"  over {one.baseline.method}" if one.baseline else "", one.baseline)):
            if side is not None:
                rows.append([name, " ".join(map(str, side.seeds)), *budget_cells(side.budget)])
    print_table(("training budget", "seeds", *BUDGET_COLUMNS), rows)
    say()


def _print_answers(answers: Sequence[Answer], outcome: str, predictor: str) -> None:
    from xrobust.analysis.answers import number_of_tests
    from xrobust.analysis.correlation import PERMUTATIONS

    rows: list[list[str]] = []
    related = False
    without: dict[tuple[str, int, str | None], list[str]] = {}
    for answer in answers:
        start = [f"{outcome} {answer.outcome}", answer.predictor, str(answer.n)]
        if answer.correlation is None:
            without.setdefault((start[0], answer.n, answer.reason), []).append(answer.predictor)
        else:
            r, rho = answer.correlation.pearson, answer.correlation.spearman
            rows.append([*start, *_cells(r, answer.pearson_holm), *_cells(rho, answer.spearman_holm)])
            related = related or r.effective_n is not None
    if rows:
        test = ("eff. n", "95% interval", "p", "Holm") if related else ("95% interval", "p", "Holm")
        print_table(("what", predictor, "n", "Pearson r", *test, "Spearman", *test), rows)
        how = (
            "p by Student's t, for as many unrelated languages as tell as much (eff. n), two-sided"
            if related
            else f"p from {PERMUTATIONS} permutations each, two-sided, seed 0"
        )
        say(f"{number_of_tests(answers)} tests: {how}; Holm: adjusted for all of them")
    for (what, n, reason), names in without.items():
        say(f"{what}, {predictor} ({', '.join(names)}), n = {n}: {reason}")


def _cells(coefficient: Coefficient, adjusted: float | None) -> list[str]:
    return [
        f"{coefficient.value:+.2f}",
        *([] if coefficient.effective_n is None else [f"{coefficient.effective_n:.1f}"]),
        f"{coefficient.low:+.2f} to {coefficient.high:+.2f}",
        f"{coefficient.p:.4f}",
        f"{adjusted:.4f}",
    ]


def _print_groups(groups: Mapping[str, str]) -> None:
    """Prints the languages that count as related to another one."""
    related: dict[str, list[str]] = {}
    for language, group in groups.items():
        related.setdefault(group, []).append(language)
    several = [f"{group} ({', '.join(its)})" for group, its in sorted(related.items()) if len(its) > 1]
    if several:
        say(f"{len(related)} groups of languages; related: {'; '.join(several)}")


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        say(f"note: {note}")


def _distance_document(analysis: ByDistance) -> dict[str, Any]:
    """JSON values of an analysis: each series with the distances of its languages."""
    found = _plain(analysis)
    distances = found.pop("distances")
    found["series"] = [one | {"distances": table} for one, table in zip(found["series"], distances, strict=True)]
    return found


def _plain(analysis: ByDistance | ByOverlap) -> dict[str, Any]:
    from pydantic import TypeAdapter

    plain: dict[str, Any] = TypeAdapter(type(analysis)).dump_python(analysis, mode="json")
    return plain


def _print_json(document: dict[str, Any]) -> None:
    write_data(json_text(document))
