"""Training of a run: carried out, then the model and the document saved."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from xrobust.encoding.truncation import Truncation
from xrobust.engine.memory import measure_peak, peak_memory
from xrobust.models.trained import save_model
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import RunResult
from xrobust.results.sections import Budget, TrainingSection
from xrobust.results.store import model_artifacts
from xrobust.runtime import signals
from xrobust.runtime.observers import Observers
from xrobust.training.job import total_steps
from xrobust.training.loop import Trainer
from xrobust.training.setup import TrainingSetup
from xrobust.training.state import TrainerState

logger = logging.getLogger("xrobust")


def train(
    training: TrainingSetup, folder: RunFolder, result: RunResult, accelerator: Any, observers: Observers
) -> tuple[Any, Any]:
    """Trains, saves the model and the document with it. Returns the model, with its best weights, and its tokenizer."""
    job, steps = training.job, total_steps(training.job.examples, training.job.settings)
    parameters = list(job.model.parameters())
    result.model.parameters = sum(p.numel() for p in parameters)
    result.model.embedding_norm = training.embedding_norm
    result.model.head = training.head.state
    result.model.trainable_parameters = sum(p.numel() for p in parameters if p.requires_grad)
    _note_truncation(result, "dev", training.dev_truncation)
    if training.warning is not None:
        result.warn(training.warning)
    logger.info("%s", training.head.message)
    observers.call(
        "run_started",
        spec=result.spec.model_dump(mode="json"),
        total_steps=steps,
        head=training.head.message,
    )
    observers.call("phase_started", name="encode", total=job.examples)
    measure_peak(accelerator.device)
    size = training.model_size()
    with signals.held():  # until the trained model is on disk
        trainer = Trainer(job, accelerator, observers, result.warn)
        if accelerator.is_main_process and not job.checkpoints.folder.exists():
            folder.require_space(size + training.checkpoint_space(with_embeddings=True))
        observers.call("phase_started", name="train", total=steps)
        state = trainer.run()
        section = _section(state, steps, accelerator)
        model = accelerator.unwrap_model(job.model, keep_fp32_wrapper=False)
        if accelerator.is_main_process:
            folder.save_model(lambda path: save_model(model, training.tokenizer, path))
            files = model_artifacts(folder.path)
            section.weights = {Path(file.path).name: file.sha256 for file in files if file.role == "weights"}
            result.artifacts = [artifact for artifact in result.artifacts if artifact.role == "predictions"] + files
        # Not before the model is on disk: a document with this section says that the run is trained.
        result.training = section
        _note_truncation(result, "train", None if state.truncation is None else Truncation(**state.truncation))
        if accelerator.is_main_process:
            folder.save(result)
        accelerator.wait_for_everyone()
    return model, training.tokenizer


def _note_truncation(result: RunResult, split: str, found: Truncation | None) -> None:
    """Puts what was cut away from a split of the source language into the document."""
    place = (split, result.spec.train.source)
    result.data.used = [
        row.model_copy(update={"truncation": found}) if (row.split, row.language) == place else row
        for row in result.data.used
    ]


def _section(state: TrainerState, steps: int, accelerator: Any) -> TrainingSection:
    """The document's section on how training went."""
    return TrainingSection(
        budget=Budget(
            steps=state.step,
            examples=state.examples,
            tokens=state.tokens,
            dev_evaluations=len(state.dev),
            processed_tokens=state.processed_tokens,
        ),
        total_steps=steps,
        examples_per_second=state.examples / max(state.seconds, 1e-9),
        seconds=state.seconds,
        peak_memory_bytes=peak_memory(accelerator.device),
        micro_batch_size=state.micro_batch_size,
        selected_step=state.best_step,
        curve=state.curve,  # type: ignore[arg-type]
        dev=state.dev,  # type: ignore[arg-type]
        weights=None,
    )
