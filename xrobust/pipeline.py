"""A whole run: plan, train, score every language, write the document."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from xrobust.config.run_spec import RunSpec
from xrobust.errors import RunError, UserError
from xrobust.evaluation.expected_range import range_warnings
from xrobust.evaluation.noting import note_requested, say_of_data
from xrobust.evaluation.run import score_plan
from xrobust.evaluation.scorer import ScoredModel, Scorer, ScoreRecord
from xrobust.evaluation.session import session
from xrobust.plan import RunPlan, make_plan
from xrobust.registry.named_files import remember
from xrobust.results.plugin_changes import plugin_changes
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import RunResult, now
from xrobust.results.sections import DataSection, ModelSection
from xrobust.results.summary import summarise
from xrobust.results.tracking.libraries import LIBRARIES, TrackedRun
from xrobust.results.tracking.observer import Tracker
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
    require_ready(plan)
    folder = RunFolder(plan.folder)
    with session(folder, plan.request.precision) as accelerate:
        main = accelerate.is_main_process
        if (existing := finished_result(plan)) is not None:
            return existing
        if (existing := scored_result(plan)) is not None:
            return averaged_anew(plan, folder, existing, main=main)
        existing = result_to_resume(plan, folder)
        trained = load_or_set_up(plan, folder, existing, accelerate)
        if main and existing is None and plan.request.force:
            folder.clear()
        accelerate.wait_for_everyone()
        watching = plan.plugins.observers(observers, trackers(plan, existing)) if main else Observers()
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


def trackers(plan: RunPlan, found: RunResult | None) -> list[tuple[str, Tracker]]:
    """The experiment trackers that a run is to be logged to, by name. `found` is the document of a run that goes on."""
    request, train = plan.request, plan.spec.train
    parts = (train.task, plan.method_name, f"seed{train.seed}", plan.run_id)
    run = TrackedRun(
        run_id=plan.run_id,
        name="-".join(parts).replace("/", "."),
        group=request.experiment or train.task.replace("/", "."),
        experiment=request.experiment,
        folder=request.output.absolute() / "trackers",
        anew=found is None,
        offline=request.offline,
        trained_steps=0 if found is None or found.training is None else found.training.total_steps,
    )
    return [(name, Tracker(LIBRARIES[name], run)) for name in request.log_with]


def finished_result(plan: RunPlan) -> RunResult | None:
    """The document of a complete run with all that is requested; None if anything is left to do, or with `--force`."""
    existing = scored_result(plan)
    if existing is None or not plan.evaluation.averages_fit(existing):
        return None
    for change in plugin_changes(existing, plan.plugins):
        logger.warning("run %s: %s", plan.run_id, change)
    return existing


def scored_result(plan: RunPlan) -> RunResult | None:
    """The document of a complete run with all requested scores, whatever its means are over; None as above."""
    if plan.request.force:
        return None
    existing = RunFolder(plan.folder).result()
    if existing is None or existing.status != "complete" or plan.evaluation.left(existing):
        return None
    return existing


def averaged_anew(plan: RunPlan, folder: RunFolder, result: RunResult, *, main: bool) -> RunResult:
    """The document of a run with all scores, its means taken as the plan asks for; needs no model."""
    result.spec = result.spec.model_copy(update={"evaluation": result.spec.evaluation.with_more(plan.evaluation.spec)})
    result.summary = summarise(result)
    if main:
        folder.save(result)
    return result


def require_ready(plan: RunPlan) -> None:
    """Raises PluginError where a plugin fails at a test set of a run that is still to be trained.

    Nothing is lost by it then. A trained run gets the scores of its other test sets.
    """
    if plan.evaluation.failures:
        existing = result_to_resume(plan, RunFolder(plan.folder))
        if existing is None or existing.training is None:
            raise plan.evaluation.failures[0]


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
            tuning=plan.request.tuning,
        )
        result.ask(plan.evaluation.keys_left(result), added=False)
    else:
        result = found
        if result.status != "complete" and plan.request.tuning is not None:
            result.tuning = plan.request.tuning
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
