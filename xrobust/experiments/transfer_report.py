"""The report of a set of transfer pairs: native and cross-lingual training side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from xrobust.config.robustness_settings import MIN_EXAMPLES
from xrobust.data.splits import load_split
from xrobust.experiments.transfer_pairs import NAMED, Setting, SettingName, TransferPlan
from xrobust.results.schema import RunResult, mean
from xrobust.results.small_samples import least_examples


class Line(BaseModel):
    """One line of the report. Scores are fractions of 1, means over seeds, over the whole test set as the paper has
    them: sentences that a perturbation did not change count as they are."""

    model_config = ConfigDict(extra="forbid")
    pair: str
    """Pair as in `ar:hi`: source, then target."""
    setting: SettingName
    missing: str | None = None
    """Description of the missing data, if there is no run."""
    runs: list[str] = []
    clean: float | None = None
    perturbed: dict[str, float] = {}
    """Label -> score."""
    drop: dict[str, float] = {}
    """Label -> clean - score."""
    coverage: dict[str, float] = {}
    """Label -> share of the test sentences that it changed."""
    examples: dict[str, int] = {}
    """Label -> number of test sentences that it changed."""
    min_examples: int = MIN_EXAMPLES
    """Number of changed sentences below which a score is marked."""
    not_covered: dict[str, str] = {}
    """Label -> reason that there is no score."""
    worst_case: dict[str, float] = {}
    """Label of the set of perturbations -> worst case over it."""
    overlap: dict[str, float | None] = {}
    """Overlap with the training set: shares of entity tokens, of different entities (`chunks`), of words."""


class TransferReport(BaseModel):
    """Native and cross-lingual training side by side: `transfer-pairs-<name>.json`."""

    model_config = ConfigDict(extra="forbid")
    pairs: str
    task: str
    method: str
    model: str
    metric: str | None
    seeds: list[int]
    sample: bool
    lines: list[Line]


def write_report(plan: TransferPlan, results: Sequence[RunResult], folder: Path) -> tuple[TransferReport, Path]:
    """The report of a plan whose runs are done, written to `folder`. Raises RunError where it cannot be written."""
    from xrobust.storage.atomic import write_atomically

    first = results[0]
    report = TransferReport(
        pairs=plan.name,
        task=first.spec.train.task,
        method=first.spec.train.method_name,
        model=first.model.id,
        metric=first.main_metric,
        seeds=sorted({result.spec.train.seed for result in results}),
        sample=first.sample,
        lines=[report_line(plan, setting, results) for setting in plan.settings],
    )
    name = plan.name if plan.name in NAMED else plan.name.replace(":", "-").replace(",", "+").replace(" ", "")
    path = folder / f"transfer-pairs-{report.task.replace('/', '.')}-{report.method.replace('/', '.')}-{name}.json"
    write_atomically(path, lambda file: file.write((report.model_dump_json(indent=2) + "\n").encode()))
    return report, path


def report_line(plan: TransferPlan, setting: Setting, results: Sequence[RunResult]) -> Line:
    """A line of the report: means over the seeds. `results` are of the plan's runs."""
    runs = [r for r in results if r.spec.train.source == setting.source and setting.target in r.scored()]
    if setting.missing is not None or not runs:
        return Line(pair=":".join(setting.pair), setting=setting.name, missing=setting.missing or "no run")
    rows = [row for result in runs for row in result.main_scores() if row.language == setting.target]
    clean = mean(row.value for row in rows if row.condition == "clean")
    tried = [row for result in runs for row in result.data.perturbed if row.language == setting.target]
    labels = list(dict.fromkeys(row.perturbation for row in tried))
    perturbed = {
        label: score
        for label in labels
        if (score := mean(row.value_all for row in rows if row.perturbation == label)) is not None
    }
    return Line(
        pair=":".join(setting.pair),
        setting=setting.name,
        runs=[result.run_id for result in runs],
        clean=clean,
        perturbed=perturbed,
        drop={label: clean - score for label, score in perturbed.items() if clean is not None},
        coverage={label: mean(r.coverage for r in tried if r.perturbation == label) or 0.0 for label in labels},
        examples={row.perturbation: row.changed_examples for row in tried},
        min_examples=max(map(least_examples, runs)),
        not_covered={row.perturbation: row.reason for row in tried if row.reason is not None},
        worst_case={
            label: score
            for label in dict.fromkeys(str(row.label) for row in rows if row.condition == "worst_case")
            if (score := mean(row.value_all for row in rows if row.label == label)) is not None
        },
        overlap=_overlap(plan, setting, runs[0].spec.train.limit),
    )


def _overlap(plan: TransferPlan, setting: Setting, limit: int | None) -> dict[str, float | None]:
    from xrobust.analysis.overlap import overlaps

    train = load_split(plan.task, plan.data, "train", setting.source, limit)[0]
    test = load_split(plan.task, plan.data, "test", setting.target, limit)[0]
    return asdict(overlaps(train, test, plan.task.kind))
