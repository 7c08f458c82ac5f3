"""Sentiment: is a text positive or negative? Your own data, in any languages."""

from __future__ import annotations

from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.kinds import SequenceClassification


class Sentiment(Task):
    """Columns `text, label` in `sentiment/<split>-<language>.tsv`. Rows need not be parallel over languages."""

    info = TaskInfo(
        name="sentiment",
        summary="sentiment of a text, from local files",
        languages=(),
        license="that of your data",
        citation="",
    )
    kind = SequenceClassification(("negative", "positive"))
    metrics = ("accuracy",)
    columns = ("text", "label")
    label_aliases = {"0": "negative", "1": "positive"}
    recipe = Recipe(epochs=3, learning_rate=2e-5)
