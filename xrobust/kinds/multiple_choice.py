"""Multiple choice: which of several texts goes with a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction
from xrobust.kinds.sequence_classification import chunks

if TYPE_CHECKING:
    import numpy as np

    from xrobust.encoded import Encoded


class MultipleChoice(Kind):
    """Columns `id, text, choices, label`: `label` is one of `labels`, the name of the right choice's position."""

    name = "multiple_choice"
    auto_class = "AutoModelForMultipleChoice"
    text_columns = ("text", "choices")
    gold_column = "label"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {label: i for i, label in enumerate(self.labels)}

    @property
    def num_outputs(self) -> int:
        """1: the head scores one choice at a time."""
        return 1

    def problem(self, example: Example) -> str | None:
        if len(example["choices"]) != len(self.labels):
            return f"{len(example['choices'])} choices where {len(self.labels)} are expected"
        if "label" in example and example["label"] not in self._index:
            return f"label {example['label']!r} is none of {', '.join(self.labels)}"
        return None

    def encode(self, examples: Iterable[Example], tokenizer: Any, max_length: int) -> Encoded:
        import numpy as np

        from xrobust.encoded import EncodedBuilder
        from xrobust.kinds.pair_encoder import PairEncoder

        group = len(self.labels)
        encoder = PairEncoder(tokenizer, max_length)
        builder = EncodedBuilder(
            token_types="token_type_ids" in tokenizer.model_input_names, per_token=False, group=group
        )
        index = 0
        for chunk in chunks(examples):
            text = encoder.tokenise(e["text"] for e in chunk)
            choices = encoder.tokenise(choice for e in chunk for choice in e["choices"])
            joined = encoder.join(text.take(np.arange(len(chunk)).repeat(group)), choices)
            builder.sequences(joined.ids, joined.special, joined.types, joined.lengths)
            for example in chunk:
                builder.item(index, [self._index.get(example.get("label", ""), 0)])
                index += 1
        return builder.build()

    def decode(self, outputs: Sequence[np.ndarray], encoded: Encoded, examples: Sequence[Example]) -> list[Prediction]:
        return [Prediction(self.labels[int(p.argmax())], [float(x) for x in p]) for p in outputs]
