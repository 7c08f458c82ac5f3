"""The `xrobust` command. Nothing heavy is imported before a command that needs it runs."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from xrobust.cli.analyze import analyze_app
from xrobust.cli.compare import compare_command
from xrobust.cli.data import data_app
from xrobust.cli.eval import eval_command
from xrobust.cli.leaderboard import leaderboard_app
from xrobust.cli.list import list_command
from xrobust.cli.predict import predict_command
from xrobust.cli.run import run_command
from xrobust.cli.runs import runs_command
from xrobust.cli.schema import schema_command
from xrobust.cli.show import show_command
from xrobust.cli.sweep import sweep_command
from xrobust.errors import RunError, UserError
from xrobust.runtime import early_log
from xrobust.runtime.parent_watch import end_with_parent
from xrobust.runtime.screen import say, say_lines
from xrobust.runtime.signals import INTERRUPTED, asked, exit_code, ignored, message, watched
from xrobust.runtime.standard_streams import OutputLost, lost_output, outlast

app = typer.Typer(
    name="xrobust",
    help="Robust zero-shot cross-lingual transfer: train in one language with some method, score in every other.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run_command)
app.command("eval")(eval_command)
app.command("sweep")(sweep_command)
app.command("predict")(predict_command)
app.command("runs")(runs_command)
app.command("compare")(compare_command)
app.command("list")(list_command)
app.command("show")(show_command)
app.command("schema")(schema_command)
app.add_typer(analyze_app, name="analyze")
app.add_typer(data_app, name="data")
app.add_typer(leaderboard_app, name="leaderboard")


def _version(value: bool) -> None:
    if value:
        from xrobust import __version__

        say(f"xrobust {__version__}")
        raise typer.Exit


@app.callback()
def _callback(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass


def fail(message: str, code: int) -> NoReturn:
    """Prints one line to standard error and ends the process."""
    say(f"xrobust: {' '.join(message.split())}", error=True)
    sys.exit(code)


@watched()
def main(arguments: list[str] | None = None) -> None:
    """Runs the command line. Exit codes: 0 done, 1 failed, 2 the user's mistake, 75 terminated, 130 interrupted."""
    given = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if "--offline" in given:
        # Read by the Hugging Face libraries when they are imported: too late for an argument.
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    early_log.keep()
    if arguments is None:
        end_with_parent()
    kept = given[:1] in (
        ["run"],
        ["eval"],
        ["sweep"],
    )  # its results are in a document, whatever becomes of what it prints
    if arguments is None:
        outlast(stops=not kept)
    try:
        _require_usable(given)
        code: Any = app(args=given, obj=given, prog_name="xrobust", standalone_mode=False)
    except UserError as error:
        fail(str(error), 2)
    except typer.TyperException as error:
        said = error.format_message()
        if said.startswith("Usage:"):  # of a group of commands without one of them
            say_lines(said, error=True)
            sys.exit(2)
        fail(f"{said} (xrobust --help)", 2)
    except OutputLost as error:
        _lost(error)
    except RunError as error:
        _failed(error)
    except KeyboardInterrupt:  # before typer, which turns one into an exit code, or after it
        _stopped(given, alone=arguments is None)
    except Exception as error:
        if asked() is not None:  # such as the end of another process that was stopped a moment earlier
            _stopped(given, alone=arguments is None)
        if os.environ.get("XROBUST_TRACEBACK"):
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            fail(f"{error.filename}: {error.strerror}", 2)
        if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):  # of `tempfile`
            fail("no folder for temporary files can be written to: name one by TMPDIR=FOLDER before the command", 2)
        fail(f"{type(error).__name__}: {error} (a defect of xrobust or a plugin: XROBUST_TRACEBACK=1 shows where)", 1)
    if code == INTERRUPTED:  # into which typer turns a KeyboardInterrupt
        _stopped(given, alone=arguments is None)
    if (lost := lost_output()) is not None:
        if not kept:
            _lost(lost)
        if not lost.unread:
            say(f"xrobust: {lost}; the results are in the run's folder", error=True)
    sys.exit(code if isinstance(code, int) else 0)


def _require_usable(given: Sequence[str]) -> None:
    """Raises UserError for what no document could name: a path that is not UTF-8, a working folder that is gone."""
    try:
        folder = str(Path.cwd())
    except FileNotFoundError:
        raise UserError("the working folder has been deleted: change to another") from None
    for text in (*given, folder):
        try:
            text.encode()
        except UnicodeEncodeError:
            what = "the working folder" if text is folder else "argument"
            raise UserError(
                f"{what} {text} is not UTF-8, in which names are written down: rename it, or set LC_ALL=C.UTF-8"
            ) from None


def _lost(error: OutputLost) -> NoReturn:
    """Ends the process of a command that could not print its result; in silence where nobody reads it any more."""
    if error.unread:
        sys.exit(1)
    fail(str(error), 1)


def _failed(error: RunError) -> NoReturn:
    """Ends the process of a command that could not go on; in silence where another's end was the reason."""
    from xrobust.runtime.processes import PEER_LOST, RELAUNCHED, PeerLost

    if os.environ.get("XROBUST_TRACEBACK"):
        say_lines("".join(traceback.format_exception(error)).rstrip(), error=True)
    if isinstance(error, PeerLost) and RELAUNCHED in os.environ:
        sys.exit(PEER_LOST)  # the process that started this one says what happened
    fail(str(error), 1)


def _stopped(given: list[str], *, alone: bool) -> NoReturn:
    """Ends the process of a command after Ctrl-C or SIGTERM; one of several says so. `alone`: it is this one alone."""
    from xrobust.runtime.processes import is_main

    number = asked() or signal.SIGINT
    if alone:
        ignored()
    if not is_main():
        sys.exit(exit_code(number))
    fail(message(number, given[0] if given else ""), exit_code(number))
