"""Labels for a user's own text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xrobust.data.tsv import read
from xrobust.engine.accelerator import accelerator
from xrobust.evaluation.predictions import predict_examples
from xrobust.models.trained import load_model
from xrobust.registry.plugins import Plugins
from xrobust.results.store import load_result


def predict_file(run: Path, file: Path, *, offline: bool = False) -> list[str]:
    """Labels the lines of `file` with the run's model; returns tab-separated lines.

    Classification and multiple choice: the text columns, the label and its probability. Tagging: a line a token (token,
    tag, probability), an empty line between sentences. A gold column in the file is ignored. With `offline` a base
    model that the run needs must be on this machine. Raises UserError.
    """
    result = load_result(run)
    task = Plugins([Path(f) for f in result.require_local().plugin_files]).load("tasks", result.spec.train.task)()
    kind = task.kind
    examples: list[dict[str, Any]] = read(file, task, text_only=True)
    model, tokenizer = load_model(run, offline=offline)
    accelerate = accelerator(result.spec.train.precision)
    encoded = kind.encode(examples, tokenizer, result.spec.train.training.max_length)
    predictions = predict_examples(
        task, model.to(accelerate.device), encoded, examples, accelerate, tokenizer.pad_token_id
    )
    lines: list[str] = []
    for example, prediction in zip(examples, predictions, strict=True):
        if kind.pre_split:
            if lines:
                lines.append("")
            rows = zip(example["tokens"], prediction.value, prediction.scores, strict=True)
            lines += [f"{token}\t{tag}\t{probability:.4f}" for token, tag, probability in rows]
        else:
            text = [part for value in example.values() for part in ([value] if isinstance(value, str) else value)]
            lines.append("\t".join([*text, prediction.value, f"{max(prediction.scores):.4f}"]))
    return lines
