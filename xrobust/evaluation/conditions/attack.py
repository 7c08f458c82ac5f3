"""An attack on the input embeddings, at several radii; `xrobust.engine.attack` carries it out."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pydantic import Field, field_validator

from xrobust.contracts.noise import BallShape
from xrobust.evaluation.conditions.base import Condition, ScoredTestSet
from xrobust.evaluation.score_rows import Scored, rows_beside_clean
from xrobust.evaluation.scorer import Scorer, named
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey


class PgdParams(BallShape):
    """PGD at test time (Madry et al., ICLR 2018, section 2.1), on the input embedding of each ordinary token.

    For each radius epsilon the worst offset in the ball is approached by `steps` steps of projected gradient ascent:
    from a random start at the smallest, from what the radius before it led to at the others.
    """

    epsilons: tuple[float, ...] = Field(
        default=(0.001, 0.003, 0.01, 0.03, 0.1),
        description="radii of the ball around each token's input embedding: a point of the curve each",
    )
    steps: int = Field(default=10, ge=1, le=1000, description="steps of gradient ascent at each radius")
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

    def radii(self, embedding_norm: float) -> tuple[float, ...]:
        """The radii in the model's own units; `embedding_norm` is that of the *pre-trained* input embeddings."""
        return tuple(epsilon * self.unit(embedding_norm) for epsilon in self.epsilons)

    def step(self, embedding_norm: float) -> float | None:
        """The length of a step in the model's own units, where it is given."""
        return None if self.step_size is None else self.step_size * self.unit(embedding_norm)

    def labels(self) -> list[str]:
        """A label for each radius: `pgd(epsilon=0.01)`, with the other parameters that are not at their defaults."""
        values, standard = self.model_dump(mode="json"), type(self)().model_dump(mode="json")
        others = [f"{k}={v}" for k, v in values.items() if k != "epsilons" and v != standard[k]]
        return [f"pgd({','.join([f'epsilon={epsilon:g}', *others])})" for epsilon in self.epsilons]


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
        """True unless the document has the very curve that is asked for."""
        scored = {row.attack for row in result.scores if row.language == self.language and row.condition == "attack"}
        return scored != set(self.params.labels())

    def score(self, test: ScoredTestSet, scorer: Scorer) -> None:
        """Scores all radii: a ball's search goes on from where that of the smaller one ended."""
        with named(ScoreKey(condition="attack", language=self.language, attack="pgd")):
            self._score(test, scorer)

    def _score(self, test: ScoredTestSet, scorer: Scorer) -> None:
        from xrobust.engine.attack import attack
        from xrobust.evaluation.predictions import decoded

        started, params = time.perf_counter(), self.params
        encoded = scorer.encode(test.examples, test.rows.sha256) if test.encoded is None else test.encoded
        radii = params.radii(scorer.embedding_norm)
        step_size = params.step(scorer.embedding_norm)
        scorer.agree()
        outputs = attack(
            scorer.model,
            encoded,
            radii,
            steps=params.steps,
            step_size=step_size,
            norm=params.norm,
            seed=params.seed,
            accelerator=scorer.accelerator,
            pad_id=scorer.tokenizer.pad_token_id,
        )
        curve = []
        for under, epsilon, items in zip(self.keys, params.epsilons, outputs, strict=True):
            predictions = decoded(scorer.task.kind, items, encoded, test.examples)
            statistics = scorer.statistics(test.examples, [p.value for p in predictions])
            seconds = (time.perf_counter() - started) / len(params.epsilons)
            scored = Scored(under, test.rows.sha256, seconds, epsilon)
            rows = rows_beside_clean(scored, scorer.metrics, test.clean, range(len(test.examples)), statistics)
            curve.append((under, rows, predictions))
        scorer.agree()
        of_others = {row.key for row in scorer.result.scores} | {one.of for one in scorer.result.unscored or ()}
        for under in of_others.difference(self.keys):
            if (under.condition, under.language) == ("attack", self.language):  # one curve a language
                scorer.forget(under)
                scorer.result.settle(under)
        for under, rows, predictions in curve:
            scorer.forget(under)
            scorer.save(under, rows, test.examples, predictions)
