"""A whole run: plan, train, score every language, write the document."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrobust.config.run_spec import EvaluationRequest, RunSpec
from xrobust.contracts import Task
from xrobust.data.notes import data_warnings, log_notes
from xrobust.data.sources import data_folder, open_source
from xrobust.data.splits import DataRows, RowsOrigin
from xrobust.errors import NotAllScored, RunError, UserError
from xrobust.evaluation.expected_range import range_warnings
from xrobust.evaluation.plan import EvaluationData, EvaluationPlan, plan_evaluation
from xrobust.evaluation.requested_perturbations import requested_perturbations
from xrobust.evaluation.run import score_plan
from xrobust.evaluation.scorer import ScoredModel, Scorer, ScoreRecord
from xrobust.plan import RunPlan, make_plan
from xrobust.registry.named_files import remember
from xrobust.registry.plugins import Plugins
from xrobust.results.plugin_changes import plugin_changes
from xrobust.results.run_folder import RunFolder
from xrobust.results.run_plugins import RunPlugins, run_plugins
from xrobust.results.schema import RunResult, Status, now, other_origin, replace_rows
from xrobust.results.sections import DataSection, ModelSection
from xrobust.results.store import load_result, run_folder_of
from xrobust.results.summary import summarise
from xrobust.runtime import signals
from xrobust.runtime.observers import Observers

if TYPE_CHECKING:
    from xrobust.training.inputs import TrainingInputs

logger = logging.getLogger("xrobust")


def run(request: RunSpec, observers: Iterable[Any] = ()) -> RunResult:
    """Trains and scores a run, and returns its result document, which is also on disk.

    A run that was stopped resumes from its last checkpoint; a complete one is returned as it is. `observers` are
    objects with hook implementations (`xrobust.contracts.hooks`).

    Raises:
        UserError: something in the request is wrong; nothing was written.
        RunError: the run could not go on; its document is marked failed and keeps what there was.
        KeyboardInterrupt: after Ctrl-C, and `xrobust.runtime.signals.Terminated`, which is one, after SIGTERM. In
            training a checkpoint was written.
    """
    return execute(make_plan(request), observers)


@signals.watched()
def execute(plan: RunPlan, observers: Iterable[Any] = ()) -> RunResult:
    """Carries out a plan; see `run`."""
    from xrobust.engine.accelerator import emulated_precision

    if (existing := finished_result(plan)) is not None:
        return existing
    folder = RunFolder(plan.folder)
    with _session(folder, plan.request.precision) as accelerate:
        main = accelerate.is_main_process
        if (existing := finished_result(plan)) is not None:
            return existing
        existing = result_to_resume(plan, folder)
        trained = load_or_set_up(plan, folder, existing, accelerate)
        if main and existing is None and plan.request.force:
            folder.clear()
        accelerate.wait_for_everyone()
        watching = plan.plugins.observers(observers) if main else Observers()
        if main:
            remember(plan.plugins.files)
        result = open_result(plan, existing, accelerate)
        with folder.recording(result, watching, main=main):
            if (warning := emulated_precision(accelerate)) is not None:
                result.warn(warning)
            say_of_data(result, plan.spec.train.task, plan.used, plan.evaluation)
            model, tokenizer = trained(result, watching)
            scored = ScoredModel(model, tokenizer, plan.spec.train.training.max_length, accelerate)
            watching.call("evaluation_started", spec=result.spec.model_dump(mode="json"))
            score_plan(plan.evaluation, Scorer(plan.task, scored, ScoreRecord(result, folder, watching)))
            with signals.held():  # a complete run has no checkpoints any more: it is not to be called interrupted
                _finish(plan, folder, result, accelerate, watching)
    return result


@contextmanager
def _session(folder: RunFolder, precision: str) -> Iterator[Any]:
    """Locks the folder of a run for all of its processes, and yields the accelerator.

    Raises UserError and RunError.
    """
    from xrobust.engine.accelerator import accelerator, check_shared

    accelerate = accelerator(precision)
    with folder.locked(main=accelerate.is_main_process):
        check_shared(folder.lock, accelerate)  # the main process has it: nobody else changes what is read now
        yield accelerate


def finished_result(plan: RunPlan) -> RunResult | None:
    """The document of a complete run with all requested scores; None if anything is left to do, or with `--force`."""
    if plan.request.force:
        return None
    existing = RunFolder(plan.folder).result()
    if existing is None or existing.status != "complete" or plan.evaluation.left(existing):
        return None
    for change in plugin_changes(existing, plan.plugins):
        logger.warning("run %s: %s", plan.run_id, change)
    return existing


def result_to_resume(plan: RunPlan, folder: RunFolder) -> RunResult | None:
    """The document of a run to resume, or None to begin from the start. Raises UserError.

    `--force` begins a complete or damaged run anew. It resumes a run that was stopped or failed, or else the same
    command would never finish a run that is stopped now and then.
    """
    force = plan.request.force
    try:
        existing = folder.result()
    except UserError:
        if force:
            return None
        raise
    if existing is None or (force and existing.status == "complete"):
        return None
    if existing.training is None or folder.model.exists():
        return existing
    if force:
        return None
    if folder.has_checkpoint:
        existing.forget_training()
        existing.warn("the trained model was gone: training went on from its last checkpoint, and all is scored anew")
        return existing
    raise UserError(
        f"{folder.path}: there are languages to score, and the weights were not kept (--keep-checkpoints none): "
        "use --force to train again"
    )


def load_or_set_up(
    plan: RunPlan, folder: RunFolder, found: RunResult | None, accelerate: Any
) -> Callable[[RunResult, Observers], tuple[Any, Any]]:
    """Loads the trained model, or sets up its training; returns a function that gives the model and its tokenizer.

    Raises UserError for all problems that show before the document is opened: a complete run stays complete.
    """
    if found is not None and found.training is not None:
        from xrobust.engine.memory import on_device
        from xrobust.models.trained import load_run_model

        try:
            model, tokenizer = load_run_model(folder.path, found, plan.plugins, offline=plan.request.offline)
        except UserError as error:
            if not folder.has_checkpoint:
                raise
            again = f"delete {folder.model} and the same command trains on from the last checkpoint"
            raise UserError(f"{error}; or {again}") from error
        on_device(model, accelerate.device)
        return lambda result, observers: (model, tokenizer)

    from xrobust.training.inputs import EncoderPlace, TrainingOptions
    from xrobust.training.run import train
    from xrobust.training.setup import set_up_training

    request = plan.request
    base = EncoderPlace(request.model, request.model_revision, request.offline)
    options = TrainingOptions(
        micro_batch_size=request.micro_batch_size,
        gradient_checkpointing=request.gradient_checkpointing,
        checkpoint_steps=request.checkpoint_steps,
        checkpoint_minutes=request.checkpoint_minutes,
        keep_all_checkpoints=request.keep_checkpoints == "all",
    )
    training = set_up_training(training_inputs(plan), base, options, folder.checkpoints, accelerate)
    anew = found is None and plan.request.force
    if accelerate.is_main_process and (anew or not folder.checkpoints.exists()):
        folder.require_space(training.disk_space(), anew=anew)
    return lambda result, observers: train(training, folder, result, accelerate, observers)


def training_inputs(plan: RunPlan) -> TrainingInputs:
    """The part of a plan that is trained on."""
    from xrobust.training.inputs import TrainingInputs

    return TrainingInputs(plan.spec.train, plan.task, plan.methods, plan.files, plan.train, plan.dev)


def open_result(plan: RunPlan, found: RunResult | None, accelerate: Any) -> RunResult:
    """The document to write to: the one on disk, with the new requests noted, or a new one."""
    from xrobust.results.environment import environment, local, resume_warnings

    here, place = environment(plan.request, plan.origins, plan.code, accelerate), local(plan.request, plan.files)
    if found is None:
        result = RunResult(
            run_id=plan.run_id,
            group_id=plan.group_id,
            status="running",
            started=now(),
            updated=now(),
            spec=plan.spec,
            model=ModelSection(**plan.model),  # type: ignore[arg-type]
            data=DataSection(**plan.source.describe(plan.task), used=plan.used),  # type: ignore[arg-type]
            environment=here,
            local=place,
            sample=plan.source.sample,
            supervision=sorted({method.info.supervision for method in plan.methods}),
            unscored=[],
        )
        result.ask(plan.evaluation.keys_left(result), added=False)
    else:
        result = found
        if result.training is None:
            for warning in resume_warnings(result.environment, here):
                result.warn(warning)
        else:
            for warning in plugin_changes(result, plan.plugins):
                result.warn(warning)
            here.plugin_code = result.environment.plugin_code
        result.environment, result.local = here, place
        note_requested(result, plan.evaluation, added=False)
    result.status, result.error = "running", None
    return result


@signals.watched()
def evaluate(
    run: Path,
    languages: Sequence[str] | None = None,
    *,
    request: EvaluationRequest | None = None,
    data_dir: str | Path | None = None,
    plugin_files: Sequence[Path] = (),
    offline: bool = False,
    observers: Iterable[Any] = (),
) -> RunResult:
    """Scores a trained run on more languages (by default all with test data), pairs of languages, perturbations or an
    attack, without training.

    `request` names them; `languages` alone is short for a request with nothing else. `data_dir` is by default the
    folder of the run's own data. `plugin_files` are those that the run needs and that lie elsewhere now (see
    `load_model`), and those of perturbations and observers. Raises UserError and RunError.
    """
    from xrobust.engine.memory import on_device
    from xrobust.models.trained import load_run_model

    if request is None:
        request = EvaluationRequest(languages=None if languages is None else tuple(languages))
    elif languages is not None:
        raise UserError("evaluate: languages are given twice: name them in the request alone")
    folder = RunFolder(run_folder_of(run))
    train = load_result(run).spec.train
    with _session(folder, train.precision) as accelerate:
        main = accelerate.is_main_process
        result = load_result(run)
        result.require_local()
        if result.training is None or not folder.model.exists():
            untrained = result.training is None
            why = "was not trained to its end" if untrained else "kept no weights (--keep-checkpoints none)"
            raise UserError(f"{run} {why}: there is nothing to score")
        found = run_plugins(result, plugin_files, request.perturb)
        task, plan = _evaluation_of(result, request, data_dir, found.plugins, offline)
        model, tokenizer = load_run_model(folder.path, result, found.plugins, offline=offline)
        accelerate.wait_for_everyone()

        watching = found.plugins.observers(observers) if main else Observers()
        # A kill leaves what the document says while scores are missing: that it is at work, not that it is complete.
        before: Status = "interrupted" if result.status == "running" else result.status
        note_requested(result, plan, added=True)
        if plan.left(result):
            result.status = "running"
        note_plugin_files(result, found)
        failed: NotAllScored | None = None
        with folder.recording(result, watching, main=main, adding=True):
            for place in found.left_out:
                logger.info("%s is not loaded: what is scored does not need it (--plugin FILE)", place)
            for warning in plugin_changes(result, found.plugins):
                result.warn(warning)
            say_of_data(result, train.task, plan.used, plan)
            scored = ScoredModel(on_device(model, accelerate.device), tokenizer, train.training.max_length, accelerate)
            watching.call("evaluation_started", spec=result.spec.model_dump(mode="json"))
            try:
                score_plan(plan, Scorer(task, scored, ScoreRecord(result, folder, watching)))
            except NotAllScored as error:
                failed = error
            with signals.held():
                # A run that was stopped while it was being scored is complete when nothing is left to score.
                result.status = before
                if result.is_scored():
                    result.status, result.error = "complete", None
                result.summary = summarise(result)
                if main:
                    folder.save(result)
        if failed is not None:
            watching.call("run_failed", error=str(failed))
            raise failed
        watching.call("run_finished", result=result.model_dump(mode="json"))
    return result


def _evaluation_of(
    result: RunResult,
    request: EvaluationRequest,
    data_dir: str | Path | None,
    plugins: Plugins,
    offline: bool,
) -> tuple[Task, EvaluationPlan]:
    """The task and the plan of an evaluation of a trained run."""
    from xrobust.models.trained import check_unchanged
    from xrobust.models.word_vectors import word_vectors

    train, place = result.spec.train, result.require_local()
    base = place.model_path
    task = plugins.task(train.task, train.task_plugin_version)
    wanted = requested_perturbations(request.perturb, request.perturb_params, task, plugins)
    if any("encoder" in condition.cls.needs for condition in wanted):
        check_unchanged(base, train.model)
    folder = data_folder(data_dir or place.data_dir)
    plan = plan_evaluation(
        request,
        EvaluationData(task, open_source(folder, offline), folder, offline),
        train,
        wanted,
        encoder=lambda: word_vectors(base, train.model.get("revision"), offline=offline),
        scored=result.data.used,
    )
    return task, plan


def note_plugin_files(result: RunResult, found: RunPlugins) -> None:
    """Notes where the plugin files of a run lie now, before those places that the document had and that still exist."""
    place = result.require_local()
    there = [text for text in found.left_out if Path(text).is_file()]
    place.plugin_files = list(dict.fromkeys([*map(str, found.files), *there]))


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


def _finish(plan: RunPlan, folder: RunFolder, result: RunResult, accelerate: Any, observers: Observers) -> None:
    if not result.scores:
        raise RunError("no test set was scored: name a language that has one (--languages)")
    for warning in range_warnings(plan.task, plan.request, result):
        result.warn(warning)
    result.give_up("not asked for by the last command, and left unscored by the one before", everything=True)
    result.status = "complete"
    result.summary = summarise(result)
    if accelerate.is_main_process:
        folder.save(result)
        keep = plan.request.keep_checkpoints
        if keep != "all":
            shutil.rmtree(folder.checkpoints, ignore_errors=True)
        if keep == "none":
            result.artifacts = [artifact for artifact in result.artifacts if artifact.role == "predictions"]
            folder.save(result)
            shutil.rmtree(folder.model, ignore_errors=True)
    accelerate.wait_for_everyone()
    observers.call("run_finished", result=result.model_dump(mode="json"))
