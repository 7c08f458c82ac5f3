"""Turns a request into a validated run plan: all checks are made here, and nothing is written."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xrobust.config.composition import compose, over_method_defaults
from xrobust.config.resolved_spec import MethodSpec, SelectionSpec, Spec, TrainSpec, group_id, run_id
from xrobust.config.robustness_settings import MIN_EXAMPLES
from xrobust.config.run_spec import RunSpec
from xrobust.config.training_settings import TrainingSettings
from xrobust.contracts import Example, Method, Source, Task
from xrobust.contracts.calling import blamed, calling, said_by
from xrobust.contracts.parameters import plain_values
from xrobust.data.sources import data_folder, open_source
from xrobust.data.splits import DataRows, evaluation_languages, open_split
from xrobust.errors import OutOfReach, UserError
from xrobust.evaluation.plan import EvaluationData, EvaluationPlan, plan_evaluation
from xrobust.evaluation.requested_perturbations import requested_perturbations
from xrobust.metrics.by_name import metric
from xrobust.registry.plugins import Plugins
from xrobust.results.plugin_changes import plugin_code
from xrobust.results.tracking.libraries import require_trackers
from xrobust.storage.hashing import file_sha256


@dataclass(frozen=True)
class RunPlan:
    """A validated run."""

    request: RunSpec
    plugins: Plugins
    task: Task
    methods: list[Method]
    files: dict[str, dict[str, Path]]
    """Method -> files that it reads."""
    source: Source
    train: Sequence[Example]
    dev: Sequence[Example]
    spec: Spec
    model: dict[str, str | None]
    """Identity of the base model: id, revision, sha256."""
    used: list[DataRows]
    """Rows and sha256 of every split that will be used."""
    evaluation: EvaluationPlan
    """Test sets and conditions that the trained model is scored on."""

    @property
    def run_id(self) -> str:
        """Hash of the training part of the spec."""
        return run_id(self.spec.train.model_dump(mode="json"))

    @property
    def group_id(self) -> str:
        """Hash of the training part without the seed: equal for repetitions of one run."""
        return group_id(self.spec.train.model_dump(mode="json"))

    @property
    def method_name(self) -> str:
        """Names of the method's parts in canonical order, joined by `+`."""
        return self.spec.train.method_name

    @property
    def origins(self) -> dict[str, str]:
        """Name of the task and of each method -> its distribution and version, or its file's name and sha256."""
        records = [self.plugins.record("methods", part.name) for part in self.spec.train.method]
        names = [self.request.task, *(part.name for part in self.spec.train.method)]
        all_records = [self.plugins.record("tasks", self.request.task), *records]
        return {
            name: record.origin if record.sha256 is None else f"{Path(record.origin).name} sha256:{record.sha256}"
            for name, record in zip(names, all_records, strict=True)
        }

    @property
    def code(self) -> dict[str, str]:
        """Name of the task and of each method from an installed package -> sha256 of that package's source."""
        return plugin_code(self.spec.train, self.plugins)

    @property
    def folder(self) -> Path:
        """Folder that the run is written to."""
        task, method = (name.replace("/", ".") for name in (self.spec.train.task, self.method_name))
        return self.request.output / task / method / self.run_id


def make_plan(request: RunSpec) -> RunPlan:
    """Resolves and checks a request: plugins, parameters, data of every language, the model. Raises UserError."""
    try:
        return _make_plan(request)
    except OutOfReach as error:
        command = ["xrobust", "data", "fetch", "--task", request.task, "--method", request.method]
        command += ["--model", request.model]
        command += ["--data-dir", str(request.data_dir)] if request.data_dir else []
        raise UserError(
            f"{error}; or use --preset mini, which needs no network, or run `{shlex.join(command)}` where there is one"
        ) from error


def load_plugins(request: RunSpec) -> tuple[Plugins, Task, list[Method], str]:
    """The plugins, the task, the methods in canonical order and the source language of a request. Raises UserError."""
    plugins = Plugins(request.plugins)
    task = plugins.task(request.task)
    methods = compose(request.method, request.method_params, task, plugins)
    language = request.source or task.info.source_language
    for method in methods:
        with calling(method, "language_problem", f"language {language}"):
            reason = said_by(method, "language_problem", f"language {language}", method.language_problem(language))
        if reason:
            raise UserError(f"method {method.info.name!r} cannot train on source language {language!r}: {reason}")
    return plugins, task, methods, language


def _make_plan(request: RunSpec) -> RunPlan:
    from xrobust.models.files import model_identity
    from xrobust.models.pretrained import check_model
    from xrobust.models.word_vectors import word_vectors

    require_trackers(request.log_with, offline=request.offline)
    plugins, task, methods, language = load_plugins(request)
    settings = TrainingSettings.resolve(task.recipe, over_method_defaults(methods, task, request.training))
    data_dir = data_folder(request.data_dir)
    source = open_source(data_dir, request.offline)
    evaluation_languages(task, source, request.languages)  # an unknown language is reported before any data are read
    wanted = requested_perturbations(request.perturb, request.perturb_params, task, plugins)
    files = {method.info.name: method_files(method, data_dir, request.offline) for method in methods}
    limit = check_model(task.kind, request.model, request.model_revision, request.offline)
    settings = _fit_length(settings, limit, asked="max_length" in request.training, model=request.model)

    train, train_rows = open_split(task, source, "train", language, request.limit)
    dev, dev_rows = open_split(task, source, "dev", language, request.limit)

    identity = model_identity(request.model, request.model_revision, request.offline)
    model: dict[str, str | None] = {
        k: v for k, v in identity.items() if v is not None and (k != "id" or identity["sha256"] is None)
    }
    metrics = [metric(name) for name in task.metrics]
    for scorer in metrics:
        with calling(scorer, "prepare"):
            scorer.prepare()  # what cannot be loaded is found before training
    task_identity = plugins.identity("tasks", request.task)
    spec = TrainSpec(
        task=task_identity.name,
        task_plugin_version=task_identity.version,
        task_plugin_sha256=task_identity.sha256,
        method=tuple(_method_spec(m, files[m.info.name], plugins, request.method) for m in methods),
        model=model,
        source=language,
        selection=SelectionSpec(metric=metrics[0].outputs[0], version=metrics[0].version),
        training=settings,
        precision=request.precision,
        seed=request.seed,
        limit=request.limit,
        data={"train": train_rows.sha256, "dev": dev_rows.sha256},
    )
    # Every test set is read now, unless it is unchanged since an earlier read, and again when it is scored: a bad line
    # is found before hours of training.
    evaluation = plan_evaluation(
        request,
        EvaluationData(task, source, data_dir, request.offline),
        spec,
        wanted,
        encoder=lambda: word_vectors(request.model, request.model_revision, offline=request.offline),
    )
    used = [train_rows, dev_rows, *evaluation.used]
    least = {"min_examples": request.robustness.min_examples or MIN_EXAMPLES}
    whole = Spec(train=spec, evaluation=evaluation.spec.model_copy(update=least))
    return RunPlan(request, plugins, task, methods, files, source, train, dev, whole, identity, used, evaluation)


def method_files(method: Method, data_dir: Path | None, offline: bool) -> dict[str, Path]:
    """The files that a method reads. Raises UserError for one that the user can get, PluginError for any other."""
    with calling(method, "files"):
        files = {str(name): Path(path) for name, path in method.files(data_dir, offline).items()}
    for name, path in files.items():
        if not path.is_file():
            raise blamed(method, "files", "", f"{path}, which it calls {name!r}, is no file")
    return files


def _fit_length(settings: TrainingSettings, limit: int, *, asked: bool, model: str) -> TrainingSettings:
    """Cuts the recipe's max_length to the model's limit; a length that the user asked for is never changed silently."""
    if settings.max_length <= limit:
        return settings
    if asked:
        raise UserError(
            f"setting 'training.max_length' is {settings.max_length}, but {model} takes at most {limit} word pieces"
        )
    return settings.model_copy(update={"max_length": limit})


def _method_spec(method: Method, files: dict[str, Path], plugins: Plugins, asked: str) -> MethodSpec:
    # The name as it was asked for: `distribution/name` where two distributions have the same one.
    names = [name.strip() for name in asked.split("+")]
    identity = plugins.identity("methods", next(n for n in names if n.rpartition("/")[2] == method.info.name))
    return MethodSpec(
        name=identity.name,
        params=plain_values(method.params),
        files={key: file_sha256(path) for key, path in files.items()},
        plugin_version=identity.version,
        plugin_sha256=identity.sha256,
    )
