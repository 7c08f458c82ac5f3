"""Multiple choice: which of several texts goes with a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction
from xrobust.encoding.stream import ahead, chunks
from xrobust.errors import shown

if TYPE_CHECKING:
    import numpy as np

    from xrobust.contracts.encoded import Encoded
    from xrobust.encoding.pairs import Pieces


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
        if isinstance(example["choices"], str):
            return f"'choices' is the text {shown(example['choices'])}; a list is expected, one entry a choice"
        if len(example["choices"]) != len(self.labels):
            return f"{len(example['choices'])} choices where {len(self.labels)} are expected"
        if "label" in example and example["label"] not in self._index:
            return f"label {example['label']!r} is none of {', '.join(self.labels)}"
        return None

    def encode(self, examples: Iterable[Example], tokenizer: Any, max_length: int) -> Encoded:
        import numpy as np

        from xrobust.contracts.encoded import EncodedBuilder
        from xrobust.encoding.pairs import PairEncoder

        group = len(self.labels)
        encoder = PairEncoder(tokenizer, max_length)
        builder = EncodedBuilder(
            token_types="token_type_ids" in tokenizer.model_input_names, per_token=False, group=group
        )

        def tokenised(chunk: list[Example]) -> tuple[list[Example], Pieces, Pieces]:
            text = encoder.tokenise(e["text"] for e in chunk)
            return chunk, text, encoder.tokenise(choice for e in chunk for choice in e["choices"])

        index = 0
        for chunk, text, choices in ahead(map(tokenised, ahead(chunks(examples)))):
            joined = encoder.join(text.take(np.arange(len(chunk)).repeat(group)), choices)
            builder.sequences(joined.ids, joined.special, joined.types, joined.lengths)
            labels = [self._index.get(example.get("label", ""), 0) for example in chunk]
            cut = joined.cut.reshape(-1, group).sum(axis=1)
            builder.items(np.arange(index, index + len(chunk)), np.array(labels, dtype=np.int64), cut)
            index += len(chunk)
        return builder.build()

    def decode(self, outputs: Sequence[np.ndarray], encoded: Encoded, examples: Sequence[Example]) -> list[Prediction]:
        return [Prediction(self.labels[int(p.argmax())], [float(x) for x in p]) for p in outputs]
