"""Base classes for plugin authors. Importing this package imports neither torch nor transformers."""

from xrobust.contracts.cleaner import Cleaner, LeftOut
from xrobust.contracts.example import IGNORED, Example
from xrobust.contracts.keyed_random import keyed_random
from xrobust.contracts.kind import Kind, Prediction
from xrobust.contracts.method import (
    Batch,
    DataContext,
    Forward,
    Method,
    MethodInfo,
    ModelContext,
    Objective,
    Output,
    Stage,
    Tuning,
)
from xrobust.contracts.metric import Metric, WholeSetMetric
from xrobust.contracts.parameters import Parameters
from xrobust.contracts.perturbation import (
    GoldenCase,
    Need,
    NotCovered,
    Perturbation,
    PerturbationContext,
    PerturbationInfo,
)
from xrobust.contracts.task import Expected, HubFiles, Recipe, Source, Split, Task, TaskInfo

__all__ = [
    "IGNORED",
    "Batch",
    "Cleaner",
    "DataContext",
    "Example",
    "Expected",
    "Forward",
    "GoldenCase",
    "HubFiles",
    "Kind",
    "LeftOut",
    "Method",
    "MethodInfo",
    "Metric",
    "ModelContext",
    "Need",
    "NotCovered",
    "Objective",
    "Output",
    "Parameters",
    "Perturbation",
    "PerturbationContext",
    "PerturbationInfo",
    "Prediction",
    "Recipe",
    "Source",
    "Split",
    "Stage",
    "Task",
    "TaskInfo",
    "Tuning",
    "WholeSetMetric",
    "keyed_random",
]
