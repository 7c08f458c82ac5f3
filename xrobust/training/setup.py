"""A training set up while nothing has been written: encoder loaded, methods applied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from xrobust.contracts import Batch, Forward, ModelContext, Objective
from xrobust.encoding.cache import EncodingCache
from xrobust.errors import UserError
from xrobust.evaluation.predictions import dev_score
from xrobust.metrics.by_name import metric
from xrobust.models.pretrained import checkpoint_gradients, load_encoder
from xrobust.plan import RunPlan
from xrobust.results.run_folder import RunFolder
from xrobust.training.checkpoints import Checkpoints
from xrobust.training.job import TrainingJob, checkpoint_count
from xrobust.training.training_set import TrainingSet, _names


@dataclass(frozen=True)
class TrainingSetup:
    """A training that can begin: its model is loaded and adapted, its objective built."""

    job: TrainingJob
    tokenizer: Any
    embedding_norm: float
    """Of the pre-trained encoder."""

    def disk_space(self) -> int:
        """Bytes on disk that it takes at most."""
        sizes = [(p.numel() * p.element_size(), p.requires_grad) for p in self.job.model.parameters()]
        trained = sum(size for size, trains in sizes if trains)
        return self.job.checkpoints.disk_space(trained, checkpoint_count(self.job)) + sum(size for size, _ in sizes)


def set_up_training(plan: RunPlan, folder: RunFolder, accelerate: Any) -> TrainingSetup:
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
    encodings = EncodingCache(kind, encoder.tokenizer, spec.training.max_length, accelerate)
    dev = encodings.encode({"rows": spec.data["dev"]}, lambda: plan.dev)
    job = TrainingJob(
        model=model,
        objective=objective,
        encoded=lambda epoch: training_set.encoded(epoch, encodings),
        examples=examples,
        score_dev=lambda m: dev_score(plan.task, m, dev, plan.dev, accelerate, pad_id),
        settings=spec.training,
        seed=request.seed,
        pad_id=pad_id,
        micro_batch_size=request.micro_batch_size,
        checkpoint_steps=request.checkpoint_steps,
        checkpoint_minutes=request.checkpoint_minutes,
        checkpoints=Checkpoints(folder.checkpoints, keep_all=request.keep_checkpoints == "all"),
        metric=metric(plan.task.metrics[0]).outputs[0],
    )
    return TrainingSetup(job, encoder.tokenizer, encoder.embedding_norm)


def _adapted(plan: RunPlan, model: Any, context: ModelContext) -> Any:
    """The model as the methods want it. Raises UserError, with the method's name, for one that cannot be trained."""
    for method in plan.methods:
        model = method.adapt(model, context)
        if not isinstance(model, nn.Module):
            raise UserError(f"method {method.info.name}: its adapt returned {type(model).__name__}, not the model")
    if not any(p.requires_grad for p in model.parameters()):
        raise UserError(f"method {_names(plan.methods, 'adapt')}: its adapt left no parameter to be trained")
    return model


def plain_objective(forward: Forward, batch: Batch) -> Any:
    """The objective that methods are wrapped around: cross entropy, summed over labelled items."""
    return forward(batch).loss
