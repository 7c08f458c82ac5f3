"""The parts of a pair template (1 + -, h e n c g x) differ in every language where they differ in English."""

from __future__ import annotations

from itertools import combinations

import pytest

from scripts.sample.build import LABELS, SPLITS, languages_of, rows
from scripts.sample.languages import GRAMMARS
from scripts.sample.tables import Template, templates


@pytest.mark.parametrize("task", list(LABELS))
def test_the_texts_of_a_template_differ_pairwise(task: str) -> None:
    for split in SPLITS:
        for template in templates(task, split):
            for language in languages_of(split):
                texts = [text.lower() for text in template.texts[language].values()]
                assert len(set(texts)) == len(texts), (template.name, language)


@pytest.mark.parametrize("task", list(LABELS))
@pytest.mark.parametrize("split", SPLITS)
def test_the_sentences_made_of_them_differ_as_the_english_ones_do(task: str, split: str) -> None:
    """Also where words that differ in a template come out the same, as a preposition that is left out might."""
    seen: set[str] = set()
    for row in rows(task, split):
        if row.template.name in seen:
            continue
        seen.add(row.template.name)
        english = _made(row.template, "en", row.slots)
        for language in languages_of(split):
            made = _made(row.template, language, row.slots)
            assert made.keys() == english.keys()
            for one, other in combinations(made, 2):
                assert (made[one] != made[other]) == (english[one] != english[other]), (row.template.name, language)


def _made(template: Template, language: str, slots: dict) -> dict[str, str]:  # type: ignore[type-arg]
    grammar = GRAMMARS[language]
    return {part: grammar.text(grammar.sentence(text, slots)) for part, text in template.texts[language].items()}
