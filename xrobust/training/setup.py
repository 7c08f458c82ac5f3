"""Set-up of a training, which writes nothing: the encoder is loaded and the methods are applied."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from xrobust.contracts import Method, ModelContext
from xrobust.encoding.cache import EncodingCache
from xrobust.encoding.truncation import Truncation, truncation_of, warn_of_truncation
from xrobust.engine.batches import model_inputs
from xrobust.engine.memory import on_device
from xrobust.errors import UserError
from xrobust.evaluation.predictions import dev_score
from xrobust.metrics.by_name import metric
from xrobust.models.adapted import (
    adapted,
    output_width,
    require_one_structure,
    require_outputs,
    require_trained_head,
    without_values,
)
from xrobust.models.head import Head
from xrobust.models.pretrained import checkpoint_gradients, load_encoder
from xrobust.training.checkpoints import Checkpoints
from xrobust.training.embedding_rows import obstacle
from xrobust.training.inputs import EncoderPlace, TrainingInputs, TrainingOptions
from xrobust.training.job import TrainingJob, checkpoint_count
from xrobust.training.objective import Place, build_objective
from xrobust.training.training_set import TrainingSet, method_names


@dataclass(frozen=True)
class TrainingSetup:
    """A training that can begin: its model is loaded and adapted, its objective built."""

    job: TrainingJob
    tokenizer: Any
    embedding_norm: float
    """Mean L2 norm of the pre-trained input embeddings of the ordinary tokens of the source dev set."""
    dev_truncation: Truncation | None
    """Examples of the source dev set that `max_length` cut."""
    head: Head
    warning: str | None
    """Line on weights of the base model that are not used, or None."""

    def disk_space(self) -> int:
        """Bytes on disk that the trained model and checkpoints take at most.

        Without the word embeddings in checkpoints where only those that occur are trained: how many is known later.
        """
        return self.model_size() + self.checkpoint_space(with_embeddings=self.job.all_rows is not None)

    def model_size(self) -> int:
        """Bytes of the model's parameters, trained or not."""
        return sum(p.nbytes for p in self.job.model.parameters())

    def checkpoint_space(self, *, with_embeddings: bool) -> int:
        """Bytes on disk that checkpoints take at most, with or without the word embeddings that the model now has."""
        embeddings = getattr(self.job.model.get_input_embeddings(), "weight", None)
        counted = (
            p for p in self.job.model.parameters() if p.requires_grad and (with_embeddings or p is not embeddings)
        )
        return self.job.checkpoints.disk_space(sum(p.nbytes for p in counted), checkpoint_count(self.job))


def set_up_training(
    inputs: TrainingInputs, base: EncoderPlace, options: TrainingOptions, checkpoints: Path, accelerator: Any
) -> TrainingSetup:
    """Loads the encoder `base` and lets the methods change it; writes nothing.

    `checkpoints` is the folder that they will be written to. Raises UserError for what only a loaded model shows,
    damaged weights for instance, and PluginError for a method that does not go with it.
    """
    spec, task, place = inputs.spec, inputs.task, Place(inputs.methods)
    training_set = TrainingSet(inputs)
    examples = training_set.count()
    encoder = load_encoder(task.kind, base.path_or_id, revision=base.revision, seed=spec.seed, offline=base.offline)
    pad_id = encoder.tokenizer.pad_token_id

    def warn_of_cut(split: str, found: Truncation | None) -> None:
        where = f"{task.info.name} {split} {spec.source}"
        warn_of_truncation(where, found, spec.training.max_length, encoder.max_length_limit)

    encodings = EncodingCache(task.kind, encoder.tokenizer, spec.training.max_length, accelerator)
    dev = encodings.encode({"rows": spec.data["dev"]}, lambda: inputs.dev)
    dev_cut = truncation_of(dev, task.kind, inputs.dev)
    warn_of_cut("dev", dev_cut)
    norm = encoder.embedding_norm(dev)  # of the dev set, which no method changes: one unit for all of them
    context = ModelContext(task, spec.seed, encoder.modules_to_save, norm)
    model = _adapted(inputs.methods, encoder.model, context, partial(model_inputs, dev, [0], pad_id), accelerator)
    if options.gradient_checkpointing:
        checkpoint_gradients(model, base.path_or_id)
    job = TrainingJob(
        model=model,
        objective=build_objective(inputs.methods, context, place),
        place=place,
        encoded=lambda epoch: training_set.encoded(epoch, encodings),
        examples=examples,
        every_epoch=training_set.every_epoch,
        score_dev=lambda m: dev_score(task, m, dev, inputs.dev, accelerator, pad_id),
        settings=spec.training,
        seed=spec.seed,
        pad_id=pad_id,
        options=options,
        checkpoints=Checkpoints(checkpoints, keep_all=options.keep_all_checkpoints),
        metric=metric(task.metrics[0]).outputs[0],
        all_rows=obstacle(model, inputs.methods, spec.training),
        warn_of_cut=partial(warn_of_cut, "train"),
    )
    return TrainingSetup(job, encoder.tokenizer, norm, dev_cut, encoder.head, encoder.unused)


def _adapted(
    methods: Sequence[Method],
    model: Any,
    context: ModelContext,
    inputs: Callable[[torch.device], dict[str, torch.Tensor]],
    accelerator: Any,
) -> Any:
    """The model after the methods' `adapt`, which has as many outputs for each label as before.

    A pass over one item, whose `inputs` are asked for on a device, shows that before anything is trained. Raises
    UserError, with the methods' names, where nothing is left to train, PluginError for a model that cannot be trained.
    """
    adapting = [method for method in methods if "adapt" in method.stages()]
    if adapting:
        given = without_values(model)
        outputs = output_width(model, inputs(torch.device("cpu")))
        for method in adapting:
            model = adapted(method, model, context)
        on_device(model, accelerator.device)
        require_outputs(adapting[-1], model, inputs(accelerator.device), outputs)
    if not any(p.requires_grad for p in model.parameters()):
        raise UserError(f"method {method_names(methods, 'adapt')}: its adapt left no parameter to be trained")
    if adapting:
        require_trained_head(adapting[-1], model, context.modules_to_save)
        require_one_structure(adapting, given, model, context)
    return model
