"""Words outside entities known from training are replaced by the nearest unknown ones."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterable

from xrobust.contracts import Example, Perturbation, PerturbationContext, PerturbationInfo, Task
from xrobust.metrics.entities import OUTSIDE

from .shared.entities import entity_problem
from .shared.letters import lower, with_case_of
from .shared.nearest import nearest_words
from .shared.stopwords import stopwords


class ContextSwap(Perturbation):
    """Every word outside entities (tag O) that also occurs outside entities in the source language's training set is
    replaced by the nearest word of the test set that does not. Tokens and tags stay one for one.

    Perturbation P2 (context words) of Manafi & Krishnaswamy (LREC-COLING 2024). Words are compared in lower case; those
    regarded, on either side of a replacement, are no stopwords of the test set's language, are longer than one
    character, and hold no punctuation or symbol. Nearest is the largest cosine between the vectors of the first token
    ([CLS], <s>) in the last layer, each word encoded alone. A word that takes another's place takes its capitals too.

    The encoder is the pre-trained one, as in the paper; so every method meets the same sentences. Stopwords are those
    of the package stopwordsiso, as in the paper. Of 58 languages it has a list; for any other no word is excluded as a
    stopword, so that more of a sentence changes.
    """

    info = PerturbationInfo(
        name="context_swap",
        summary="words outside entities known from source training replaced by the nearest unknown ones",
        kinds=("token_classification",),
        citation="Manafi & Krishnaswamy, LREC-COLING 2024 (P2)",
    )
    needs = frozenset({"source_train", "target_test", "encoder"})

    @classmethod
    def task_problem(cls, task: Task) -> str | None:
        return entity_problem(task)

    def prepare(self, ctx: PerturbationContext) -> None:
        known = ctx.once(("context_swap", "known"), lambda: _words_outside(ctx.source_train(), ctx.source))
        stops = stopwords(ctx.language)
        regarded = {w for w in _words_outside(ctx.target_test(), ctx.language) if w not in stops and is_word(w)}
        self._nearest = nearest_words(regarded & known, regarded - known, ctx.word_vectors)

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        tokens = list(example["tokens"])
        for i, (token, tag) in enumerate(zip(tokens, example["tags"], strict=True)):
            new = self._nearest.get(lower(token, language)) if tag == OUTSIDE else None
            if new is not None:
                tokens[i] = with_case_of(token, new, language)
        return None if tokens == list(example["tokens"]) else {**example, "tokens": tokens}


def _words_outside(examples: Iterable[Example], language: str) -> frozenset[str]:
    """The tokens outside entities, in lower case."""
    return frozenset(
        lower(token, language)
        for example in examples
        for token, tag in zip(example["tokens"], example["tags"], strict=True)
        if tag == OUTSIDE
    )


def is_word(token: str) -> bool:
    """More than one character, none of which is punctuation, a symbol or white space."""
    return len(token) > 1 and not any(unicodedata.category(c)[0] in "PSZ" for c in token)
