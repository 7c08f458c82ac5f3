"""What test sets are scored under besides clean text: perturbations by name, made ready for each language."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xrobust import cache
from xrobust.contracts import Example, NotCovered, Perturbation, PerturbationContext, Source, Task
from xrobust.data import fingerprint
from xrobust.errors import UserError
from xrobust.parameters import by_part
from xrobust.perturbed import Perturbed, perturb
from xrobust.plugins import Plugins
from xrobust.results.schema import DataRows, PerturbedRows
from xrobust.results.store import file_sha256
from xrobust.spec import PerturbationSpec, TrainSpec, canonical_json, validated
from xrobust.splits import load_split

logger = logging.getLogger("xrobust")

SHELF = "perturbed"
"""Where perturbed rows are kept, in the cache."""


@dataclass(frozen=True)
class Condition:
    """A perturbation with its parameters, for any language."""

    spec: PerturbationSpec
    cls: type[Perturbation]
    params: Any

    def new(self) -> Perturbation:
        """An object for one language."""
        return self.cls(self.params)


def conditions(names: Sequence[str], params: Mapping[str, Any], task: Task, plugins: Plugins) -> list[Condition]:
    """The perturbations `names` with their parameters.

    Raises UserError for unknown ones, unknown parameters, and one that does not fit the task.
    """
    given = dict(params)
    if given and not names:
        raise UserError(f"setting 'perturb.{next(iter(given))}' without a perturbation: name one with --perturb")
    seed = given.pop("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise UserError(f"setting 'perturb.seed' is {seed!r}: write a whole number that is not negative")
    short = {name.rpartition("/")[2]: name for name in names}
    for name in names:
        if short[name.rpartition("/")[2]] != name:
            raise UserError(f"perturbations {name!r} and {short[name.rpartition('/')[2]]!r}: score them one at a time")
    classes = {part: plugins.load("perturbations", name) for part, name in short.items()}
    for name, cls in classes.items():
        if problem := _task_problem(cls, task):
            raise UserError(f"perturbation {name!r} does not fit task {task.info.name!r}: {problem}")
    sorted_params = by_part(given, classes, "perturb")
    return [
        _condition(cls, validated(cls.Params, sorted_params[name], f"perturb.{name}"), seed, plugins, short[name])
        for name, cls in classes.items()
    ]


def _task_problem(cls: type[Perturbation], task: Task) -> str | None:
    if task.kind.name not in cls.info.kinds:
        kinds = " and ".join(kind.replace("_", " ") for kind in cls.info.kinds)
        return f"it is for {kinds}, and this is {task.kind.name.replace('_', ' ')}"
    return cls.task_problem(task)


def _condition(cls: type[Perturbation], params: Any, seed: int, plugins: Plugins, asked: str) -> Condition:
    identity = plugins.identity("perturbations", asked)
    values = params.model_dump(mode="json")
    defaults = {name: f.get_default(call_default_factory=True) for name, f in cls.Params.model_fields.items()}
    changed = {name: value for name, value in params.model_dump().items() if value != defaults[name]}
    shown = [f"{name}={json.dumps(values[name], ensure_ascii=False).strip(chr(34))}" for name in changed]
    shown += [f"seed={seed}"] if seed else []
    label = identity.name + (f"({','.join(shown)})" if shown else "")
    return Condition(
        PerturbationSpec(
            label=label,
            name=identity.name,
            version=cls.info.version,
            params=values,
            seed=seed,
            plugin_version=identity.version,
            plugin_sha256=identity.sha256,
        ),
        cls,
        params,
    )


@dataclass
class Prepared:
    """A perturbation made ready for one language, or the reason why it does not cover it."""

    condition: Condition
    language: str
    key: str
    """sha256 over everything that the perturbed rows depend on."""
    files: dict[str, str]
    """sha256 of the files that it reads for this language."""
    reason: str | None
    """Why it does not cover the language."""
    begin: Callable[[], Perturbation]
    """Gives the perturbation, prepared. Raises NotCovered."""

    @property
    def label(self) -> str:
        """What its scores are called."""
        return self.condition.spec.label

    def rows(self, examples: Sequence[Example], task: Task) -> tuple[PerturbedRows, Mapping[int, Example]]:
        """The perturbed rows of the test set `examples` and what the document says of them; kept for the next time."""
        found = None if self.reason is not None else self._kept() or self._make(examples, task)
        if found is None:
            found = Perturbed({}, 0, 0)
        elif not found.rows:
            self.reason = "it changed no example"
        document = PerturbedRows(
            language=self.language,
            perturbation=self.label,
            key=self.key,
            examples=len(examples),
            changed_examples=len(found.rows),
            tokens=found.tokens,
            changed_tokens=found.changed_tokens,
            coverage=len(found.rows) / len(examples),
            reason=self.reason,
            rows_sha256=fingerprint(found.rows[i] for i in sorted(found.rows)) if found.rows else None,
            files=self.files,
        )
        return document, found.rows

    def _make(self, examples: Sequence[Example], task: Task) -> Perturbed | None:
        spec = self.condition.spec
        try:
            found = perturb(self.begin(), task.kind, examples, self.language, spec.seed)
        except NotCovered as reason:
            self.reason = str(reason)
            return None
        counts = {"tokens": found.tokens, "changed_tokens": found.changed_tokens}
        cache.write_lines(SHELF, self.key, iter([counts, *([i, found.rows[i]] for i in sorted(found.rows))]))
        return found

    def _kept(self) -> Perturbed | None:
        lines = cache.read_lines(SHELF, self.key)
        return None if lines is None else Perturbed(dict(lines[1:]), **lines[0])


@dataclass
class Preparation:
    """What perturbations of a run's test sets may look at, loaded once for all of them."""

    task: Task
    source: Source
    train: TrainSpec
    data_dir: Path | None
    offline: bool
    encoder: Callable[[], Callable[[list[str], int | None], Any]]
    """Gives the function behind `PerturbationContext.word_vectors`."""
    _memories: dict[str, dict[Any, Any]] = field(default_factory=dict)
    _target: dict[str, Sequence[Example] | None] = field(default_factory=dict)

    def prepare(
        self, wanted: Sequence[Condition], languages: Sequence[str], used: Sequence[DataRows]
    ) -> dict[str, list[Prepared]]:
        """Language -> each of `wanted`, ready where that needs no encoder: what is wrong is found before any training.

        Raises UserError.
        """
        test = {row.language: row.sha256 for row in used if row.split == "test"}
        return {code: [self._one(condition, code, test[code]) for condition in wanted] for code in languages}

    def _one(self, condition: Condition, language: str, test_sha256: str) -> Prepared:
        perturbation = condition.new()
        reason = perturbation.language_problem(language)
        paths: dict[str, Path] = {}
        if reason is None:
            try:
                paths = perturbation.files(language, self.data_dir, self.offline)
            except NotCovered as error:
                reason = str(error)
        files = {name: file_sha256(path) for name, path in paths.items()}
        prepared = Prepared(
            condition, language, self._key(condition, language, test_sha256, files), files, reason, lambda: perturbation
        )
        if reason is None:
            ready: list[Perturbation] = []

            def begin() -> Perturbation:
                if not ready:
                    perturbation.prepare(self._context(condition, language, paths))
                    ready.append(perturbation)
                return ready[0]

            prepared.begin = begin
            if "encoder" not in condition.cls.needs:
                try:
                    begin()
                except NotCovered as error:
                    prepared.reason = str(error)
        return prepared

    def _context(self, condition: Condition, language: str, files: Mapping[str, Path]) -> PerturbationContext:
        return PerturbationContext(
            task=self.task,
            language=language,
            source=self.train.source,
            files=files,
            needs=condition.cls.needs,
            sources={
                "source_train": lambda: self._source_train,
                "target_train": lambda: self._target_train(language),
                "target_test": lambda: self._load("test", language),
                "encoder": lambda: self._vectors,
            },
            memory=self._memories.setdefault(condition.spec.label, {}),
        )

    def _load(self, split: Any, language: str) -> Sequence[Example]:
        return load_split(self.task, self.source, split, language, self.train.limit)[0]

    @cached_property
    def _source_train(self) -> Sequence[Example]:
        examples = self._load("train", self.train.source)
        if fingerprint(examples) != self.train.data["train"]:
            raise UserError(
                f"the {self.train.source} training data of {self.task.info.name} are not those that the run was "
                "trained on, which the perturbation looks at: name them with --data-dir"
            )
        return examples

    def _target_train(self, language: str) -> Sequence[Example] | None:
        if language not in self._target:  # one at a time: the training sets of all languages are many
            there = language in self.source.languages(self.task, "train")
            self._target = {language: self._load("train", language) if there else None}
        return self._target[language]

    @cached_property
    def _vectors(self) -> Callable[[list[str], int | None], Any]:
        return self.encoder()

    def _key(self, condition: Condition, language: str, test_sha256: str, files: Mapping[str, str]) -> str:
        needs, depends = condition.cls.needs, {}
        if "source_train" in needs:
            depends["source_train"] = self.train.data["train"]
        if "target_train" in needs:
            examples = self._target_train(language)
            depends["target_train"] = "" if examples is None else fingerprint(examples)
        if "encoder" in needs:
            depends["encoder"] = canonical_json(self.train.model)
        whole = {
            "perturbation": condition.spec.model_dump(mode="json"),
            "task": self.train.task,
            "language": language,
            "test": test_sha256,
            "files": dict(files),
            **depends,
        }
        return hashlib.sha256(canonical_json(whole).encode()).hexdigest()
