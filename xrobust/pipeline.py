"""A whole run: plan, train, score every language, write the document."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from xrobust.contracts import Source, Task
from xrobust.data import data_folder, open_source
from xrobust.errors import UserError
from xrobust.observers import Observers
from xrobust.plan import Plan, evaluation_languages, load_split, prepare
from xrobust.plugins import Plugins
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import DataRows, DataSection, Environment, ModelSection, RunResult, now
from xrobust.results.store import load_result
from xrobust.spec import RunSpec

logger = logging.getLogger("xrobust")


def run(request: RunSpec, observers: Iterable[Any] = ()) -> RunResult:
    """Trains and scores what `request` asks for, and returns the result document, which is also on disk.

    A run that was stopped goes on from its last checkpoint; a complete one is returned as it is. `observers` are
    objects with hook implementations (`xrobust.hookspecs`).

    Raises:
        UserError: something in the request is wrong; nothing was written.
        RunError: the run could not go on; its document is marked failed and keeps what there was.
    """
    return execute(prepare(request), observers)


def execute(plan: Plan, observers: Iterable[Any] = ()) -> RunResult:
    """Carries out a plan; see `run`."""
    from xrobust.engine.processes import accelerator

    if (found := complete(plan)) is not None:
        return found
    folder = RunFolder(plan.folder)
    accelerate = accelerator(plan.request.precision)
    main = accelerate.is_main_process
    with folder.locked(main=main):
        accelerate.wait_for_everyone()  # until the main process has the lock: nobody else changes what is read now
        if (found := complete(plan)) is not None:
            return found
        found = _unfinished(plan, folder)
        trained = _trained(plan, folder, found, accelerate)
        if main and found is None and plan.request.force:
            folder.clear()
        accelerate.wait_for_everyone()
        watching = plan.plugins.observers(observers) if main else Observers()
        result = _document(plan, found, accelerate)
        with folder.recording(result, watching, main=main):
            model, tokenizer = trained(result, watching)
            _score(plan.task, plan.source, model, tokenizer, folder, result, plan.used, accelerate, watching)
            _finish(plan, folder, result, accelerate, watching)
    return result


def complete(plan: Plan) -> RunResult | None:
    """The document of a run in which nothing is left to do; None where something is, and always with `--force`."""
    if plan.request.force:
        return None
    found = RunFolder(plan.folder).result()
    wanted = set(plan.spec.evaluation.languages)
    return found if found is not None and found.status == "complete" and wanted <= found.scored(plan.used) else None


def _unfinished(plan: Plan, folder: RunFolder) -> RunResult | None:
    """The document to go on with, or None for a run from its beginning. Raises UserError.

    `--force` does anew what is complete or damaged. It goes on with a run that was stopped or failed, or else the same
    command would never come to the end of a run that is stopped now and then.
    """
    force = plan.request.force
    try:
        found = folder.result()
    except UserError:
        if force:
            return None
        raise
    if found is None or (force and found.status == "complete"):
        return None
    if found.training is None or folder.model.exists():
        return found
    if force:
        return None
    raise UserError(
        f"{folder.path}: there are languages to score, and the weights were not kept (--keep-checkpoints none): "
        "use --force to train again"
    )


def _trained(
    plan: Plan, folder: RunFolder, found: RunResult | None, accelerate: Any
) -> Callable[[RunResult, Observers], tuple[Any, Any]]:
    """What gives the trained model and its tokenizer: loaded where training had ended, else about to be trained.

    Raises UserError for all that can be found out before the document is opened: a run that is complete stays so.
    """
    if found is not None and found.training is not None:
        from xrobust.engine.trained import load_model

        model, tokenizer = load_model(folder.path, offline=plan.request.offline)
        model.to(accelerate.device)
        return lambda result, observers: (model, tokenizer)

    from xrobust.training import ready, train

    training = ready(plan, folder, accelerate)
    anew = found is None and plan.request.force
    if accelerate.is_main_process and (anew or not folder.checkpoints.exists()):
        folder.require_space(training.room(), anew=anew)
    return lambda result, observers: train(training, folder, result, accelerate, observers)


def _document(plan: Plan, found: RunResult | None, accelerate: Any) -> RunResult:
    """The document to go on with: the one on disk, with more languages to score, or a new one."""
    from xrobust.results.environment import environment

    here = environment(plan, accelerate)
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
            sample=plan.source.sample,
            supervision=sorted({method.info.supervision for method in plan.methods}),
        )
    else:
        result = found
        if result.training is None:
            _warn(result, _resumed_otherwise(result.environment, here))
        result.environment = here
        _add_languages(result, plan.spec.evaluation.languages, plan.used)
    result.status, result.error = "running", None
    return result


def _resumed_otherwise(before: Environment, here: Environment) -> list[str]:
    """Warnings of what makes the weights of a training that goes on others than those of one that was not stopped."""
    tail = "from those of a run that was not stopped"
    warnings = []
    if here.threads != before.threads:
        warnings.append(
            f"resumed with {here.threads} threads after {before.threads}: "
            f"the weights can differ in their last bits {tail}"
        )
    if here.world_size != before.world_size:
        warnings.append(
            f"resumed with {here.world_size} processes after {before.world_size}: "
            f"dropout and noise are other draws, and the weights differ {tail}"
        )
    if here.micro_batch_size != before.micro_batch_size:
        warnings.append(
            f"resumed with micro_batch_size {here.micro_batch_size or 'unset'} after "
            f"{before.micro_batch_size or 'unset'}: dropout and noise are other draws, and the weights differ {tail}"
        )
    return warnings


def evaluate(
    run: Path,
    languages: Sequence[str] | None = None,
    *,
    data_dir: str | Path | None = None,
    offline: bool = False,
    observers: Iterable[Any] = (),
) -> RunResult:
    """Scores a trained run in more languages (all that have test data, by default), without training.

    `data_dir` is where the run's own data lay unless given. Raises UserError and RunError.
    """
    from xrobust.engine.processes import accelerator
    from xrobust.engine.trained import load_model

    folder = RunFolder(run if run.is_dir() else run.parent)
    train = load_result(run).spec.train
    accelerate = accelerator(train.precision)
    main = accelerate.is_main_process
    with folder.locked(main=main):
        accelerate.wait_for_everyone()  # until the main process has the lock: nobody else changes what is read now
        result = load_result(run)
        if result.training is None or not folder.model.exists():
            untrained = result.training is None
            why = "was not trained to its end" if untrained else "kept no weights (--keep-checkpoints none)"
            raise UserError(f"{run} {why}: there is nothing to score")
        plugins = Plugins([Path(file) for file in result.environment.plugin_files])
        task = plugins.load("tasks", train.task)()
        stored = result.environment.data_dir
        source = open_source(data_folder(data_dir or stored), offline)
        wanted = evaluation_languages(task, source, languages)
        used = [load_split(task, source, "test", code, train.limit)[1] for code in wanted]
        model, tokenizer = load_model(folder.path, offline=offline)
        accelerate.wait_for_everyone()

        watching = plugins.observers(observers) if main else Observers()
        before = result.status
        _add_languages(result, wanted, used)
        with folder.recording(result, watching, main=main):
            model.to(accelerate.device)
            _score(task, source, model, tokenizer, folder, result, used, accelerate, watching)
            # A run that was stopped while it was being scored is complete when nothing is left to score.
            result.status = before
            if set(result.spec.evaluation.languages) <= result.scored():
                result.status, result.error = "complete", None
            result.summarise()
            if main:
                folder.save(result)
        watching.call("run_finished", result=result.model_dump(mode="json"))
    return result


def _add_languages(result: RunResult, languages: Sequence[str], used: Sequence[DataRows]) -> None:
    """Notes which languages are to be scored, on which rows; an attempt that scored nothing may have noted others."""
    _note_rows(result, [row for row in used if row.split == "test" and row.language not in result.scored()])
    together = tuple(dict.fromkeys((*result.spec.evaluation.languages, *languages)))
    evaluation = result.spec.evaluation.model_copy(update={"languages": together})
    result.spec = result.spec.model_copy(update={"evaluation": evaluation})


def _note_rows(result: RunResult, used: Sequence[DataRows]) -> None:
    """Puts test rows into the document, in place of what it says of the same languages."""
    new = {row.language: row for row in used}
    kept = [new.pop(row.language, row) if row.split == "test" else row for row in result.data.used]
    result.data.used = [*kept, *new.values()]


def _score(
    task: Task,
    source: Source,
    model: Any,
    tokenizer: Any,
    folder: RunFolder,
    result: RunResult,
    used: Sequence[DataRows],
    accelerate: Any,
    observers: Observers,
) -> None:
    """Scores every language that has no score, or one on other rows than `used`; each is on disk before the next."""
    from xrobust.evaluation import score_language

    languages = result.spec.evaluation.languages
    wanted = [code for code in languages if code not in result.scored(used)]
    for code in wanted:
        if code in result.scored():
            logger.info("the test rows of %s are not those that it was scored on: it is scored anew", code)
    observers.call("phase_started", name="evaluate", total=len(wanted))
    for language in wanted:
        scored = score_language(task, source, result.spec.train, model, tokenizer, language, accelerate)
        if accelerate.is_main_process:
            result.artifacts[f"predictions/{language}"] = folder.save_predictions(
                language, task.kind, scored.examples, scored.predictions
            )
        rows = [*(row for row in result.scores if row.language != language), *scored.rows]
        result.scores = sorted(rows, key=lambda row: languages.index(row.language))
        _note_rows(result, [scored.used])
        if accelerate.is_main_process:
            folder.save(result)
        for row in scored.rows:
            observers.call("language_scored", row=row.model_dump(mode="json"))


def _finish(plan: Plan, folder: RunFolder, result: RunResult, accelerate: Any, observers: Observers) -> None:
    from xrobust.evaluation import out_of_range

    _warn(result, out_of_range(plan, result))
    result.status = "complete"
    result.summarise()
    if accelerate.is_main_process:
        folder.save(result)
        keep = plan.request.keep_checkpoints
        if keep != "all":
            shutil.rmtree(folder.checkpoints, ignore_errors=True)
        if keep == "none":
            shutil.rmtree(folder.model, ignore_errors=True)
    accelerate.wait_for_everyone()
    observers.call("run_finished", result=result.model_dump(mode="json"))


def _warn(result: RunResult, warnings: Iterable[str]) -> None:
    """Logs warnings and keeps them in the document, each once."""
    for warning in warnings:
        if warning not in result.warnings:
            logger.warning(warning)
            result.warnings.append(warning)
