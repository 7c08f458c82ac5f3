"""A training: made ready while nothing has been written, and carried out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from xrobust import signals
from xrobust.code_identity import code_sha256
from xrobust.contracts import Batch, DataContext, Example, Forward, Method, ModelContext, Objective, Stage
from xrobust.encoded import Encoded
from xrobust.encodings import Encodings
from xrobust.engine.checkpoint import Checkpoints
from xrobust.engine.pretrained import checkpoint_gradients, load_encoder
from xrobust.engine.train import Job, Progress, Trainer, peak_memory, saves, total_steps
from xrobust.engine.trained import save_model
from xrobust.errors import RunError, UserError
from xrobust.evaluation import main_metric
from xrobust.metrics import metric
from xrobust.observers import Observers
from xrobust.plan import Plan
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import RunResult, TrainingSection
from xrobust.splits import LaterRead


@dataclass(frozen=True)
class Training:
    """A training that can begin: its model is loaded and adapted, its objective built."""

    job: Job
    tokenizer: Any
    embedding_norm: float
    """Of the pre-trained encoder."""

    def room(self) -> int:
        """Bytes on disk that it takes at most."""
        sizes = [(p.numel() * p.element_size(), p.requires_grad) for p in self.job.model.parameters()]
        trained = sum(size for size, trains in sizes if trains)
        return self.job.checkpoints.room(trained, saves(self.job)) + sum(size for size, _ in sizes)


def ready(plan: Plan, folder: RunFolder, accelerate: Any) -> Training:
    """Loads the encoder and lets the methods change it; writes nothing.

    Raises UserError for what only a loaded model shows: damaged weights, a method that does not go with it.
    """
    request, spec, kind = plan.request, plan.spec.train, plan.task.kind
    training_set = TrainingSet(plan)
    examples = training_set.count()
    encoder = load_encoder(
        kind, request.model, revision=request.model_revision, seed=request.seed, offline=request.offline
    )
    context = ModelContext(
        task=plan.task, seed=request.seed, new_modules=encoder.new_modules, embedding_norm=encoder.embedding_norm
    )
    model = _adapted(plan, encoder.model, context)
    if request.gradient_checkpointing:
        checkpoint_gradients(model, request.model)
    objective: Objective = plain_objective
    for method in plan.methods:
        objective = method.objective(objective, context)
    pad_id = encoder.tokenizer.pad_token_id
    encodings = Encodings(kind, encoder.tokenizer, spec.training.max_length, accelerate)
    dev = encodings.of({"rows": spec.data["dev"]}, lambda: plan.dev)
    job = Job(
        model=model,
        objective=objective,
        encoded=lambda epoch: training_set.encoded(epoch, encodings),
        examples=examples,
        score_dev=lambda m: main_metric(plan.task, m, dev, plan.dev, accelerate, pad_id),
        settings=spec.training,
        seed=request.seed,
        pad_id=pad_id,
        micro_batch_size=request.micro_batch_size,
        checkpoint_steps=request.checkpoint_steps,
        checkpoint_minutes=request.checkpoint_minutes,
        checkpoints=Checkpoints(folder.checkpoints, keep_all=request.keep_checkpoints == "all"),
        metric=metric(plan.task.metrics[0]).outputs[0],
    )
    return Training(job, encoder.tokenizer, encoder.embedding_norm)


def _adapted(plan: Plan, model: Any, context: ModelContext) -> Any:
    """The model as the methods want it. Raises UserError, with the method's name, for one that cannot be trained."""
    for method in plan.methods:
        model = method.adapt(model, context)
        if not isinstance(model, nn.Module):
            raise UserError(f"method {method.info.name}: its adapt returned {type(model).__name__}, not the model")
    if not any(p.requires_grad for p in model.parameters()):
        raise UserError(f"method {_names(plan.methods, 'adapt')}: its adapt left no parameter to be trained")
    return model


def train(
    training: Training, folder: RunFolder, result: RunResult, accelerate: Any, observers: Observers
) -> tuple[Any, Any]:
    """Trains, saves the model and the document with it. Returns the model, with its best weights, and its tokenizer."""
    job, steps = training.job, total_steps(training.job.examples, training.job.settings)
    parameters = list(job.model.parameters())
    result.model.parameters = sum(p.numel() for p in parameters)
    result.model.embedding_norm = training.embedding_norm
    result.model.trainable_parameters = sum(p.numel() for p in parameters if p.requires_grad)
    observers.call("run_started", spec=result.spec.model_dump(mode="json"), folder=str(folder.path), total_steps=steps)
    observers.call("phase_started", name="encode", total=job.examples)
    observers.call("phase_started", name="train", total=steps)
    with signals.held():  # until it is on disk what training came to
        progress = Trainer(job, accelerate, observers, result.warn).run()
        model = _save_trained(training, folder, result, accelerate, progress, steps)
    return model, training.tokenizer


def _save_trained(
    training: Training, folder: RunFolder, result: RunResult, accelerate: Any, progress: Progress, steps: int
) -> Any:
    """Writes the trained model, and the document with how training went. Returns the model."""
    result.training = TrainingSection(
        steps=progress.step,
        total_steps=steps,
        examples=progress.examples,
        examples_per_second=progress.examples / max(progress.seconds, 1e-9),
        seconds=progress.seconds,
        peak_memory_bytes=peak_memory(accelerate.device),
        micro_batch_size=progress.micro_batch_size,
        selected_step=progress.best_step,
        curve=progress.curve,  # type: ignore[arg-type]
        dev=progress.dev,  # type: ignore[arg-type]
    )
    model = accelerate.unwrap_model(training.job.model, keep_fp32_wrapper=False)
    if accelerate.is_main_process:
        folder.save_model(lambda path: save_model(model, training.tokenizer, path))
        folder.save(result)
    accelerate.wait_for_everyone()
    return model


def plain_objective(forward: Forward, batch: Batch) -> Any:
    """The objective that methods are wrapped around: cross entropy, summed over labelled items."""
    return forward(batch).loss


class TrainingSet:
    """The augmented and encoded training examples of each epoch; one epoch's are kept."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._anew = any(method.every_epoch for method in plan.methods)
        self._held: tuple[int, Encoded] | None = None

    def count(self) -> int:
        """Examples in an epoch. Raises UserError where a method leaves none."""
        return len(self._augmented(0))

    def _augmented(self, epoch: int) -> Sequence[Example]:
        """The examples that epoch `epoch` trains on."""
        plan, examples = self._plan, self._plan.train
        if isinstance(examples, LaterRead) and any("augment" in method.stages() for method in plan.methods):
            examples = examples.examples  # a list: what a plugin may take it for
        for method in plan.methods:
            number = epoch if method.every_epoch else 0
            name = method.info.name
            examples = method.augment(
                examples, DataContext(task=plan.task, seed=plan.request.seed, epoch=number, files=plan.files[name])
            )
            if not len(examples):
                raise UserError(f"method {name}: its augment left no example to train on")
        return examples

    def _checked(self, epoch: int) -> Iterator[Example]:
        """The same, one by one. Raises RunError, with the methods' names, at an example that cannot be trained on."""
        plan, kind = self._plan, self._plan.task.kind
        names = _names(plan.methods, "augment")
        examples = self._augmented(epoch)
        columns = {kind.gold_column, *kind.text_columns} & plan.train[0].keys()
        for row in range(len(examples)):
            example = examples[row]
            lacking = sorted(columns - example.keys())
            problem = f"no {lacking[0]!r}" if lacking else kind.problem(example)
            if problem is not None:
                raise RunError(f"method {names}: example {row} of its augment (id {example.get('id')}): {problem}")
            yield example

    def encoded(self, epoch: int, encodings: Encodings) -> Encoded:
        """The same, tokenised. What changes from epoch to epoch is not kept: it would be a file an epoch. Nor is what a
        method made of which nobody can tell whether it still does what it did."""
        key = epoch if self._anew else 0
        if self._held is None or self._held[0] != key:
            self._held = None  # before the next is made: two at once would double the memory
            examples = partial(self._checked, key)
            source = None if self._anew else self._made_from()
            made = encodings.anew(examples) if source is None else encodings.of(source, examples)
            self._held = (key, made)
        return self._held[1]

    def _made_from(self) -> dict[str, Any] | None:
        """What determines the examples: the rows, and for methods that augment them all that these go by. None where
        their code cannot be named."""
        plan, train = self._plan, self._plan.spec.train
        augmenting = [
            {**spec.model_dump(mode="json"), "code": code_sha256(type(method))}
            for method, spec in zip(plan.methods, train.method, strict=True)
            if "augment" in method.stages()
        ]
        if not augmenting:
            return {"rows": train.data["train"]}
        if any(method["code"] is None for method in augmenting):
            return None
        task = {"name": train.task, "version": train.task_plugin_version, "sha256": train.task_plugin_sha256}
        return {"rows": train.data["train"], "methods": augmenting, "task": task, "seed": train.seed}


def _names(methods: Sequence[Method], stage: Stage) -> str:
    """The methods that change a stage of training."""
    return "+".join(method.info.name for method in methods if stage in method.stages())
