"""A perturbation: a change to test inputs that keeps the gold label."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from xrobust.contracts.parameters import Parameters

if TYPE_CHECKING:
    import numpy as np

    from xrobust.contracts.example import Example
    from xrobust.contracts.task import Task

Need = Literal["source_train", "target_train", "target_test", "encoder"]
"""Input of a perturbation besides the example: see `PerturbationContext`."""


class NotCovered(Exception):
    """Raised by a perturbation that cannot apply to a language; the message says why, in a few words.

    It is no failure: the result says that the language is not covered, instead of passing clean text off as perturbed.
    """


@dataclass(frozen=True)
class PerturbationInfo:
    """Facts about a perturbation."""

    name: str
    """Name of its entry point."""
    summary: str
    """One line, shown by `xrobust list perturbations`."""
    kinds: tuple[str, ...]
    """Names of the kinds of task it applies to."""
    citation: str = ""
    version: int = 1
    """Number of its definition, written into results: raise it whenever the same input gives another output. Cached
    rows do not go by it, but by the code that makes them."""
    keeps_tokens: bool = True
    """True if, in tagging, every token stays in its place and the tags are unchanged. False for a perturbation that
    puts in entities of another length, and gives tags that fit them; the sequence of entity types is then the same."""


Value = TypeVar("Value")


@dataclass
class PerturbationContext:
    """Inputs that a perturbation of one language's test set may read, loaded lazily.

    A perturbation lists the inputs that it reads in `needs`; any other is refused, since it would not be part of the
    cache key of the perturbed rows.
    """

    task: Task
    language: str
    """The language of the test set."""
    source: str
    """The language that the model is trained on."""
    files: Mapping[str, Path]
    """Files that `Perturbation.files` returned."""
    needs: frozenset[str]
    sources: Mapping[str, Callable[[], Any]]
    """Name of a need -> function that loads it: examples, or for `encoder` the function behind `word_vectors`."""
    memory: dict[Any, Any] = field(default_factory=dict)
    """Shared by the languages of a run: see `once`."""

    def _get(self, need: Need) -> Any:
        if need not in self.needs:
            raise RuntimeError(f"the perturbation asks for {need!r}, which is not in its `needs`")
        return self.sources[need]()

    def source_train(self) -> Sequence[Example]:
        """The training examples in the source language. Needs `source_train`."""
        examples: Sequence[Example] = self._get("source_train")
        return examples

    def target_train(self) -> Sequence[Example] | None:
        """The training examples in this language, or None where the data have none. Needs `target_train`."""
        examples: Sequence[Example] | None = self._get("target_train")
        return examples

    def target_test(self) -> Sequence[Example]:
        """All examples of the test set that is perturbed, clean. Needs `target_test`."""
        examples: Sequence[Example] = self._get("target_test")
        return examples

    def word_vectors(self, words: Sequence[str], max_pieces: int | None = None) -> np.ndarray:
        """float32 (words, dim): each word encoded alone by the *pre-trained* encoder, the first token's vector of the
        last layer. A word of more than `max_pieces` pieces is cut. Needs `encoder`.

        The pre-trained and not the fine-tuned encoder, so that every method meets the same sentences.
        """
        vectors: np.ndarray = self._get("encoder")(list(words), max_pieces)
        return vectors

    def once(self, key: Any, make: Callable[[], Value]) -> Value:
        """Value of `make()`, computed once for all languages of a run: for values that only source data determine.

        Begin the key with the perturbation's name, and put every parameter in it that the value depends on.
        """
        if key not in self.memory:
            self.memory[key] = make()
        value: Value = self.memory[key]
        return value


@dataclass(frozen=True)
class GoldenCase:
    """An input with the output that it must give, read by a person who knows the script."""

    language: str
    example: Mapping[str, Any]
    expected: Mapping[str, Any] | None
    """Expected output; None if the perturbation must not apply."""
    seed: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """Content of the files that the perturbation reads, by its own names for them."""
    source: str = "en"
    source_train: Sequence[Mapping[str, Any]] = ()
    target_train: Sequence[Mapping[str, Any]] | None = None
    target_test: Sequence[Mapping[str, Any]] | None = None
    """Clean test set; the example alone if not given."""
    vectors: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Word -> vector, in place of an encoder."""
    note: str = ""
    """Note for the reader on what to look at."""


class Perturbation:
    """Base of all perturbations: entry-point group `xrobust.perturbations`.

    An object serves one language: `prepare` is called once, before any training where no encoder is needed, then
    `apply` for every test example. Gold labels stay valid, and the outcome depends on nothing but the example, what is
    in `needs`, and the generator given.
    """

    info: ClassVar[PerturbationInfo]
    needs: ClassVar[frozenset[Need]] = frozenset()
    """Inputs that `prepare` reads from the context."""

    class Params(Parameters):
        """No parameters."""

    def __init__(self, params: Any) -> None:
        self.params = params

    @classmethod
    def task_problem(cls, task: Task) -> str | None:
        """Reason in a few words that it does not fit `task` though it fits its kind (labels would break), or None."""
        return None

    def language_problem(self, language: str) -> str | None:
        """Reason that it cannot apply to `language`, in a few words, or None."""
        return None

    def files(self, language: str, data_dir: Path | None, offline: bool) -> dict[str, Path]:
        """Files that it reads for `language`, by names of its choice.

        Raises NotCovered where there is none for this language, UserError for one that cannot be used.
        """
        return {}

    def prepare(self, ctx: PerturbationContext) -> None:
        """Reads the inputs in `needs`, once for a language. Raises NotCovered and UserError."""

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        """The perturbed example with its gold label(s) unchanged, or None where it does not apply to this one.

        `rng` is keyed by (perturbation seed, name, language, example id).
        """
        raise NotImplementedError(f"{type(self).__name__} does not define apply")

    @classmethod
    def golden(cls) -> list[GoldenCase]:
        """The golden cases: `golden/<name>.jsonl` beside the module, a line a case, unless a class says otherwise."""
        path = Path(str(sys.modules[cls.__module__].__file__)).parent / "golden" / f"{cls.info.name}.jsonl"
        if not path.is_file():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()
        return [GoldenCase(**json.loads(line)) for line in lines if line.strip()]
