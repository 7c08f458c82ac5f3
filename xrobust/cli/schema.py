"""`xrobust schema`: the JSON Schemas of the documents."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from xrobust.runtime.screen import json_text, write_data


class Document(StrEnum):
    """A kind of document."""

    result = "result"
    comparison = "comparison"
    experiment_comparison = "experiment_comparison"
    leaderboard = "leaderboard"


def schema_command(
    document: Annotated[Document, typer.Argument(help="Which document.")] = Document.result,
) -> None:
    """Print the JSON Schema of a document: of a run's result, a comparison (also of an experiment) or a leaderboard."""
    from xrobust.results.board.document import leaderboard_schema
    from xrobust.results.comparing.document import comparison_schema, experiment_comparison_schema
    from xrobust.results.schema import json_schema

    schemas = {
        "result": json_schema,
        "comparison": comparison_schema,
        "experiment_comparison": experiment_comparison_schema,
        "leaderboard": leaderboard_schema,
    }
    write_data(json_text(schemas[document.value]()))
