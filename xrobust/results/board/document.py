"""The leaderboard document: one JSON document of many runs. `xrobust schema leaderboard` prints its JSON Schema.

Scores are fractions of 1, times are seconds, sizes are bytes. Text in it comes from documents: it is data,
never markup.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from xrobust.results.comparing.document import Condition, Excluded
from xrobust.results.schema import Time
from xrobust.results.score_key import Pair, Section, pair_name

BOARD_VERSION = 2
ExamplesFrom = Literal["predictions", "bound"]
"""Source of the part of a variance that comes from test examples: saved predictions; or the intervals in the documents,
as if all examples were as much alike as they can be, which is an upper bound, and a rank with it is conservative."""


class BudgetClass(Section):
    """Training budget that entries of one board share."""

    steps: int
    batch_size: int
    dev_evaluations: int
    """Number of looks at the source dev set."""


class EntryRun(Section):
    """One run of an entry."""

    run_id: str
    seed: int
    sha256: str | None
    """sha256 of the run's document; null for one of schema version 1."""
    updated: Time
    """Time of the last change of the run's document."""
    data: str
    """Hub id of the data set, or the id that a folder's about.yaml gives; `local` where it gives none."""
    data_revision: str | None
    examples: int
    tokens: int | None
    processed_tokens: int | None = None
    """Word pieces put through the encoder; null where they were not counted."""
    seconds: float
    peak_memory_bytes: int
    selected_step: int


class Cost(Section):
    """Cost of training an entry: means over its runs."""

    seconds: float
    steps: int
    parameters: int | None
    trainable_parameters: int | None
    peak_memory_bytes: int
    """The highest of all runs."""
    devices: list[str]


class TestSetScore(Section):
    """The main metric on one test set under one condition, over seeds."""

    __test__ = False  # nothing for pytest
    condition: Literal["clean", "perturbed", "attack", "worst_case"] = "clean"
    perturbation: str | None = None
    attack: str | None = None
    worst_of: tuple[str, ...] = ()
    """Set of perturbations of a worst case."""
    language: str | None = None
    pair: Pair | None = None
    values: list[float]
    """One for each run of the entry, in their order."""
    clean_values: list[float] | None
    """Scores of the same examples on clean text; null on clean text itself."""
    mean: float
    sd: float | None
    """Standard deviation between seeds; null for one."""
    ci_low: float | None
    ci_high: float | None
    """End of the 95% interval of the mean, for new seeds and new examples; null for one seed."""
    examples_se: float
    """Standard error that comes from the choice of test examples."""
    n: int
    rows: str
    """sha256 of the test rows; of a worst case also of its perturbed rows, with their labels."""
    metric_version: int

    @property
    def name(self) -> str:
        """The language, or the pair as people write it."""
        return pair_name(self.pair) if self.pair is not None else str(self.language)


OTHER_COVERAGE = "other coverage"
"""Beginning of `ConditionScore.unranked` where the entry was scored on other test sets, or attacked otherwise."""


class ConditionScore(Condition):
    """The main metric under one condition, averaged over the test sets that all runs of the entry have, and that have
    enough changed examples."""

    test_sets: int
    values: list[float]
    """Means over test sets, one for each run."""
    mean: float
    sd: float | None
    ci_low: float | None
    ci_high: float | None
    """End of the 95% interval of the mean over this set of languages, for new seeds and new examples."""
    targets: float | None
    """Mean without the source language; null for pairs, and where there is no target."""
    transfer_gap: float | None
    """Source minus targets, on clean text."""
    drop: float | None
    """Mean drop from clean text of the same examples."""
    examples_variance: float
    """Part of the variance of `mean` that comes from test examples."""
    examples_df: float
    some_runs_only: list[str]
    """Test sets that only some runs of the entry have: left out."""
    rank: int | None
    """1 + number of entries of the board that are significantly better (Holm over all pairs); null: see `unranked`."""
    rank_to: int | None
    """Number of ranked entries - number of those that are significantly worse: the ranks `rank` to `rank_to` cannot be
    told apart from this one."""
    unranked: str | None
    """Reason that there is no rank."""


class Entry(Section):
    """Runs that differ in their seed alone."""

    id: str
    """Group id of its runs."""
    board: str
    """Id of the board that it is on."""
    name: str
    """The method, with whatever tells it from the other entries of the board."""
    task: str
    source: str
    model: str
    model_identity: dict[str, str | None]
    """Revision of a hub model, or sha256 of a folder's files."""
    method: list[dict[str, Any]]
    """Parts of the method: name, parameters, sha256 of files, plugin version."""
    settings: dict[str, Any]
    """Training settings, precision and limit on rows."""
    supervision: list[str]
    zero_shot: bool
    """True for strict zero-shot transfer: training saw labelled data of the source language, and nothing else."""
    budget: BudgetClass
    tuned_trials: int | None = None
    """Trials that its settings were tuned with; null where they were not tuned, or its runs not alike."""
    sample: bool
    metric: str
    runs: list[EntryRun]
    cost: Cost
    packages: dict[str, list[str]]
    """Versions that the runs had."""
    conditions: list[ConditionScore]
    """Those under which a test set has enough changed examples for an average."""
    too_few: dict[str, list[str]]
    """Label of a condition -> test sets with fewer changed examples than `min_examples`, which are in no average."""
    not_in_all_runs: dict[str, list[str]] = {}
    """Label of a condition -> test sets that not all runs were scored on alike (other rows, sets of perturbations or
    strengths of an attack), which are left out."""
    scores: list[TestSetScore]

    @property
    def seeds(self) -> list[int]:
        return [run.seed for run in self.runs]

    def under(self, label: str = "clean") -> ConditionScore | None:
        """The averages under a condition, or None."""
        return next((row for row in self.conditions if row.label == label), None)


class PairTest(Condition):
    """Two ranked entries of a board, tested."""

    better: str
    """Id of the entry with the higher mean."""
    worse: str
    difference: float
    examples_variance: float
    examples_df: float
    p: float
    p_holm: float


class Board(Section):
    """Entries that may be ranked among one another."""

    id: str
    task: str
    source: str
    metric: str
    zero_shot: bool
    supervision: list[str]
    budget: BudgetClass | None
    """Null where `--budget any` ranks over all budgets."""
    budgets_differ: bool
    sample: bool
    entries: list[str]
    """Ids of its entries: ranked ones by their mean, then the others."""
    coverage: dict[str, dict[str, str]]
    """For each condition the test sets that ranked entries have -> `rows` and metric version."""
    examples_from: ExamplesFrom
    tests: list[PairTest] | None
    """All pairs of ranked entries; null where there are more than 100."""


class Overall(Section):
    """Borda count over tasks: on each task the number of other entries that it scores higher than, summed."""

    model: str
    name: str
    supervision: list[str]
    entries: dict[str, str]
    """Task -> id of the entry."""
    borda: float
    ci_low: float
    ci_high: float
    """End of the 95% interval: counts of 1,000 draws of the means, with their variances over seeds and examples."""


class OverallBoard(Section):
    """Ranking over tasks, by Borda count."""

    zero_shot: bool
    supervision: list[str]
    sample: bool
    boards: list[str]
    """The boards, one a task, that it is over."""
    entries: list[Overall]


class Leaderboard(Section):
    """The leaderboard document."""

    schema_version: Literal[2] = 2
    kind: Literal["leaderboard"] = "leaderboard"
    xrobust: str
    """Version that built it."""
    verified: Literal["documents", "predictions"]
    """`predictions`: each score was computed again from saved predictions; `documents`: schema, ids and sums only."""
    budget: Literal["equal", "any"]
    min_examples: int
    """Fewest changed examples of a test set that is averaged over: the largest that the runs' documents were made
    with."""
    documents: int
    """Documents averaged in."""
    boards: list[Board]
    entries: list[Entry]
    overall: list[OverallBoard]
    excluded: list[Excluded]
    """Documents that were left out, with the reason."""
    sha256: str | None = None
    """sha256 of the lines between the first and the last two, without the comma that ends them."""

    def _body(self) -> str:
        """All fields but `sha256` as JSON: a line each, and for lists a line an item."""
        return ",\n".join(self._field(name) for name in Leaderboard.model_fields if name != "sha256")

    def _field(self, name: str) -> str:
        value = getattr(self, name)
        if isinstance(value, list) and value:
            return f'"{name}":[\n' + ",\n".join(item.model_dump_json() for item in value) + "\n]"
        return f'"{name}":{json.dumps(value, ensure_ascii=False)}'

    def computed_sha256(self) -> str:
        """The value that the field `sha256` must have."""
        return hashlib.sha256(self._body().encode()).hexdigest()

    @staticmethod
    def stored_sha256(text: str) -> str:
        """The value that the field `sha256` must have in a document as it was written, maybe with fewer fields."""
        body = "\n".join(text.split("\n")[1:-3]).removesuffix(",")
        return hashlib.sha256(body.encode()).hexdigest()

    def text(self) -> str:
        """The document as JSON, with its sha256: the same bytes for the same runs."""
        body = self._body()
        return f'{{\n{body},\n"sha256":"{hashlib.sha256(body.encode()).hexdigest()}"\n}}\n'

    def contradiction(self) -> str | None:
        """Says where the document contradicts itself, so that nothing can be computed from it; None if it does not."""
        ids = [entry.id for entry in self.entries]
        if len(set(ids)) < len(ids):
            return "an entry occurs twice"
        for entry in self.entries:
            values = [row.values for row in entry.scores] + [row.values for row in entry.conditions]
            values += [row.clean_values for row in entry.scores if row.clean_values is not None]
            if not entry.runs or any(len(its) != len(entry.runs) for its in values):
                return f"entry {entry.id} has not one value for each of its runs"
        named = [one for board in self.boards for one in board.entries]
        named += [one for board in self.boards for test in board.tests or () for one in (test.better, test.worse)]
        named += [one for board in self.overall for row in board.entries for one in row.entries.values()]
        if unknown := set(named) - set(ids):
            return f"there is no entry {min(unknown)}"
        return None

    def entry(self, entry_id: str) -> Entry:
        """The entry of that id. Raises KeyError."""
        return next(entry for entry in self.entries if entry.id == entry_id)


def leaderboard_schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Leaderboard.model_json_schema()}
