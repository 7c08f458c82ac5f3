"""Token classification: one tag for each token of a sentence that comes already split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction
from xrobust.encoding.stream import ahead, chunks

if TYPE_CHECKING:
    import numpy as np

    from xrobust.contracts.encoded import Encoded
    from xrobust.encoding.words import Words


class TokenClassification(Kind):
    """Columns `id, tokens, tags`. The first piece of a token carries its tag (Devlin et al., NAACL 2019, section 5.3).

    A sentence longer than the model takes is cut at word boundaries into windows that do not overlap, so that every
    token gets exactly one prediction (as XTREME's preprocessing does). A token that yields no piece (an empty string, a
    lone zero-width space) is fed as the unknown token, or as the mask token where the tokenizer has no unknown one
    (many byte-level ones, which know every character): a word that the model has to guess, as in its pre-training. A
    single token longer than a window keeps its first pieces.
    """

    name = "token_classification"
    auto_class = "AutoModelForTokenClassification"
    text_columns = ("tokens",)
    gold_column = "tags"
    pre_split = True

    def __init__(self, labels: Sequence[str]) -> None:
        self.labels = tuple(labels)
        self._index = {label: i for i, label in enumerate(self.labels)}

    def problem(self, example: Example) -> str | None:
        tags = example.get("tags")
        if tags is None:
            return None
        if len(tags) != len(example["tokens"]):
            return f"{len(tags)} tags for {len(example['tokens'])} tokens"
        for tag in tags:
            if tag not in self._index:
                return f"tag {tag!r} is none of {', '.join(self.labels)}"
        return None

    def encode(self, examples: Iterable[Example], tokenizer: Any, max_length: int) -> Encoded:
        from xrobust.contracts.encoded import EncodedBuilder
        from xrobust.encoding.words import WordEncoder

        encoder = WordEncoder(tokenizer, max_length)
        builder = EncodedBuilder(token_types="token_type_ids" in tokenizer.model_input_names, per_token=True)

        def tokenised(chunk: list[Example]) -> tuple[list[Example], Words]:
            return chunk, encoder.tokenise([e["tokens"] for e in chunk])

        index = 0
        for chunk, words in ahead(map(tokenised, ahead(chunks(examples)))):
            tags = [self._index[tag] for e in chunk for tag in e.get("tags") or [self.labels[0]] * len(e["tokens"])]
            windows = encoder.windows(words, tags)
            builder.sequences(windows.ids, windows.special, None, windows.lengths)
            builder.items(windows.sentence + index, windows.labels, windows.cut)
            index += len(chunk)
        return builder.build()

    def decode(self, outputs: Sequence[np.ndarray], encoded: Encoded, examples: Sequence[Example]) -> list[Prediction]:
        values: list[list[str]] = [[] for _ in examples]
        scores: list[list[float]] = [[] for _ in examples]
        for example, probabilities in zip(encoded.example, outputs, strict=True):
            best = probabilities.argmax(axis=-1)
            values[example] += [self.labels[int(k)] for k in best]
            scores[example] += [float(x) for x in probabilities.max(axis=-1)]
        return [Prediction(v, s) for v, s in zip(values, scores, strict=True)]
