"""Transfer pairs: a high-resource source and a low-resource target, beside training on the target itself.

The protocol of Manafi & Krishnaswamy (LREC-COLING 2024, section 3): for each pair the model is trained on the source
(cross-lingual) and on the target (native), and both are scored on the target's test set, clean and perturbed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from xrobust.contracts import Source, Split, Task
from xrobust.data import data_folder, open_source
from xrobust.errors import UserError, did_you_mean, nearest
from xrobust.plugins import Plugins
from xrobust.results.schema import WORST_CASE, RunResult, mean
from xrobust.spec import RunSpec
from xrobust.splits import load_split

NAMED: dict[str, tuple[tuple[str, str], ...]] = {
    "manafi13": tuple(
        (source, target)
        for source, targets in (
            ("fr", "br oc"),
            ("ar", "fa hi"),
            ("en", "sco cy"),
            ("es", "ca an ast"),
            ("cs", "sk"),
            ("id", "ms"),
            ("nl", "af"),
            ("it", "scn"),
        )
        for target in targets.split()
    )
}
"""manafi13: the 13 pairs of Manafi & Krishnaswamy (LREC-COLING 2024)."""

PERTURBATIONS = {
    "token_classification": ("entity_swap", "context_swap", "entity_context_swap"),
    "multiple_choice": ("title_cosine", "title_random"),
}
"""Kind of task -> what the paper scores it under; the default where no perturbation is named."""

SettingName = Literal["cross-lingual", "native"]


@dataclass(frozen=True)
class Setting:
    """One line of the report: a pair, trained on its source or on its target."""

    pair: tuple[str, str]
    name: SettingName
    missing: str | None
    """What the data lack for it, or None."""

    @property
    def source(self) -> str:
        """The language of training."""
        return self.pair[0 if self.name == "cross-lingual" else 1]

    @property
    def target(self) -> str:
        """The language of the test set."""
        return self.pair[1]


@dataclass(frozen=True)
class TransferPlan:
    """What is to be run for a set of pairs."""

    name: str
    task: Task
    data: Source
    settings: list[Setting]
    requests: list[RunSpec]
    """A run for each language of training and each seed."""

    def line(self, setting: Setting, results: Sequence[RunResult]) -> Line:
        """A line of the report: means over the seeds. `results` are of the plan's runs."""
        runs = [r for r in results if r.spec.train.source == setting.source and setting.target in r.scored()]
        if setting.missing is not None or not runs:
            return Line(pair=":".join(setting.pair), setting=setting.name, missing=setting.missing or "no run")
        rows = [row for result in runs for row in result.main_scores() if row.language == setting.target]
        clean = mean(row.value for row in rows if row.perturbation is None)
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
            not_covered={row.perturbation: row.reason for row in tried if row.reason is not None},
            worst_case=mean(row.value_all for row in rows if row.perturbation == WORST_CASE),
            overlap=self._overlap(setting, runs[0].spec.train.limit),
        )

    def _overlap(self, setting: Setting, limit: int | None) -> dict[str, float | None]:
        from dataclasses import asdict

        from xrobust.analysis.overlap import overlaps

        train = load_split(self.task, self.data, "train", setting.source, limit)[0]
        test = load_split(self.task, self.data, "test", setting.target, limit)[0]
        return asdict(overlaps(train, test, self.task.kind))


class Line(BaseModel):
    """One line of the report. Scores are fractions of 1, means over seeds, over the whole test set as the paper has
    them: sentences that a perturbation did not change count as they are."""

    model_config = ConfigDict(extra="forbid")
    pair: str
    """As in `ar:hi`: source, then target."""
    setting: SettingName
    missing: str | None = None
    """What the data lack, where there is no run."""
    runs: list[str] = []
    clean: float | None = None
    perturbed: dict[str, float] = {}
    """Label -> score."""
    drop: dict[str, float] = {}
    """Label -> clean - score."""
    coverage: dict[str, float] = {}
    """Label -> share of the test sentences that it changed."""
    not_covered: dict[str, str] = {}
    """Label -> why there is no score."""
    worst_case: float | None = None
    overlap: dict[str, float | None] = {}
    """Of the training set with the test set: shares of entity tokens, of different entities (`chunks`), of words."""


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


def plan_transfer(name: str, values: Mapping[str, Any], seeds: Sequence[int]) -> TransferPlan:
    """The runs of a named set of pairs, or of `ar:hi,nl:af`; `values` are those of a RunSpec.

    A pair whose data are not there is no error: the report says what is missing. Raises UserError for an unknown name,
    values that a set of pairs decides itself, and where no pair at all can be run.
    """
    for key in ("source", "languages"):
        if values.get(key) is not None:
            raise UserError(f"--transfer-pairs says which languages to train on and to score: leave out --{key}")
    request = RunSpec.parse({**values, "seed": seeds[0]})
    task = Plugins(request.plugins).load("tasks", request.task)()
    data = open_source(data_folder(request.data_dir), request.offline)
    settings = [
        Setting(pair, setting, _missing(task, data, pair, setting))
        for pair in _pairs(name)
        for setting in ("native", "cross-lingual")
    ]
    targets: dict[str, list[str]] = {}
    for setting in settings:
        if setting.missing is None:
            targets.setdefault(setting.source, []).append(setting.target)
    if not targets:
        raise UserError(f"--transfer-pairs {name}: none of its pairs can be run ({settings[0].missing}, ...)")
    perturb = request.perturb or PERTURBATIONS.get(task.kind.name, ())
    requests = [
        RunSpec.parse({**values, "source": source, "languages": codes, "perturb": perturb, "seed": seed})
        for seed in seeds
        for source, codes in targets.items()
    ]
    return TransferPlan(name, task, data, settings, requests)


def _pairs(name: str) -> list[tuple[str, str]]:
    if name in NAMED:
        return list(NAMED[name])
    pairs: list[tuple[str, str]] = []
    for item in name.split(","):
        source, colon, target = (part.strip() for part in item.partition(":"))
        if not (source and colon and target) or source == target:
            near = nearest(name, NAMED)
            hint = did_you_mean(name, near) if near else f"sets are {', '.join(NAMED)}"
            raise UserError(
                f"--transfer-pairs {item!r}: write source:target, as in ar:hi,nl:af, or a set's name ({hint})"
            )
        pairs.append((source, target))
    return list(dict.fromkeys(pairs))


def _missing(task: Task, data: Source, pair: tuple[str, str], setting: SettingName) -> str | None:
    """`no train set in br`, or None where everything is there."""
    source = pair[0 if setting == "cross-lingual" else 1]
    wanted: list[tuple[Split, str]] = [("train", source), ("dev", source), ("test", pair[1])]
    lacking = [f"no {split} set in {code}" for split, code in wanted if code not in data.languages(task, split)]
    return ", ".join(lacking) or None


def write_report(plan: TransferPlan, results: Sequence[RunResult], folder: Path) -> tuple[TransferReport, Path]:
    """The report of a plan whose runs are done, written to `folder`. Raises RunError where it cannot be written."""
    from xrobust.results.store import write_atomically

    first = results[0]
    report = TransferReport(
        pairs=plan.name,
        task=first.spec.train.task,
        method="+".join(part.name for part in first.spec.train.method),
        model=first.model.id,
        metric=first.main_metric,
        seeds=sorted({result.spec.train.seed for result in results}),
        sample=first.sample,
        lines=[plan.line(setting, results) for setting in plan.settings],
    )
    name = plan.name if plan.name in NAMED else plan.name.replace(":", "-").replace(",", "+").replace(" ", "")
    path = folder / f"transfer-pairs-{report.task.replace('/', '.')}-{report.method.replace('/', '.')}-{name}.json"
    write_atomically(path, lambda file: file.write((report.model_dump_json(indent=2) + "\n").encode()))
    return report, path
