"""What the robust methods cost beside vanilla fine-tuning, in the same loop on the same examples."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from tests.benchmarks.measuring import alternate, ratio
from tests.benchmarks.training_speed import ours
from tests.benchmarks.workload import Workload
from xrobust.config.composition import compose
from xrobust.contracts import ModelContext, Objective
from xrobust.models.pretrained import load_encoder
from xrobust.registry.plugins import Plugins
from xrobust.training.objective import plain_objective


def variants() -> list[tuple[str, str, dict[str, Any], float]]:
    """(label, method, parameters, what it may cost beside vanilla).

    Vanilla does a forward and a backward pass, the latter for the parameters and for the activations: 3 units. A step
    of ascent does without the parameters: 2 units. A draw is a whole pass.
    """
    adversarial = [(f"adversarial, {k} steps", "adversarial", {"steps": k}, 1.08 * (3 + 2 * k) / 3) for k in (1, 3)]
    random = [(f"rs_random, {n} draws", "rs_random", {"samples": n}, 1.05 * n) for n in (1, 4)]
    return [*adversarial, *random]


def compare(work: Workload, *, examples: int, rounds: int, device: str) -> dict[str, Any]:
    """Seconds of each round, and ratios to vanilla beside what was allowed."""
    _, encoded = work.encoded("train", work.task.info.source_language, examples)
    encoder = load_encoder(work.task.kind, work.model, revision=None, seed=0, offline=True)
    context = ModelContext(
        task=work.task, seed=0, modules_to_save=encoder.modules_to_save, embedding_norm=encoder.embedding_norm
    )

    def objective(method: str, params: dict[str, Any]) -> Objective:
        built: Objective = plain_objective
        for part in compose(method, params, work.task, Plugins([])):
            built = part.objective(built, context)
        return built

    objectives = {"vanilla": plain_objective, **{label: objective(m, params) for label, m, params, _ in variants()}}

    def timed(trained_with: Objective) -> Callable[[int], float]:
        return lambda seed: ours(work, encoded, seed, device, objective=trained_with).seconds

    ours(work, encoded, 0, device)
    seconds = alternate({label: timed(built) for label, built in objectives.items()}, rounds)
    return {
        "examples": len(encoded),
        "seconds": seconds,
        "median_seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "ratio": {label: ratio(seconds[label], seconds["vanilla"]) for label, *_ in variants()},
        "allowed": {label: allowed for label, _, _, allowed in variants()},
    }
