"""The space that settings are searched in: `training.learning_rate: [1e-5, 1e-4, log]`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_args

from xrobust.config.training_settings import TrainingSettings
from xrobust.config.values import assign
from xrobust.errors import UserError, did_you_mean, shown

if TYPE_CHECKING:
    import optuna

FORMS = "[low, high], [low, high, log] or {values: [...]}"
NOT_TUNED = ("max_steps", "epochs", "batch_size", "dev_looks", "select_every")
"""Training settings that are budget: with more of it every method does better."""


@dataclass(frozen=True)
class Dimension:
    """One setting that is searched: a range, or a list of values."""

    setting: str
    """`training.NAME`, `method.NAME` or `method.PART.NAME`."""
    low: float | int = 0
    high: float | int = 0
    log: bool = False
    values: tuple[Any, ...] = ()
    whole: bool = False
    """True where the setting takes whole numbers only."""

    @property
    def is_point(self) -> bool:
        """True if there is one value only."""
        return len(self.values) == 1 if self.values else self.low == self.high

    def written(self) -> Any:
        """The dimension as a file has it."""
        if self.values:
            return {"values": list(self.values)}
        return [self.low, self.high, *(("log",) if self.log else ())]

    def ends(self) -> tuple[Any, ...]:
        """The values that the others lie between, or all of them."""
        return self.values or (self.low, self.high)

    def suggest(self, trial: optuna.Trial) -> Any:
        """A value that a sampler chooses."""
        if self.values:
            index = trial.suggest_categorical(self.setting, list(range(len(self.values))))
            return self.values[index]
        if self.whole:
            return trial.suggest_int(self.setting, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.setting, float(self.low), float(self.high), log=self.log)


def parse_space(space: Mapping[str, Any]) -> list[Dimension]:
    """The dimensions of `tune.space`. Raises UserError, also for settings that are no method's own to choose."""
    return [_dimension(str(setting), value) for setting, value in space.items()]


def _dimension(setting: str, value: Any) -> Dimension:
    where = f"tune.space, {setting}"
    head, _, rest = setting.partition(".")
    if head not in ("training", "method") or not rest:
        raise UserError(
            f"{where}: only settings of training and of methods are tuned, on the source dev set alone, never the data "
            "or languages that are scored: write training.NAME or method.NAME"
        )
    if head == "training" and rest not in TrainingSettings.model_fields:
        raise UserError(f"{where}: unknown setting: {did_you_mean(rest, TrainingSettings.model_fields)}")
    if head == "training" and rest in NOT_TUNED:
        raise UserError(
            f"{where}: this is training budget, of which more is better: 'budget' or 'base' sets it for all"
        )
    if isinstance(value, Mapping):
        if set(value) != {"values"} or not isinstance(value["values"], list) or not value["values"]:
            raise UserError(f"{where}: {shown(dict(value))} where a range or values belong: {FORMS}")
        return Dimension(setting, values=tuple(map(_number, value["values"])))
    if not isinstance(value, list) or not 2 <= len(value) <= 3 or value[2:] not in ([], ["log"]):
        raise UserError(f"{where}: {shown(value)} where a range or values belong: {FORMS}")
    low, high = map(_number, value[:2])
    log = len(value) == 3
    if not all(
        isinstance(end, int | float) and not isinstance(end, bool) and math.isfinite(end) for end in (low, high)
    ):
        raise UserError(f"{where}: {shown(value)}: the ends of a range are numbers: {FORMS}")
    if low > high:
        raise UserError(f"{where}: {shown(value)}: the lower end comes first")
    if log and low <= 0:
        raise UserError(f"{where}: {shown(value)}: a logarithmic range begins above 0")
    return Dimension(setting, low, high, log)


def _number(value: Any) -> Any:
    """`1e-5`, which YAML 1.1 reads as text, as a number; anything else as it is."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


Parameters = Mapping[str, Mapping[str, bool]]
"""Part of a method -> name of a parameter -> True where it takes whole numbers only."""


def dimensions_of(parameters: Parameters, space: Sequence[Dimension]) -> list[Dimension]:
    """The dimensions that a method has: all of training, and those of its own parameters."""
    found = [(dimension, takes_whole_numbers(parameters, dimension.setting)) for dimension in space]
    return [replace(dimension, whole=whole) for dimension, whole in found if whole is not None]


def takes_whole_numbers(parameters: Parameters, setting: str) -> bool | None:
    """True for a setting of training or of the method that takes whole numbers only, False for any other of them; None
    where there is no such setting."""
    head, _, rest = setting.partition(".")
    if head == "training":
        return is_whole(TrainingSettings.model_fields[rest].annotation)
    part, dot, name = rest.partition(".")
    if dot:
        return parameters.get(part, {}).get(name)
    return next((names[rest] for names in parameters.values() if rest in names), None)


def is_whole(annotation: Any) -> bool:
    """True for `int` and `int | None`."""
    return annotation is int or set(get_args(annotation)) == {int, type(None)}


def with_settings(values: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run with chosen ones over them."""
    found = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    params = found.get("method_params")
    if params:
        found["method_params"] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in params.items()}
    for setting, value in chosen.items():
        assign(found, setting, value)
    return found
