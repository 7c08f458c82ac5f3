"""`xrobust show`: facts, description and parameters of one plugin or preset."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from xrobust.cli.table import print_table
from xrobust.errors import UserError, did_you_mean
from xrobust.registry.plugins import CORE, GROUPS, Group, Plugins
from xrobust.runtime.screen import say, say_lines, write_data

if TYPE_CHECKING:
    from xrobust.contracts import Method, Parameters, Perturbation, Task

WHAT = tuple(group.removesuffix("s") for group in GROUPS)


def show_command(
    what: Annotated[str, typer.Argument(metavar="task|method|perturbation|preset", help="What the name stands for.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, as `xrobust list` shows it.")],
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Python file with a plugin. Repeatable.")
    ] = None,
) -> None:
    """Show one task, method, perturbation or preset: what it is, where it comes from, its parameters."""
    if what not in (*WHAT, "preset"):
        raise UserError(f"cannot show {what!r}: {did_you_mean(what, (*WHAT, 'preset'))}")
    if what == "preset":
        from xrobust.config.presets import preset_file
        from xrobust.config.values import read_text

        write_data(read_text(preset_file(name)))
        return
    plugins = Plugins(plugin or ())
    group = cast(Group, f"{what}s")
    cls: Any = plugins.load(group, name)
    record = plugins.record(group, name)
    say(f"{what} {record.usable_as}: {record.summary}")
    say(f"from {record.origin} ({record.target})")
    if documented := _docstring(cls):
        say_lines(f"\n{documented}\n")
    if what == "task":
        _print_facts(_task_facts(cls))
    elif what == "method":
        _print_facts(_method_facts(cls))
        say()
        _print_params(cls.Params)
        for line in _task_defaults(cls, plugins):
            say(line)
        _print_how_to_set(cls, "method", "or method.{field} where no other part has one")
    else:
        _print_facts(_perturbation_facts(cls))
        say()
        _print_params(cls.Params)
        _print_how_to_set(cls, "perturb", "or perturb.{field} where no other one of the run has it")


def _print_how_to_set(cls: Any, section: str, short: str) -> None:
    if cls.Params.model_fields:
        field = next(iter(cls.Params.model_fields))
        say()
        say(f"set with --set {section}.{cls.info.name}.{field}=VALUE, {short.format(field=field)}")


def _docstring(cls: type) -> str:
    """The class's own docstring, not an inherited one; else its module's."""
    own = cls.__doc__ or getattr(sys.modules.get(cls.__module__), "__doc__", None)
    return inspect.cleandoc(own) if own else ""


def _print_facts(facts: Iterator[tuple[str, str]]) -> None:
    known = [(label, text) for label, text in facts if text]
    width = max(len(label) for label, _ in known)
    for label, text in known:
        say(f"{label.ljust(width)}  {text}")


def _task_facts(task: type[Task]) -> Iterator[tuple[str, str]]:
    from xrobust.config.training_settings import SCHEDULES, TrainingSettings
    from xrobust.metrics.by_name import metric
    from xrobust.report.format import percent

    info, recipe, kind = task.info, task.recipe, task.kind
    yield "kind", kind.name
    yield "labels", " ".join(kind.labels)
    yield "source language", info.source_language
    yield (
        "languages",
        f"{' '.join(info.languages)} ({len(info.languages)})" if info.languages else "those of your files",
    )
    for i, scorer in enumerate(map(metric, task.metrics)):
        yield f"metric {scorer.name}", scorer.definition + (" (main score)" if i == 0 else "")
    settings = TrainingSettings.resolve(recipe, {})
    for setting in ("epochs", "learning_rate", "batch_size", "max_length", *SCHEDULES):
        if (value := getattr(settings, setting)) is not None:
            yield f"training.{setting}", str(value)
    yield "recipe from", recipe.source
    for e in recipe.expected:
        yield "expected", f"{e.model}: average {e.metric} {percent(e.low, 1)} to {percent(e.high, 1)} ({e.source})"
    if info.hub is not None:
        yield "hub data set", info.hub.repo
        yield "hub revision", info.hub.revision
    yield "local files", f"<data-dir>/{info.name}/<split>-<language>.tsv: {', '.join(getattr(task, 'columns', ()))}"
    yield "licence", info.license
    yield "citation", info.citation


def _method_facts(method: type[Method]) -> Iterator[tuple[str, str]]:
    yield "changes", ", ".join(method.stages()) or "nothing: plain fine-tuning"
    yield "sees", method.info.supervision
    yield "citation", method.info.citation
    yield "defaults from", str(method.info.tuning or "")


def _perturbation_facts(perturbation: type[Perturbation]) -> Iterator[tuple[str, str]]:
    yield "kinds", " ".join(perturbation.info.kinds)
    yield "citation", perturbation.info.citation


def _print_params(params: type[Parameters]) -> None:
    from xrobust.cli.parameters import parameters

    rows = parameters(params)
    if not rows:
        say("no parameters")
    else:
        print_table(("parameter", "type", "default", "bounds", "what it is"), rows)


def _task_defaults(method: type[Method], plugins: Plugins) -> Iterator[str]:
    """The defaults that a method changes for built-in tasks, one line a task."""
    from xrobust.contracts.calling import calling
    from xrobust.contracts.parameters import plain_value

    fields = method.Params.model_fields
    for record in plugins.records("tasks"):
        if record.distribution == CORE and record.usable_as:
            with calling(method, "defaults", f"task {record.name}"):
                task = plugins.task(record.qualified)
                defaults = dict(method.defaults(task))
            changed = [
                f"{key}={plain_value(value)}"
                for key, value in defaults.items()
                if key not in fields or value != fields[key].default
            ]
            changed += [
                f"training.{key}={plain_value(value)}" for key, value in _settings(method, defaults, task).items()
            ]
            if changed:
                yield f"default for {record.name}: {', '.join(changed)}"


def _settings(method: type[Method], defaults: dict[str, Any], task: Task) -> dict[str, Any]:
    """The training settings that a method brings; none where it has a parameter that the user must give."""
    from pydantic import ValidationError

    from xrobust.config.composition import training_defaults

    try:
        params = method.Params(**defaults)
    except ValidationError:
        return {}
    return training_defaults(method(params), task)
