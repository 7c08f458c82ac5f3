"""Fair timing: contenders in turn, round by round, in one process; medians; ratios of the same round."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

OUTPUT = Path("build/bench")
"""Where each part of the benchmark writes its JSON."""


def alternate(contenders: Mapping[str, Callable[[int], float]], rounds: int) -> dict[str, list[float]]:
    """The seconds that each contender says it took, in each round: A B C, A B C, ...

    A contender is called with the round's number, for a seed. What comes before the first round (a warm-up) is the
    caller's.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, run in contenders.items():
            seconds[name].append(run(number))
    return seconds


def ratio(slower: Sequence[float], faster: Sequence[float]) -> float:
    """Median over rounds of one's seconds over the other's in the same round, so that a machine's moods cancel out."""
    return statistics.median(a / b for a, b in zip(slower, faster, strict=True))


def machine(device: str = "cpu") -> dict[str, Any]:
    """What the figures were measured on."""
    import torch
    import transformers

    model = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else f"{model}, {os.cpu_count()} cores",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }


def _lines(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


def write(name: str, document: Mapping[str, Any], output: Path = OUTPUT) -> Path:
    """Writes one part's figures to `<output>/<name>.json`."""
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; floats with two digits behind the point."""
    lines = [head, ["---"] * len(head), *([_cell(value) for value in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
