"""Inputs of perturbations (training sets, files, word vectors), loaded once for all languages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xrobust.config.resolved_spec import TrainSpec
from xrobust.contracts import Example, NotCovered, Perturbation, PerturbationContext, Source, Task
from xrobust.contracts.calling import blamed, calling, said_by
from xrobust.contracts.example import Copies
from xrobust.data.checks import fingerprint
from xrobust.data.splits import DataRows, languages_of, load_split
from xrobust.errors import PluginError, UserError, shown
from xrobust.evaluation.conditions.perturbed import PerturbedCondition
from xrobust.evaluation.requested_perturbations import RequestedPerturbation
from xrobust.storage.hashing import canonical_json, file_sha256


@dataclass
class PerturbationInputs:
    """Inputs that the perturbations of a run's test sets may read, loaded once for all of them."""

    task: Task
    source: Source
    train: TrainSpec
    data_dir: Path | None
    offline: bool
    encoder: Callable[[], Callable[[list[str], int | None], Any]]
    """Loads the function behind `PerturbationContext.word_vectors`."""
    _memories: dict[str, dict[Any, Any]] = field(default_factory=dict)
    _target: dict[str, Sequence[Example] | None] = field(default_factory=dict)

    def conditions_for(
        self, wanted: Sequence[RequestedPerturbation], tests: Mapping[str, DataRows | PluginError]
    ) -> dict[str, list[PerturbedCondition]]:
        """Language -> a condition for each of `wanted`, prepared if that needs no encoder: errors show before training.

        `tests` are the test rows of each language, or the error of a task that cannot give them. A plugin's error is
        that of the condition. Raises UserError.
        """
        return {code: [self._one(condition, code, test) for condition in wanted] for code, test in tests.items()}

    def _one(self, condition: RequestedPerturbation, language: str, test: DataRows | PluginError) -> PerturbedCondition:
        failure = test if isinstance(test, PluginError) else condition.failure
        if isinstance(test, DataRows) and failure is None:
            try:
                return self._prepared(condition, language, test.sha256)
            except PluginError as error:
                failure = error
        return PerturbedCondition(condition, self.task, language, "", "", {}, None, condition.new, failure)

    def _prepared(self, condition: RequestedPerturbation, language: str, test_sha256: str) -> PerturbedCondition:
        perturbation = condition.new()
        with calling(perturbation, "language_problem", language):
            reason = said_by(perturbation, "language_problem", language, perturbation.language_problem(language))
        paths: dict[str, Path] = {}
        if reason is None:
            try:
                paths = self._files(perturbation, language)
            except NotCovered as error:
                reason = str(error)
        files = {name: file_sha256(path) for name, path in paths.items()}
        key = self._key(condition, language, test_sha256, files)
        prepared = PerturbedCondition(
            condition, self.task, language, test_sha256, key, files, reason, lambda: perturbation
        )
        if reason is None:
            ready: list[Perturbation] = []

            def begin() -> Perturbation:
                if not ready:
                    with calling(perturbation, "prepare", language):
                        perturbation.prepare(self._context(condition, language, paths))
                    ready.append(perturbation)
                return ready[0]

            prepared.begin = begin
            if "encoder" not in condition.cls.needs:
                try:
                    begin()
                except NotCovered as error:
                    prepared.reason = str(error)
                except PluginError as error:
                    prepared.failure = error
        return prepared

    def _files(self, perturbation: Perturbation, language: str) -> dict[str, Path]:
        """`perturbation.files`, which must be there. Raises NotCovered, UserError and PluginError."""
        with calling(perturbation, "files", language):
            found = perturbation.files(language, self.data_dir, self.offline)
        if not isinstance(found, Mapping) or not all(isinstance(path, Path) for path in found.values()):
            raise blamed(perturbation, "files", language, f"it gives {shown(found)}; a dict of paths is expected")
        for name, path in found.items():
            if not path.is_file():
                what = "is no file" if path.exists() else "does not exist"
                raise blamed(perturbation, "files", language, f"{name!r}, {path}, {what}")
        return dict(found)

    def _context(
        self, condition: RequestedPerturbation, language: str, files: Mapping[str, Path]
    ) -> PerturbationContext:
        return PerturbationContext(
            task=self.task,
            language=language,
            source=self.train.source,
            files=files,
            needs=condition.cls.needs,
            sources={
                "source_train": lambda: Copies(self._source_train),
                "target_train": lambda: self._target_copies(language),
                "target_test": lambda: Copies(self._load("test", language)),
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
            has_train = language in languages_of(self.task, self.source, "train")
            self._target = {language: self._load("train", language) if has_train else None}
        return self._target[language]

    def _target_copies(self, language: str) -> Sequence[Example] | None:
        examples = self._target_train(language)
        return None if examples is None else Copies(examples)

    @cached_property
    def _vectors(self) -> Callable[[list[str], int | None], Any]:
        return self.encoder()

    def _key(self, condition: RequestedPerturbation, language: str, test_sha256: str, files: Mapping[str, str]) -> str:
        needs, depends = condition.cls.needs, {}
        if "source_train" in needs:
            depends["source_train"] = self.train.data["train"]
        if "target_train" in needs:
            examples = self._target_train(language)
            depends["target_train"] = "" if examples is None else fingerprint(examples)
        if "encoder" in needs:
            depends["encoder"] = canonical_json(self.train.model)
        spec, kind = condition.spec, self.task.kind
        released = {"version": spec.plugin_version, "sha256": spec.plugin_sha256}
        whole = {
            "perturbation": {"name": spec.name, "params": spec.params, "seed": spec.seed},
            "code": condition.code or released,
            "task": self.train.task,
            "kind": [kind.pre_split, kind.text_columns, kind.gold_column, kind.labels],
            "language": language,
            "test": test_sha256,
            "files": dict(files),
            **depends,
        }
        return hashlib.sha256(canonical_json(whole).encode()).hexdigest()
