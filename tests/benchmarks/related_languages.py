"""Error rates of tests of a correlation over related languages: `python -m tests.benchmarks.related_languages`.

Behind the choice of the test in xrobust/analysis/related.py. The languages are 28 targets of WikiANN with English as
their source; distances are URIEL's, or drawn with the same relation; gains are drawn, correlated within groups. A line
has the share of samples, in percent, in which each test gives p <= 0.05. About ten minutes on one core.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.stats

from xrobust.analysis.distance import distances
from xrobust.analysis.families import language_groups
from xrobust.analysis.related import related_correlation
from xrobust.analysis.uriel import row_of, table

LANGUAGES = tuple("af ar bg bn de es et fa fi fr he hi id it ja ko ms nl pl pt ru sw ta te tr ur yo zh".split())
SAMPLES, SHUFFLES = 2000, 1000
ALPHA = 0.05


class World:
    """Draws of gains, and the shuffles and groups that tests need, for a set of languages."""

    def __init__(self, languages: tuple[str, ...] = LANGUAGES, seed: int = 0) -> None:
        self.languages = languages
        self.n = len(languages)
        self.names = list(language_groups(languages).values())
        self.groups = np.unique(self.names, return_inverse=True)[1]
        self.sizes = np.bincount(self.groups)
        self.rng = np.random.default_rng(seed)
        fixed = np.random.default_rng(1)
        self.shuffles = fixed.permuted(np.tile(np.arange(self.n), (SHUFFLES, 1)), axis=1)
        self.blocks = np.stack([self._block_shuffle(fixed) for _ in range(SHUFFLES)])
        self.group_shuffles = fixed.permuted(np.tile(np.arange(len(self.sizes)), (SHUFFLES, 1)), axis=1)
        self.signs = fixed.choice([-1.0, 1.0], size=(SHUFFLES, len(self.sizes)))

    def _block_shuffle(self, rng: np.random.Generator) -> np.ndarray:
        """Groups of one size change places as wholes, languages inside their group."""
        order = np.empty(self.n, dtype=int)
        for size in set(self.sizes):
            members = [np.flatnonzero(self.groups == g) for g in np.flatnonzero(self.sizes == size)]
            for place, its in zip(members, rng.permutation(len(members)), strict=True):
                order[place] = rng.permutation(members[its])
        return order

    def related(self, share: float) -> np.ndarray:
        """Normal values, (n,), whose correlation within groups is `share`."""
        common = self.rng.normal(size=len(self.sizes))[self.groups]
        return np.sqrt(share) * common + np.sqrt(1 - share) * self.rng.normal(size=self.n)

    def skewed(self, share: float) -> np.ndarray:
        """The same made skewed: lognormal, with a few large values."""
        return np.exp(self.related(share))

    def with_families(self, share: float, whole: float) -> np.ndarray:
        """The same with `whole` of the variance in common to all of Indo-European, and to each other family."""
        families = table("family_features.npz")
        indo = families["feats"].tolist().index("F_Indo-European")
        member = [families["data"][row_of(families, code), indo] == 1 for code in self.languages]
        top = np.where(member, len(self.sizes), self.groups)
        return np.sqrt(whole) * self.rng.normal(size=len(self.sizes) + 1)[top] + np.sqrt(1 - whole) * self.related(
            share
        )

    def correlated(self, x: np.ndarray, r: float, share: float) -> np.ndarray:
        """Gains whose true correlation with x is r."""
        return r * scipy.stats.zscore(x) + np.sqrt(1 - r**2) * self.related(share)


def shuffled(x: np.ndarray, y: np.ndarray, orders: np.ndarray) -> float:
    """p of |r| over shuffles of y."""
    a, b = scipy.stats.zscore(x), scipy.stats.zscore(y)
    return float(((np.abs(b[orders] @ a) >= abs(a @ b) - 1e-9).sum() + 1) / (len(orders) + 1))


def over_languages(x: np.ndarray, y: np.ndarray, world: World) -> float:
    """Languages shuffled freely."""
    return shuffled(x, y, world.shuffles)


def over_blocks(x: np.ndarray, y: np.ndarray, world: World) -> float:
    """Multi-level block permutation (Winkler et al., NeuroImage 2015): exact."""
    return shuffled(x, y, world.blocks)


def over_means(x: np.ndarray, y: np.ndarray, world: World) -> float:
    """Means of groups, shuffled freely."""
    means = [np.bincount(world.groups, weights=values) / world.sizes for values in (x, y)]
    return shuffled(*means, world.group_shuffles)


def wild_bootstrap(x: np.ndarray, y: np.ndarray, world: World) -> float:
    """Wild cluster bootstrap of the cluster-robust t of a slope (Cameron, Gelbach and Miller 2008)."""
    x, y = x - x.mean(), y - y.mean()
    groups = np.eye(len(world.sizes))[world.groups]

    def t(values: np.ndarray) -> np.ndarray:
        slopes = values @ x / (x @ x)
        left = values - values.mean(axis=1, keepdims=True) - slopes[:, None] * x
        return np.abs(slopes) / np.sqrt(((left * x @ groups) ** 2).sum(axis=1))

    drawn = t(y * world.signs[:, world.groups])
    return float(((drawn >= t(y[None])[0] - 1e-9).sum() + 1) / (len(drawn) + 1))


def mixed_model(x: np.ndarray, y: np.ndarray, world: World) -> float:
    """t of the slope in y ~ x + (1 | group) by REML, with as many degrees of freedom as groups less two."""
    same = (world.groups[:, None] == world.groups) & ~np.eye(world.n, dtype=bool)
    design = np.stack([np.ones(world.n), x], axis=1)
    best = (-np.inf, 0.0)
    for share in np.arange(0, 0.99, 0.05):
        inverse = np.linalg.inv(np.eye(world.n) + share * same)
        information = design.T @ inverse @ design
        slope = np.linalg.solve(information, design.T @ inverse @ y)
        left = y - design @ slope
        variance = left @ inverse @ left / (world.n - 2)
        determinants = np.linalg.slogdet(inverse)[1] - np.linalg.slogdet(information)[1]
        likelihood = (determinants - (world.n - 2) * np.log(variance)) / 2
        best = max(best, (likelihood, slope[1] / np.sqrt(variance * np.linalg.inv(information)[1, 1])))
    return float(2 * scipy.stats.t.sf(abs(best[1]), len(world.sizes) - 2))


def by_effective_size(x: np.ndarray, y: np.ndarray, world: World) -> float:
    """The test of `xrobust analyze distance`."""
    return related_correlation(x, y, world.names).pearson.p


TESTS = (over_languages, over_blocks, over_means, wild_bootstrap, mixed_model, by_effective_size)
Draw = Callable[[], tuple[np.ndarray, np.ndarray]]


def rejected(world: World, draw: Draw, samples: int, tests: tuple[Callable[..., float], ...] = TESTS) -> np.ndarray:
    """Share of samples in which each test has p <= 0.05: (tests,)."""
    found = [[test(*pair, world) <= ALPHA for test in tests] for pair in (draw() for _ in range(samples))]
    return np.mean(found, axis=0)


def main() -> None:
    """Prints the table of docs/analysis.md, and the coverage of the intervals."""
    world = World()
    print(f"{world.n} languages, {len(world.sizes)} groups of {sorted(world.sizes.tolist())}")
    print(f"{'':44}", *(f"{test.__name__:>18}" for test in TESTS))
    known = distances("en", LANGUAGES, ("syntactic", "genetic", "geographic", "script")).values
    real = {name: np.array([its[code] for code in LANGUAGES]) for name, its in known.items()}
    cases: dict[str, Draw] = {}
    for share in (0.0, 0.5, 0.8):
        cases[f"null, gains {share}, distances 0.7"] = lambda s=share: (world.related(0.7), world.related(s))
    for name, x in real.items():
        cases[f"null, gains 0.5, {name}"] = lambda x=x: (x, world.related(0.5))
        cases[f"null, skewed gains 0.5, {name}"] = lambda x=x: (x, world.skewed(0.5))
        cases[f"null, gains 0.5 and families 0.25, {name}"] = lambda x=x: (x, world.with_families(0.5, 0.25))
    for name, x in real.items():
        cases[f"r = 0.5, gains 0.5, {name}"] = lambda x=x: (x, world.correlated(x, 0.5, 0.5))
    for name, draw in cases.items():
        shares = rejected(world, draw, SAMPLES)
        print(f"{name:44}", *(f"{100 * share:18.1f}" for share in shares), flush=True)
    for name, x in real.items():
        held = []
        for _ in range(SAMPLES):
            found = related_correlation(x, world.correlated(x, 0.5, 0.5), world.names).pearson
            held.append((found.low <= 0.5 <= found.high, found.effective_n))
        share, size = np.mean(held, axis=0)
        print(f"interval of r = 0.5, {name}: {100 * share:.1f}, effective n {size:.1f}", flush=True)


if __name__ == "__main__":
    main()
