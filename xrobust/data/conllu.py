"""CoNLL-U treebanks, as a task of part-of-speech tags: FORM and UPOS of the words of each sentence.

Words are as Universal Dependencies defines them (universaldependencies.org/format.html): a multiword token (ID `1-2`)
is not a word, its parts are; an empty node (ID `8.1`) is not a word either. No reader of tables would do: empty lines
end sentences, and comments hold their ids.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from xrobust.contracts.task import Split, Task
from xrobust.data.lines import iter_lines, plain_name, refuse_twins
from xrobust.data.rows import Account, Rows
from xrobust.errors import UserError

UPOS_TAGS = tuple("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split())
"""The universal tag set. A task can be read from treebanks if its labels hold these."""

FILE = re.compile(
    r"(?:(?P<treebank>(?P<language>[a-z]{2,3})(?:_\w+)?)-ud-|(?:.*[-_.])?)(?P<split>train|dev|test)(?:-[\w-]+)?\.conllu"
)
"""`de_gsd-ud-test.conllu`; also `test.conllu` and parts, `de_hdt-ud-train-a-1.conllu`."""

XTREME_FILE = re.compile(r"(?P<split>train|dev|test)-(?P<language>[a-z]{2,3})\.conllu")
"""`test-de.conllu`, as the tables of the XTREME layout are called."""

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
        if (xtreme := XTREME_FILE.fullmatch(name)) is not None:
            found.append(TreebankFile(xtreme["language"], path, xtreme["language"], xtreme["split"]))
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
    code = re.fullmatch("[a-z]{2,3}", language)
    if code and language not in no_languages and (inside or folder.startswith("UD_")):
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
            if set(sentence.tokens) == {"_"}:
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


def sentences(path: Path, task: Task) -> list[Sentence]:
    """The sentences of one file. Raises UserError with file and line number."""
    labels = frozenset(task.kind.labels)
    found: list[Sentence] = []
    sent_id: str | None = None
    tokens: list[str] = []
    tags: list[str] = []
    start = 0

    for number, line in enumerate(chain(iter_lines(path), [""]), start=1):
        if not line:
            if tokens:
                found.append(Sentence(sent_id, tokens, tags, f"{path}:{start}"))
            sent_id, tokens, tags = None, [], []
            continue
        if line.startswith("#"):
            key, _, value = line[1:].partition("=")
            if key.strip() == "sent_id":
                sent_id = value.strip() or None
            continue
        fields = line.split("\t")
        if len(fields) != 10:
            raise UserError(f"{path}:{number}: {len(fields)} columns found, 10 expected (CoNLL-U, separated by TAB)")
        if not fields[0].isdecimal():
            if re.fullmatch(r"\d+[-.]\d+", fields[0]):
                continue
            raise UserError(f"{path}:{number}: {fields[0]!r} is no CoNLL-U word id (1, 1-2 or 1.1)")
        tag = task.label_aliases.get(fields[3], fields[3])
        if tag not in labels:
            raise UserError(f"{path}:{number}: UPOS {tag!r} is none of {', '.join(task.kind.labels)}")
        start = start if tokens else number
        tokens.append(fields[1])
        tags.append(tag)
    if not found:
        raise UserError(f"{path}: no sentence in it; expected CoNLL-U")
    return found
