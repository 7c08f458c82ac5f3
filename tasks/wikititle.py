"""WikiTitle: which of four section titles of a Wikipedia page is the one of this text?"""

from __future__ import annotations

from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.kinds import MultipleChoice


class WikiTitle(Task):
    """Columns `text, title, title, title, title, label`: a section, four section titles of its page, and A, B, C or D
    for the right one.

    The data of its authors are not public; `xrobust data wikititle` makes such files from a dump of pages, by their
    rules. They trained in one language and tested in a related one of fewer resources, from Dutch to Afrikaans and 12
    more pairs; their F1 is that of the answer B alone, which is `compat_f1` here, for comparison only.
    """

    info = TaskInfo(
        name="wikititle",
        summary="section-title prediction on Wikipedia: multiple choice of four, languages of your own files",
        languages=(),
        license="that of the pages: Wikipedia's text is CC BY-SA",
        citation="manafi-krishnaswamy-2024-cross",
    )
    kind = MultipleChoice(("A", "B", "C", "D"))
    metrics = ("accuracy", "macro_f1", "compat_f1")
    columns = ("text", "choices", "choices", "choices", "choices", "label")
    recipe = Recipe(
        epochs=3,
        learning_rate=2e-5,
        select_every=None,
        batch_size=32,
        max_length=128,
        source="csu-signal/xlingual-robustness, the notebooks of Manafi & Krishnaswamy (LREC-COLING 2024); they select "
        "no checkpoint, and evaluate on the test set during training",
    )
