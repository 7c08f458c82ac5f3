"""Plugins of a trained run: those that its spec names, from files of the very content that the spec has the sha256 of.

A document is data. None of the files that it names is executed, unless the user has named it before with `--plugin`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xrobust.config.resolved_spec import PerturbationSpec, TrainSpec
from xrobust.errors import UserError, shown
from xrobust.registry.named_files import remember, was_named
from xrobust.registry.plugin_file import PluginSource, read_source
from xrobust.registry.plugins import Plugins
from xrobust.results.schema import RunResult
from xrobust.storage.regular_file import open_regular


@dataclass(frozen=True)
class RunPlugins:
    """The plugins that are installed, those of the run's files, and those of the files that the user named."""

    plugins: Plugins
    left_out: list[str]
    """Paths that the document names and that were not loaded: nothing in the spec needs them."""

    @property
    def files(self) -> list[Path]:
        """Absolute paths of the files that were loaded."""
        return list(self.plugins.files)


@dataclass(frozen=True)
class _Needed:
    """A plugin of a spec that came from a file."""

    what: str
    sha256: str


def run_plugins(
    result: RunResult, named: Sequence[str | Path] = (), perturb: Sequence[str] = (), *, methods: bool = True
) -> RunPlugins:
    """Finds and loads the plugins of a trained run.

    A file that the spec needs is one of `named` with the spec's sha256, wherever it lies, or else one that the document
    names, if its content has that sha256 and the user has named this very file before.

    Args:
        result: the run's document.
        named: files that the user names now; all of them are loaded.
        perturb: names of perturbations asked for, which the document may know the files of.
        methods: False where the task alone is needed, to read data.

    Raises:
        UserError: a file that is needed is not there, is another than the run's, or was never named by the user.
    """
    if isinstance(named, str):
        raise UserError(f"plugin files {shown(named)}: give a list of paths")
    given = [read_source(path) for path in named]
    recorded = [] if result.local is None else result.local.plugin_files
    sources = list(given)
    for needed in _needed(result.spec.train, methods):
        if needed.sha256 not in {source.sha256 for source in sources}:
            sources.append(_require(needed, recorded, given))
    plugins = Plugins(sources)
    for name in perturb:
        before = [spec for spec in result.spec.evaluation.perturbations if spec.name == name and spec.plugin_sha256]
        if before and not _has(plugins, name):
            sources.append(_last(before, recorded, given))
    plugins = Plugins(sources)
    remember({source.place: source.sha256 for source in given})
    loaded = {str(path) for path in plugins.files}
    return RunPlugins(plugins, [place for place in recorded if place not in loaded])


def _has(plugins: Plugins, perturbation: str) -> bool:
    try:
        plugins.record("perturbations", perturbation)
    except UserError:
        return False
    return True


def _needed(train: TrainSpec, methods: bool) -> list[_Needed]:
    """The plugins of a training that came from files."""
    parts = [(f"task {train.task!r}", train.task_plugin_sha256)]
    parts += [(f"method {part.name!r}", part.plugin_sha256) for part in train.method if methods]
    return [_Needed(what, sha256) for what, sha256 in parts if sha256 is not None]


def _last(specs: Sequence[PerturbationSpec], recorded: Sequence[str], given: Sequence[PluginSource]) -> PluginSource:
    """The file of a perturbation, which may have been edited from one evaluation to the next. Raises UserError."""
    needed = [_Needed(f"perturbation {spec.name!r}", spec.plugin_sha256 or "") for spec in reversed(specs)]
    for one in needed:
        if (found := _recorded(one.sha256, recorded)) is not None:
            return found
    return _require(needed[0], recorded, given)


def _require(needed: _Needed, recorded: Sequence[str], given: Sequence[PluginSource]) -> PluginSource:
    """The file that the document names for a plugin. Raises UserError, which says what to do."""
    if (found := _recorded(needed.sha256, recorded)) is not None:
        return found
    start = f"the run needs {needed.what} from a file of sha256 {needed.sha256[:12]}..."
    if given:
        others = ", ".join(f"{source.path} is {source.sha256[:12]}..." for source in given)
        raise UserError(f"{start}, and {others}: name the file as it was then with --plugin FILE")
    where = f" (the run's document says {', '.join(recorded)})" if recorded else ""
    raise UserError(
        f"{start}, which you have not named on this machine, or which was moved or edited since{where}: "
        "name it with --plugin FILE, if you trust it"
    )


def _recorded(sha256: str, places: Sequence[str]) -> PluginSource | None:
    """The file with that content among `places`, read only if the user has named it; None where there is none.

    A relative path would mean another file in each working folder: it is no place.
    """
    for place in map(Path, places):
        if place.is_absolute() and was_named(place, sha256):
            try:
                with open_regular(place) as file:
                    source = PluginSource(place, file.read())
            except OSError:
                continue
            if hashlib.sha256(source.content).hexdigest() == sha256:
                return source
    return None
