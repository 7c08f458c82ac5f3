"""A training carried out: trained, and saved with the document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xrobust.engine.memory import peak_memory
from xrobust.models.trained import save_model
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import Budget, RunResult, TrainingSection
from xrobust.results.store import model_artifacts
from xrobust.runtime import signals
from xrobust.runtime.observers import Observers
from xrobust.training.job import total_steps
from xrobust.training.loop import Trainer
from xrobust.training.setup import TrainingSetup
from xrobust.training.state import TrainerState


def train(
    training: TrainingSetup, folder: RunFolder, result: RunResult, accelerate: Any, observers: Observers
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
    training: TrainingSetup, folder: RunFolder, result: RunResult, accelerate: Any, progress: TrainerState, steps: int
) -> Any:
    """Writes the trained model, and the document with how training went. Returns the model."""
    result.training = TrainingSection(
        budget=Budget(
            steps=progress.step,
            examples=progress.examples,
            tokens=None,
            dev_evaluations=len(progress.dev),
        ),
        total_steps=steps,
        examples_per_second=progress.examples / max(progress.seconds, 1e-9),
        seconds=progress.seconds,
        peak_memory_bytes=peak_memory(accelerate.device),
        micro_batch_size=progress.micro_batch_size,
        selected_step=progress.best_step,
        curve=progress.curve,  # type: ignore[arg-type]
        dev=progress.dev,  # type: ignore[arg-type]
        weights=None,
    )
    model = accelerate.unwrap_model(training.job.model, keep_fp32_wrapper=False)
    if accelerate.is_main_process:
        folder.save_model(lambda path: save_model(model, training.tokenizer, path))
        files = model_artifacts(folder.path)
        result.artifacts = [artifact for artifact in result.artifacts if artifact.role == "predictions"] + files
        result.training.weights = {Path(file.path).name: file.sha256 for file in files if file.role == "weights"}
        folder.save(result)
    accelerate.wait_for_everyone()
    return model
