"""An attack on the input embeddings, at several radii; `xrobust.engine.attack` carries it out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from pydantic import Field, field_validator

from xrobust.contracts import Metric, Prediction
from xrobust.contracts.encoded import Encoded
from xrobust.contracts.noise import BallShape
from xrobust.evaluation.conditions.base import Condition, ScoredTestSet
from xrobust.evaluation.score_rows import Scored, rows_beside_clean
from xrobust.evaluation.scorer import Scorer, named
from xrobust.metrics.worst_case import worst_variants
from xrobust.results.attack_strength import AttackStrength, strength_difference, strength_of
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey

AttackLoss = Literal["margin", "cross_entropy"]


class PgdParams(BallShape):
    """PGD at test time (Madry et al., ICLR 2018, section 2.1), on the input embedding of each ordinary token.

    For each radius epsilon the worst offset in the ball is approached by `restarts` ascents of `steps` steps of each
    loss. The first starts at random in the smallest ball, from what the radius before it led to in the others; further
    ones start at random.
    """

    epsilons: tuple[float, ...] = Field(
        default=(0.001, 0.003, 0.01, 0.03, 0.1),
        description="radii of the ball around each token's input embedding: a point of the curve each",
    )
    losses: tuple[AttackLoss, ...] = Field(
        default=("margin", "cross_entropy"),
        description="what is ascended, each for itself: margin, cross_entropy; the worst found by any counts",
    )
    steps: int = Field(default=10, ge=1, le=1000, description="steps of gradient ascent from each start")
    restarts: int = Field(default=1, ge=1, le=100, description="starts of each loss at each radius")
    step_size: float | None = Field(
        default=None,
        gt=0,
        description="length of a step, in the unit of epsilon; null: 2.5 * epsilon / steps, with which the border can "
        "be reached from any start",
    )
    seed: int = Field(default=0, ge=0, description="seed of the random starts, the same for every run")

    @field_validator("epsilons")
    @classmethod
    def _ascending(cls, epsilons: tuple[float, ...]) -> tuple[float, ...]:
        """Sorts the radii, each once, so that one curve has one spelling. Raises ValueError unless all are positive."""
        if not epsilons:
            raise ValueError("name at least one radius, as in [0.01, 0.03]")
        if any(epsilon <= 0 for epsilon in epsilons):
            raise ValueError("a radius must be greater than 0")
        return tuple(sorted(set(epsilons)))

    @field_validator("losses")
    @classmethod
    def _in_one_order(cls, losses: tuple[AttackLoss, ...]) -> tuple[AttackLoss, ...]:
        """Puts the losses, each once, in the order of `AttackLoss`. Raises ValueError where there are none."""
        if not losses:
            raise ValueError("name at least one loss, as in [margin]")
        return tuple(loss for loss in get_args(AttackLoss) if loss in losses)

    def radii(self, embedding_norm: float) -> tuple[float, ...]:
        """The radii in the model's own units; `embedding_norm` is that of the *pre-trained* input embeddings."""
        return tuple(epsilon * self.unit(embedding_norm) for epsilon in self.epsilons)

    def step(self, embedding_norm: float) -> float | None:
        """The length of a step in the model's own units, where it is given."""
        return None if self.step_size is None else self.step_size * self.unit(embedding_norm)

    def labels(self) -> list[str]:
        """A label for each radius: `pgd(epsilon=0.01)`, with the other parameters that are not at their defaults."""
        values, standard = self.model_dump(mode="json"), type(self)().model_dump(mode="json")
        values["losses"] = "+".join(self.losses)
        standard["losses"] = "+".join(type(self)().losses)
        others = [f"{k}={v}" for k, v in values.items() if k != "epsilons" and v != standard[k]]
        return [f"pgd({','.join([f'epsilon={epsilon:g}', *others])})" for epsilon in self.epsilons]

    def strengths(self, embedding_norm: float) -> list[AttackStrength]:
        """The strength of the attack at each radius."""
        losses = "+".join(self.losses)
        return [AttackStrength(radius, losses, self.steps, self.restarts) for radius in self.radii(embedding_norm)]


@dataclass
class AttackCondition(Condition):
    """The test set of one language under the worst offset found in a ball around every embedding, for each radius."""

    language: str
    params: PgdParams

    @property
    def steps(self) -> int:  # type: ignore[override]
        """One test set for each radius."""
        return len(self.params.epsilons)

    @property
    def keys(self) -> list[ScoreKey]:
        """The columns of the scores at each radius."""
        labels = self.params.labels()
        return [ScoreKey(condition="attack", language=self.language, attack=label) for label in labels]

    def left(self, result: RunResult) -> bool:
        """True unless the document has the very curve that is asked for, of an attack as strong."""
        its = [row for row in result.scores if row.language == self.language and row.condition == "attack"]
        norm = result.model.embedding_norm
        if norm is None or {row.key for row in its} != set(self.keys):
            return True
        wanted = dict(zip(self.keys, self.params.strengths(norm), strict=True))
        return any(strength_difference(strength_of(row), wanted[row.key]) is not None for row in its)

    def score(self, test: ScoredTestSet, scorer: Scorer) -> None:
        """Scores all radii: a ball's search goes on from where that of the smaller one ended."""
        with named(ScoreKey(condition="attack", language=self.language, attack="pgd")):
            self._score(test, scorer)

    def _score(self, test: ScoredTestSet, scorer: Scorer) -> None:
        started, params = time.perf_counter(), self.params
        encoded = scorer.encode(test.examples, test.rows.sha256) if test.encoded is None else test.encoded
        strengths = params.strengths(scorer.embedding_norm)
        scorer.agree()
        found = self._attack(encoded, scorer)
        curve = []
        worst = _Predicted(test.predictions, test.clean)
        for under, epsilon, strength, chains in zip(self.keys, params.epsilons, strengths, found, strict=True):
            worst = _worst([*(_predicted(items, encoded, test, scorer) for items in chains), worst], scorer.metrics[0])
            seconds = (time.perf_counter() - started) / len(params.epsilons)
            scored = Scored(under, test.rows.sha256, seconds, epsilon, attack=strength)
            everything = range(len(test.examples))
            rows = rows_beside_clean(scored, scorer.metrics, test.clean, everything, worst.statistics)
            curve.append((under, rows, worst.predictions))
        scorer.agree()
        of_others = {row.key for row in scorer.result.scores} | {one.of for one in scorer.result.unscored or ()}
        for under in of_others.difference(self.keys):
            if (under.condition, under.language) == ("attack", self.language):  # one curve a language
                scorer.forget(under)
                scorer.result.settle(under)
        for under, rows, predictions in curve:
            scorer.forget(under)
            scorer.save(under, rows, test.examples, predictions)

    def _attack(self, encoded: Encoded, scorer: Scorer) -> list[list[list[np.ndarray]]]:
        """For each radius and each chain of the attack the output of each item."""
        from xrobust.engine.attack import attack

        params = self.params
        return attack(
            scorer.model,
            encoded,
            params.radii(scorer.embedding_norm),
            losses=params.losses,
            steps=params.steps,
            restarts=params.restarts,
            step_size=params.step(scorer.embedding_norm),
            norm=params.norm,
            seed=params.seed,
            accelerator=scorer.accelerator,
            pad_id=scorer.tokenizer.pad_token_id,
        )


class _Predicted(NamedTuple):
    """Predictions of a test set, and for each metric the statistics of each example: (examples, k)."""

    predictions: Sequence[Prediction]
    statistics: Sequence[np.ndarray]


def _predicted(items: Sequence[np.ndarray], encoded: Encoded, test: ScoredTestSet, scorer: Scorer) -> _Predicted:
    """The predictions that outputs of the model mean."""
    from xrobust.evaluation.predictions import decoded

    predictions = decoded(scorer.task.kind, items, encoded, test.examples)
    return _Predicted(predictions, scorer.statistics(test.examples, predictions))


def _worst(variants: Sequence[_Predicted], main: Metric) -> _Predicted:
    """For each example the prediction that is worst in the main metric (`worst_variants`)."""
    chosen = worst_variants(main, [variant.statistics[0] for variant in variants])
    everyone = np.arange(len(chosen))
    predictions = [variants[choice].predictions[i] for i, choice in enumerate(chosen)]
    of_metrics = zip(*(variant.statistics for variant in variants), strict=True)
    return _Predicted(predictions, [np.stack(statistics)[chosen, everyone] for statistics in of_metrics])
