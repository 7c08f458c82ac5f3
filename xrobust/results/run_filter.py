"""Filter of runs: comma-joined terms such as `method=rs_aug,seed=1`, all of which must hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from xrobust.config.training_settings import TrainingSettings
from xrobust.errors import UserError, did_you_mean, shown
from xrobust.results.schema import RunResult

OUTSIDE_BRACKETS = re.compile(r",(?![^(\[{]*[)\]}])")
"""A comma between two terms: not one in `pgd(epsilon=0.01,steps=2)`."""
MOST_VALUES = 12
"""Most values of a key in an error message."""


def _names(name: str) -> list[str]:
    """A plugin's name, or several joined with `+`; with and without the distributions that they come from."""
    return list(dict.fromkeys((name, "+".join(part.rpartition("/")[2] for part in name.split("+")))))


def _models(result: RunResult) -> list[str]:
    """Names of the pre-trained encoder: hub id, and the last part of id or path."""
    ids = [result.spec.train.model.get("id"), result.model.id, result.local and result.local.model_path]
    full = [name.rstrip("/") for name in ids[:2] if name]
    return list(dict.fromkeys((*full, *(name.rstrip("/").rpartition("/")[2] for name in ids if name))))


KEYS: dict[str, Callable[[RunResult], list[Any]]] = {
    "task": lambda result: _names(result.spec.train.task),
    "method": lambda result: _names(result.spec.train.method_name),
    "model": _models,
    "source": lambda result: [result.spec.train.source],
    "seed": lambda result: [result.spec.train.seed],
    "status": lambda result: [result.status],
    "group": lambda result: [result.group_id],
    "run": lambda result: [result.run_id],
    "language": lambda result: list(dict.fromkeys(row.name for row in result.scores)),
    "condition": lambda result: list(dict.fromkeys(row.key.label or "clean" for row in result.scores)),
    "sample": lambda result: [result.sample],
    "precision": lambda result: [result.spec.train.precision],
    "limit": lambda result: [result.spec.train.limit],
}
"""Keys -> values of a run, any of which may fit. Besides: `training.<setting>`, `method[.<part>].<parameter>`."""
TRAINING = {f"training.{name}": name for name, field in TrainingSettings.model_fields.items() if not field.exclude}


@dataclass(frozen=True)
class Term:
    """One `key=value`."""

    key: str
    text: str
    scalar: Any
    """The value as YAML reads it, for settings that are no strings."""

    def values(self, result: RunResult) -> list[Any]:
        """The values of the key in a run; none where the run has no such setting."""
        if self.key in KEYS:
            return KEYS[self.key](result)
        if self.key in TRAINING:
            return [getattr(result.spec.train.training, TRAINING[self.key])]
        return [value for name, value in method_parameters(result) if name == self.key]

    def fits(self, value: Any) -> bool:
        """True if a value equals the term's; of strings also if it fits it as a pattern with `*`, `?` and `[]`."""
        if isinstance(value, str):
            return value == self.text or fnmatchcase(value, self.text)
        if isinstance(value, bool) or isinstance(self.scalar, bool):  # 1 == True
            return value is self.scalar
        return bool(value == self.scalar)


class RunFilter:
    """Terms that runs must fit. It remembers the runs that it was asked about, for an error where none fits.

    Raises UserError for what is no filter, and for keys that no run can have.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.terms = [_term(part.strip(), text) for part in OUTSIDE_BRACKETS.split(text)]
        self.looked_at = 0
        self._seen: dict[str, dict[str, None]] = {term.key: {} for term in self.terms}
        self._fitted: set[Term] = set()
        self._parameters: set[str] = set()

    def fits(self, result: RunResult) -> bool:
        """True if all terms hold for a run."""
        self.looked_at += 1
        self._parameters.update(name for name, _ in method_parameters(result))
        held = True
        for term in self.terms:
            values = term.values(result)
            self._seen[term.key].update(dict.fromkeys(map(_written, values)))
            if any(term.fits(value) for value in values):
                self._fitted.add(term)
            else:
                held = False
        return held

    def may_fit(self, known: Mapping[str, Sequence[Any]]) -> bool:
        """True if a run may fit of which only the values of some keys are known."""
        terms = (term for term in self.terms if term.key in known)
        return all(any(term.fits(value) for value in known[term.key]) for term in terms)

    def nothing_fits(self, where: str) -> UserError:
        """The error for a filter that none of the runs fits, which names the values that there are."""
        for key, seen in self._seen.items():
            if self.looked_at and not seen and key.startswith("method."):
                return UserError(f"filter {shown(self.text)}: unknown key {key!r}: {_known(key, self._parameters)}")
        lonely = [term.key for term in self.terms if term not in self._fitted]
        values = "; ".join(f"{key} is {_listed(list(self._seen[key]))}" for key in lonely or self._seen)
        fits = "fits" if lonely else "fits all of"
        runs = "1 run" if self.looked_at == 1 else f"{self.looked_at} runs"
        return UserError(f"no run {where} {fits} {self.text} ({runs} looked at): {values}")


def identity_values(task: str, method: str, model: str, seed: int) -> dict[str, list[str | int]]:
    """The values that keys have for a run of which no more than this is known: see `KEYS`."""
    models = dict.fromkeys((model, model.rstrip("/").rpartition("/")[2]))
    return {"task": [*_names(task)], "method": [*_names(method)], "model": [*models], "seed": [seed]}


def method_parameters(result: RunResult) -> Iterator[tuple[str, Any]]:
    """`method.<parameter>` and `method.<part>.<parameter>` with the value, for each part of a run's method."""
    for part in result.spec.train.method:
        for name, value in part.params.items():
            yield f"method.{name}", value
            for part_name in _names(part.name):
                yield f"method.{part_name}.{name}", value


def is_filter(text: str) -> bool:
    """True for what begins with a key and an equals sign."""
    return re.match(r"[A-Za-z_][\w./-]*\s*=", text) is not None


def _term(part: str, text: str) -> Term:
    key, equals, value = (piece.strip() for piece in part.partition("="))
    if not equals or not key or not value:
        raise UserError(
            f"filter {shown(text)}: {shown(part)} is no term: write key=value, several with commas, "
            "as in method=rs_aug,seed=1"
        )
    if key not in KEYS and key not in TRAINING and not key.startswith("method."):
        raise UserError(f"filter {shown(text)}: unknown key {shown(key)}: {_known(key, ())}")
    return Term(key, value, _scalar(value))


def _known(key: str, parameters: set[str] | tuple[()]) -> str:
    return did_you_mean(key, (*KEYS, *TRAINING, *(parameters or ("method.<parameter>",))))


def _scalar(text: str) -> Any:
    """A value as YAML reads it. Numbers such as 5e-4, which everyone writes, are strings in YAML 1.1."""
    import yaml

    from xrobust.storage.yaml_text import load_yaml

    try:
        value = load_yaml(text)
        return float(value) if isinstance(value, str) else value
    except (yaml.YAMLError, ValueError):
        return text


def _written(value: Any) -> str:
    """A value as a filter has it."""
    import json

    return value if isinstance(value, str) else json.dumps(value)


def _listed(values: list[str]) -> str:
    if not values:
        return "nowhere set"
    more = f" and {len(values) - MOST_VALUES} others" if len(values) > MOST_VALUES else ""
    return ", ".join(sorted(values, key=_numbers_first)[:MOST_VALUES]) + more


def _numbers_first(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text
