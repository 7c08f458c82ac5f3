"""The training examples of each epoch, augmented and tokenised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from xrobust.contracts import DataContext, Example, Method, Stage
from xrobust.contracts.calling import calling
from xrobust.contracts.encoded import Encoded
from xrobust.contracts.example import copied
from xrobust.encoding.cache import EncodingCache
from xrobust.errors import RunError, UserError
from xrobust.storage.code_hash import code_hash
from xrobust.training.augmented import Augmented
from xrobust.training.inputs import TrainingInputs


class TrainingSet:
    """The augmented and encoded training examples of each epoch; one epoch's are kept."""

    def __init__(self, inputs: TrainingInputs) -> None:
        self._inputs = inputs
        self.every_epoch = any(map(_every_epoch, inputs.methods))
        """True where each epoch has examples of its own."""
        self._held: tuple[int, Encoded] | None = None
        """An epoch and its encoded examples."""
        self._counted: Sequence[Example] | None = None
        """The examples of epoch 0 from when they are counted until they are encoded."""
        self._number: int | None = None
        """Examples in an epoch."""

    def count(self) -> int:
        """Examples in an epoch. Raises UserError where a method leaves none."""
        self._counted = self._augmented(0)
        return len(self._counted)

    def _augmented(self, epoch: int) -> Sequence[Example]:
        """The examples that epoch `epoch` trains on. Raises UserError, and PluginError where `augment` fails."""
        inputs, examples = self._inputs, self._inputs.train
        for method in inputs.methods:
            if "augment" in method.stages():
                examples = self._augmented_by(method, examples, epoch if _every_epoch(method) else 0)
        if self._number is None:
            self._number = len(examples)
        elif len(examples) != self._number:
            raise RunError(
                f"method {method_names(inputs.methods, 'augment')}: its augment gave {len(examples)} examples in epoch "
                f"{epoch + 1} and {self._number} before: their number has to stay the same"
            )
        return examples

    def _augmented_by(self, method: Method, examples: Sequence[Example], epoch: int) -> Sequence[Example]:
        """The examples as a method augments them. It gets copies: the rows as they were read are a list of them."""
        inputs, kind = self._inputs, self._inputs.task.kind
        given = examples if isinstance(examples, Augmented) else [copied(example) for example in examples]
        context = DataContext(
            task=inputs.task, seed=inputs.spec.seed, epoch=epoch, files=dict(inputs.files[method.info.name])
        )
        with calling(method, "augment", f"epoch {epoch + 1}"):
            returned = method.augment(given, context)
        columns = sorted({kind.gold_column, *kind.text_columns} & inputs.train[0].keys())
        augmented = Augmented(method, returned, kind, columns, epoch)
        if not len(augmented):
            raise UserError(f"method {method.info.name}: its augment left no example to train on")
        return augmented

    def _examples(self, epoch: int) -> Iterator[Example]:
        """The examples of an epoch, each checked. Raises PluginError at one that cannot be trained on."""
        counted = self._counted if epoch == 0 else None
        examples = self._augmented(epoch) if counted is None else counted
        return examples.unique() if isinstance(examples, Augmented) else iter(examples)

    def encoded(self, epoch: int, encodings: EncodingCache) -> Encoded:
        """The tokenised examples of an epoch.

        Examples that change from epoch to epoch are not cached, for that would be a file an epoch. Nor are those of a
        method whose code cannot be named: nobody could tell whether it still makes the same of them.
        """
        key = epoch if self.every_epoch else 0
        if self._held is None or self._held[0] != key:
            self._held = None  # before the next is made: two at once would double the memory
            examples = partial(self._examples, key)
            source = None if self.every_epoch else self._made_from()
            made = encodings.encode_uncached(examples) if source is None else encodings.encode(source, examples)
            self._held = (key, made)
            self._counted = None
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


def _every_epoch(method: Method) -> bool:
    with calling(method, "every_epoch"):
        return bool(method.every_epoch)


def method_names(methods: Sequence[Method], stage: Stage) -> str:
    """Names of the methods that change a stage of training, joined by `+`."""
    return "+".join(method.info.name for method in methods if stage in method.stages())
