"""The comparison document: `xrobust compare --json`. Scores are fractions of 1, drops are clean minus perturbed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from xrobust.results.budgets import EqualIn, SpentBudget
from xrobust.results.score_key import ConditionName, Pair, Section, condition_label, pair_name

Over = Literal["language", "pair", "average", "targets"]
"""`average`: mean over all languages compared, the source included, as XTREME has it; `targets`: without it."""
Verdict = Literal["better", "worse", "not shown", "no test"]


class ComparedGroup(Section):
    """One side of a comparison: runs that differ in their seed alone, or a single run."""

    name: str
    """The method, with whatever tells it from the other sides."""
    group_id: str
    run_ids: list[str]
    seeds: list[int]
    task: str
    method: str
    model: str
    source: str
    supervision: list[str]
    budget: SpentBudget | None
    """Null where a document has none."""
    seconds: float | None
    """Training time, mean over runs."""
    tuned_trials: int | None = None
    """Trials that its settings were tuned with; null where they were not tuned, or its runs not alike."""
    sample: bool
    """True for the small data that come with xrobust, whose scores mean nothing."""


class Condition(Section):
    """A condition that both sides were scored under."""

    condition: ConditionName = "clean"
    perturbation: str | None = None
    attack: str | None = None
    worst_of: tuple[str, ...] = ()
    """Set of perturbations of a worst case: two sets are two conditions."""
    pairs: bool = False
    """True for pairs of languages, the first text in one and the second in the other."""

    @property
    def label(self) -> str:
        """The condition's name in tables: `clean`, `typos`, `worst of casing, typos`, `clean pairs`."""
        name = condition_label(self.condition, self.perturbation, self.attack, self.worst_of) or "clean"
        return f"{name} pairs" if self.pairs else name


class Estimate(Condition):
    """One difference between the two sides, with what is known of it."""

    quantity: Literal["score", "drop"] = "score"
    """`drop`: the score on clean text minus that of the same examples under the condition; a smaller one is better,
    or the larger one of a metric that is an error."""
    over: Over
    language: str | None = None
    pair: Pair | None = None
    test_sets: int
    """Languages or pairs that the means are over."""
    n: int
    """Test examples, over all of them; under a condition those that it changed."""
    few: bool = False
    """True for a language with fewer than the comparison's `min_examples` changed examples: in no average."""
    too_few: tuple[str, ...] = ()
    """Of an average: the languages that are left out of it because of that."""
    baseline: float
    """Mean over seeds (and languages)."""
    other: float
    difference: float
    """other - baseline."""
    baseline_sd: float | None
    """Standard deviation between seeds; null for one seed."""
    other_sd: float | None
    standard_error: float | None = None
    """Null, with all that follows, where no method can be tested: see `reason`."""
    df: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    """End of the 95% interval of the difference, for new seeds and new examples of these languages."""
    p: float | None = None
    """Two-sided p-value of no difference."""
    p_holm: float | None = None
    """Holm's adjusted p-value: of a single language over the languages of the same condition and quantity; of an
    average over the sides that are compared with the baseline."""
    tests: int | None = None
    """Number of tests that Holm's method was applied over."""
    detectable: float | None = None
    """Smallest difference that this many seeds and examples would have shown with a probability of 80%, at the first
    step of Holm's method, 0.05 / `tests`."""
    seed_share: float | None = None
    """Share of the variance that comes from seeds; the rest comes from test examples."""
    bootstrap_low: float | None = None
    bootstrap_high: float | None = None
    """End of the 95% percentile-bootstrap interval over seeds and examples, where asked for."""
    verdict: Verdict
    reason: str | None = None
    """Reason that there is no test."""

    @property
    def name(self) -> str:
        """The row's name in tables: a language, a pair, `average` or `targets`."""
        return pair_name(self.pair) if self.pair is not None else self.language or self.over


class LanguageCount(Condition):
    """Languages that differ, counted."""

    languages: int
    better: int
    """At least so many languages are better, with 95% confidence and languages depending on each other as they may:
    the count of Dror et al. (TACL 2017) with Bonferroni's method."""
    worse: int


class NotCompared(Condition):
    """A condition that the two sides do not share."""

    reason: str


class TrainedModels(Section):
    """McNemar's exact test: are these two trained models different on this test set? It says nothing of methods."""

    language: str | None
    pair: Pair | None
    examples: int
    unit: Literal["examples", "sentences with all tags right"]
    only_baseline: int
    """Examples that the baseline alone has right."""
    only_other: int
    p: float
    p_holm: float
    """Holm's adjusted p-value over the test sets."""


class ComparedWith(Section):
    """The baseline beside one other side."""

    other: ComparedGroup
    differ_in: list[str]
    """Settings other than method and seed in which the two trainings differ."""
    languages: list[str]
    """Languages that were compared on clean text."""
    budgets_differ: bool
    """True where one side was trained for longer than the other."""
    equal: tuple[EqualIn, ...]
    """The ways in which the training budgets are equal."""
    paired_seeds: bool
    """True where the variance over seeds is that of the differences between runs of one seed."""
    estimates: list[Estimate]
    counts: list[LanguageCount]
    not_compared: list[NotCompared]
    trained_models: list[TrainedModels]
    """Only for two single runs."""
    sentences: list[str]
    """For each condition what is and what is not shown."""

    def find(self, label: str = "clean", over: Over = "average", quantity: str = "score") -> Estimate:
        """The estimate of a mean under a condition. Raises KeyError if there is none."""
        for row in self.estimates:
            if (row.label, row.over, row.quantity) == (label, over, quantity):
                return row
        raise KeyError(f"no {quantity} {over} under {label}")


class Excluded(Section):
    """A document that was left out."""

    path: str
    reason: str


class Comparison(Section):
    """One baseline beside one or several other sides, on one task and metric."""

    schema_version: Literal[1] = 1
    kind: Literal["comparison"] = "comparison"
    task: str
    metric: str
    metric_version: int
    lower_is_better: bool = False
    """True for a metric that is an error: then a negative difference is the better one, and a drop is negative where
    the error rises."""
    baseline: ComparedGroup
    compared: list[ComparedWith] = Field(min_length=1)
    common_only: bool
    """True where languages that not all runs have were left out on request."""
    budget: Literal["equal", "any"]
    """`equal`: the sides were trained for as long as one another, else the comparison is refused."""
    min_examples: int
    """Fewest changed examples of a language that is in the averages under a condition: the largest that the documents
    were made with."""
    notes: list[str]
    excluded: list[Excluded]

    def text(self) -> str:
        """The document as JSON."""
        return self.model_dump_json(indent=2) + "\n"


class PartNotCompared(Section):
    """A task and model of an experiment whose methods cannot be compared."""

    task: str
    model: str
    reason: str


class ExperimentComparison(Section):
    """All methods of an experiment beside its baseline: a comparison for each task and model."""

    schema_version: Literal[1] = 1
    kind: Literal["experiment_comparison"] = "experiment_comparison"
    name: str
    """The experiment's name."""
    baseline: str
    """The method that the others are compared with."""
    comparisons: list[Comparison] = Field(min_length=1)
    not_compared: list[PartNotCompared]
    excluded: list[Excluded]
    """Documents that were left out, and the number of runs that are not complete."""

    def text(self) -> str:
        """The document as JSON."""
        return self.model_dump_json(indent=2) + "\n"


def comparison_schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Comparison.model_json_schema()}


def experiment_comparison_schema() -> dict[str, Any]:
    """The JSON Schema of the document on an experiment."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ExperimentComparison.model_json_schema()}
