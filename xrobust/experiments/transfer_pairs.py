"""Transfer pairs: a high-resource source and a low-resource target, beside training on the target itself.

The protocol of Manafi & Krishnaswamy (LREC-COLING 2024, section 3): for each pair the model is trained on the source
(cross-lingual) and on the target (native), and both are scored on the target's test set, clean and perturbed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from xrobust.config.run_spec import RunSpec
from xrobust.contracts import Source, Split, Task
from xrobust.data.sources import data_folder, open_source
from xrobust.data.splits import languages_of
from xrobust.errors import UserError, did_you_mean, nearest
from xrobust.registry.plugins import Plugins

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


SettingName = Literal["cross-lingual", "native"]


@dataclass(frozen=True)
class Setting:
    """One line of the report: a pair, trained on its source or on its target."""

    pair: tuple[str, str]
    name: SettingName
    missing: str | None
    """Description of the data that are missing for it, or None."""

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
    """The settings and the runs of a set of pairs."""

    name: str
    task: Task
    data: Source
    settings: list[Setting]
    requests: list[RunSpec]
    """A run for each language of training and each seed."""


def plan_transfer(name: str, values: Mapping[str, Any], seeds: Sequence[int]) -> TransferPlan:
    """The runs of a named set of pairs, or of `ar:hi,nl:af`; `values` are those of a RunSpec.

    A pair whose data are not there is no error: the report says what is missing. Raises UserError for an unknown name,
    values that a set of pairs decides itself, and where no pair at all can be run.
    """
    for key in ("source", "languages"):
        if values.get(key) is not None:
            raise UserError(f"--transfer-pairs says which languages to train on and to score: leave out --{key}")
    request = RunSpec.parse({**values, "seed": seeds[0]})
    task = Plugins(request.plugins).task(request.task)
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
    perturb = request.perturb or task.transfer_perturbations
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
    """Names the missing data, as in `no train set in br`, or None."""
    source = pair[0 if setting == "cross-lingual" else 1]
    wanted: list[tuple[Split, str]] = [("train", source), ("dev", source), ("test", pair[1])]
    lacking = [f"no {split} set in {code}" for split, code in wanted if code not in languages_of(task, data, split)]
    return ", ".join(lacking) or None
