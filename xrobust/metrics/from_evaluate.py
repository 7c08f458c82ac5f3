"""Metrics of Hugging Face's `evaluate` for tasks of xrobust: `FromEvaluate(module, "f1", average="macro")`.

Importing this module imports neither `evaluate` nor numpy: a plugin's class body may use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrobust.contracts.metric import WholeSetMetric
from xrobust.errors import UserError, one_line

if TYPE_CHECKING:
    import numpy as np
    from evaluate import EvaluationModule


class FromEvaluate(WholeSetMetric):
    """A module of `evaluate` as a metric, to be named in `Task.metrics`.

    Labels become what the module's features ask for: names where they are strings, else numbers in the order of the
    task's labels. Of tagging, a module that takes single labels is given those of all tokens.
    """

    def __init__(
        self,
        module: EvaluationModule | Callable[[], EvaluationModule] | str | Path,
        outputs: str | Mapping[str, str],
        *,
        definition: str = "",
        draws: int = WholeSetMetric.draws,
        **options: Any,
    ) -> None:
        """Names a module and which of its values to take; nothing is loaded yet.

        Args:
            module: an `evaluate.EvaluationModule`; a function (or class) that makes one, called when it is first
                needed; or the path of a module's script on this machine, or of the folder of that name which it lies
                in. A name on the hub is none of these, since its code would be run as it is there today: pin a revision
                in a function, `lambda: evaluate.load("f1", revision="...")`.
            outputs: name in result documents -> key of what the module computes, which must be fractions of 1; or one
                name that is both. The first is the metric's name.
            definition: one line for `xrobust show`.
            draws: bootstrap draws of an interval; each is a call of the module.
            options: handed to the module's `compute`, for instance `average="macro"`.
        """
        self._given = module
        self._keys = {outputs: outputs} if isinstance(outputs, str) else dict(outputs)
        self._options = options
        self.outputs = tuple(self._keys)
        self.name = self.outputs[0]
        self.definition = definition or f"{self._keys[self.name]} of a module of the library evaluate"
        self.draws = draws

    def prepare(self) -> None:
        """Loads the module. Raises UserError where that cannot be done."""
        _ = self.module

    @cached_property
    def module(self) -> EvaluationModule:
        """The loaded module. Raises UserError where it cannot be loaded."""
        import evaluate

        module = self._given
        try:
            if isinstance(module, str | Path):
                module = evaluate.load(str(self._script(Path(module))), seed=0)
            elif not isinstance(module, evaluate.EvaluationModule):
                module = module()
        except UserError:
            raise
        except Exception as error:  # of the network, of the author's code, of several libraries
            raise UserError(f"metric {self.name}: cannot load its module of evaluate ({one_line(error)})") from error
        if not isinstance(module, evaluate.EvaluationModule):
            raise UserError(f"metric {self.name}: a module of evaluate is expected, not a {type(module).__name__}")
        if module.num_process == 1:
            module.keep_in_memory = True  # else each call writes a file, and waits for a process that writes one too
        return module

    def _script(self, path: Path) -> Path:
        script = path / f"{path.name}.py" if path.is_dir() else path
        if script.suffix != ".py" or not script.is_file():
            raise UserError(
                f"metric {self.name}: there is no module of evaluate at {script}; one of the hub is given as a "
                f"function: lambda: evaluate.load({str(path)!r}, revision=...)"
            )
        return script.resolve()

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """object (examples, 2): each example's reference and prediction, as names or as numbers of `labels`."""
        number = {label: index for index, label in enumerate(labels)}

        def converted(values: Sequence[Any], feature: Any) -> list[Any]:
            if _dtype(feature) == "string":
                return list(values)
            return [number[v] if isinstance(v, str) else [number[label] for label in v] for v in values]

        features = self._features(lists=bool(references) and not isinstance(references[0], str))
        return super().statistics(
            converted(references, features.get("references")),
            converted(predictions, features.get("predictions")),
            labels,
        )

    def score_set(self, references: Sequence[Any], predictions: Sequence[Any]) -> list[float]:
        """The outputs, in their order. Raises UserError for what the module refuses or does not compute."""
        lists = isinstance(references[0], list)
        if lists and not _is_list(self._features(lists=True).get("references")):
            references = [label for labels in references for label in labels]
            predictions = [label for labels in predictions for label in labels]
        name = f"metric {self.name}: evaluate's module {self.module.name}"
        try:
            found = self.module.compute(references=references, predictions=predictions, **self._options)
        except Exception as error:
            raise UserError(f"{name} fails: {one_line(error)}") from error
        values = []
        for key in self._keys.values():
            if key not in found:
                raise UserError(f"{name} computes no {key!r}; it computes {', '.join(map(repr, found))}")
            try:
                values.append(float(found[key]))
            except (TypeError, ValueError):
                raise UserError(f"{name}: {key!r} is a {type(found[key]).__name__}, not one number") from None
        return values

    def _features(self, *, lists: bool) -> Mapping[str, Any]:
        """The features of the module's inputs; of several, those for lists of labels or for single ones."""
        features = self.module.features
        several = features if isinstance(features, list) else [features]
        return next((f for f in several if _is_list(f.get("references")) == lists), several[0])


def _is_list(feature: Any) -> bool:
    return isinstance(feature, list) or hasattr(feature, "feature")


def _dtype(feature: Any) -> str | None:
    """The type of a feature's values, whatever lists they are in."""
    while _is_list(feature):
        feature = feature[0] if isinstance(feature, list) else feature.feature
    return getattr(feature, "dtype", None)
