"""More scores for a trained run: planned, scored and added to its document."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xrobust.config.run_spec import EvaluationRequest
from xrobust.contracts import Task
from xrobust.data.sources import data_folder, open_source
from xrobust.errors import NotAllScored, UserError, shown
from xrobust.evaluation.noting import note_requested, say_of_data
from xrobust.evaluation.plan import EvaluationData, EvaluationPlan, plan_evaluation
from xrobust.evaluation.requested_perturbations import requested_perturbations
from xrobust.evaluation.run import score_plan
from xrobust.evaluation.scorer import ScoredModel, Scorer, ScoreRecord
from xrobust.evaluation.session import session
from xrobust.metrics.by_name import metric
from xrobust.registry.plugins import Plugins
from xrobust.results.plugin_changes import plugin_changes
from xrobust.results.run_folder import RunFolder
from xrobust.results.run_plugins import RunPlugins, run_plugins
from xrobust.results.schema import RunResult, Status
from xrobust.results.store import load_result, run_folder_of
from xrobust.results.summary import summarise
from xrobust.runtime import signals
from xrobust.runtime.observers import Observers

logger = logging.getLogger("xrobust")


@signals.watched()
def evaluate(
    run: str | Path,
    languages: Sequence[str] | None = None,
    *,
    request: EvaluationRequest | None = None,
    data_dir: str | Path | None = None,
    plugin_files: Sequence[str | Path] = (),
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
    with session(folder, train.precision) as accelerate:
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
        _note_plugin_files(result, found)
        with folder.recording(result, watching, main=main, adding=True):
            for place in found.left_out:
                logger.info("%s is not loaded: what is scored does not need it (--plugin FILE)", place)
            for warning in plugin_changes(result, found.plugins):
                result.warn(warning)
            say_of_data(result, train.task, plan.used, plan)
            scored = ScoredModel(on_device(model, accelerate.device), tokenizer, train.training.max_length, accelerate)
            watching.call("evaluation_started", spec=result.spec.model_dump(mode="json"))
            failed = _score(plan, Scorer(task, scored, ScoreRecord(result, folder, watching)), before)
        if failed is not None:
            watching.call("run_failed", error=str(failed))
            raise failed
        watching.call("run_finished", result=result.model_dump(mode="json"))
    return result


def _score(plan: EvaluationPlan, scorer: Scorer, before: Status) -> NotAllScored | None:
    """Scores what is left, saves the document as it is then, and returns the error of test sets without a score.

    `before` is the status of the run without this evaluation.
    """
    result, failed = scorer.result, None
    try:
        score_plan(plan, scorer)
    except NotAllScored as error:
        failed = error
    with signals.held():
        # A run that was stopped while it was being scored is complete when nothing is left to score.
        result.status = before
        if result.is_scored():
            result.status, result.error = "complete", None
        result.summary = summarise(result)
        if scorer.accelerator.is_main_process:
            scorer.folder.save(result)
    return failed


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
    _require_metric(result, task)
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


def _require_metric(result: RunResult, task: Task) -> None:
    """Raises UserError where the main metric of the scores is none of the task's: new scores would lack it."""
    own = [output for name in task.metrics for output in metric(name).outputs]
    if result.scores and result.main_metric not in own:
        raise UserError(
            f"run {result.run_id}: its scores are in {shown(result.main_metric)}, and task {task.info.name} has "
            f"{', '.join(own)}: the document was changed, or the task's plugin was since"
        )


def _note_plugin_files(result: RunResult, found: RunPlugins) -> None:
    """Notes where the plugin files of a run lie now, before those places that the document had and that still exist."""
    place = result.require_local()
    there = [text for text in found.left_out if Path(text).is_file()]
    place.plugin_files = list(dict.fromkeys([*map(str, found.files), *there]))
