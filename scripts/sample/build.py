"""The rows of every task, split and language."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .fill import Draw, fill
from .languages import GRAMMARS
from .lexicon import LANGUAGES
from .templates import Template, templates
from .things import Thing
from .tokens import Token

SEED = 20260101
SPLITS = ("train", "dev", "test")
ROWS = {  # a multiple of templates times labels, so that labels are in equal shares
    "pawsx": dict(zip(SPLITS, (2016, 220, 240), strict=True)),
    "xnli": dict(zip(SPLITS, (2016, 216, 252), strict=True)),
    "wikiann": dict(zip(SPLITS, (2000, 216, 247), strict=True)),
    "pos": dict(zip(SPLITS, (2000, 216, 247), strict=True)),
}
NAMED = frozenset({"per", "city", "country", "org", "firm"})
PAWSX_LABELS = {"+": "1", "-": "0"}
XNLI_LABELS = {"e": "entailment", "n": "neutral", "c": "contradiction"}


@dataclass(frozen=True)
class Row:
    """A filled template. `part` is the one that goes with `1` or `h` and so the label, "" where there is none;
    `turned` has sentence 2 first."""

    template: Template
    slots: dict[str, Thing]
    part: str = ""
    turned: bool = False


def languages_of(split: str) -> tuple[str, ...]:
    """Training is in English."""
    return ("en",) if split == "train" else LANGUAGES


def rows(task: str, split: str) -> list[Row]:
    """The rows of a split: templates in equal shares, labels in equal shares within each, no row twice in English."""
    draw = Draw(random.Random(f"{SEED} {task} {split}"))
    file = task if task in ("pawsx", "xnli") else "tagging"
    known = templates(file, split)
    if task == "wikiann":
        known = tuple(t for t in known if any(kind.split("@")[0] in NAMED for _, kind in t.slots))
    parts = {"pawsx": "+-", "xnli": "enc"}.get(task)
    found, seen = [], set()
    for i in range(ROWS[task][split]):
        template = known[i % len(known)]
        part = parts[i // len(known) % len(parts)] if parts else ""
        while True:
            row = Row(template, fill(template, draw), part, turned=task == "pawsx" and draw.chance(0.5))
            key = tuple(sorted(sentences(row, "en"))) if parts else tagged(row, "en")
            if key not in seen:
                break
        seen.add(key)
        found.append(row)
    return draw.shuffled(found)


def tagged(row: Row, language: str) -> tuple[Token, ...]:
    """The tokens of a row of a tagging task."""
    return tuple(GRAMMARS[language].sentence(row.template.texts[language][""], row.slots))


def sentences(row: Row, language: str) -> tuple[str, str]:
    """The two texts of a row of a pair task, in the order of the file."""
    texts = row.template.texts[language]
    grammar = GRAMMARS[language]
    first, second = (grammar.text(grammar.sentence(texts[part], row.slots)) for part in _parts(row))
    return first, second


def _parts(row: Row) -> tuple[str, str]:
    """Premise, hypothesis; or the sentences of a paraphrase pair."""
    if row.part in XNLI_LABELS:
        return row.part, "h"
    return (row.part, "1") if row.turned else ("1", row.part)


def files() -> Iterator[tuple[str, str]]:
    """(path, content) of every data file of the sample."""
    for task, splits in ROWS.items():
        for split in splits:
            made = rows(task, split)
            for language in languages_of(split):
                write = _pairs if task in ("pawsx", "xnli") else _tokens
                yield f"{task}/{split}-{language}.tsv", write(task, made, language)
                if task == "pawsx":
                    yield f"{task}/{split}-{language}.ids", "".join(f"{i}\n" for i in range(1, len(made) + 1))


def _pairs(task: str, made: Sequence[Row], language: str) -> str:
    labels = PAWSX_LABELS if task == "pawsx" else XNLI_LABELS
    return "".join("\t".join((*sentences(row, language), labels[row.part])) + "\n" for row in made)


def _tokens(task: str, made: Sequence[Row], language: str) -> str:
    lines = []
    for row in made:
        for token in tagged(row, language):
            if not token.upos:
                raise ValueError(f"{row.template.name} in {language}: {token.form!r} has no tag")
            lines.append(f"{token.form}\t{token.upos if task == 'pos' else token.entity}\n")
        lines.append("\n")
    return "".join(lines)
