"""Mixed languages: the first sentence in one language, the second in another, aligned by example id.

The generalized setting of Huang et al. (EMNLP 2021): 7 x 7 pairs of languages for
PAWS-X, 15 x 15 for XNLI. A pair is written `en:de`, first language first. Importing this module imports no numpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from xrobust.contracts import Example, Task
from xrobust.errors import UserError, did_you_mean, nearest
from xrobust.kinds import SequenceClassification
from xrobust.results.test_condition import Pair, pair_name

ALL = "all"
MOST_DISAGREEING = 0.05
"""Largest share of aligned examples whose labels may differ between two languages. In PAWS-X and XNLI none do; of ids
that stand for different examples in the two languages a half or more would."""


def require_pair_task(task: Task) -> SequenceClassification:
    """The kind of a task that can mix languages: one label for two texts. Raises UserError for any other."""
    kind = task.kind
    if not isinstance(kind, SequenceClassification):
        raise UserError(
            f"--pairs mixes the languages of two sentences; {task.info.name} is {kind.name.replace('_', ' ')}: "
            "leave it out, or use a task such as pawsx or xnli"
        )
    if "text_pair" not in task.columns:
        raise UserError(f"--pairs mixes the languages of two sentences; {task.info.name} has one sentence an example")
    return kind


def parse_pairs(asked: str | Sequence[str], languages: Sequence[str]) -> tuple[Pair, ...]:
    """The pairs that `asked` names, each once, in its order.

    Args:
        asked: `en:de,fr:zh`, or a list of such; `all` is every ordered pair of different languages. `de:de` is the
            language itself, which `all` leaves out: it is for the caller to score it as any other language.
        languages: those that have data.

    Raises:
        UserError: for what is no pair, and for a language without data.
    """
    items = [asked] if isinstance(asked, str) else asked
    pairs: list[Pair] = []
    for item in (part.strip() for text in items for part in text.split(",")):
        if item == ALL:
            if len(languages) < 2:
                subject = f"only {languages[0]} has" if languages else "no language has"
                raise UserError(f"--pairs all: pairs want two languages, and {subject} test data")
            pairs += permutations(languages, 2)
        else:
            pairs.append(_parse_pair(item, languages))
    return tuple(dict.fromkeys(pairs))


def _parse_pair(item: str, languages: Sequence[str]) -> Pair:
    first, *rest = (language.strip() for language in item.split(":"))
    if len(rest) != 1 or not first or not rest[0]:
        raise UserError(f"--pairs: {item!r} is no pair of languages; write en:de, or all")
    for language in (first, rest[0]):
        if language not in languages:
            near = nearest(language, languages)
            hint = f"{did_you_mean(language, near)} " if near else ""
            raise UserError(
                f"--pairs: {item!r}: no test data for language {language!r}: {hint}there are {', '.join(languages)}"
            )
    return first, rest[0]


@dataclass(frozen=True)
class AlignedPair:
    """The examples of a pair of languages, and those that were left out."""

    examples: list[Example]
    """`id`, `text` of the first language, `text_pair` of the second, and the label, in the first language's order."""
    unaligned: int
    """Ids that only one of the two languages has."""
    disagreeing: int
    """Ids that both have, with different labels: which of them is right is not known, so they are left out."""


def align(first: Sequence[Example], second: Sequence[Example], pair: Pair) -> AlignedPair:
    """Puts the first sentences of one language beside the second sentences of another, by example id.

    Raises UserError where fewer than half of the smaller set's ids are in the other, or more than MOST_DISAGREEING of
    those that are have another label there: then the ids do not stand for the same examples.
    """
    others = {example["id"]: example for example in second}
    both = [(example, others[example["id"]]) for example in first if example["id"] in others]
    smaller = min(len(first), len(second))
    if not both or 2 * len(both) < smaller:
        raise UserError(
            f"pair {pair_name(pair)}: {len(both):,} of {smaller:,} ids of the smaller test set are in the other too; "
            "mixing languages needs ids that align them: a file <split>-<language>.ids beside each .tsv"
        )
    same = [(one, other) for one, other in both if one["label"] == other["label"]]
    disagreeing = len(both) - len(same)
    if disagreeing > MOST_DISAGREEING * len(both):
        raise UserError(
            f"pair {pair_name(pair)}: {disagreeing:,} of {len(both):,} examples with the same id have different labels "
            "in the two languages; check that an id stands for the same example in both"
        )
    return AlignedPair(
        examples=[
            {"id": one["id"], "text": one["text"], "text_pair": other["text_pair"], "label": one["label"]}
            for one, other in same
        ],
        unaligned=len(first) + len(second) - 2 * len(both),
        disagreeing=disagreeing,
    )
