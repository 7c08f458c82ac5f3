"""xrobust: robust zero-shot cross-lingual transfer, measured.

    from xrobust import RunSpec, run, load_result, load_results, load_model

Names are imported where they are first used: `import xrobust` loads neither torch nor transformers.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xrobust.config.run_spec import EvaluationRequest, RunSpec
    from xrobust.contracts.hooks import hookimpl
    from xrobust.errors import RunError, UserError
    from xrobust.evaluate_trained import evaluate
    from xrobust.models.trained import load_model
    from xrobust.pipeline import run
    from xrobust.results.compare import compare
    from xrobust.results.compare_experiment import compare_experiment
    from xrobust.results.frame import load_results
    from xrobust.results.leaderboard import leaderboard, load_leaderboard
    from xrobust.results.store import load_predictions, load_result

try:
    __version__ = version("xrobust")
except PackageNotFoundError:  # a checkout on the path, not installed
    __version__ = "0"

_HOME = {
    "EvaluationRequest": "xrobust.config.run_spec",
    "RunError": "xrobust.errors",
    "RunSpec": "xrobust.config.run_spec",
    "UserError": "xrobust.errors",
    "compare": "xrobust.results.compare",
    "compare_experiment": "xrobust.results.compare_experiment",
    "evaluate": "xrobust.evaluate_trained",
    "hookimpl": "xrobust.contracts.hooks",
    "leaderboard": "xrobust.results.leaderboard",
    "load_leaderboard": "xrobust.results.leaderboard",
    "load_model": "xrobust.models.trained",
    "load_predictions": "xrobust.results.store",
    "load_result": "xrobust.results.store",
    "load_results": "xrobust.results.frame",
    "run": "xrobust.pipeline",
}

__all__ = [
    "EvaluationRequest",
    "RunError",
    "RunSpec",
    "UserError",
    "compare",
    "compare_experiment",
    "evaluate",
    "hookimpl",
    "leaderboard",
    "load_leaderboard",
    "load_model",
    "load_predictions",
    "load_result",
    "load_results",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'xrobust' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
