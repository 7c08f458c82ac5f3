"""XNLI: does the premise entail the hypothesis, contradict it, or neither? 15 languages, row-parallel."""

from __future__ import annotations

from xrobust.contracts import Expected, HubFiles, Recipe, Task, TaskInfo
from xrobust.kinds import SequenceClassification


class Xnli(Task):
    """Columns `premise, hypothesis, label`. Row i of dev and test is the same pair in every language."""

    info = TaskInfo(
        name="xnli",
        summary="XNLI: natural language inference, 15 languages",
        languages=("ar", "bg", "de", "el", "en", "es", "fr", "hi", "ru", "sw", "th", "tr", "ur", "vi", "zh"),
        license="CC BY-NC 4.0 (dev and test); the English train set is MultiNLI, OANC and others",
        citation="conneau-etal-2018-xnli",
        hub=HubFiles(
            repo="facebook/xnli",
            revision="b8dd5d7af51114dbda02c0e3f6133f332186418e",
            files="{language}/{split}-*.parquet",
            columns={"text": "premise", "text_pair": "hypothesis", "label": "label"},
        ),
    )
    # The order of the hub's class labels: a number without a name means the same there and here.
    kind = SequenceClassification(("entailment", "neutral", "contradiction"))
    metrics = ("accuracy", "ece")
    columns = ("text", "text_pair", "label")
    parallel_rows = True
    order_decides = True
    label_aliases = {"contradictory": "contradiction"}  # in the TSV files of XNLI's own machine translations
    recipe = Recipe(
        epochs=2,
        learning_rate=2e-5,
        source="google-research/xtreme, scripts/train_xnli.sh, with the paper's 2 epochs (its issue 65)",
        expected=(
            Expected(
                model="FacebookAI/xlm-roberta-large",
                metric="accuracy",
                low=0.77,
                high=0.83,
                source="80.1 in facebookresearch/fairseq issue 2057, 79.7 in huggingface/transformers issue 10588",
            ),
        ),
    )
