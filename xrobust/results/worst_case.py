"""The set of perturbations that a worst case is over, and what two worst cases must share to be compared."""

from __future__ import annotations

from xrobust.results.attack_strength import strength_of
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import ScoreRow


def perturbations_tried(result: RunResult, language: str | None) -> tuple[str, ...]:
    """Labels of all perturbations that a language was tried under, covered or not, sorted: its worst case's set."""
    return tuple(sorted({row.perturbation for row in result.data.perturbed if row.language == language}))


def covering_perturbations(result: RunResult, language: str | None) -> list[str]:
    """Labels of those that changed examples of the language, sorted as the worst case takes them."""
    return sorted(
        row.perturbation for row in result.data.perturbed if row.language == language and row.changed_examples
    )


def name_worst_cases(result: RunResult) -> None:
    """Names the sets of worst cases in a document from before they were written down."""
    result.scores = [
        row.model_copy(update={"worst_of": perturbations_tried(result, row.language)})
        if row.condition == "worst_case" and not row.worst_of
        else row
        for row in result.scores
    ]


def scored_rows(result: RunResult, row: ScoreRow) -> str:
    """sha256 of the rows that a score is of; of a worst case also those of its perturbed rows, label by label; of an
    attack with its strength.

    Two scores of one test set and condition may be compared where these are equal: a perturbation of another version
    or seed makes other rows under the same label.
    """
    if row.condition == "attack":
        return f"{row.rows_sha256} {strength_of(row).text}".rstrip()
    if row.condition != "worst_case":
        return row.rows_sha256
    parts = [f"{label} {_perturbed_sha256(result, row.language, label)}" for label in row.worst_of]
    return "; ".join([row.rows_sha256, *parts])


def _perturbed_sha256(result: RunResult, language: str | None, label: str) -> str:
    under = ScoreKey(condition="perturbed", language=language, perturbation=label)
    found = (row.rows_sha256 for row in result.scores if row.key == under)
    return next(found, "not covered")
