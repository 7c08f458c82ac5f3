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
from xrobust.storage.code_hash import code_hash
from xrobust.training.inputs import TrainingInputs


class TrainingSet:
    """The augmented and encoded training examples of each epoch; one epoch's are kept."""

    def __init__(self, inputs: TrainingInputs) -> None:
        self._inputs = inputs
        self._every_epoch = any(method.every_epoch for method in inputs.methods)
        self._held: tuple[int, Encoded] | None = None
        """An epoch and its encoded examples."""

    def count(self) -> int:
        """Examples in an epoch. Raises UserError where a method leaves none."""
        return len(self._augmented(0))

    def _augmented(self, epoch: int) -> Sequence[Example]:
        """The examples that epoch `epoch` trains on."""
        inputs, examples = self._inputs, self._inputs.train
        if isinstance(examples, LazySplit) and any("augment" in method.stages() for method in inputs.methods):
            examples = examples.examples  # a list: what a plugin may take it for
        for method in inputs.methods:
            number = epoch if method.every_epoch else 0
            name = method.info.name
            context = DataContext(task=inputs.task, seed=inputs.spec.seed, epoch=number, files=inputs.files[name])
            examples = method.augment(examples, context)
            if not len(examples):
                raise UserError(f"method {name}: its augment left no example to train on")
        return examples

    def _checked(self, epoch: int) -> Iterator[Example]:
        """Augmented examples, checked one by one. Raises RunError, with the methods' names, at one that cannot be
        trained on."""
        inputs, kind = self._inputs, self._inputs.task.kind
        names = method_names(inputs.methods, "augment")
        examples = self._augmented(epoch)
        columns = {kind.gold_column, *kind.text_columns} & inputs.train[0].keys()
        for row in range(len(examples)):
            example = examples[row]
            lacking = sorted(columns - example.keys())
            problem = f"no {lacking[0]!r}" if lacking else kind.problem(example)
            if problem is not None:
                raise RunError(f"method {names}: example {row} of its augment (id {example.get('id')}): {problem}")
            yield example

    def encoded(self, epoch: int, encodings: EncodingCache) -> Encoded:
        """The tokenised examples of an epoch.

        Examples that change from epoch to epoch are not cached, for that would be a file an epoch. Nor are those of a
        method whose code cannot be named: nobody could tell whether it still makes the same of them.
        """
        key = epoch if self._every_epoch else 0
        if self._held is None or self._held[0] != key:
            self._held = None  # before the next is made: two at once would double the memory
            examples = partial(self._checked, key)
            source = None if self._every_epoch else self._made_from()
            made = encodings.encode_uncached(examples) if source is None else encodings.encode(source, examples)
            self._held = (key, made)
        return self._held[1]

    def _made_from(self) -> dict[str, Any] | None:
        """The key that determines the examples: their rows, and for methods that augment them all that these go by.
        None where their code cannot be named."""
        inputs, spec = self._inputs, self._inputs.spec
        augmenting = [
            {**part.model_dump(mode="json"), "code": code_hash(type(method), type(inputs.task))}
            for method, part in zip(inputs.methods, spec.method, strict=True)
            if "augment" in method.stages()
        ]
        if not augmenting:
            return {"rows": spec.data["train"]}
        if any(method["code"] is None for method in augmenting):
            return None
        return {"rows": spec.data["train"], "methods": augmenting, "seed": spec.seed}


def method_names(methods: Sequence[Method], stage: Stage) -> str:
    """Names of the methods that change a stage of training, joined by `+`."""
    return "+".join(method.info.name for method in methods if stage in method.stages())
