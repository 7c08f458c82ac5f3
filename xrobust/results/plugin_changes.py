"""Changes of the installed plugins of a run since it was trained: other versions, and other code of one version."""

from __future__ import annotations

from collections.abc import Iterator

from xrobust.config.resolved_spec import TrainSpec
from xrobust.errors import UserError
from xrobust.registry.plugins import Group, Plugins
from xrobust.results.schema import RunResult
from xrobust.storage.code_hash import own_code_hash


def plugin_code(train: TrainSpec, plugins: Plugins) -> dict[str, str]:
    """Task and methods of a run that come from installed packages -> sha256 of their packages' source.

    xrobust's own are left out, and those of a file, whose sha256 is in the spec; so is what source does not show, and
    what is not installed.
    """
    found = {}
    for group, name, version in _of_packages(train):
        try:
            code = own_code_hash(plugins.load(group, name, version))
        except UserError:
            continue
        if code is not None:
            found[name] = code
    return found


def plugin_changes(result: RunResult, plugins: Plugins) -> list[str]:
    """A line for each installed plugin of a run that is another now than in training."""
    code = plugin_code(result.spec.train, plugins)
    changes = []
    for group, name, then in _of_packages(result.spec.train):
        if name not in code:
            continue
        what, now = f"{group[:-1]} {name}", plugins.identity(group, name).version
        if now != then:
            changes.append(
                f"{what} is of version {now} now, and was of version {then} when the run was trained: the scores may "
                f"not be those that it had then"
            )
        elif code[name] != result.environment.plugin_code.get(name, code[name]):
            changes.append(
                f"the code of {what}, version {now}, was another when the run was trained with this version: --force "
                "trains again"
            )
    return changes


def _of_packages(train: TrainSpec) -> Iterator[tuple[Group, str, str | None]]:
    """Group, name and version of the plugins that come from packages: those that are called `distribution/name`."""
    parts: list[tuple[Group, str, str | None]] = [("tasks", train.task, train.task_plugin_version)]
    parts += [("methods", part.name, part.plugin_version) for part in train.method]
    yield from (part for part in parts if "/" in part[1])
