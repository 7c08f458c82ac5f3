"""`xrobust runs`: the runs in a folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from xrobust.errors import UserError


def runs_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder that runs were written to.")] = Path("runs"),
) -> None:
    """List the runs in a folder: id, task, method, seed, state, main score, age."""
    from xrobust.cli.table import print_table
    from xrobust.results.store import RESULT, load_result

    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder (xrobust run writes to runs/ unless --output says otherwise)")
    rows: list[list[str]] = []
    damaged: list[str] = []
    for path in sorted(folder.rglob(RESULT)):
        try:
            result = load_result(path)
        except UserError as error:
            damaged.append(str(error))
            continue
        train, summary = result.spec.train, result.summary
        sample = " (sample data)" if result.sample else ""
        rows.append(
            [
                result.run_id,
                train.task,
                "+".join(part.name for part in train.method),
                str(train.seed),
                result.status,
                f"{summary.metric} {100 * summary.average:.1f} over {summary.languages}{sample}" if summary else "-",
                age(result.updated),
                str(path.parent),
            ]
        )
    if rows:
        print_table(["run", "task", "method", "seed", "state", "average", "age", "folder"], rows)
    else:
        typer.echo(f"no runs in {folder}")
    for line in damaged:
        typer.echo(f"damaged: {line}")


def age(timestamp: str) -> str:
    """Time passed since a timestamp in ISO 8601, as in `3 h`."""
    seconds = (datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
