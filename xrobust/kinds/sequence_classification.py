"""Sequence classification: one label for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction
from xrobust.encoding.stream import ahead, chunks
from xrobust.errors import shown

if TYPE_CHECKING:
    import numpy as np

    from xrobust.contracts.encoded import Encoded, EncodedBuilder
    from xrobust.encoding.pairs import Joined, PairEncoder, Pieces


@dataclass(frozen=True)
class Sides:
    """Both texts of one language's examples, tokenised."""

    row: Mapping[str, int]
    """Example id -> its index in `first` and `second`."""
    first: Pieces
    second: Pieces


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
        for column in self.text_columns:
            if not isinstance(example.get(column, ""), str):
                return f"{column!r} is {shown(example[column])}; one text is expected"
        if "label" in example and example["label"] not in self._index:
            return f"label {example['label']!r} is none of {', '.join(self.labels)}"
        return None

    def encode(self, examples: Iterable[Example], tokenizer: Any, max_length: int) -> Encoded:
        from xrobust.encoding.pairs import PairEncoder

        encoder = PairEncoder(tokenizer, max_length)
        builder = self._builder(tokenizer)

        def tokenised(chunk: list[Example]) -> tuple[list[Example], Pieces, Pieces | None]:
            first = encoder.tokenise(e["text"] for e in chunk)
            return chunk, first, encoder.tokenise(e["text_pair"] for e in chunk) if "text_pair" in chunk[0] else None

        index = 0
        for chunk, first, second in ahead(map(tokenised, ahead(chunks(examples)))):
            self._add(builder, encoder.join(first, second), chunk, index)
            index += len(chunk)
        return builder.build()

    def tokenise(self, examples: Sequence[Example], encoder: PairEncoder) -> Sides:
        """Tokenises both texts of one language's examples, once each, to be joined with those of any other language.
        Examples have `text_pair`, and ids that differ."""
        return Sides(
            row={example["id"]: row for row, example in enumerate(examples)},
            first=encoder.tokenise(e["text"] for e in examples),
            second=encoder.tokenise(e["text_pair"] for e in examples),
        )

    def join(self, first: Sides, second: Sides, examples: Sequence[Example], encoder: PairEncoder) -> Encoded:
        """Equal to `encode` of `examples`, whose `text` is that of `first` and whose `text_pair` is that of `second`,
        by id (`xrobust.evaluation.language_pairs.align` makes them), but without tokenising."""
        joined = encoder.join(
            first.first.take([first.row[e["id"]] for e in examples]),
            second.second.take([second.row[e["id"]] for e in examples]),
        )
        builder = self._builder(encoder.tokenizer)
        self._add(builder, joined, examples, 0)
        return builder.build()

    def _builder(self, tokenizer: Any) -> EncodedBuilder:
        from xrobust.contracts.encoded import EncodedBuilder

        return EncodedBuilder(token_types="token_type_ids" in tokenizer.model_input_names, per_token=False)

    def _add(self, builder: EncodedBuilder, joined: Joined, examples: Sequence[Example], index: int) -> None:
        """Adds a sequence and an item for each example; `index` is that of the first."""
        import numpy as np

        builder.sequences(joined.ids, joined.special, joined.types, joined.lengths)
        labels = [self._index.get(example.get("label", ""), 0) for example in examples]
        builder.items(np.arange(index, index + len(labels)), np.array(labels, dtype=np.int64), joined.cut)

    def decode(self, outputs: Sequence[np.ndarray], encoded: Encoded, examples: Sequence[Example]) -> list[Prediction]:
        return [Prediction(self.labels[int(p.argmax())], [float(x) for x in p]) for p in outputs]
