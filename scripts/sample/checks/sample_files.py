"""The committed files of the sample, read without the project's own readers."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

DATA = Path(__file__).resolve().parents[3] / "bundle" / "data" / "mini"
LANGUAGES = ("de", "en", "es", "fr", "ja", "ru", "tr", "zh")
TASKS = ("pawsx", "xnli", "wikiann", "pos")
SPLITS = ("train", "dev", "test")


def languages_of(split: str) -> tuple[str, ...]:
    return ("en",) if split == "train" else LANGUAGES


@cache
def pairs(task: str, split: str, language: str) -> list[tuple[str, str, str]]:
    """(text, text, label) of every row."""
    rows = []
    for line in (DATA / task / f"{split}-{language}.tsv").read_text(encoding="utf-8").split("\n")[:-1]:
        first, second, label = line.split("\t")
        rows.append((first, second, label))
    return rows


@cache
def tagged(task: str, split: str, language: str) -> list[list[tuple[str, str]]]:
    """The (token, tag) lists of every sentence."""
    text = (DATA / task / f"{split}-{language}.tsv").read_text(encoding="utf-8")
    sentences = []
    for block in text.split("\n\n")[:-1]:
        rows = [line.split("\t") for line in block.split("\n")]
        sentences.append([(token, tag) for token, tag in rows])
    return sentences


def texts(language: str) -> list[str]:
    """Every sentence of the pair tasks in a language, each once."""
    unique = {
        text
        for task in ("pawsx", "xnli")
        for split in SPLITS
        if language in languages_of(split)
        for row in pairs(task, split, language)
        for text in row[:2]
    }
    return sorted(unique)


def token_lists(language: str) -> list[list[str]]:
    """Every sentence of all tasks as words and punctuation, each once: what a grammar check reads."""
    word = r"\b\w{1,2}'|" if language == "fr" else ""  # l'hôtel is l' hôtel, but Peter'in and aujourd'hui are words
    unique = {tuple(re.findall(rf"{word}\w+(?:[-'·]\w+)*'?|[^\w\s]", text)) for text in texts(language)}
    for task in ("wikiann", "pos"):
        for split in SPLITS:
            if language in languages_of(split):
                unique |= {tuple(token for token, _ in sentence) for sentence in tagged(task, split, language)}
    return [list(words) for words in sorted(unique)]


def unspaced(language: str) -> list[str]:
    """Every sentence of all tasks in a language that writes no spaces, each once."""
    unique = set(texts(language))
    for task in ("wikiann", "pos"):
        for split in ("dev", "test"):
            unique |= {"".join(token for token, _ in sentence) for sentence in tagged(task, split, language)}
    return sorted(unique)
