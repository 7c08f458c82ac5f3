"""A perturbation applied to a test set: which rows changed, how much, and whether the gold labels still hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from random import Random
from typing import TYPE_CHECKING, Any

import regex

from xrobust.contracts import keyed_random
from xrobust.contracts.calling import blamed, calling
from xrobust.contracts.example import copied
from xrobust.encoding.kind_calls import problem_of
from xrobust.errors import shown
from xrobust.metrics.entities import entity_spans

if TYPE_CHECKING:
    from xrobust.contracts import Example, Kind, Perturbation

_WITHOUT_SPACES = (
    r"\p{Unified_Ideograph}\p{Block=CJK_Compatibility_Ideographs}\p{Block=CJK_Compatibility_Ideographs_Supplement}"
    r"\p{Hiragana}\p{Block=Katakana}\p{Block=Katakana_Phonetic_Extensions}\p{Thai}\p{Lao}"
)
_WORDS = regex.compile(f"[^{_WITHOUT_SPACES}]++|.")


ALIGNED = 2_000
"""Most tokens of a text that are aligned with its perturbed one: the time grows with their square or worse."""


@dataclass(frozen=True)
class AppliedPerturbation:
    """The rows of a test set that a perturbation changed."""

    rows: Mapping[int, Example]
    """Index in the clean test set -> the perturbed example."""
    tokens: int
    """Tokens of the whole clean test set: its own for tagging; else words, or characters in scripts without spaces."""
    changed_tokens: int
    """Tokens of the changed rows that differ from clean text, as the function `changed_tokens` counts them."""
    none: int = 0
    """Examples that `apply` gave None for."""

    def to_lines(self) -> Iterator[Any]:
        """The JSON values that are cached of it."""
        yield {"tokens": self.tokens, "changed_tokens": self.changed_tokens, "none": self.none}
        for index in sorted(self.rows):
            yield [index, self.rows[index]]

    @classmethod
    def of_lines(
        cls, lines: Sequence[Any], perturbation: Perturbation, kind: Kind, examples: Sequence[Example]
    ) -> AppliedPerturbation:
        """The applied perturbation that `to_lines` gave the values of, to the same clean `examples`.

        Raises ValueError, TypeError, LookupError or AttributeError where they are no such values.
        """
        counts, *rows = lines
        applied = cls(dict(rows), **counts)
        for index, after in applied.rows.items():
            if index not in range(len(examples)):
                raise ValueError(f"there is no clean example {index!r}")
            if (problem := violation(perturbation, kind, examples[index], after)) is not None:
                raise ValueError(f"example {examples[index]['id']}: {problem}")
        if not all(isinstance(number, int) for number in (applied.tokens, applied.changed_tokens, applied.none)):
            raise TypeError("its numbers are none")
        return applied


def perturb(
    perturbation: Perturbation, kind: Kind, examples: Sequence[Example], language: str, seed: int
) -> AppliedPerturbation:
    """Applies a prepared perturbation to every example.

    It is given copies of them. An example that comes back as it was counts as one that it does not apply to. Raises
    PluginError, which names the example, where it fails or a gold label does not hold any more.
    """
    name = perturbation.info.name
    rows: dict[int, Example] = {}
    tokens = changed = none = 0
    for index, example in enumerate(examples):
        before = text_tokens(kind, example)
        tokens += len(before)
        where = f"example {example['id']} of {language}"
        rng = example_rng(seed, name, language, example["id"])
        with calling(perturbation, "apply", where):  # the checks too: they touch objects that it made
            after = perturbation.apply(copied(example), language, rng)
            if after is None:
                none += 1
                continue
            if (problem := _no_example(example, after)) is not None:
                raise blamed(perturbation, "apply", where, problem)
            if all(after.get(column) == example.get(column) for column in kind.text_columns):
                continue
            after = copied(after)
            if (problem := _broken_rule(perturbation, kind, example, after)) is not None:
                raise blamed(perturbation, "apply", where, problem)
            rows[index] = after
            changed += changed_tokens(before, text_tokens(kind, after))
    return AppliedPerturbation(rows, tokens, changed, none)


def example_rng(seed: int, name: str, language: str, identifier: str) -> Random:
    """Random generator of one example: the same for every run, method and order of examples."""
    return keyed_random("perturbation", seed, name, language, identifier)


def violation(perturbation: Perturbation, kind: Kind, before: Example, after: Example) -> str | None:
    """Rule that a perturbation broke on an example, in a few words, or None."""
    return _no_example(before, after) or _broken_rule(perturbation, kind, before, after)


def _broken_rule(perturbation: Perturbation, kind: Kind, before: Example, after: Example) -> str | None:
    """`violation` of what is an example with text."""
    if after.get("id") != before["id"]:
        return f"the id became {after.get('id')!r}"
    if set(after) != set(before):
        return f"the columns became {', '.join(sorted(after))}"
    if (problem := problem_of(kind, after)) is not None:
        return problem
    gold = kind.gold_column
    if not kind.pre_split:
        return None if after[gold] == before[gold] else f"the label {before[gold]} became {after[gold]}"
    for token in set(after["tokens"]).difference(before["tokens"]):  # the data may have had an odd one before
        if not token or any(c.isspace() for c in token):
            return f"token {token!r} is empty or holds a space"
    if perturbation.info.keeps_tokens:
        if len(after["tokens"]) != len(before["tokens"]):
            return f"{len(before['tokens'])} tokens became {len(after['tokens'])}"
        return None if list(after[gold]) == list(before[gold]) else "the tags changed"
    if entity_types(after[gold]) != entity_types(before[gold]):
        return f"the entities {entity_types(before[gold])} became {entity_types(after[gold])}"
    return None


def _no_example(before: Example, after: object) -> str | None:
    """Reason that an outcome is no example with text in the columns that have some in `before`, in a few words, or
    None."""
    if not isinstance(after, Mapping):
        return f"it gives a {type(after).__name__}; an example, or None, is expected"
    for column, value in after.items():
        was = before.get(column)
        texts = _texts(was)
        if texts is None:
            continue
        new = _texts(value)
        if new is None or isinstance(value, str) != isinstance(was, str):
            return f"{column!r} became {shown(value)} where {shown(was)} was"
        try:
            "".join(new).encode()
        except UnicodeEncodeError:
            if not set(new) <= set(texts):  # the data may have had it before
                return f"{column!r} became {shown(value)}, which UTF-8 cannot encode"
    return None


def _texts(value: object) -> Sequence[str] | None:
    """The texts in a column: one, or a list of them; None where it holds something else."""
    if isinstance(value, str):
        return [value]
    return value if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value) else None


def entity_types(tags: Sequence[str]) -> list[str]:
    """The types of the entities of a sentence, in order: `[B-PER, I-PER, O, B-LOC]` -> `[PER, LOC]`."""
    return [span.type for span in entity_spans(tags)]


def text_tokens(kind: Kind, example: Example) -> list[str]:
    """The tokens of all text columns: the unit in which changes are counted."""
    tokens: list[str] = []
    for column in kind.text_columns:
        text = example.get(column)
        if text is None:
            continue
        if kind.pre_split:
            tokens += text
        else:
            tokens += [t for part in ([text] if isinstance(text, str) else text) for t in _words(part)]
    return tokens


def _words(text: str) -> list[str]:
    """Words by white space; each character of a script that is written without spaces is one of its own."""
    if text.isascii():
        return text.split()
    return [word for chunk in text.split() for word in ((chunk,) if chunk.isascii() else _WORDS.findall(chunk))]


def changed_tokens(before: Sequence[str], after: Sequence[str]) -> int:
    """Number of tokens that differ: place by place, or after aligning both if that leaves fewer.

    Aligned by the matching blocks that difflib finds, without its heuristic for junk. Of a text of more than ALIGNED
    tokens all count between the first and the last that differ.
    """
    longer = max(len(before), len(after))
    moved = longer
    if len(before) == len(after):
        moved = sum(a != b for a, b in zip(before, after, strict=True))
        if moved <= 2:  # most perturbed sentences; aligning them would be slow
            return moved
    if longer > ALIGNED:
        start = _alike(before, after)
        end = _alike(before[start:][::-1], after[start:][::-1])
        return min(moved, longer - start - end)
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return min(moved, longer - sum(block.size for block in blocks))


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """Number of tokens with which both begin alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))
