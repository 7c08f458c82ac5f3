"""The first token of every person is replaced by a given name."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from xrobust.contracts import Example, PerturbationInfo
from xrobust.metrics.entities import entity_spans

from .shared.gazetteer import Entry, GazetteerSwap


class NameSwap(GazetteerSwap):
    """The token tagged B-PER of every person is replaced by a given name drawn at random; the rest of the name stays,
    and so do the tags.

    "B-PER" of Manafi & Krishnaswamy (LREC-COLING 2024), whose lists are the given names of a language in the English
    Wiktionary (3 to 463 of them). Those lists are not public. Here the names are the lines of `gazetteer`, or of
    `gazetteers/names-<language>.txt` in the data folder; else they are taken from the language's own training set, or
    the source's where the data have none: the first tokens of its persons of two tokens or more, since one that stands
    alone is a family name as often as not. A line with a space in it cannot be one token, and is not used.

    Each occurrence gets a draw of its own; the name that stands there is not drawn where there is another.
    """

    info = PerturbationInfo(
        name="name_swap",
        summary="the first token of persons replaced by a given name of a gazetteer or the training data",
        kinds=("token_classification",),
        citation="Manafi & Krishnaswamy, LREC-COLING 2024 (B-PER)",
    )
    entity_type = "PER"
    list_name = "names"
    usable_is = "a single token with a letter in it"
    taken_from = "person of two tokens or more"

    def usable(self, entry: Entry) -> bool:
        return len(entry) == 1

    def names_in(self, examples: Sequence[Example]) -> Iterator[Entry]:
        for example in examples:
            for span in entity_spans(example["tags"]):
                if span.type == self.entity_type and span.stop - span.start > 1:
                    yield (example["tokens"][span.start],)

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        tokens = list(example["tokens"])
        for span in entity_spans(example["tags"]):
            if span.type == self.entity_type:
                (tokens[span.start],) = self.another((tokens[span.start],), rng)
        return None if tokens == list(example["tokens"]) else {**example, "tokens": tokens}
