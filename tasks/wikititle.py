"""WikiTitle: which of four section titles of a Wikipedia page is the one of this text?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xrobust.contracts import Metric, Recipe, Task, TaskInfo
from xrobust.kinds import MultipleChoice

if TYPE_CHECKING:
    import numpy as np


class CompatF1(Metric):
    """F1 of the answer B alone, which Manafi & Krishnaswamy (LREC-COLING 2024) report for section titles.

    Their code gives seqeval the answers as sentences of one tag each, `[["A"], ["B"], ...]`, and seqeval takes only a
    tag that begins with B for the beginning of a span. For comparison with their tables; `accuracy` is the score.
    """

    name = "compat_f1"
    definition = "F1 of the label B alone, as seqeval scores single labels A to D; for comparison only"
    outputs = ("compat_f1",)
    bounded = True

    def statistics(self, references: Sequence[Any], predictions: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        import numpy as np

        gold = np.array([label == "B" for label in references], dtype=float)
        predicted = np.array([label == "B" for label in predictions], dtype=float)
        return np.stack([gold * predicted, predicted, gold], axis=-1)

    def score(self, counts: np.ndarray) -> np.ndarray:
        from xrobust.metrics.ratio import ratio_or_zero

        return ratio_or_zero(2 * counts[..., 0], counts[..., 1] + counts[..., 2])[..., None]


class WikiTitle(Task):
    """Columns `text, title, title, title, title, label`: a section, four section titles of its page, and A, B, C or D
    for the right one.

    The data of its authors are not public; `xrobust data convert wikititle` makes such files from a dump of pages, by
    their rules. They trained in one language and tested in a related one of fewer resources, from Dutch to Afrikaans
    and 12 more pairs; their F1 is that of the answer B alone, which is `compat_f1` here, for comparison only.
    """

    info = TaskInfo(
        name="wikititle",
        summary="section-title prediction on Wikipedia: multiple choice of four, languages of your own files",
        languages=(),
        license="that of the pages: Wikipedia's text is CC BY-SA",
        citation="manafi-krishnaswamy-2024-cross",
    )
    kind = MultipleChoice(("A", "B", "C", "D"))
    metrics = ("accuracy", "macro_f1", CompatF1())
    # As Manafi & Krishnaswamy (LREC-COLING 2024) have it.
    transfer_perturbations = ("title_cosine", "title_random")
    columns = ("text", "choices", "choices", "choices", "choices", "label")
    recipe = Recipe(
        epochs=3,
        learning_rate=2e-5,
        batch_size=32,
        max_length=128,
        source="csu-signal/xlingual-robustness, the notebooks of Manafi & Krishnaswamy (LREC-COLING 2024); they select "
        "no checkpoint, and evaluate on the test set during training",
    )

    def convert(self, dump: Path, language: str, output: Path, seed: int) -> list[str]:
        """Makes the files of this task from a dump of pages, by the published rules; see `wikititle_pages.convert`."""
        from .wikititle_pages import SPLITS, convert

        counts = convert(dump, language, output, seed)
        written = [f"{output / f'{split}-{language}.tsv'}: {counts.examples[split]} examples" for split in SPLITS]
        return [
            f"{counts.pages} pages, {counts.usable_pages} of them usable; "
            f"{counts.duplicates} sections left out as duplicates",
            *written,
        ]
