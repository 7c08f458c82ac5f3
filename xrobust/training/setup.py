"""Set-up of a training, which writes nothing: the encoder is loaded and the methods are applied."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from xrobust.contracts import Batch, Forward, ModelContext, Objective
from xrobust.encoding.cache import EncodingCache
from xrobust.encoding.truncation import Truncation, truncation_of, warn_of_truncation
from xrobust.errors import UserError
from xrobust.evaluation.predictions import dev_score
from xrobust.metrics.by_name import metric
from xrobust.models.head import Head
from xrobust.models.pretrained import checkpoint_gradients, load_encoder
from xrobust.training.checkpoints import Checkpoints
from xrobust.training.inputs import EncoderPlace, TrainingInputs, TrainingOptions
from xrobust.training.job import TrainingJob, checkpoint_count
from xrobust.training.training_set import TrainingSet, method_names


@dataclass(frozen=True)
class TrainingSetup:
    """A training that can begin: its model is loaded and adapted, its objective built."""

    job: TrainingJob
    tokenizer: Any
    embedding_norm: float
    """Mean L2 norm of the rows of the pre-trained input embedding matrix."""
    dev_truncation: Truncation | None
    """Examples of the source dev set that `max_length` cut."""
    head: Head
    warning: str | None
    """Line on weights of the base model that are not used, or None."""

    def disk_space(self) -> int:
        """Bytes on disk that checkpoints and the trained model take at most."""
        sizes = [(p.numel() * p.element_size(), p.requires_grad) for p in self.job.model.parameters()]
        trained = sum(size for size, trains in sizes if trains)
        return self.job.checkpoints.disk_space(trained, checkpoint_count(self.job)) + sum(size for size, _ in sizes)


def set_up_training(
    inputs: TrainingInputs, base: EncoderPlace, options: TrainingOptions, checkpoints: Path, accelerator: Any
) -> TrainingSetup:
    """Loads the encoder `base` and lets the methods change it; writes nothing.

    `checkpoints` is the folder that they will be written to. Raises UserError for what only a loaded model shows:
    damaged weights, a method that does not go with it.
    """
    spec, task = inputs.spec, inputs.task
    training_set = TrainingSet(inputs)
    examples = training_set.count()
    encoder = load_encoder(task.kind, base.path_or_id, revision=base.revision, seed=spec.seed, offline=base.offline)
    context = ModelContext(task, spec.seed, encoder.modules_to_save, encoder.embedding_norm)
    model = _adapted(inputs, encoder.model, context)
    if options.gradient_checkpointing:
        checkpoint_gradients(model, base.path_or_id)
    objective: Objective = plain_objective
    for method in inputs.methods:
        objective = method.objective(objective, context)
    pad_id = encoder.tokenizer.pad_token_id

    def warn_of_cut(split: str, found: Truncation | None) -> None:
        where = f"{task.info.name} {split} {spec.source}"
        warn_of_truncation(where, found, spec.training.max_length, encoder.max_length_limit)

    encodings = EncodingCache(task.kind, encoder.tokenizer, spec.training.max_length, accelerator)
    dev = encodings.encode({"rows": spec.data["dev"]}, lambda: inputs.dev)
    dev_cut = truncation_of(dev, task.kind, inputs.dev)
    warn_of_cut("dev", dev_cut)
    job = TrainingJob(
        model=model,
        objective=objective,
        encoded=lambda epoch: training_set.encoded(epoch, encodings),
        examples=examples,
        score_dev=lambda m: dev_score(task, m, dev, inputs.dev, accelerator, pad_id),
        settings=spec.training,
        seed=spec.seed,
        pad_id=pad_id,
        options=options,
        checkpoints=Checkpoints(checkpoints, keep_all=options.keep_all_checkpoints),
        metric=metric(task.metrics[0]).outputs[0],
        warn_of_cut=partial(warn_of_cut, "train"),
    )
    return TrainingSetup(job, encoder.tokenizer, encoder.embedding_norm, dev_cut, encoder.head, encoder.unused)


def _adapted(inputs: TrainingInputs, model: Any, context: ModelContext) -> Any:
    """The model after the methods' `adapt`. Raises UserError, with the method's name, if it cannot be trained."""
    for method in inputs.methods:
        model = method.adapt(model, context)
        if not isinstance(model, nn.Module):
            raise UserError(f"method {method.info.name}: its adapt returned {type(model).__name__}, not the model")
    if not any(p.requires_grad for p in model.parameters()):
        raise UserError(f"method {method_names(inputs.methods, 'adapt')}: its adapt left no parameter to be trained")
    return model


def plain_objective(forward: Forward, batch: Batch) -> Any:
    """The objective that methods are wrapped around: cross entropy, summed over labelled items."""
    return forward(batch).loss
