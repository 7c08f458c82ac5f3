"""The worst case: for each example the worst of clean text and all perturbations, in the main metric."""

from __future__ import annotations

import time
from dataclasses import dataclass

from xrobust.contracts import Prediction
from xrobust.errors import UserError
from xrobust.evaluation.conditions.base import Condition, ScoredTestSet
from xrobust.evaluation.score_rows import Scored, rows_beside_clean
from xrobust.evaluation.scorer import Scorer
from xrobust.metrics.worst_case import worst_rows
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.sections import PerturbedRows
from xrobust.results.store import read_predictions
from xrobust.results.worst_case import perturbations_tried


@dataclass
class WorstCase(Condition):
    """The worst of all perturbations that the document has of one language, those of earlier commands too."""

    language: str
    steps = 0

    @property
    def under(self) -> ScoreKey:
        """The columns of its score."""
        return ScoreKey(condition="worst_case", language=self.language)

    @property
    def keys(self) -> list[ScoreKey]:
        """The columns of its score, as a list."""
        return [self.under]

    def left(self, result: RunResult) -> bool:
        """True if there are perturbed scores of the language, and no worst of them."""
        if any(row.key == self.under for row in result.scores):
            return False
        return any(row.language == self.language and row.changed_examples for row in result.data.perturbed)

    def score(self, test: ScoredTestSet, scorer: Scorer) -> None:
        """Scores the worst case without new predictions: all statistics are in memory or from saved predictions."""
        started = time.perf_counter()
        for row in scorer.result.data.perturbed:
            if row.language == self.language and row.changed_examples and row.perturbation not in test.perturbed:
                try:
                    _recall(row, test, scorer)
                except UserError as error:
                    scorer.result.warn(
                        f"the worst case of {self.language} is not scored: {row.perturbation}: {error}; xrobust eval "
                        "with --perturb and that perturbation scores both"
                    )
                    test.perturbed.clear()
                    break
        if not test.perturbed:
            scorer.agree()
            scorer.save(self.under, [])
            return
        main, clean = scorer.metrics[0], test.clean[0]
        variants = [clean]
        for _, (indices, statistics) in sorted(test.perturbed.items()):  # so that the order of scoring does not matter
            variant = clean.copy()
            variant[indices] = statistics[0]
            variants.append(variant)
        changed = sorted({i for indices, _ in test.perturbed.values() for i in indices})
        worst = worst_rows(main, variants)[changed]
        tried = perturbations_tried(scorer.result, self.language)
        scored = Scored(self.under, test.rows.sha256, time.perf_counter() - started, worst_of=tried)
        rows = rows_beside_clean(scored, [main], [clean], changed, [worst])[:1]
        scorer.agree()
        scorer.forget(self.under)
        scorer.save(self.under, rows)


def _recall(row: PerturbedRows, test: ScoredTestSet, scorer: Scorer) -> None:
    """Puts into `test` the statistics of a perturbation that an earlier command scored, from its saved predictions.

    Raises UserError where these are lost or changed, or of other examples.
    """
    index = {example["id"]: i for i, example in enumerate(test.examples)}
    under = ScoreKey(condition="perturbed", language=row.language, perturbation=row.perturbation)
    artifact = scorer.result.predictions_of(under)
    if artifact is None:
        raise UserError("the document names no predictions")
    predictions = read_predictions(scorer.folder.path, artifact, scorer.result.examples_of(artifact.of))
    if (other := next((r["id"] for r in predictions if r["id"] not in index), None)) is not None:
        raise UserError(f"example {other!r} of its predictions is not among the test rows")
    gold, ids = ([r[column] for r in predictions] for column in ("label", "id"))
    said = [Prediction(r["prediction"], r["scores"]) for r in predictions]
    test.perturbed[row.perturbation] = ([index[i] for i in ids], scorer.statistics_beside(gold, said, ids))
