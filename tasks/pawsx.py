"""PAWS-X: do two sentences say the same? Adversarial pairs with much word overlap, in 7 languages."""

from __future__ import annotations

from collections.abc import Iterable

from xrobust.contracts import Cleaner, Example, Expected, HubFiles, LeftOut, Recipe, Task, TaskInfo
from xrobust.kinds import SequenceClassification


class PawsX(Task):
    """Columns `sentence1, sentence2, label`; label 1 is a paraphrase. The data set's own ids align the languages."""

    info = TaskInfo(
        name="pawsx",
        summary="PAWS-X: paraphrase or not, pairs with high word overlap, 7 languages",
        languages=("de", "en", "es", "fr", "ja", "ko", "zh"),
        license="free for any purpose, acknowledging Google LLC as the source",
        citation="yang-etal-2019-paws",
        hub=HubFiles(
            repo="google-research-datasets/paws-x",
            revision="4cd8187c404bda33cb1f62b49b001115862acf37",
            files="{language}/{split}-*.parquet",
            columns={"id": "id", "text": "sentence1", "text_pair": "sentence2", "label": "label"},
        ),
    )
    kind = SequenceClassification(("0", "1"))
    metrics = ("accuracy", "ece")
    columns = ("text", "text_pair", "label")
    order_decides = True
    recipe = Recipe(
        epochs=5,
        learning_rate=2e-5,
        source="google-research/xtreme, scripts/train_pawsx.sh",
        expected=(
            Expected(
                model="google-bert/bert-base-multilingual-cased",
                metric="accuracy",
                low=0.79,
                high=0.85,
                source="82.0, first row of the poster of Huang et al., EMNLP 2021, read as mBERT in XTREME",
            ),
        ),
    )

    def cleaner(self, rows: Iterable[Example]) -> Cleaner:
        """Leaves out pairs of which a sentence was never translated: the published files have "NS" or nothing there."""
        return Cleaner(_translated)


def _translated(row: Example) -> Example | LeftOut:
    missing = {"", "NS"} & {row["text"].strip(), row["text_pair"].strip()}
    return LeftOut("never translated (NS, or empty)") if missing else row
