"""`xrobust schema`: the JSON Schema of the result document."""

from __future__ import annotations

import json

import typer


def schema_command() -> None:
    """Print the JSON Schema of the result document."""
    from xrobust.results.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))
