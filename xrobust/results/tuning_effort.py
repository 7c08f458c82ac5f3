"""Effort that went into the tuning of groups of runs: equal, or a part of the difference between them."""

from __future__ import annotations

from collections.abc import Sequence

from xrobust.results.schema import RunResult


def tuned_trials(results: Sequence[RunResult]) -> int | None:
    """Number of trials that the settings of runs were tuned with; None if they were not, or not all alike."""
    numbers = {None if result.tuning is None else result.tuning.trials for result in results}
    return numbers.pop() if len(numbers) == 1 else None


def tuning_notes(sides: Sequence[tuple[str, Sequence[RunResult]]]) -> list[str]:
    """Sentences on the tuning of the sides of a comparison, the baseline first; none where no side was tuned."""
    efforts = [(name, _efforts(results)) for name, results in sides]
    mixed = [f"the runs of {name} were not tuned alike: {' and '.join(its)}" for name, its in efforts if len(its) > 1]
    if all(its == ["none"] for _, its in efforts):
        return mixed
    baseline, its_own = efforts[0]
    if all(its == its_own for _, its in efforts):
        return mixed or [f"each was tuned with {its_own[0]}, on the source dev set"]
    others = [(name, its) for name, its in efforts[1:] if its != its_own]
    return mixed + [
        f"{name} was tuned with {' and '.join(its)}, {baseline} with {' and '.join(its_own)}: the difference is partly "
        "the tuning's"
        for name, its in others
    ]


def _efforts(results: Sequence[RunResult]) -> list[str]:
    """The different efforts of some runs in words, as in `8 trials`; `none` for a run that was not tuned."""
    return list(dict.fromkeys(_effort(result) for result in results))


def _effort(result: RunResult) -> str:
    tuning = result.tuning
    if tuning is None:
        return "none"
    seeds = len(set(tuning.seeds))
    trials = f"{tuning.trials} {'trial' if tuning.trials == 1 else 'trials'}"
    return trials if seeds == 1 else f"{trials} of {seeds} seeds"
