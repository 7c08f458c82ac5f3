"""Words of texts that are known from source training, and those that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from pydantic import Field

from xrobust.contracts import Example, Perturbation, PerturbationContext
from xrobust.data.text import word_pattern

from .letters import lower, with_case_of
from .scripts import without_spaces
from .stopwords import stopwords


class WordParams(Perturbation.Params):
    """Which words of a text count."""

    max_words: int = Field(
        default=128, ge=1, description="words of each text that count, from its beginning; the rest stays"
    )


class Vocabulary(NamedTuple):
    """The words of a test set, lower-cased, no stopwords."""

    known: frozenset[str]
    """Those that occur in source training."""
    unknown: frozenset[str]


def vocabulary(ctx: PerturbationContext, most: int) -> Vocabulary:
    """The words among the first `most` of each text of the test set, by those of each text of source training."""
    train = ctx.once(("title words", most), lambda: _words(ctx.source_train(), ctx.source, most))
    test = _words(ctx.target_test(), ctx.language, most) - stopwords(ctx.language)
    return Vocabulary(test & train, test - train)


def _words(examples: Iterable[Example], language: str, most: int) -> frozenset[str]:
    """The words in lower case."""
    find = word_pattern().findall
    return frozenset(lower(word, language) for example in examples for word in find(example["text"])[:most])


def no_words_problem(language: str) -> str | None:
    """Why words of `language` cannot be found by the spaces between them, in a few words, or None."""
    return "it is written without spaces between words" if without_spaces(language) else None


def replaced_words(text: str, language: str, most: int, replacement: Callable[[str], str | None]) -> str:
    """The text with other words among its first `most`, capitals, punctuation and spaces kept.

    `replacement` is given each word in lower case, in order, and returns another in lower case, or None to keep it.
    """
    parts: list[str] = []
    end = 0
    for number, match in enumerate(word_pattern().finditer(text)):
        if number == most:
            break
        new = replacement(lower(match[0], language))
        parts += [text[end : match.start()], match[0] if new is None else with_case_of(match[0], new, language)]
        end = match.end()
    return "".join([*parts, text[end:]])
