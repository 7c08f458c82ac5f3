"""The tables of a result document: by language, under each condition, over pairs of languages, and the averages."""

from __future__ import annotations

from xrobust.cli.table import print_table
from xrobust.encoding.truncation import WORTH_SAYING
from xrobust.report.format import percent
from xrobust.results.schema import RunResult
from xrobust.results.sections import Robustness, ScoreRow
from xrobust.results.small_samples import is_small, least_examples
from xrobust.runtime.screen import say

MOST_COLUMNS = 8
"""Most conditions in the table by language; with more, the table is not printed."""


def print_results(result: RunResult) -> None:
    """Prints all tables of a document. Scores are shown times 100, drops in points."""
    _languages(result)
    _averages(result)
    _truncation(result)
    _robustness(result)
    _by_language(result)
    _not_covered(result)
    _pairs(result)


def _languages(result: RunResult) -> None:
    """Prints languages by metrics on clean text, with the interval of the main one."""
    clean, main = result.clean_scores(), result.main_metric
    metrics = list(dict.fromkeys(row.metric for row in clean))
    rows = []
    for language in dict.fromkeys(row.name for row in clean if row.metric == main):
        cells = {row.metric: row for row in clean if row.language == language}
        first = cells[main]
        rows.append(
            [
                _named(result, language),
                percent(first.value),
                f"{percent(first.ci_low)} - {percent(first.ci_high)}",
                *(percent(cells[name].value) if name in cells else "-" for name in metrics[1:]),
                str(first.n),
            ]
        )
    print_table(["language", main, "95% interval", *metrics[1:], "examples"], rows)


def _averages(result: RunResult) -> None:
    summary = result.summary
    if summary is None:
        return
    parts = [f"average {percent(summary.average)} over {summary.languages} languages"]
    if summary.average_targets is not None:
        parts.append(f"targets {percent(summary.average_targets)}")
    if summary.transfer_gap is not None:
        parts.append(f"transfer gap {percent(summary.transfer_gap)}")
    say(", ".join(parts))


def _truncation(result: RunResult) -> None:
    """Prints the splits of which `max_length` cut more examples than may go unsaid."""
    cut = [
        f"{row.split} {row.language} {percent(row.truncation.share, digits=1)}%"
        for row in result.data.used
        if row.truncation is not None and row.truncation.share > WORTH_SAYING
    ]
    if cut:
        say(f"examples cut at {result.spec.train.training.max_length} word pieces (max_length): {', '.join(cut)}")


def _robustness(result: RunResult) -> None:
    """Prints the conditions, averaged over the target languages that each covers."""
    conditions = result.summary.robustness if result.summary else []
    if not conditions:
        return
    say()
    main, least = result.main_metric, least_examples(result)
    columns = ["", "targets", "examples", "coverage", "clean", main, "drop", "pooled drop", "all examples"]
    small_source = {
        row.label
        for row in result.main_scores()
        if row.language == result.spec.train.source and is_small(row.condition, row.n, least)
    }
    rows = [[*_condition(row), f"{percent(row.source_drop)}{'*' * (row.label in small_source)}"] for row in conditions]
    print_table([*columns, "drop in source"], rows)
    say(f"means over target languages with at least {least} changed examples (robustness.min_examples), of these alone")
    say("pooled drop: mean over all target languages covered, each weighted by its changed examples")
    for row in conditions:
        if row.languages and row.languages == len(row.too_few):
            say(f"{row.label}: no mean, since no target language has {least} changed examples")


def _condition(row: Robustness) -> list[str]:
    values = (row.clean, row.value, row.drop, row.pooled_drop, row.value_all)
    return [
        row.label,
        f"{row.languages - len(row.too_few)} of {row.tried}",
        str(row.examples),
        percent(row.coverage, digits=0),
        *map(percent, values),
    ]


def _by_language(result: RunResult) -> None:
    """Prints languages by conditions: the drop from clean text in points, with the number of changed examples."""
    labels = [row.label for row in (result.summary.robustness if result.summary else [])]
    if not labels:
        return
    if len(labels) > MOST_COLUMNS:
        say("by language: `scores` of the document")
        return
    least = least_examples(result)
    drops = {(row.name, row.label): _drop(row, least) for row in result.main_scores()}
    languages = dict.fromkeys(row.name for row in result.scores if row.condition != "clean")
    if languages:
        say()
        rows = [[_named(result, code), *(drops.get((code, label), "-") for label in labels)] for code in languages]
        print_table(["drop (examples)", *labels], rows)
        if any(cell.endswith("*") for row in rows for cell in row[1:]):
            say(f"* fewer than {least} changed examples: in no mean")


def _drop(row: ScoreRow, least: int) -> str:
    return f"{percent(row.drop)} ({row.n}){'*' * is_small(row.condition, row.n, least)}"


def _not_covered(result: RunResult) -> None:
    """Prints the languages that a perturbation does not cover, with the reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in result.data.perturbed:
        if row.reason is not None:
            reasons.setdefault((row.perturbation, row.reason), []).append(row.language)
    for (label, reason), languages in reasons.items():
        say(f"{label} does not cover {', '.join(languages)}: {reason}")


def _pairs(result: RunResult) -> None:
    """Prints scores of pairs, first language by second language; the diagonal is the language itself."""
    pairs = {row.pair: row.value for row in result.main_scores() if row.pair is not None}
    if not pairs:
        return
    alone = {row.language: row.value for row in result.clean_scores() if row.metric == result.main_metric}
    firsts, seconds = sorted({a for a, _ in pairs}), sorted({b for _, b in pairs})
    say()
    rows = [[a, *(percent(alone.get(a) if a == b else pairs.get((a, b))) for b in seconds)] for a in firsts]
    print_table(["first \\ second", *seconds], rows)
    if result.summary is not None:
        say(f"average {percent(result.summary.average_pairs)} over {len(pairs)} pairs of two languages")


def _named(result: RunResult, language: str) -> str:
    return f"{language} (source)" if language == result.spec.train.source else language
