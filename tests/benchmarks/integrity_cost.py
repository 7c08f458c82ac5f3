"""Cost of comparing the files of a trained model with their sums: share of `xrobust eval`'s time.

    python -m tests.benchmarks.integrity_cost

A run of the bundled data gets a randomly initialised encoder of about 500 MB, and is scored on one language, in turn
without the check, with sums that are remembered, and as for the first time. All in one process: the start of Python,
which the command has too, would make the shares smaller. All are processor seconds, which other processes on a machine
disturb less; those of the check itself are measured beside, since it is short against what two evaluations differ by.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tests.benchmarks.measuring import OUTPUT, alternate, machine, ratio, write
from xrobust import RunSpec, evaluate, load_result, run
from xrobust.results import model_files
from xrobust.results.store import model_artifacts, save_result
from xrobust.storage.file_memo import YOUNG

LAYERS = 9
"""Of 1,024 dimensions: 50 MB each, beside 66 MB of embeddings."""


def prepared(folder: Path, task: str, language: str) -> Path:
    """A complete run that is not scored on `language`, with a large model."""
    import torch
    import transformers

    source = "en" if language != "en" else "de"
    spec = RunSpec.from_preset(
        "mini", task=task, output=folder / "runs", languages=(source,), limit=None, training={"max_steps": 1}
    )
    done = folder / "runs" / task / "vanilla" / run(spec).run_id
    shape = {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": LAYERS}
    config = transformers.AutoConfig.from_pretrained(done / "model", trust_remote_code=False)
    for name, value in shape.items():
        setattr(config, name, value)
    torch.manual_seed(0)
    classes = {"TokenClassification", "SequenceClassification"}
    head = next(name for name in classes if config.architectures[0].endswith(name))
    model = getattr(transformers, f"AutoModelFor{head}").from_config(config, trust_remote_code=False)
    model.save_pretrained(done / "model")
    result = load_result(done)
    result.artifacts = [file for file in result.artifacts if file.role == "predictions"] + model_artifacts(done)
    save_result(done, result)
    return done


@contextmanager
def unchecked() -> Iterator[None]:
    """A model is loaded as it is."""
    with mock.patch("xrobust.models.trained.check_model_files"):
        yield


@contextmanager
def forgetting() -> Iterator[None]:
    """No sum is remembered."""

    def find(what: Any, files: Any, found: Callable[[], Any], *more: Any) -> Any:
        return found()

    with mock.patch.object(model_files, "cached_by_files", find):
        yield


@contextmanager
def remembering() -> Iterator[None]:
    """Sums are remembered, as ever."""
    yield


def seconds_of_check(done: Path) -> float:
    """Processor time that the check alone takes."""
    result = load_result(done)
    started = time.process_time()
    model_files.check_model_files(done, result)
    return time.process_time() - started


def compare(done: Path, language: str, rounds: int) -> dict[str, Any]:
    """Seconds of each way to evaluate, of the check itself, and their shares."""
    document = (done / "result.json").read_bytes()

    def timed(way: Callable[[], Any]) -> Callable[[int], float]:
        def once(number: int) -> float:
            (done / "result.json").write_bytes(document)
            with way():
                started = time.process_time()
                evaluate(done, [language], offline=True)
                return time.process_time() - started

        return once

    ways = {"unchecked": unchecked, "remembered": remembering, "first": forgetting}
    contenders = {name: timed(way) for name, way in ways.items()}
    contenders["remembered"](0)  # which reads the data, encodes them, and remembers the sums
    seconds = alternate(contenders, rounds)
    checks: dict[str, list[float]] = {"remembered": [], "first": []}
    for _ in range(rounds):
        for name in checks:
            with ways[name]():
                checks[name].append(seconds_of_check(done))
    whole = statistics.median(seconds["unchecked"])
    return {
        "model_bytes": sum(path.stat().st_size for path in (done / "model").iterdir()),
        "language": language,
        "seconds": seconds,
        "seconds_of_check": checks,
        "eval_over_unchecked": {name: ratio(seconds[name], seconds["unchecked"]) for name in ("remembered", "first")},
        "check_over_eval": {name: statistics.median(values) / whole for name, values in checks.items()},
    }


def main() -> None:
    """Measures, prints the shares and writes the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="pos")
    parser.add_argument("--language", default="de")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="xrobust-integrity-") as folder:
        os.environ["XDG_CACHE_HOME"] = os.environ["XDG_STATE_HOME"] = str(Path(folder) / "user")
        done = prepared(Path(folder), options.task, options.language)
        time.sleep(YOUNG)  # what is younger is not remembered
        figures = compare(done, options.language, options.rounds)
        shutil.rmtree(done / "model")
    path = write("integrity_cost", {"machine": machine(), "load": os.getloadavg(), **figures}, options.output)
    print(f"eval of {figures['language']} with a model of {figures['model_bytes'] / 1e6:.0f} MB, {path}")
    for name in ("remembered", "first"):
        print(
            f"{name}: the check takes {100 * figures['check_over_eval'][name]:.2f}% of an evaluation; evaluation with "
            f"the check over one without: {figures['eval_over_unchecked'][name]:.3f}"
        )


if __name__ == "__main__":
    main()
