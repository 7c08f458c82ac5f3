"""The perturbations of a request, by name and with their parameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from xrobust.config.parameters import split_parameters
from xrobust.config.resolved_spec import PerturbationSpec
from xrobust.config.validation import validated
from xrobust.contracts import Perturbation, Task
from xrobust.contracts.calling import calling, said_by
from xrobust.contracts.parameters import plain_values
from xrobust.errors import PluginError, UserError
from xrobust.evaluation.apply_perturbation import perturb
from xrobust.registry.plugins import Plugins
from xrobust.storage.code_hash import code_hash


@dataclass(frozen=True)
class RequestedPerturbation:
    """A perturbation with its parameters, for any language."""

    spec: PerturbationSpec
    cls: type[Perturbation]
    params: Any
    failure: PluginError | None = None
    """Error of its `task_problem`, which is then that of each test set."""

    def new(self) -> Perturbation:
        """Makes a perturbation object for one language. Raises PluginError where it fails."""
        with calling(self.cls, "__init__"):
            return self.cls(self.params)

    @property
    def code(self) -> str | None:
        """sha256 over the code that makes its rows, or None where that cannot be told: see `code_hash`."""
        vectors = ["xrobust.models.word_vectors"] if "encoder" in self.cls.needs else []
        return code_hash(self.cls, perturb, *vectors)


def requested_perturbations(
    names: Sequence[str], params: Mapping[str, Any], task: Task, plugins: Plugins
) -> list[RequestedPerturbation]:
    """The perturbations `names` with their parameters.

    Raises UserError for unknown ones, unknown parameters, and one that does not fit the task.
    """
    given = dict(params)
    if given and not names:
        raise UserError(f"setting 'perturb.{next(iter(given))}' without a perturbation: name one with --perturb")
    seed = given.pop("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(f"setting 'perturb.seed' is {seed!r}: write a whole number that is not negative")
    short = {name.rpartition("/")[2]: name for name in names}
    for name in names:
        if short[name.rpartition("/")[2]] != name:
            other = short[name.rpartition("/")[2]]
            raise UserError(
                f"perturbations {name!r} and {other!r} have one short name, by which --set names their parameters: "
                "score them one at a time"
            )
    classes = {part: plugins.load("perturbations", name) for part, name in short.items()}
    failures = {name: _require_fit(name, cls, task) for name, cls in classes.items()}
    sorted_params = split_parameters(given, classes, "perturb")
    conditions = {
        name: _condition(cls, validated(cls.Params, sorted_params[name], f"perturb.{name}"), seed, plugins, short[name])
        for name, cls in classes.items()
    }
    return [replace(condition, failure=failures[name]) for name, condition in conditions.items()]


def _require_fit(name: str, cls: type[Perturbation], task: Task) -> PluginError | None:
    """Raises UserError for a perturbation that does not fit the task; returns the error of one that cannot tell."""
    try:
        problem = _task_problem(cls, task)
    except PluginError as error:
        return error
    if problem:
        raise UserError(f"perturbation {name!r} does not fit task {task.info.name!r}: {problem}")
    return None


def _task_problem(cls: type[Perturbation], task: Task) -> str | None:
    if task.kind.name not in cls.info.kinds:
        kinds = " and ".join(kind.replace("_", " ") for kind in cls.info.kinds)
        return f"it is for {kinds}, and this is {task.kind.name.replace('_', ' ')}"
    with calling(cls, "task_problem"):
        return said_by(cls, "task_problem", "", cls.task_problem(task))


def _condition(cls: type[Perturbation], params: Any, seed: int, plugins: Plugins, asked: str) -> RequestedPerturbation:
    identity = plugins.identity("perturbations", asked)
    values = plain_values(params)
    defaults = {name: f.get_default(call_default_factory=True) for name, f in cls.Params.model_fields.items()}
    changed = {name: value for name, value in params.model_dump().items() if value != defaults[name]}
    shown = [f"{name}={json.dumps(values[name], ensure_ascii=False).strip(chr(34))}" for name in changed]
    shown += [f"seed={seed}"] if seed else []
    label = identity.name + (f"({','.join(shown)})" if shown else "")
    return RequestedPerturbation(
        PerturbationSpec(
            label=label,
            name=identity.name,
            version=cls.info.version,
            params=values,
            seed=seed,
            plugin_version=identity.version,
            plugin_sha256=identity.sha256,
        ),
        cls,
        params,
    )
