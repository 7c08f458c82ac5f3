"""Notes in a document on an evaluation that is about to begin: what is asked for, and the rows that it is scored on."""

from __future__ import annotations

from collections.abc import Sequence

from xrobust.data.notes import data_warnings, log_notes
from xrobust.data.splits import DataRows, RowsOrigin
from xrobust.evaluation.plan import EvaluationPlan
from xrobust.results.schema import RunResult, other_origin, replace_rows
from xrobust.results.sections import DataSection


def note_requested(result: RunResult, plan: EvaluationPlan, *, added: bool) -> None:
    """Notes the requested scores, `added` to a run or its own, and their rows; rows noted by an attempt that scored
    nothing are replaced."""
    result.ask(plan.keys_left(result), added=added)
    new = [row for row in plan.used if row.language not in result.scored([row])]
    if new and other_origin(result, plan.origin) is not None:
        result.warn(
            f"the test rows of {', '.join(row.language for row in new)} are from {_named(plan.origin)}, and the model "
            f"was trained on {_named(result.data)}"
        )
    replace_rows(result, [row for row in new if row.language not in result.scored()], plan.origin)
    result.spec = result.spec.model_copy(update={"evaluation": result.spec.evaluation.with_more(plan.spec)})


def _named(data: RowsOrigin | DataSection) -> str:
    return data.id if data.revision is None else f"{data.id} ({data.revision})"


def say_of_data(result: RunResult, task: str, used: Sequence[DataRows], plan: EvaluationPlan) -> None:
    """Logs how the rows were read, and warns of data that look like others than the user means."""
    log_notes(task, used)
    for warning in data_warnings(used, plan.repeated):
        result.warn(warning)
    compared = {(row.split, row.language) for row in plan.used} | {(row.split, row.language) for row in plan.repeated}
    kept = [row for row in result.data.repeated if (row.split, row.language) not in compared]
    result.data.repeated = kept + plan.repeated
