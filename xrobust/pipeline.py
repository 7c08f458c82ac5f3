"""A whole run: plan, train, score every language, write the document."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xrobust.contracts import Batch, DataContext, Forward, ModelContext, Objective, Source, Task
from xrobust.data import data_folder, open_source
from xrobust.errors import UserError
from xrobust.observers import Observers
from xrobust.plan import Plan, evaluation_languages, load_split, prepare
from xrobust.plugins import Plugins
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import DataRows, DataSection, ModelSection, RunResult, TrainingSection, now
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

    folder = RunFolder(plan.folder)
    found = None if plan.request.force else folder.result()
    wanted = plan.spec.evaluation.languages
    if found is not None and found.status == "complete" and set(wanted) <= found.scored():
        return found
    if found is not None and found.training is not None and not folder.model.exists():
        # Before the document is opened: a run that is complete stays so.
        raise UserError(
            f"{folder.path}: more languages need the weights, which were not kept (--keep-checkpoints none): "
            "use --force to train again"
        )
    accelerate = accelerator(plan.request.precision)
    if accelerate.is_main_process:
        folder.open(anew=plan.request.force)
    accelerate.wait_for_everyone()
    watching = plan.plugins.observers(observers) if accelerate.is_main_process else Observers()
    result = _document(plan, found, accelerate)
    with folder.recording(result, watching, main=accelerate.is_main_process):
        model, tokenizer = _trained(plan, folder, result, accelerate, watching)
        _score(plan.task, plan.source, model, tokenizer, folder, result, accelerate, watching)
        _finish(plan, folder, result, accelerate, watching)
    return result


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
        if result.training is None and here.threads != result.environment.threads:
            message = (
                f"resumed with {here.threads} threads after {result.environment.threads}: "
                "the weights can differ in their last bits from those of a run that was not stopped"
            )
            logger.warning(message)
            result.warnings.append(message)
        result.environment = here
        _add_languages(result, plan.spec.evaluation.languages, plan.used)
    result.status, result.error = "running", None
    return result


def _trained(
    plan: Plan, folder: RunFolder, result: RunResult, accelerate: Any, observers: Observers
) -> tuple[Any, Any]:
    """The trained model and its tokenizer: from the folder where training had ended, else trained now."""
    from xrobust.engine.trained import load_model

    if result.training is not None:
        model, tokenizer = load_model(folder.path)
        return model.to(accelerate.device), tokenizer

    from xrobust.engine.checkpoint import Checkpoints
    from xrobust.engine.pretrained import load_encoder
    from xrobust.engine.train import Job, Trainer, peak_memory, saves, total_steps
    from xrobust.engine.trained import save_model
    from xrobust.evaluation import main_metric
    from xrobust.metrics import metric

    request, spec, kind = plan.request, plan.spec.train, plan.task.kind
    encoder = load_encoder(
        kind, request.model, revision=request.model_revision, seed=request.seed, offline=request.offline
    )
    context = ModelContext(
        task=plan.task, seed=request.seed, new_modules=encoder.new_modules, embedding_norm=encoder.embedding_norm
    )
    model = encoder.model
    for method in plan.methods:
        model = method.adapt(model, context)
    objective: Objective = plain_objective
    for method in plan.methods:
        objective = method.objective(objective, context)

    parameters = list(model.parameters())
    trainable = [p for p in parameters if p.requires_grad]
    result.model.parameters = sum(p.numel() for p in parameters)
    result.model.trainable_parameters = sum(p.numel() for p in trainable)
    checkpoints = Checkpoints(folder.checkpoints, keep_all=request.keep_checkpoints == "all")
    training_set = TrainingSet(plan, encoder.tokenizer)
    examples = len(training_set.augmented(0))
    steps = total_steps(examples, spec.training)
    observers.call("run_started", spec=result.spec.model_dump(mode="json"), folder=str(folder.path), total_steps=steps)
    observers.call("phase_started", name="encode", total=examples)
    dev = kind.encode(plan.dev, encoder.tokenizer, spec.training.max_length)
    job = Job(
        model=model,
        objective=objective,
        encoded=training_set.encoded,
        examples=examples,
        score_dev=lambda m: main_metric(plan.task, m, dev, plan.dev, accelerate, encoder.tokenizer.pad_token_id),
        settings=spec.training,
        seed=request.seed,
        pad_id=encoder.tokenizer.pad_token_id,
        micro_batch_size=request.micro_batch_size,
        checkpoint_steps=request.checkpoint_steps,
        checkpoints=checkpoints,
        metric=metric(plan.task.metrics[0]).outputs[0],
    )
    if not folder.checkpoints.exists():
        trained, whole = (sum(p.numel() * p.element_size() for p in ps) for ps in (trainable, parameters))
        folder.require_space(checkpoints.room(trained, saves(job)) + whole)
    observers.call("phase_started", name="train", total=steps)
    progress = Trainer(job, accelerate, observers).run()
    result.training = TrainingSection(
        steps=progress.step,
        total_steps=steps,
        examples=progress.examples,
        examples_per_second=progress.examples / max(progress.seconds, 1e-9),
        seconds=progress.seconds,
        peak_memory_bytes=peak_memory(accelerate.device),
        selected_step=progress.best_step,
        curve=progress.curve,  # type: ignore[arg-type]
        dev=progress.dev,  # type: ignore[arg-type]
    )
    model = accelerate.unwrap_model(model, keep_fp32_wrapper=False)
    if accelerate.is_main_process:
        folder.save_model(lambda path: save_model(model, encoder.tokenizer, path))
        folder.save(result)
    accelerate.wait_for_everyone()
    return model, encoder.tokenizer


def plain_objective(forward: Forward, batch: Batch) -> Any:
    """The objective that methods are wrapped around: cross entropy, summed over labelled items."""
    return forward(batch).loss


class TrainingSet:
    """The augmented and encoded training examples of each epoch; one epoch's are kept."""

    def __init__(self, plan: Plan, tokenizer: Any) -> None:
        self._plan = plan
        self._tokenizer = tokenizer
        self._anew = any(method.every_epoch for method in plan.methods)
        self._held: tuple[int, Any] | None = None

    def augmented(self, epoch: int) -> Any:
        """The examples that epoch `epoch` trains on."""
        plan, examples = self._plan, self._plan.train
        for method in plan.methods:
            number = epoch if method.every_epoch else 0
            name = method.info.name
            examples = method.augment(
                examples, DataContext(task=plan.task, seed=plan.request.seed, epoch=number, files=plan.files[name])
            )
        return examples

    def encoded(self, epoch: int) -> Any:
        """The same, tokenised."""
        key = epoch if self._anew else 0
        if self._held is None or self._held[0] != key:
            self._held = None  # before the next is made: two at once would double the memory
            length = self._plan.spec.train.training.max_length
            encoded = self._plan.task.kind.encode(self.augmented(key), self._tokenizer, length)
            self._held = (key, encoded)
        return self._held[1]


def evaluate(
    run: Path,
    languages: Sequence[str] | None = None,
    *,
    data_dir: Path | None = None,
    offline: bool = False,
    observers: Iterable[Any] = (),
) -> RunResult:
    """Scores a trained run in more languages (all that have test data, by default), without training.

    `data_dir` is where the run's own data lay unless given. Raises UserError and RunError.
    """
    from xrobust.engine.processes import accelerator
    from xrobust.engine.trained import load_model

    folder = RunFolder(run if run.is_dir() else run.parent)
    result = load_result(run)
    if result.training is None or not folder.model.exists():
        why = "was not trained to its end" if result.training is None else "kept no weights (--keep-checkpoints none)"
        raise UserError(f"{run} {why}: there is nothing to score")
    plugins = Plugins([Path(file) for file in result.environment.plugin_files])
    task = plugins.load("tasks", result.spec.train.task)()
    stored = result.environment.data_dir
    source = open_source(data_folder(data_dir or (Path(stored) if stored else None)), offline)
    wanted = evaluation_languages(task, source, languages)
    new = [code for code in wanted if code not in result.scored()]
    used = [load_split(task, source, "test", code, result.spec.train.limit)[1] for code in new]

    accelerate = accelerator(result.spec.train.precision)
    if accelerate.is_main_process:
        folder.open(anew=False)
    watching = plugins.observers(observers) if accelerate.is_main_process else Observers()
    before = result.status
    _add_languages(result, wanted, used)
    with folder.recording(result, watching, main=accelerate.is_main_process):
        model, tokenizer = load_model(folder.path)
        _score(task, source, model.to(accelerate.device), tokenizer, folder, result, accelerate, watching)
        # A run that was stopped while it was being scored is complete when nothing is left to score.
        result.status = before
        if set(result.spec.evaluation.languages) <= result.scored():
            result.status, result.error = "complete", None
        result.summarise()
        if accelerate.is_main_process:
            folder.save(result)
    watching.call("run_finished", result=result.model_dump(mode="json"))
    return result


def _add_languages(result: RunResult, languages: Sequence[str], used: Sequence[DataRows]) -> None:
    """Notes which languages are to be scored, on which rows; an attempt that scored nothing may have noted others."""
    new = {row.language: row for row in used if row.split == "test" and row.language not in result.scored()}
    kept = [row for row in result.data.used if row.split != "test" or row.language not in new]
    result.data.used = [*kept, *new.values()]
    together = tuple(dict.fromkeys((*result.spec.evaluation.languages, *languages)))
    evaluation = result.spec.evaluation.model_copy(update={"languages": together})
    result.spec = result.spec.model_copy(update={"evaluation": evaluation})


def _score(
    task: Task,
    source: Source,
    model: Any,
    tokenizer: Any,
    folder: RunFolder,
    result: RunResult,
    accelerate: Any,
    observers: Observers,
) -> None:
    """Scores every language that has no score yet; each is on disk before the next begins."""
    from xrobust.evaluation import score_language

    wanted = [code for code in result.spec.evaluation.languages if code not in result.scored()]
    observers.call("phase_started", name="evaluate", total=len(wanted))
    for language in wanted:
        scored = score_language(task, source, result.spec.train, model, tokenizer, language, accelerate)
        if accelerate.is_main_process:
            result.artifacts[f"predictions/{language}"] = folder.save_predictions(
                language, task.kind, scored.examples, scored.predictions
            )
        result.scores += scored.rows
        if accelerate.is_main_process:
            folder.save(result)
        for row in scored.rows:
            observers.call("language_scored", row=row.model_dump(mode="json"))


def _finish(plan: Plan, folder: RunFolder, result: RunResult, accelerate: Any, observers: Observers) -> None:
    from xrobust.evaluation import out_of_range

    for warning in out_of_range(plan, result):
        if warning not in result.warnings:
            logger.warning(warning)
            result.warnings.append(warning)
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
