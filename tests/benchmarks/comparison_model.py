"""Simulated runs of two methods whose true difference is known: the model behind tests.benchmarks.comparison_coverage.

The logit of a unit (an example, a token, a gold span) being right is a sum of

- what the language is like, and what the method adds in it;
- the run's seed: an effect over all languages, and one of each language;
- the example: its difficulty, its luck (one uniform number that all runs share), how it suits the method, and, with
  parallel test sets, a share of each that its translations have too;
- noise of the example under the seed;
- when perturbed: how much the language, the example, the example under the method and the seed lose by it.

All but luck are normal. An example of m units that are right with probability p has floor(m p + luck) right ones, so
that counts are whole numbers and their mean is m p. `truth` is the score over infinitely many examples, averaged over
infinitely many seeds: by Gauss-Hermite quadrature, not by simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

METRICS = ("accuracy", "token accuracy", "span F1")
SEEDS = 10
"""Runs of each method."""
TRANSLATED = 0.6
"""Share of the variance of an example's effects that its translations have too, with parallel test sets."""
DIFFICULTY, NOISE, PERTURBED = 1.5, 0.3, 0.6
"""Standard deviations: of an example's difficulty; of its noise under a seed; of what it loses when perturbed."""
SPREAD = (1.0, 1.5)
"""The seeds of the second method spread this many times as much as those of the first, as those of methods do."""
TOKENS = np.arange(4, 25)
"""Lengths of sentences, all as frequent; longer ones are harder."""
LONGER_IS_HARDER = 0.04
SPANS = np.arange(4)
"""Gold spans of a sentence, all as frequent."""
SPURIOUS = 0.5
"""What a sentence offers to be taken for a span, besides its gold spans."""
NODES = 40
"""Points of the quadrature."""


@dataclass(frozen=True)
class Regime:
    """Standard deviations, as logits, of what makes runs differ."""

    name: str
    seed: float
    seed_language: float
    example_method: float


SEEDS_DOMINATE = Regime("seeds", seed=0.25, seed_language=0.15, example_method=0.5)
EXAMPLES_DOMINATE = Regime("examples", seed=0.02, seed_language=0.02, example_method=1.0)


@dataclass(frozen=True)
class Design:
    """Two methods on test sets."""

    regime: Regime
    metric: str
    parallel: bool
    languages: int
    examples: int
    """Of each language."""
    shared_seeds: float = 0.0
    """Correlation of the effects of seed k of one method with those of seed k of the other."""

    @cached_property
    def base(self) -> np.ndarray:
        """Logits of the first method, (2, languages): clean and perturbed. From easy languages to hard ones."""
        clean = np.linspace(2.0, 0.5, self.languages)
        return np.stack([clean, clean - np.linspace(0.4, 1.0, self.languages)])

    @cached_property
    def unlike(self) -> np.ndarray:
        """What the second method adds where the methods differ, (2, languages), clean and perturbed."""
        clean = np.where(np.arange(self.languages) % 2, -0.1, 0.5)
        return np.stack([clean, clean + np.linspace(0.3, 0.1, self.languages)])

    @cached_property
    def alike(self) -> np.ndarray:
        """What the second method adds where its scores are those of the first in truth, (2, languages).

        Not zero, for a wider spread of seeds lowers a score that is above one half. By the secant method.
        """
        target = self.truth(0, np.zeros_like(self.base))
        before, now = np.zeros_like(self.base), np.full_like(self.base, 0.05)
        error = self.truth(1, before) - target
        for _ in range(8):
            new = self.truth(1, now) - target
            step = np.divide(new * (now - before), new - error, out=np.zeros_like(now), where=new != error)
            before, now, error = now, now - step, new
        return now

    @cached_property
    def truths(self) -> dict[str, np.ndarray]:
        """Expected scores of "A", and of B where it is "alike" and "unlike"; (2, languages), clean and perturbed."""
        a = self.truth(0, np.zeros_like(self.base))
        return {"A": a, "alike": self.truth(1, self.alike), "unlike": self.truth(1, self.unlike)}

    def truth(self, method: int, added: np.ndarray) -> np.ndarray:
        """Expected score of a method, (2, languages), clean and perturbed, with this added to its logits."""
        points, weights = np.polynomial.hermite_e.hermegauss(NODES)
        weights = weights / weights.sum()
        of_seed, of_example = self._deviations(method)
        size = np.arange(2)[:, None, None, None, None]
        logit = (self.base + added)[:, :, None, None, None] + of_seed[size] * points[:, None, None]
        logit = logit + of_example[size] * points[:, None]  # (2, languages, seed, example, kind of sentence)
        units, harder, offered = kinds_of_sentence(self.metric)
        p = 1 / (1 + np.exp(-(logit - harder)))
        right = np.einsum("clsek,e->cls", p * units, weights)
        if self.metric == "span F1":
            predicted = right + np.einsum("clsek,e->cls", (1 - p) * offered, weights)
            return (2 * right / (predicted + units.sum())) @ weights
        return right @ weights / units.sum()

    def _deviations(self, method: int) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations of all that a seed decides and of all that an example does: (2,) each."""
        r = self.regime
        seed = SPREAD[method] ** 2 * (r.seed**2 + r.seed_language**2)
        example = DIFFICULTY**2 + r.example_method**2 + NOISE**2
        lost = PERTURBED**2 + (r.example_method / 2) ** 2
        return np.sqrt([seed, 1.25 * seed]), np.sqrt([example, example + lost])


def kinds_of_sentence(metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each kind of sentence: units that can be right, how much harder it is, what may be taken for a span."""
    units = {"accuracy": np.ones(1), "token accuracy": TOKENS, "span F1": SPANS}[metric].astype(np.float32)
    harder = LONGER_IS_HARDER * (units - units.mean()) if metric == "token accuracy" else np.zeros_like(units)
    return units, harder, units + SPURIOUS


@dataclass(frozen=True)
class Runs:
    """Counts of simulated runs; R replications, S seeds, L languages, n examples.

    `right` is (R, L, S, n), of one method, clean or perturbed; `predicted` is None but for spans; `units` (R, L, 1, n).
    """

    right: np.ndarray
    predicted: np.ndarray | None
    units: np.ndarray

    def score_and_influence(self) -> tuple[np.ndarray, np.ndarray]:
        """Scores (R, L, S), and the influence of each example on them (R, L, S, n)."""
        if self.predicted is None:
            numerator, denominator = self.right, self.units
        else:
            numerator, denominator = 2 * self.right, self.predicted + self.units
        size = denominator.mean(axis=-1, dtype=np.float64)
        score = numerator.mean(axis=-1, dtype=np.float64) / size
        influence = numerator - score[..., None].astype(np.float32) * denominator
        influence /= size[..., None].astype(np.float32)
        return score, influence

    def statistics(self, replication: int, language: int, seed: int) -> np.ndarray:
        """What the metric's `statistics` would be of one run in one language: (n, k)."""
        columns = [self.right[replication, language, seed], self.units[replication, language, 0]]
        if self.predicted is not None:
            columns.insert(1, self.predicted[replication, language, seed])
        return np.stack(columns, axis=1).astype(np.float64)


@dataclass(frozen=True)
class Sentences:
    """What all runs share of R replications' test sets; (R, L or 1, 1, n) each."""

    metric: str
    kind: np.ndarray
    luck: np.ndarray
    luck_of_spurious: np.ndarray

    def harder(self) -> np.ndarray:
        """How much harder each is for its length."""
        return kinds_of_sentence(self.metric)[1][self.kind]

    def outcome(self, logit: np.ndarray) -> Runs:
        """Counts where units are right with these logits (R, L, S, n), which are written over."""
        units, _, offered = (of_kind[self.kind] for of_kind in kinds_of_sentence(self.metric))
        p = np.exp(np.negative(logit, out=logit), out=logit)
        p += 1
        np.reciprocal(p, out=p)
        right = p * units
        right += self.luck
        np.floor(right, out=right)
        units = np.broadcast_to(units, (*logit.shape[:2], 1, logit.shape[3]))
        if self.metric != "span F1":
            return Runs(right, None, units)
        spurious = np.subtract(1, p, out=p)
        spurious *= offered
        spurious += self.luck_of_spurious
        return Runs(right, right + np.floor(spurious, out=spurious), units)


@dataclass(frozen=True)
class Simulation:
    """Draws of a design, in single precision."""

    design: Design
    rng: np.random.Generator

    def draw(self, replications: int) -> dict[str, tuple[Runs, Runs]]:
        """Clean and perturbed runs, R replications each: "A", and two versions of B, "alike" and "unlike"."""
        d = self.design
        sentences = self._sentences(replications)
        common = [self._of_examples(replications, DIFFICULTY) - sentences.harder()]
        common.append(common[0] + self._of_examples(replications, PERTURBED))
        found: dict[str, list[Runs]] = {"A": [], "alike": [], "unlike": []}
        versions = ({"A": np.zeros_like(d.base)}, {"alike": d.alike, "unlike": d.unlike})
        for method, of_seeds in enumerate(self._of_seeds(replications)):
            of_method = self._of_examples(replications, d.regime.example_method)
            noise = self._noise(replications)
            for condition in range(2):
                if condition:  # half of the noise is that of the clean example
                    of_method = of_method + self._of_examples(replications, d.regime.example_method / 2)
                    noise = np.float32(0.5**0.5) * (noise + self._noise(replications))
                logit = common[condition] + of_method + of_seeds[condition] + noise
                for version, added in versions[method].items():
                    of_language = (d.base + added)[condition].astype(np.float32)[:, None, None]
                    found[version].append(sentences.outcome(logit + of_language))
        return {version: (clean, perturbed) for version, (clean, perturbed) in found.items()}

    def _sentences(self, replications: int) -> Sentences:
        d = self.design
        kinds = len(kinds_of_sentence(d.metric)[0])
        kind = self.rng.integers(kinds, size=(replications, 1 if d.parallel else d.languages, 1, d.examples))
        lucks = self.rng.random((2, replications, d.languages, 1, d.examples), np.float32)
        return Sentences(d.metric, kind, *lucks)

    def _noise(self, replications: int) -> np.ndarray:
        """(R, L, S, n): of each example under each seed."""
        shape = (replications, self.design.languages, SEEDS, self.design.examples)
        noise = self.rng.standard_normal(shape, dtype=np.float32)
        noise *= np.float32(NOISE)
        return noise

    def _of_examples(self, replications: int, deviation: float) -> np.ndarray:
        """(R, L, 1, n): an effect of each example, which translations share in part."""
        d = self.design
        own = self.rng.standard_normal((replications, d.languages, 1, d.examples), dtype=np.float32)
        if d.parallel:
            common = self.rng.standard_normal((replications, 1, 1, d.examples), dtype=np.float32)
            own = np.float32((1 - TRANSLATED) ** 0.5) * own + np.float32(TRANSLATED**0.5) * common
        return np.float32(deviation) * own

    def _of_seeds(self, replications: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Clean and perturbed effects of the seeds of each method, (R, L, S, 1) each."""
        r, share, languages = self.design.regime, self.design.shared_seeds, self.design.languages

        def effects(deviation: float, languages: int) -> np.ndarray:
            both, *own = self.rng.standard_normal((3, replications, languages, SEEDS, 1), dtype=np.float32)
            mixed = np.float32(share**0.5) * both + np.float32((1 - share) ** 0.5) * np.stack(own)
            return np.float32(deviation) * mixed

        clean = effects(r.seed, 1) + effects(r.seed_language, languages)
        perturbed = clean + effects(r.seed / 2, 1) + effects(r.seed_language / 2, languages)
        return [(np.float32(m) * clean[i], np.float32(m) * perturbed[i]) for i, m in enumerate(SPREAD)]
