"""McNemar's exact test between two single runs: are these two trained models different on this test set?"""

from __future__ import annotations

from typing import Any

from xrobust.errors import UserError
from xrobust.metrics.inference import holm
from xrobust.results.comparing.document import TrainedModels
from xrobust.results.examples import RunExamples


def compare_trained_models(one: RunExamples, other: RunExamples) -> list[TrainedModels]:
    """A test for each clean test set that both have, exact binomial, two-sided (McNemar 1947).

    An example counts as right if its label, or all of its tags, are. Says nothing of methods: another seed gives
    another model.
    """
    found = []
    for key in one.scored_keys:
        if key.condition != "clean" or key not in other.scored_keys:
            continue
        a, b = one.predictions(key), other.predictions(key)
        if a["id"] != b["id"]:
            raise UserError(f"runs {one.result.run_id} and {other.result.run_id} have other examples in {key.name}")
        rights = [_right(columns) for columns in (a, b)]
        only_one = sum(x and not y for x, y in zip(*rights, strict=True))
        only_other = sum(y and not x for x, y in zip(*rights, strict=True))
        tags = bool(a["label"]) and not isinstance(a["label"][0], str)
        found.append(
            TrainedModels(
                language=key.language,
                pair=key.pair,
                examples=len(a["id"]),
                unit="sentences with all tags right" if tags else "examples",
                only_baseline=only_one,
                only_other=only_other,
                p=_exact(only_one, only_other),
                p_holm=1.0,
            )
        )
    for row, p in zip(found, holm([row.p for row in found]), strict=True):
        row.p_holm = p
    return found


def _right(columns: dict[str, list[Any]]) -> list[bool]:
    return [label == prediction for label, prediction in zip(columns["label"], columns["prediction"], strict=True)]


def _exact(only_one: int, only_other: int) -> float:
    from scipy.stats import binomtest

    both = only_one + only_other
    return float(binomtest(only_one, both, 0.5).pvalue) if both else 1.0
