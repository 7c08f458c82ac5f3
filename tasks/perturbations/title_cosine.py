"""Section titles: words known from training are replaced by the nearest unknown ones."""

from __future__ import annotations

import random

from xrobust.contracts import Example, Perturbation, PerturbationContext, PerturbationInfo

from .shared.nearest import nearest_words
from .shared.title_words import WordParams, no_words_problem, replaced_words, vocabulary

MAX_PIECES = 10
"""Word pieces of a word that its vector is made from (published)."""


class TitleCosine(Perturbation):
    """Every word of a test text that also occurs in a source training text is replaced by the nearest word of the test
    texts that does not. The choices and the label stay.

    `cosine_text` of Manafi & Krishnaswamy (LREC-COLING 2024), for section-title prediction. Words are runs of letters,
    marks, digits and low lines, compared in lower case; stopwords of the test set's language are left alone and never
    put in place (package stopwordsiso, which has lists of 58 languages; in any other nothing is a stopword). Nearest
    is the largest cosine between the vectors of the first token in the last layer of the pre-trained encoder, each word
    encoded alone and cut at 10 pieces. A word that takes another's place takes its capitals too.

    Published are the words in the first 128 word pieces of a text. Which those are depends on the tokenizer; here it is
    the first `max_words` words of a text, whatever the model, 128 by default: all that a model can see at that length,
    and in training some that it does not see.
    """

    info = PerturbationInfo(
        name="title_cosine",
        summary="words of a text known from source training replaced by the nearest unknown ones",
        kinds=("multiple_choice",),
        citation="Manafi & Krishnaswamy, LREC-COLING 2024 (cosine_text)",
    )
    needs = frozenset({"source_train", "target_test", "encoder"})

    class Params(WordParams):
        pass

    params: Params

    def language_problem(self, language: str) -> str | None:
        return no_words_problem(language)

    def prepare(self, ctx: PerturbationContext) -> None:
        known, unknown = vocabulary(ctx, self.params.max_words)
        self._nearest = nearest_words(known, unknown, lambda words: ctx.word_vectors(words, max_pieces=MAX_PIECES))

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        text = replaced_words(example["text"], language, self.params.max_words, self._nearest.get)
        return None if text == example["text"] else {**example, "text": text}
