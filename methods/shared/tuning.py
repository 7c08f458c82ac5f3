"""The search that the defaults of the built-in methods come from; docs/methods.md has the scores of all trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xrobust.contracts import Tuning

RATE = "training.learning_rate"


def searched(**values: Sequence[Any]) -> Tuning:
    """Provenance of a method's defaults: the values that were tried of each parameter, `rate` for learning rates."""
    return Tuning(
        trials=6,
        searched={RATE if name == "rate" else name: tuple(tried) for name, tried in values.items()},
        data="English WikiANN (1,000 sentences for training, 500 for dev)",
        model="a small XLM-R encoder (4 layers, 7.4 million parameters)",
        seeds=1,
        budget="96 steps of 32 examples",
        command="docs/methods.md, Tuning",
    )
