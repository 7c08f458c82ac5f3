"""WikiANN (PAN-X): named entities in Wikipedia sentences, 40 languages."""

from __future__ import annotations

from collections.abc import Sequence

from xrobust.contracts import Example, HubFiles, Recipe, Split, Task, TaskInfo
from xrobust.kinds import TokenClassification

LANGUAGES = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur vi "
    "yo zh"
)


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
        select_every=1000,
        source="google-research/xtreme, scripts/train_panx.sh",
    )

    def transform(self, examples: Sequence[Example], split: Split, language: str) -> Sequence[Example]:
        """Removes the `en:` before every token that the data set's original files have."""
        prefix = f"{language}:"
        if not all(token.startswith(prefix) for example in examples for token in example["tokens"]):
            return examples
        return [{**example, "tokens": [t.removeprefix(prefix) for t in example["tokens"]]} for example in examples]
