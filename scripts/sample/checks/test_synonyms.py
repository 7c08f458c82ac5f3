"""The table of synonyms: words of the sample, and synonyms that take the articles before them."""

from __future__ import annotations

import json

from .sample_files import DATA, SPLITS, pairs, tagged


def test_the_synonyms_are_words_of_the_sample_and_take_its_articles() -> None:
    table: dict[str, list[str]] = json.loads((DATA / "synonyms" / "counterfitted_neighbors.json").read_text())
    texts = [text for task in ("pawsx", "xnli") for s in SPLITS for row in pairs(task, s, "en") for text in row[:2]]
    texts += [
        " ".join(t for t, _ in sentence)
        for task in ("wikiann", "pos")
        for s in SPLITS
        for sentence in tagged(task, s, "en")
    ]
    words = {word.strip(".,?!") for text in texts for word in text.split()}
    assert set(table) <= words
    after_article = {
        (article, word) for text in texts for article, word in zip(text.split(), text.split()[1:], strict=False)
    }
    for word, synonyms in table.items():
        assert 1 <= len(synonyms) <= 8 and len(set(synonyms)) == len(synonyms) and word not in synonyms
        for synonym in synonyms:
            assert synonym == synonym.lower() and " " not in synonym
            for article, wrong in (("a", "aeiou"), ("an", "bcdfghjklmnpqrstvwxyz")):
                if (article, word) in after_article:
                    assert synonym[0] not in wrong, f"{article} {synonym}"
