"""CoNLL-U treebanks, as a task of part-of-speech tags: FORM and UPOS of the words of each sentence.

Words are as Universal Dependencies defines them (universaldependencies.org/format.html): a multiword token (ID `1-2`)
is not a word, its parts are; an empty node (ID `8.1`) is not a word either. No reader of tables would do: empty lines
end sentences, and comments hold their ids.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xrobust.contracts.task import Split, Task
from xrobust.data.lines import BLANKS, iter_lines, plain_name, refuse_twins
from xrobust.data.records import Record
from xrobust.data.rows import Account, Rows
from xrobust.errors import UserError

UPOS_TAGS = tuple("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())
"""The universal tag set. A task can be read from treebanks if its labels hold these."""

FILE = re.compile(
    r"(?:(?P<treebank>(?P<language>[a-z]{2,3})(?:_\w+)?)-ud-|(?:.*[-_.])?)(?P<split>train|dev|test)(?:-[\w-]+)?\.conllu"
)
"""`de_gsd-ud-test.conllu`; also `test.conllu` and parts, `de_hdt-ud-train-a-1.conllu`."""

CODE_FILE = re.compile(
    r"(?P<split>train|dev|test)-(?P<language>[a-z]{2,3})\.conllu|(?P<first>[a-z]{2})[-_.](?P<after>train|dev|test)\.conllu"
)
"""`test-de.conllu`, as the tables of the XTREME layout are called, or `de-test.conllu`."""

FOLDER = re.compile(r"(?:UD_)?(?P<language>[A-Za-z_]+)(?:-\w+)?")
"""`UD_German-GSD`, `UD_de-GSD`, `de`."""

CODES = {
    "Afrikaans": "af",
    "Arabic": "ar",
    "Basque": "eu",
    "Bulgarian": "bg",
    "Chinese": "zh",
    "Dutch": "nl",
    "English": "en",
    "Estonian": "et",
    "Faroese": "fo",
    "Finnish": "fi",
    "French": "fr",
    "German": "de",
    "Greek": "el",
    "Hebrew": "he",
    "Hindi": "hi",
    "Hungarian": "hu",
    "Indonesian": "id",
    "Italian": "it",
    "Japanese": "ja",
    "Kazakh": "kk",
    "Korean": "ko",
    "Maltese": "mt",
    "Marathi": "mr",
    "Persian": "fa",
    "Portuguese": "pt",
    "Russian": "ru",
    "Spanish": "es",
    "Tagalog": "tl",
    "Tamil": "ta",
    "Telugu": "te",
    "Thai": "th",
    "Turkish": "tr",
    "Urdu": "ur",
    "Vietnamese": "vi",
    "Yoruba": "yo",
}
"""Language names in UD folder names, for files whose own name has no code: those of XTREME, Faroese and Maltese."""


def reads(task: Task) -> bool:
    """True if a task can be read from treebanks: its labels hold the universal part-of-speech tags."""
    return task.kind.pre_split and set(task.kind.labels).issuperset(UPOS_TAGS)


@dataclass(frozen=True, order=True)
class TreebankFile:
    """One `.conllu` file, and what its name says. Sorts by treebank, then by name."""

    treebank: str
    path: Path
    language: str
    split: str


def find(folder: Path, task: Task) -> list[TreebankFile]:
    """The treebank files of a folder and of its direct subfolders, sorted; those of no split are left out.

    The name of a file tells its language; where it has no code, the name of its folder does. Raises UserError where
    neither does: the name of the task, or `ud`, is no language, and a code is only that of a subfolder.
    """
    found = []
    for path in sorted({*folder.glob("*.conllu*"), *folder.glob("*/*.conllu*")}):
        name = plain_name(path)
        if (own := CODE_FILE.fullmatch(name)) is not None:
            language = own["language"] or own["first"]
            found.append(TreebankFile(language, path, language, own["split"] or own["after"]))
        elif (ud := FILE.fullmatch(name)) is not None:
            language = ud["language"] or _folder_language(path, {task.info.name, "ud"}, inside=path.parent != folder)
            found.append(TreebankFile(ud["treebank"] or path.parent.resolve().name, path, language, ud["split"]))
    refuse_twins(file.path for file in found)
    return sorted(found)


def _folder_language(path: Path, no_languages: set[str], *, inside: bool) -> str:
    """The language that a folder's name tells, in `UD_German-GSD`, `UD_de-GSD` or, of a subfolder, `de`."""
    folder = path.parent.resolve().name
    name = FOLDER.fullmatch(folder)
    language = name["language"] if name else ""
    if language in CODES:
        return CODES[language]
    code = re.fullmatch("[a-z]{2,3}", language) and language not in no_languages
    if code and (folder.startswith("UD_") or (inside and folder == language)):
        return language
    raise UserError(
        f"{path}: cannot tell its language; name the file like test-de.conllu or de_gsd-ud-test.conllu, or its folder "
        "UD_German-GSD"
    )


def read(files: Iterable[TreebankFile], task: Task, language: str, split: Split) -> Rows:
    """All sentences of one language and split, in the task's canonical columns, with ids, tags checked.

    Sentences without text are left out: some treebanks are released without it, every form being `_`.

    In the parallel treebanks (PUD) the id is `sent_id`, equal across languages. Elsewhere it is `<treebank>:<sent_id>`:
    treebanks of several languages number their sentences `test-s1`, `test-s2`, and are no translations for that. A
    sentence without a `sent_id` has `<language>:<row>`.

    Raises UserError with file and line number.
    """
    token_column, tag_column = task.columns
    account = Account()
    parts = Counter[str]()
    rows: list[dict[str, Any]] = []
    places: dict[str, str] = {}
    for file in sorted(files):
        if (file.language, file.split) != (language, split):
            continue
        place = file.path
        prefix = "" if file.treebank.lower().endswith("pud") else f"{file.treebank}:"
        for sentence in sentences(file.path, task):
            if sentence.without_text:
                account.left_out["no text in the treebank (every form is _)"] += 1
                continue
            parts[file.treebank] += 1
            identifier = f"{language}:{len(rows)}" if sentence.sent_id is None else prefix + sentence.sent_id
            if identifier in places:
                raise UserError(f"{sentence.place}: sent_id {sentence.sent_id!r} is that of {places[identifier]} too")
            places[identifier] = sentence.place
            rows.append({"id": identifier, token_column: sentence.tokens, tag_column: sentence.tags})
    if not rows and account.left_out:
        raise UserError(
            f"{place}: no sentence has text: every form is _; the treebank was released without its text, which has to "
            "be merged in first"
        )
    account.parts = dict(parts) if len(parts) > 1 else {}
    return Rows(rows, account)


@dataclass(frozen=True)
class Sentence:
    """A sentence of a treebank: a form and a tag for each word."""

    sent_id: str | None
    tokens: list[str]
    tags: list[str]
    place: str
    """`file:line` of its first word."""
    words: list[int]
    """Index of each word's line among the sentence's lines, comments included."""

    @property
    def without_text(self) -> bool:
        """True if every form is `_`: the treebank is released without its text."""
        return set(self.tokens) == {"_"}


def sentences(path: Path, task: Task) -> list[Sentence]:
    """The sentences of one file. Raises UserError with file and line number."""
    labels = frozenset(task.kind.labels)
    found = []
    for start, lines in _blocks(path):
        sentence = _parsed(path, start, lines, task)
        if sentence is None:
            continue
        for tag, word in zip(sentence.tags, sentence.words, strict=True):
            if tag not in labels:
                raise UserError(f"{path}:{start + word}: UPOS {tag!r} is none of {', '.join(task.kind.labels)}")
        found.append(sentence)
    if not found:
        raise UserError(f"{path}: no sentence in it; expected CoNLL-U")
    return found


def records(path: Path, task: Task) -> Iterator[Record]:
    """The file as a stream of records, as a user's own text: tags are not looked at. Each line is in one record.

    Raises UserError with file and line number.
    """
    token_column, _ = task.columns
    for start, lines in _blocks(path):
        sentence = _parsed(path, start, lines, task)
        if sentence is None or sentence.without_text:
            yield Record(lines, start, None)
        else:
            yield Record(lines, start, {token_column: sentence.tokens}, sentence.words)


def labelled_word(line: str, tag: str, probability: float) -> str:
    """The line of a word with a predicted UPOS, and its probability among the attributes of the last column."""
    fields = line.split("\t")
    fields[3] = tag
    fields[9] = "|".join([*([fields[9]] if fields[9] != "_" else []), f"Prob={probability:.4f}"])
    return "\t".join(fields)


def _blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line and the lines of each sentence; an empty line is a block of its own."""
    block: list[str] = []
    for number, line in enumerate(iter_lines(path), start=1):
        if line.strip(BLANKS):
            block.append(line)
            continue
        if block:
            yield number - len(block), block
            block = []
        yield number, [line]
    if block:
        yield number + 1 - len(block), block


def _parsed(path: Path, start: int, lines: list[str], task: Task) -> Sentence | None:
    """The sentence of a block of lines, its tags not checked; None where it has no word. Raises UserError."""
    sent_id: str | None = None
    tokens: list[str] = []
    tags: list[str] = []
    words: list[int] = []
    for index, line in enumerate(lines):
        if line.startswith("#"):
            key, _, value = line[1:].partition("=")
            if key.strip() == "sent_id":
                sent_id = value.strip() or None
            continue
        fields = line.split("\t") if line.strip(BLANKS) else []
        if fields and len(fields) != 10:
            found = "1 column" if len(fields) == 1 else f"{len(fields)} columns"
            raise UserError(f"{path}:{start + index}: {found} found, 10 expected (CoNLL-U, separated by TAB)")
        if not fields or re.fullmatch(r"\d+[-.]\d+", fields[0]):
            continue
        if not fields[0].isdecimal():
            raise UserError(f"{path}:{start + index}: {fields[0]!r} is no CoNLL-U word id (1, 1-2 or 1.1)")
        words.append(index)
        tokens.append(fields[1])
        tags.append(task.label_aliases.get(fields[3], fields[3]))
    return Sentence(sent_id, tokens, tags, f"{path}:{start + words[0]}", words) if words else None
