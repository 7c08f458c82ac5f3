"""Ids of examples whose data bring none."""

from __future__ import annotations

from xrobust.contracts.task import Task


def row_id(task: Task, language: str, row: int) -> str:
    """The id of a row, counted from 0: its number where the task's rows are parallel, else `<language>:<row>`."""
    return str(row) if task.parallel_rows else f"{language}:{row}"
