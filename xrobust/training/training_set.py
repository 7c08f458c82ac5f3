"""The training examples of each epoch, augmented and tokenised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from xrobust.contracts import DataContext, Example, Method, Stage
from xrobust.contracts.encoded import Encoded
from xrobust.data.splits import LazySplit
from xrobust.encoding.cache import EncodingCache
from xrobust.errors import RunError, UserError
from xrobust.plan import RunPlan
from xrobust.storage.code_hash import code_hash


class TrainingSet:
    """The augmented and encoded training examples of each epoch; one epoch's are kept."""

    def __init__(self, plan: RunPlan) -> None:
        self._plan = plan
        self._anew = any(method.every_epoch for method in plan.methods)
        self._held: tuple[int, Encoded] | None = None

    def count(self) -> int:
        """Examples in an epoch. Raises UserError where a method leaves none."""
        return len(self._augmented(0))

    def _augmented(self, epoch: int) -> Sequence[Example]:
        """The examples that epoch `epoch` trains on."""
        plan, examples = self._plan, self._plan.train
        if isinstance(examples, LazySplit) and any("augment" in method.stages() for method in plan.methods):
            examples = examples.examples  # a list: what a plugin may take it for
        for method in plan.methods:
            number = epoch if method.every_epoch else 0
            name = method.info.name
            examples = method.augment(
                examples, DataContext(task=plan.task, seed=plan.request.seed, epoch=number, files=plan.files[name])
            )
            if not len(examples):
                raise UserError(f"method {name}: its augment left no example to train on")
        return examples

    def _checked(self, epoch: int) -> Iterator[Example]:
        """The same, one by one. Raises RunError, with the methods' names, at an example that cannot be trained on."""
        plan, kind = self._plan, self._plan.task.kind
        names = _names(plan.methods, "augment")
        examples = self._augmented(epoch)
        columns = {kind.gold_column, *kind.text_columns} & plan.train[0].keys()
        for row in range(len(examples)):
            example = examples[row]
            lacking = sorted(columns - example.keys())
            problem = f"no {lacking[0]!r}" if lacking else kind.problem(example)
            if problem is not None:
                raise RunError(f"method {names}: example {row} of its augment (id {example.get('id')}): {problem}")
            yield example

    def encoded(self, epoch: int, encodings: EncodingCache) -> Encoded:
        """The same, tokenised. What changes from epoch to epoch is not kept: it would be a file an epoch. Nor is what a
        method made of which nobody can tell whether it still does what it did."""
        key = epoch if self._anew else 0
        if self._held is None or self._held[0] != key:
            self._held = None  # before the next is made: two at once would double the memory
            examples = partial(self._checked, key)
            source = None if self._anew else self._made_from()
            made = encodings.encode_uncached(examples) if source is None else encodings.encode(source, examples)
            self._held = (key, made)
        return self._held[1]

    def _made_from(self) -> dict[str, Any] | None:
        """What determines the examples: the rows, and for methods that augment them all that these go by. None where
        their code cannot be named."""
        plan, train = self._plan, self._plan.spec.train
        augmenting = [
            {**spec.model_dump(mode="json"), "code": code_hash(type(method))}
            for method, spec in zip(plan.methods, train.method, strict=True)
            if "augment" in method.stages()
        ]
        if not augmenting:
            return {"rows": train.data["train"]}
        if any(method["code"] is None for method in augmenting):
            return None
        task = {"name": train.task, "version": train.task_plugin_version, "sha256": train.task_plugin_sha256}
        return {"rows": train.data["train"], "methods": augmenting, "task": task, "seed": train.seed}


def _names(methods: Sequence[Method], stage: Stage) -> str:
    """The methods that change a stage of training."""
    return "+".join(method.info.name for method in methods if stage in method.stages())
