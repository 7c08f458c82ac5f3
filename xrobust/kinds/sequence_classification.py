"""Sequence classification: one label for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction

if TYPE_CHECKING:
    import numpy as np

    from xrobust.encoded import Encoded

CHUNK = 1000
"""Examples tokenised at a time: enough for the tokenizer's threads, little enough to stream."""


def chunks(examples: Iterable[Example]) -> Iterator[list[Example]]:
    """Lists of up to CHUNK examples."""
    iterator = iter(examples)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


class SequenceClassification(Kind):
    """Columns `id, text, text_pair (optional), label`. Too long a pair loses pieces of its longer text first."""

    name = "sequence_classification"
    auto_class = "AutoModelForSequenceClassification"
    text_columns = ("text", "text_pair")
    gold_column = "label"

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {label: i for i, label in enumerate(self.labels)}

    def problem(self, example: Example) -> str | None:
        if "label" in example and example["label"] not in self._index:
            return f"label {example['label']!r} is none of {', '.join(self.labels)}"
        return None

    def encode(self, examples: Iterable[Example], tokenizer: Any, max_length: int) -> Encoded:
        from xrobust.encoded import EncodedBuilder

        builder = EncodedBuilder(token_types="token_type_ids" in tokenizer.model_input_names, per_token=False)
        index = 0
        for chunk in chunks(examples):
            pairs = [e["text_pair"] for e in chunk] if "text_pair" in chunk[0] else None
            encodings = tokenizer(
                [e["text"] for e in chunk],
                pairs,
                truncation=True,
                max_length=max_length,
                return_special_tokens_mask=True,
                return_attention_mask=False,
            )
            for k, example in enumerate(chunk):
                types = encodings["token_type_ids"][k] if "token_type_ids" in encodings else None
                builder.sequence(encodings["input_ids"][k], encodings["special_tokens_mask"][k], types)
                builder.item(index, [self._index.get(example.get("label", ""), 0)])
                index += 1
        return builder.build()

    def decode(self, outputs: Sequence[np.ndarray], encoded: Encoded, examples: Sequence[Example]) -> list[Prediction]:
        return [Prediction(self.labels[int(p.argmax())], [float(x) for x in p]) for p in outputs]
