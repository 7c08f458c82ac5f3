"""`xrobust leaderboard`: ranks many runs; merges, verifies, shows and exports such documents."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from xrobust.cli.leaderboard_export import export_command
from xrobust.cli.options import Budget, Plugin
from xrobust.cli.output import (
    Format,
    FormatOption,
    OutputFile,
    remarks_text,
    require_writable,
    tables_text,
    write_or_print,
)
from xrobust.errors import RunError
from xrobust.runtime.screen import counter, json_text, say, write_data

if TYPE_CHECKING:
    from xrobust.results.board.document import Leaderboard
    from xrobust.results.leaderboard import Progress

MOST_ENTRIES = 200
"""With more entries the tables are not printed when the document is written to a file."""
MOST_LINES = 12
"""Most remarks that are printed one by one."""


class _BuildByDefault(TyperGroup):
    """A group whose command `build` needs no name: `xrobust leaderboard runs`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = ["build", *args]
        return super().parse_args(ctx, args)


leaderboard_app = typer.Typer(
    cls=_BuildByDefault,
    help="Rank many runs in one document: xrobust leaderboard RUNS -o leaderboard.json.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


class Verify(StrEnum):
    """Depth of the verification."""

    predictions = "predictions"
    documents = "documents"


File = Annotated[Path, typer.Argument(metavar="FILE", help="A leaderboard document.")]
leaderboard_app.command("export")(export_command)


@leaderboard_app.command("build")
def build_command(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUNS...", help="Folders with runs, at any depth, documents, globs, filters or experiments."
        ),
    ],
    output: OutputFile = None,
    where: Annotated[
        str | None, typer.Option("--filter", "-f", metavar="KEY=VALUE,...", help="Take only runs such as task=wikiann.")
    ] = None,
    verify: Annotated[
        Verify,
        typer.Option(
            help="predictions: compute each score again from saved predictions; documents: believe the documents, "
            "whose schema, ids and sums are checked, and bound the variance over test examples."
        ),
    ] = Verify.predictions,
    budget: Annotated[
        Budget, typer.Option(help="any: rank entries that were not trained equally long together, and mark it.")
    ] = Budget.equal,
    sample: Annotated[bool, typer.Option("--sample", help="Take runs on the bundled sample data too.")] = False,
    plugin: Plugin = None,
) -> None:
    """Build the leaderboard of runs. The word build may be left out."""
    from xrobust.results.leaderboard import BoardOptions, build_leaderboard, uncollected

    if output is not None:
        require_writable(output)
    options = BoardOptions(verify.value, budget.value, sample, where, tuple(plugin or ()))
    with uncollected():
        board, named = build_leaderboard(runs, options, _progress())
        _write(board, output)
    if named:
        more = f" (and {len(named) - 1} more)" if len(named) > 1 else ""
        raise RunError(f"a document that was named is left out: {named[0].path}: {named[0].reason}{more}")


@leaderboard_app.command("merge")
def merge_command(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Leaderboard documents.")],
    output: OutputFile = None,
) -> None:
    """Merge leaderboards: entries of one setting are united, and everything is ranked anew."""
    from xrobust.results.board.merge import merge_leaderboards
    from xrobust.results.leaderboard import load_leaderboard

    if output is not None:
        require_writable(output)
    _write(merge_leaderboards([load_leaderboard(file) for file in files]), output)


@leaderboard_app.command("verify")
def verify_command(
    file: File,
    runs: Annotated[
        Path | None, typer.Option("--runs", metavar="FOLDER", help="Build it again from these runs, and compare.")
    ] = None,
    plugin: Plugin = None,
) -> None:
    """Compute every number of a leaderboard again: from the values by seed that it holds, and from its runs."""
    from xrobust.results.board.merge import disagreements, recomputed
    from xrobust.results.leaderboard import load_leaderboard, rebuilt

    board = load_leaderboard(file)
    found = disagreements(board, recomputed(board))
    how, others = "from the values by seed in it", 0
    if not found and runs is not None:
        found, others = rebuilt(board, runs, plugin or (), _progress())
        how = f"from its {'predictions' if board.verified == 'predictions' else 'documents'} in {runs}"
    if found:
        for line in found:
            say(line, error=True)
        raise RunError(f"{file} is not what its runs give")
    untested = [one.task for one in board.boards if one.tests is None]
    say(f"{file}: {len(board.entries)} entries of {board.documents} runs, each number computed again {how}")
    if others:
        say(f"other runs of its entries in {runs}, which are not on it: {others}")
    if untested and runs is None:
        say(f"ranks of {', '.join(untested)} rest on bounds: the document has no tests of pairs of so many entries")


@leaderboard_app.command("show")
def show_command(
    file: File,
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column to sort by, or TASK.COLUMN, as in wikiann.de.")
    ] = None,
    languages: Annotated[bool, typer.Option("--languages", help="Show a column for each language.")] = False,
    form: FormatOption = Format.table,
    output: OutputFile = None,
) -> None:
    """Show a leaderboard as a table, or as Markdown, LaTeX, CSV or JSON rows."""
    from xrobust.results.leaderboard import load_leaderboard

    board = load_leaderboard(file)
    write_or_print(_shown(board, sort, languages, form), output)


def _shown(board: Leaderboard, sort: str | None, languages: bool, form: Format) -> str:
    from xrobust.report.leaderboard_tables import leaderboard_csv, leaderboard_rows, leaderboard_tables, remarks

    if form is Format.csv:
        return leaderboard_csv(board, sort)
    if form is Format.json:
        return json_text(leaderboard_rows(board, sort), indent=1)
    text = tables_text(leaderboard_tables(board, sort, languages=languages), form)
    lines = remarks(board)
    more = [f"and {len(lines) - MOST_LINES} more, in the document"] if len(lines) > MOST_LINES else []
    return "\n".join(filter(None, (text, remarks_text([*lines[:MOST_LINES], *more], form))))


def _write(board: Leaderboard, output: Path | None) -> None:
    """Prints the tables, and writes the document if there is a place for it."""
    if output is None or len(board.entries) <= MOST_ENTRIES:
        write_data(_shown(board, None, False, Format.table))
    if output is not None:
        write_or_print(board.text(), output)
        if len(board.entries) > MOST_ENTRIES:
            say(f"xrobust leaderboard show {output} prints the tables")
        say(f"{output}: {len(board.entries)} entries of {board.documents} runs, {len(board.excluded)} left out")


def _progress() -> Progress:
    """Progress on standard error: a line that counts on a terminal, elsewhere one for each tenth of many."""
    terminal = sys.stderr is not None and sys.stderr.isatty()

    def show(what: str, done: int, total: int) -> None:
        if terminal:
            counter(f"{done} of {total} {what}", last=done == total)
        elif total >= 100 and done * 10 // total > (done - 1) * 10 // total:
            say(f"{done} of {total} {what}", error=True)

    return show
