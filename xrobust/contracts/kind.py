"""A kind of task: how text becomes model input, and model output becomes predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xrobust.contracts.example import Example

if TYPE_CHECKING:
    import numpy as np

    from xrobust.contracts.encoded import Encoded


@dataclass(frozen=True)
class Prediction:
    """Prediction of a model for one example."""

    value: Any
    """The label; for tagging, a list with one tag per token."""
    scores: list[float]
    """Classification: the probability of each label, in the kind's order. Tagging: of each token's predicted tag."""


class Kind(ABC):
    """Base of all kinds. The built-in ones are in `xrobust.kinds`; a plugin can bring another."""

    name: str
    auto_class: str
    """Name of the transformers class that puts the head on the encoder, for instance
    `AutoModelForSequenceClassification`."""
    labels: tuple[str, ...]
    """The label set, in the order of the model's outputs."""
    text_columns: tuple[str, ...]
    """Canonical columns that hold text: a string, or a list of strings. An example may lack an optional one."""
    gold_column: str
    """Canonical column of the gold label(s)."""
    pre_split: bool = False
    """True when tokens go to the tokenizer already split into words."""

    @property
    def num_outputs(self) -> int:
        """Width of the head's last layer."""
        return len(self.labels)

    @abstractmethod
    def problem(self, example: Example) -> str | None:
        """Problem of an example (a label outside the set, lengths that differ), in a few words, or None."""

    @abstractmethod
    def encode(self, examples: Iterable[Example], tokenizer: Any, max_length: int) -> Encoded:
        """Tokenises examples, streaming: `examples` may be a generator that is longer than memory.

        `tokenizer` is a fast tokenizer of transformers; `max_length` is in word pieces with special tokens. An example
        without its gold column (a user's own text) is encoded with a placeholder label. `Encoded.cut` is to count what
        `max_length` cuts away; without it a document cannot say.
        """

    @abstractmethod
    def decode(self, outputs: Sequence[np.ndarray], encoded: Encoded, examples: Sequence[Example]) -> list[Prediction]:
        """Predictions in the order of `examples`.

        `outputs[i]` holds the probabilities of item i of `encoded`: shape (labels,), or for tagging (words in the
        item, labels). For tagging a prediction has a tag for each token, also for one that was cut away, which must
        count as wrong.
        """
