"""The rows of every task, split and language."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .fill import Draw, fill
from .languages import GRAMMARS
from .tables import LANGUAGES, Half, Template, synonyms, templates
from .things import Thing
from .tokens import Token

SEED = 20260101
SPLITS = ("train", "dev", "test")
ROWS = {  # a multiple of templates times labels, so that labels are in equal shares
    "pawsx": dict(zip(SPLITS, (2016, 220, 240), strict=True)),
    "xnli": dict(zip(SPLITS, (2016, 216, 252), strict=True)),
    "wikiann": dict(zip(SPLITS, (2000, 216, 252), strict=True)),
    "pos": dict(zip(SPLITS, (2000, 216, 252), strict=True)),
}
NAMED = frozenset({"per", "city", "country", "org", "firm"})
LABELS: dict[str, dict[str, tuple[str, ...]]] = {  # the parts of a template that make a pair with each label
    "pawsx": {"1": ("1+",), "0": ("1-",)},
    "xnli": {
        "entailment": ("eh", "cg"),
        "neutral": ("nh", "ex", "ng", "cx"),
        "contradiction": ("ch", "eg"),
    },
}


@dataclass(frozen=True)
class Row:
    """A filled template. `parts` are the two that make a pair, in the order of the file; none in a tagging task."""

    template: Template
    slots: dict[str, Thing]
    parts: str = ""
    label: str = ""


def languages_of(split: str) -> tuple[str, ...]:
    """Languages of a split: training is in English alone."""
    return ("en",) if split == "train" else LANGUAGES


def rows(task: str, split: str) -> list[Row]:
    """The rows of a split: templates in equal shares, labels in equal shares within each, no row twice in English."""
    # In tagging tasks, names of dev and test are new: a model that memorised names finds none.
    names: Half | None = None if task in LABELS else "train" if split == "train" else "held out"
    draw = Draw(random.Random(f"{SEED} {task} {split}"), names)
    known = templates(task if task in LABELS else "tagging", split)
    if task == "wikiann":
        known = tuple(t for t in known if any(kind.split("@")[0] in NAMED for _, kind in t.slots))
    labels = list(LABELS.get(task, {"": ("",)}))
    made, seen = [], set()
    for i in range(ROWS[task][split]):
        template, turn = known[i % len(known)], i // len(known)
        label = labels[turn % len(labels)]
        parts = _parts(task, template, label, turn // len(labels), draw)
        while True:
            row = Row(template, fill(template, draw), parts, label)
            key = frozenset(sentences(row, "en")) if parts else tagged(row, "en")
            if key not in seen:
                break
        seen.add(key)
        made.append(row)
    return draw.shuffled(made)


def _parts(task: str, template: Template, label: str, turn: int, draw: Draw) -> str:
    """The parts of the `turn`-th pair of a template with a label. Which paraphrase comes first is drawn."""
    if not label:
        return ""
    known = [parts for parts in LABELS[task][label] if set(parts) <= set(template.texts["en"])]
    parts = known[turn % len(known)]
    return parts[::-1] if task == "pawsx" and draw.chance(0.5) else parts


def tagged(row: Row, language: str) -> tuple[Token, ...]:
    """The tokens of a row of a tagging task."""
    return tuple(GRAMMARS[language].sentence(row.template.texts[language][""], row.slots))


def sentences(row: Row, language: str) -> tuple[str, str]:
    """The two texts of a row of a pair task, in the order of the file."""
    texts = row.template.texts[language]
    grammar = GRAMMARS[language]
    first, second = (grammar.text(grammar.sentence(texts[part], row.slots)) for part in row.parts)
    return first, second


def files() -> Iterator[tuple[str, str]]:
    """(path, content) of every file of the sample: the tasks' data and the table of synonyms."""
    for task, splits in ROWS.items():
        for split in splits:
            made = rows(task, split)
            for language in languages_of(split):
                content = _pairs(made, language) if task in LABELS else _tokens(made, language, task)
                yield f"{task}/{split}-{language}.tsv", content
                if task == "pawsx":
                    yield f"{task}/{split}-{language}.ids", "".join(f"{i}\n" for i in range(1, len(made) + 1))
    table = ",\n".join(f"{json.dumps(word)}: {json.dumps(others)}" for word, others in synonyms().items())
    yield "synonyms/counterfitted_neighbors.json", f"{{\n{table}\n}}\n"


def _pairs(made: Sequence[Row], language: str) -> str:
    return "".join("\t".join((*sentences(row, language), row.label)) + "\n" for row in made)


def _tokens(made: Sequence[Row], language: str, task: str) -> str:
    lines = []
    for row in made:
        for token in tagged(row, language):
            if not token.upos:
                raise ValueError(f"{row.template.name} in {language}: {token.form!r} has no tag")
            lines.append(f"{token.form}\t{token.upos if task == 'pos' else token.entity}\n")
        lines.append("\n")
    return "".join(lines)
