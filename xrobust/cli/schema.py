"""`xrobust schema`: the JSON Schemas of the documents."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer


class Document(StrEnum):
    """A kind of document."""

    result = "result"
    comparison = "comparison"
    leaderboard = "leaderboard"


def schema_command(
    document: Annotated[Document, typer.Argument(help="Which document.")] = Document.result,
) -> None:
    """Print the JSON Schema of a document: of a run's result, a comparison or a leaderboard."""
    from xrobust.results.board.document import leaderboard_schema
    from xrobust.results.comparison import comparison_schema
    from xrobust.results.schema import json_schema

    schemas = {"result": json_schema, "comparison": comparison_schema, "leaderboard": leaderboard_schema}
    typer.echo(json.dumps(schemas[document.value](), indent=2))
