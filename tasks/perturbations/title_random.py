"""Section titles: words known from training are replaced by unknown ones drawn at random."""

from __future__ import annotations

import random

from pydantic import Field

from xrobust.contracts import Example, Perturbation, PerturbationContext, PerturbationInfo
from xrobust.data.text import word_pattern

from .shared.letters import lower
from .shared.title_words import WordParams, no_words_problem, replaced_words, vocabulary


class TitleRandom(Perturbation):
    """Every word of a test text that also occurs in a source training text is replaced by a word of the test texts that
    does not, drawn uniformly for each occurrence. The choices and the label stay.

    `random_text` of Manafi & Krishnaswamy (LREC-COLING 2024): as `title_cosine`, which says what a word is, but for the
    draw.

    The published code puts the words into another file than the one that clean text and `cosine_text` come from: lower
    case, no punctuation, cut at 128 word pieces. So part of its published drop is the change of format. Here the text
    stays as it is around the words. With compat=true it becomes its first `max_words` words in lower case with single
    spaces between them, in every example, changed words or none. What compat cannot give: the published line does not
    run as released, its draws were not seeded, and the cut there is at 128 pieces of each model's own tokenizer.
    """

    info = PerturbationInfo(
        name="title_random",
        summary="words of a text known from source training replaced by unknown ones drawn at random",
        kinds=("multiple_choice",),
        citation="Manafi & Krishnaswamy, LREC-COLING 2024 (random_text)",
    )
    needs = frozenset({"source_train", "target_test"})

    class Params(WordParams):
        compat: bool = Field(
            default=False, description="as published: the whole text in lower case, without punctuation, cut"
        )

    params: Params

    def language_problem(self, language: str) -> str | None:
        return no_words_problem(language)

    def prepare(self, ctx: PerturbationContext) -> None:
        self._known, unknown = vocabulary(ctx, self.params.max_words)
        self._unknown = sorted(unknown)

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        def replacement(word: str) -> str | None:
            return rng.choice(self._unknown) if word in self._known and self._unknown else None

        text = example["text"]
        if self.params.compat:
            words = word_pattern().findall(text)[: self.params.max_words]
            text = " ".join(lower(word, language) for word in words)
        text = replaced_words(text, language, self.params.max_words, replacement)
        return None if text == example["text"] else {**example, "text": text}
