"""Token classification: one tag for each token of a sentence that comes already split."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from xrobust.contracts.example import Example
from xrobust.contracts.kind import Kind, Prediction
from xrobust.errors import UserError
from xrobust.kinds.sequence_classification import chunks

if TYPE_CHECKING:
    import numpy as np

    from xrobust.encoded import Encoded


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
        from xrobust.encoded import IGNORED, EncodedBuilder

        # What the tokenizer puts around a single sequence, read off one: [CLS] ... [SEP] in most, but not in all.
        probe = tokenizer(["a"], is_split_into_words=True, return_special_tokens_mask=True)
        mask = probe["special_tokens_mask"]
        start = mask.index(0)
        stop = len(mask) - mask[::-1].index(0)
        prefix, suffix = probe["input_ids"][:start], probe["input_ids"][stop:]
        room = max_length - len(prefix) - len(suffix)
        if room < 1:
            special = len(prefix) + len(suffix)
            raise UserError(f"max_length {max_length} leaves no room for a token beside the {special} special ones")

        builder = EncodedBuilder(token_types="token_type_ids" in tokenizer.model_input_names, per_token=True)

        def close(example: int, pieces: list[int], labels: list[int]) -> None:
            special = [1] * len(prefix) + [0] * len(pieces) + [1] * len(suffix)
            builder.sequence([*prefix, *pieces, *suffix], special, None)
            builder.item(example, [IGNORED] * len(prefix) + labels + [IGNORED] * len(suffix))

        no_piece = tokenizer.mask_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id
        index = 0
        for chunk in chunks(examples):
            # An empty sentence is not something every tokenizer takes; it has no token to predict either.
            full = [e for e in chunk if e["tokens"]]
            encodings = iter(
                tokenizer(
                    [list(e["tokens"]) for e in full],
                    is_split_into_words=True,
                    add_special_tokens=False,
                    return_attention_mask=False,
                    verbose=False,  # about sequences that are too long: they are cut into windows below
                ).encodings
                if full
                else ()
            )
            for example in chunk:
                tokens = example["tokens"]
                words: list[list[int]] = [[] for _ in tokens]
                if tokens:
                    encoding = next(encodings)
                    for piece, word in zip(encoding.ids, encoding.word_ids, strict=True):
                        words[word].append(piece)
                tags = example.get("tags") or [self.labels[0]] * len(tokens)
                pieces: list[int] = []
                labels: list[int] = []
                for word_pieces, tag in zip(words, tags, strict=True):
                    word_pieces = word_pieces[:room] or [no_piece]
                    if len(pieces) + len(word_pieces) > room:
                        close(index, pieces, labels)
                        pieces, labels = [], []
                    pieces += word_pieces
                    labels += [self._index[tag]] + [IGNORED] * (len(word_pieces) - 1)
                if pieces:
                    close(index, pieces, labels)
                index += 1
        return builder.build()

    def decode(self, outputs: Sequence[np.ndarray], encoded: Encoded, examples: Sequence[Example]) -> list[Prediction]:
        values: list[list[str]] = [[] for _ in examples]
        scores: list[list[float]] = [[] for _ in examples]
        for example, probabilities in zip(encoded.example, outputs, strict=True):
            best = probabilities.argmax(axis=-1)
            values[example] += [self.labels[int(k)] for k in best]
            scores[example] += [float(x) for x in probabilities.max(axis=-1)]
        return [Prediction(v, s) for v, s in zip(values, scores, strict=True)]
