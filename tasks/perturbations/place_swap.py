"""Every place is replaced by another."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from xrobust.contracts import Example, PerturbationInfo
from xrobust.metrics.entities import entity_spans

from .shared.entities import replaced_entities
from .shared.gazetteer import Entry, GazetteerSwap


class PlaceSwap(GazetteerSwap):
    """Every entity of type LOC is replaced by a place drawn at random; the tags are rebuilt for its length.

    "LOC" of Manafi & Krishnaswamy (LREC-COLING 2024), whose lists are the places of a language in the English
    Wiktionary. Those lists are not public. Here the places are the lines of `gazetteer`, or of
    `gazetteers/places-<language>.txt` in the data folder, with spaces between tokens as the data have them (`北 京`
    where each character is a token); else they are the LOC entities of the language's own training set, or of the
    source's where the data have none.

    Each occurrence gets a draw of its own; the place that stands there is not drawn where there is another. In the
    paper this *raises* the F1 of transfer on average: the places of a gazetteer are better known than those of the test
    set. So a negative drop is no defect.
    """

    info = PerturbationInfo(
        name="place_swap",
        summary="places replaced by others of a gazetteer or the training data",
        kinds=("token_classification",),
        citation="Manafi & Krishnaswamy, LREC-COLING 2024 (LOC)",
        keeps_tokens=False,
    )
    entity_type = "LOC"
    list_name = "places"
    usable_is = "a place with a letter in it"
    taken_from = "place"

    def names_in(self, examples: Sequence[Example]) -> Iterator[Entry]:
        for example in examples:
            for span in entity_spans(example["tags"]):
                if span.type == self.entity_type:
                    yield tuple(example["tokens"][span.start : span.stop])

    def apply(self, example: Example, language: str, rng: random.Random) -> Example | None:
        def replacement(entity: Entry, kind: str) -> Entry | None:
            drawn = self.another(entity, rng) if kind == self.entity_type else entity
            return None if drawn == entity else drawn

        return replaced_entities(example, replacement)
