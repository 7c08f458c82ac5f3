"""WikiANN (PAN-X): named entities in Wikipedia sentences, 40 languages."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import partial

from xrobust.contracts import Cleaner, Example, HubFiles, Recipe, Task, TaskInfo
from xrobust.kinds import TokenClassification

LANGUAGES = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur vi "
    "yo zh"
)
PREFIX = re.compile(r"[a-z]{2,}(?:-[a-z]+)*:")
"""Language code of Wikipedia with a colon: `de:`, `zh-min-nan:`, `simple:`."""
NEARLY_ALL = 0.95
"""Share of a file's tokens from which on a common prefix is no part of the text."""
EVIDENCE = 10
"""Fewest tokens of a file that show it: a single `en:Paris` may be meant."""


class WikiAnn(Task):
    """Columns `token, tag`: IOB2 tags of persons, organisations and places, in the balanced splits of Rahimi et al.
    (ACL 2019). The tags come from links between Wikipedia pages, not from annotators."""

    info = TaskInfo(
        name="wikiann",
        summary="WikiANN (PAN-X): named entity recognition, 40 languages",
        languages=tuple(LANGUAGES.split()),
        license="not stated by its authors; the text is Wikipedia's, CC BY-SA",
        citation="pan-etal-2017-cross, rahimi-etal-2019-massively",
        hub=HubFiles(
            repo="unimelb-nlp/wikiann",
            revision="f0a3be6dc5564c0cc4150bb660144800a1f539d4",
            files="{language}/{split}-*.parquet",
            columns={"tokens": "tokens", "tags": "ner_tags"},
        ),
    )
    kind = TokenClassification(("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"))
    metrics = ("span_f1", "span_f1_strict")
    columns = ("tokens", "tags")
    # As Manafi & Krishnaswamy (LREC-COLING 2024) have it.
    transfer_perturbations = ("entity_swap", "context_swap", "entity_context_swap")
    recipe = Recipe(
        epochs=10,
        learning_rate=2e-5,
        source="google-research/xtreme, scripts/train_panx.sh",
    )

    def cleaner(self, rows: Iterable[Example]) -> Cleaner | None:
        """Cuts the `en:` before tokens that the data set's original files have, if (nearly) all tokens of the file have
        the same one, whichever language it names: some files bear another code than their tokens."""
        tokens, prefixes = 0, Counter[str]()
        for row in rows:
            tokens += len(row["tokens"])
            prefixes.update(found[0] for token in row["tokens"] if ":" in token and (found := PREFIX.match(token)))
        if not prefixes:
            return None
        prefix, count = prefixes.most_common(1)[0]
        if tokens < EVIDENCE or count < NEARLY_ALL * tokens:
            return None
        without = f" ({tokens - count:,} of {tokens:,} tokens have none)" if count < tokens else ""
        return Cleaner(partial(_without_prefix, prefix), f"prefix {prefix!r} cut from tokens{without}")


def _without_prefix(prefix: str, row: Example) -> Example:
    return {**row, "tokens": [token.removeprefix(prefix) for token in row["tokens"]]}
