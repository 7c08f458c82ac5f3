"""Sections of the result document (`xrobust.results.schema`).

Numbers are numbers, scores are fractions of 1, times are seconds, sizes are bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xrobust.data.repeated import RepeatedRows
from xrobust.data.splits import DataRows, RowsOrigin
from xrobust.encoding.truncation import Truncation
from xrobust.metrics.interval_method import DropMethod, LevelMethod
from xrobust.results.score_key import ConditionName, Pair, ScoreKey, Section, condition_label


class ModelSection(Section):
    """The pre-trained encoder, and how much of it was trained."""

    id: str
    revision: str | None = None
    sha256: str | None = None
    parameters: int | None = None
    trainable_parameters: int | None = None
    embedding_norm: float | None = None
    """Mean L2 norm of the pre-trained input embeddings of the ordinary tokens of the source dev set, each as often as
    it occurs: the unit of a relative radius. In documents of spec version 2 and 1, of all rows of the matrix."""
    head: Literal["new", "mapped"] | None = None
    """`mapped`: training began with the head of the base model, its rows in the order of the task's labels; `new`: with
    one initialised from the seed. Null in documents from before it was written down."""


class PerturbedRows(Section):
    """Effect of a perturbation on the test set of one language."""

    language: str
    perturbation: str
    """Label of the perturbation."""
    key: str
    """sha256 over everything that the perturbed rows depend on: perturbation, parameters, test rows, files, and
    the data that it read."""
    examples: int
    changed_examples: int
    tokens: int
    changed_tokens: int
    coverage: float
    """changed_examples / examples."""
    reason: str | None = None
    """Reason that there is no score: the perturbation does not cover this language."""
    rows_sha256: str | None = None
    """Fingerprint of the changed rows."""
    files: dict[str, str] = {}
    """sha256 of the files that the perturbation read for this language."""
    truncation: Truncation | None = None
    """Changed rows that `max_length` cut; null where that was not counted."""


class PairRows(Section):
    """The test rows of a pair of languages, aligned by id."""

    pair: Pair
    rows: int
    """Examples scored: ids that both languages have, with one label."""
    unaligned: int
    """Ids that only one of the two languages has."""
    disagreeing: int
    """Ids that both languages have, with different labels: left out."""
    first_sha256: str
    """Fingerprint of the first language's test rows."""
    second_sha256: str
    truncation: Truncation | None = None
    """Rows that `max_length` cut; null where that was not counted."""
    origin: RowsOrigin | None = None
    """Source of the rows, where it is another than the section's `id` and `revision` say."""


class DataSection(Section):
    """Source of the data, and the rows that were used."""

    id: str
    """Of the data that the model was trained on, and scored on unless a row has an `origin` of its own."""
    revision: str | None = None
    used: list[DataRows] = []
    perturbed: list[PerturbedRows] = []
    pairs: list[PairRows] = []
    repeated: list[RepeatedRows] = []
    """Test rows that are training or dev rows, or test rows of another language, word for word."""


class Environment(Section):
    """Packages, machine and processes of the run. Nothing here is part of the run id."""

    packages: dict[str, str]
    plugins: dict[str, str]
    """Task and method names -> distribution and version, or name and sha256 of the file, they came from."""
    plugin_code: dict[str, str] = {}
    """Task and method of an installed package -> sha256 over the source of that package when the run was trained."""
    python: str
    platform: str
    device: str
    processor: str | None = None
    """Type of the processor and its vector instructions: on another one the last bits of weights may differ."""
    world_size: int
    threads: int
    precision: str
    git_commit: str | None
    """Commit of the checkout that xrobust was imported from; null for an installed package."""
    micro_batch_size: int | None = None
    gradient_checkpointing: bool = False


class Local(Section):
    """Paths, which hold on one machine alone. Left out of exported documents; no other section names a path or host."""

    model_path: str
    """Hub id or folder that the base model was read from."""
    data_dir: str | None = None
    plugin_files: list[str] = []
    method_files: dict[str, dict[str, str]] = {}
    """Paths of the files that each method read."""


class CurvePoint(Section):
    """The training loss at one logged step: mean over labelled items since the point before."""

    step: int
    loss: float
    learning_rate: float


class DevPoint(Section):
    """The main metric on the source dev set after `step` optimiser steps."""

    step: int
    value: float


class Budget(Section):
    """Training budget, which must be equal for two methods to be compared. Its seconds are the section's."""

    steps: int
    """Optimiser steps."""
    examples: int
    """Examples trained on, counted at each use."""
    tokens: int | None
    """Word pieces trained on, special tokens included, padding not; null where they were not counted."""
    dev_evaluations: int
    """Number of evaluations on the source dev set."""
    processed_tokens: int | None = None
    """Word pieces put through the encoder in training: `tokens`, as often as the method makes a forward pass of each,
    inner steps and draws included. Of several processes the main one's passes are counted. Null where they were not."""


class TrainingSection(Section):
    """Course and outcome of training."""

    budget: Budget
    total_steps: int
    examples_per_second: float
    seconds: float
    peak_memory_bytes: int
    """Device memory on a GPU, else resident memory of the main process."""
    micro_batch_size: int | None = None
    """Size that micro-batches were reduced to because memory ran out; null if it did not."""
    selected_step: int
    """The step whose weights were kept: the best on the source dev set, the earliest of equals."""
    curve: list[CurvePoint]
    dev: list[DevPoint]
    weights: dict[str, str] | None
    """sha256 of each file of the trained weights, by name; they are not kept under `--keep-checkpoints none`. Null in
    documents of schema version 1."""


class ScoreRow(ScoreKey):
    """One score of the trained model on one test set under one condition."""

    worst_of: tuple[str, ...] = ()
    """Labels of all perturbations that the language was tried under, covered or not, sorted, where this is the worst of
    them; empty for other conditions."""
    coverage: float = 1.0
    """Share of the examples that the perturbation changed: those that `value` is over. 1 on clean input."""
    metric: str
    metric_version: int
    """Version of the metric: scores of two versions are not comparable."""
    value: float
    ci_low: float
    ci_high: float
    """Ends of the 95% interval over examples."""
    interval: LevelMethod | None = None
    """Method of the interval: docs/intervals.md. Null in older documents: percentile bootstrap, 1,000 draws."""
    n: int
    clean_value: float | None = None
    """The score of the same examples on clean text."""
    drop: float | None = None
    """clean_value - value."""
    drop_ci_low: float | None = None
    drop_ci_high: float | None = None
    """Ends of the drop's 95% interval, over examples that are the same on both sides."""
    drop_interval: DropMethod | None = None
    """Method of the drop's interval; null in older documents: paired percentile bootstrap, 1,000 draws."""
    value_all: float | None = None
    """The score over all examples, those that did not change as they are, as papers report it."""
    epsilon: float | None = None
    """Radius of an attack's ball, in the unit of its parameters."""
    radius: float | None = Field(default=None, gt=0)
    """The same radius in the model's own units."""
    attack_losses: str | None = Field(default=None, pattern=r"^[a-z_]+(\+[a-z_]+)*$")
    """Losses that the attack ascended, as in `margin+cross_entropy`."""
    attack_steps: int | None = Field(default=None, ge=1, le=1000)
    """Steps of ascent at each radius."""
    attack_restarts: int | None = Field(default=None, ge=1, le=100)
    """Starts of each loss at each radius. These four are null in documents from before they were written down."""
    rows_sha256: str
    seconds: float

    @property
    def label(self) -> str | None:
        """The condition's name in tables, of a worst case with its set; None for clean text."""
        return condition_label(self.condition, self.perturbation, self.attack, self.worst_of)


class Robustness(Section):
    """The main metric under one condition: unweighted means over the target languages with enough changed examples."""

    condition: ConditionName
    perturbation: str | None = None
    attack: str | None = None
    worst_of: tuple[str, ...] = ()
    """Set of perturbations of a worst case: languages with another set stand in another row."""
    languages: int
    """Target languages covered, those in `too_few` among them."""
    tried: int
    """Target languages that were to be scored under it."""
    min_examples: int | None = None
    """Fewest changed examples of a language that is in the means."""
    too_few: tuple[str, ...] = ()
    """Target languages with fewer, which are left out of the means."""
    examples: int | None = None
    """Changed examples of all target languages covered."""
    coverage: float | None
    """Mean over all target languages tried, 0 for those not covered."""
    clean: float | None
    """Mean on clean text, of the same examples of the same languages."""
    value: float | None
    drop: float | None
    """clean - value."""
    pooled_drop: float | None = None
    """Mean of the drops of all target languages covered, those in `too_few` too, each weighted by its number of changed
    examples."""
    value_all: float | None
    source_drop: float | None
    """Drop in the source language."""
    epsilon: float | None = None

    @property
    def label(self) -> str:
        """The condition's name in tables."""
        return condition_label(self.condition, self.perturbation, self.attack, self.worst_of) or "clean"


class Summary(Section):
    """The main metric over languages, on clean input; under each condition; over pairs of languages."""

    metric: str
    source: float | None
    average: float
    """Unweighted mean over all languages scored, the source language included (as XTREME does)."""
    average_targets: float | None
    """Unweighted mean over all languages but the source."""
    transfer_gap: float | None
    """source - average_targets."""
    languages: int
    robustness: list[Robustness] = []
    pairs: int = 0
    average_pairs: float | None = None
    """Unweighted mean over pairs of two different languages."""


class Artifact(Section):
    """A file beside the document."""

    path: str
    """Relative to the run's folder."""
    role: Literal["predictions", "weights", "model"]
    """`weights`: of the trained model; `model`: the other files beside them, configuration and tokenizer."""
    sha256: str
    of: ScoreKey | None = None
    """Test set and condition of the predictions."""


class Unscored(Section):
    """A test set under a condition that was asked for and has no score of that asking."""

    of: ScoreKey
    error: str | None = None
    """Reason that it could not be scored; null for one whose turn has not come."""
    added: bool = False
    """True where `eval` asked for it: the run is complete without it once scoring it has failed."""
