"""Scoring a trained model: on clean text, on perturbed text, and under an attack."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any

import numpy as np

from xrobust.contracts import Example, Prediction
from xrobust.contracts.encoded import Encoded
from xrobust.data.checks import fingerprint
from xrobust.data.splits import DataRows, load_split
from xrobust.encoding.cache import EncodingCache
from xrobust.errors import UserError
from xrobust.evaluation.conditions.perturbed import PerturbedCondition
from xrobust.evaluation.language_pairs import align, require_pair_task
from xrobust.evaluation.plan import ATTACK, CLEAN, EvaluationPlan, attack_labels
from xrobust.metrics.bootstrap import drop_intervals, score_rows, worst_rows
from xrobust.metrics.by_name import metric
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import PAIR, WORST_CASE, PairRows, PerturbedRows, RunResult, ScoreRow, replace_rows
from xrobust.results.store import load_predictions
from xrobust.runtime import signals
from xrobust.runtime.observers import Observers
from xrobust.storage.hashing import file_sha256

logger = logging.getLogger("xrobust")


@dataclass
class Test:
    """One language's test set, and what the model says of it on clean text."""

    language: str
    examples: Sequence[Example]
    rows: DataRows
    clean: list[np.ndarray]
    """For each metric the statistics of each example: (examples, k)."""
    encoded: Encoded | None = None
    perturbed: dict[str, tuple[list[int], list[np.ndarray]]] = field(default_factory=dict)
    """Label -> the indices of the examples that a perturbation changed, and their statistics for each metric."""


class Scorer:
    """Scores one trained model. Each score is on disk before the next is begun, and none is done twice."""

    def __init__(
        self,
        plan: EvaluationPlan,
        model: Any,
        tokenizer: Any,
        folder: RunFolder,
        result: RunResult,
        accelerator: Any,
        observers: Observers,
    ) -> None:
        self.plan = plan
        self.task = plan.task
        self.model = model
        self.tokenizer = tokenizer
        self.folder = folder
        self.result = result
        self.accelerator = accelerator
        self.observers = observers
        self.metrics = [metric(name) for name in plan.task.metrics]
        self.encodings = EncodingCache(plan.task.kind, tokenizer, result.spec.train.training.max_length, accelerator)

    def run(self) -> None:
        """Scores what the plan has and the document has not."""
        scored = self.result.scored(self.plan.used)
        todo = self.plan.left(self.result)
        pairs = self.plan.pairs_left(self.result)
        radii = len(self.plan.attack_labels())
        total = len(pairs) + sum(
            radii if unit == ATTACK else unit != WORST_CASE for units in todo.values() for unit in units
        )
        self.observers.call("phase_started", name="evaluate", total=total)
        for language, units in todo.items():
            if CLEAN in units and language in self.result.scored():
                logger.info("the test rows of %s are not those that it was scored on: it is scored anew", language)
            test = self._clean(language, kept=language in scored)
            for unit in units:
                if isinstance(unit, PerturbedCondition):
                    self._perturbed(test, unit)
                elif unit == ATTACK:
                    self._attacked(test)
            if any(isinstance(unit, PerturbedCondition) for unit in units) or WORST_CASE in units:
                self._worst_case(test)
        if pairs:
            self._pairs(pairs)

    # ------------------------------------------------------------------------------------------------- clean text

    def _clean(self, language: str, *, kept: bool) -> Test:
        started = time.perf_counter()
        train = self.result.spec.train
        examples, rows = load_split(self.task, self.plan.source, "test", language, train.limit)
        guesses = self._kept_predictions(language, None, [e["id"] for e in examples]) if kept else None
        if guesses is not None:
            return Test(language, examples, rows, self._statistics(examples, guesses))
        encoded = self._encode(examples, rows.sha256)
        said = self._predict(encoded, examples)
        test = Test(language, examples, rows, self._statistics(examples, [p.value for p in said]), encoded)
        if kept:  # the predictions were lost, the scores were not
            return test
        scores = self._plain(language, test.clean, rows.sha256, time.perf_counter() - started)
        for label in {row.perturbation for row in self.result.scores if row.language == language} | {
            row.perturbation for row in self.result.data.perturbed if row.language == language
        }:
            self._forget(language, label)
        replace_rows(self.result, [rows])
        self._save(scores, examples, said, None)
        return test

    # --------------------------------------------------------------------------------------------- perturbed text

    def _perturbed(self, test: Test, prepared: PerturbedCondition) -> None:
        """One perturbation: only what it changed is encoded, and the scores are over what it changed."""
        started = time.perf_counter()
        with self.accelerator.main_process_first():  # which keeps the rows for the others
            document, changed = prepared.rows(test.examples, self.task)
        scores: list[ScoreRow] = []
        examples: list[Example] = []
        said: list[Prediction] = []
        if changed:
            indices = sorted(changed)
            examples = [changed[i] for i in indices]
            said = self._predict(self._encode(examples, document.rows_sha256 or fingerprint(examples)), examples)
            statistics = self._statistics(examples, [p.value for p in said])
            test.perturbed[prepared.label] = (indices, statistics)
            seconds = time.perf_counter() - started
            scores = self._against_clean(test, indices, statistics, prepared.label, document.rows_sha256 or "", seconds)
        else:
            logger.info("%s does not cover %s: %s", prepared.label, test.language, document.reason)
            self.observers.call(
                "not_covered", language=test.language, perturbation=prepared.label, reason=document.reason or ""
            )
        self._forget(test.language, prepared.label)
        self._forget(test.language, WORST_CASE)  # which is of what was there before
        self.result.data.perturbed.append(document)
        self._save(scores, examples, said, prepared.label)

    def _against_clean(
        self,
        test: Test,
        indices: list[int],
        after: Sequence[np.ndarray],
        label: str,
        rows_sha256: str,
        seconds: float,
        epsilon: float | None = None,
    ) -> list[ScoreRow]:
        """The scores of the examples `indices` after a change, beside the same examples on clean text."""
        rows = []
        # Not strict: of the worst case there is the main metric alone, the first.
        for scorer, clean, changed in zip(self.metrics, test.clean, after, strict=False):
            whole = clean.copy()
            whole[indices] = changed
            before, everything = scorer.score(clean[indices].sum(axis=0)), scorer.score(whole.sum(axis=0))
            intervals = drop_intervals(scorer, clean[indices], changed)
            for k, s in enumerate(score_rows(scorer, changed)):
                rows.append(
                    ScoreRow(
                        language=test.language,
                        perturbation=label,
                        coverage=len(indices) / len(clean),
                        metric=s.metric,
                        value=s.value,
                        ci_low=s.ci_low,
                        ci_high=s.ci_high,
                        n=s.n,
                        clean_value=float(before[k]),
                        drop=float(before[k]) - s.value,
                        drop_ci_low=intervals[k][0],
                        drop_ci_high=intervals[k][1],
                        value_all=float(everything[k]),
                        epsilon=epsilon,
                        rows_sha256=rows_sha256,
                        seconds=seconds,
                    )
                )
        return rows

    def _worst_case(self, test: Test) -> None:
        """The worst of clean text and all perturbations there are, example by example, in the main metric."""
        started = time.perf_counter()
        there = [row for row in self.result.data.perturbed if row.language == test.language and row.changed_examples]
        for row in there:
            if row.perturbation not in test.perturbed:
                self._recall(test, row)
        if not test.perturbed:
            return
        scorer, clean = self.metrics[0], test.clean[0]
        variants = [clean]
        for _, (indices, statistics) in sorted(test.perturbed.items()):  # in whatever order they were scored
            variant = clean.copy()
            variant[indices] = statistics[0]
            variants.append(variant)
        changed = sorted({i for indices, _ in test.perturbed.values() for i in indices})
        worst = worst_rows(scorer, variants)[changed]
        rows = self._against_clean(
            test,
            changed,
            [worst],
            WORST_CASE,
            test.rows.sha256,
            time.perf_counter() - started,
        )
        self._forget(test.language, WORST_CASE)
        self._save(rows[:1], [], [], None)

    def _recall(self, test: Test, row: PerturbedRows) -> None:
        """Statistics of a perturbation that was scored by an earlier command, from its predictions on disk."""
        index = {example["id"]: i for i, example in enumerate(test.examples)}
        try:
            said = load_predictions(self.folder.path, test.language, row.perturbation)
        except UserError as error:
            logger.warning("the worst case of %s is without %s: %s", test.language, row.perturbation, error)
            return
        if all(r["id"] in index for r in said):
            gold = [r["label"] for r in said]
            statistics = [
                m.statistics(gold, [r["prediction"] for r in said], self.task.kind.labels) for m in self.metrics
            ]
            test.perturbed[row.perturbation] = ([index[r["id"]] for r in said], statistics)

    # ------------------------------------------------------------------------------------------------------ attack

    def _attacked(self, test: Test) -> None:
        """The scores under the worst offset found in a ball around every embedding, for each radius."""
        from xrobust.engine.attack import attack

        started = time.perf_counter()
        params = self.plan.attack
        assert params is not None
        encoded = self._encode(test.examples, test.rows.sha256) if test.encoded is None else test.encoded
        outputs = attack(
            self.model,
            encoded,
            params.radii(self.embedding_norm),
            steps=params.steps,
            step_size=params.step(self.embedding_norm),
            norm=params.norm,
            seed=params.seed,
            accelerator=self.accelerator,
            pad_id=self.tokenizer.pad_token_id,
        )
        everything = list(range(len(test.examples)))
        for label in attack_labels(self.result, test.language):  # one curve a language: a ball goes on from the last
            self._forget(test.language, label)
        for label, epsilon, items in zip(self.plan.attack_labels(), params.epsilons, outputs, strict=True):
            said = self.task.kind.decode(items, encoded, test.examples)
            statistics = self._statistics(test.examples, [p.value for p in said])
            seconds = (time.perf_counter() - started) / len(params.epsilons)
            rows = self._against_clean(test, everything, statistics, label, test.rows.sha256, seconds, epsilon)
            self._forget(test.language, label)
            self._save(rows, test.examples, said, label)

    @cached_property
    def embedding_norm(self) -> float:
        """Mean L2 norm of the rows of the *pre-trained* input embedding matrix, the same for every method."""
        if self.result.model.embedding_norm is None:  # a document from before it was written down
            from xrobust.models.pretrained import load_encoder
            from xrobust.models.trained import check_unchanged

            train, base = self.result.spec.train, self.result.environment.model_path
            check_unchanged(base, train.model)
            encoder = load_encoder(self.task.kind, base, revision=train.model.get("revision"), seed=train.seed)
            self.result.model.embedding_norm = encoder.embedding_norm
        return self.result.model.embedding_norm

    # --------------------------------------------------------------------------------------------- mixed languages

    def _pairs(self, pairs: Sequence[str]) -> None:
        """Each language is tokenised once, however many pairs it is in; none where all pairs are in the cache."""
        from xrobust.encoding.pairs import PairEncoder

        kind, train = require_pair_task(self.task), self.result.spec.train
        encoder = PairEncoder(self.tokenizer, train.training.max_length)
        codes = dict.fromkeys(code for pair in pairs for code in pair.split(PAIR))
        tests = {code: load_split(self.task, self.plan.source, "test", code, train.limit) for code in codes}
        sides = cache(lambda code: kind.tokenise(tests[code][0], encoder))
        for pair in pairs:
            started = time.perf_counter()
            first, second = pair.split(PAIR)
            mixed = align(tests[first][0], tests[second][0], (first, second))
            sha256 = fingerprint(mixed.examples)
            encoded = self.encodings.encode_joined(
                {"rows": sha256},
                len(mixed.examples),
                lambda: kind.join(sides(first), sides(second), mixed.examples, encoder),  # noqa: B023 - called at once
            )
            said = self._predict(encoded, mixed.examples)
            rows = PairRows(
                pair=pair,
                rows=len(mixed.examples),
                unaligned=mixed.unaligned,
                disagreeing=mixed.disagreeing,
                first_sha256=tests[first][1].sha256,
                second_sha256=tests[second][1].sha256,
            )
            self.result.data.pairs = [row for row in self.result.data.pairs if row.pair != pair] + [rows]
            statistics = self._statistics(mixed.examples, [p.value for p in said])
            scores = self._plain(pair, statistics, sha256, time.perf_counter() - started)
            self._forget(pair, None)
            self._save(scores, mixed.examples, said, None)

    # ------------------------------------------------------------------------------------------------------ shared

    def _plain(self, language: str, statistics: list[np.ndarray], rows_sha256: str, seconds: float) -> list[ScoreRow]:
        """The scores of clean text."""
        return [
            ScoreRow(
                language=language,
                metric=s.metric,
                value=s.value,
                ci_low=s.ci_low,
                ci_high=s.ci_high,
                n=s.n,
                rows_sha256=rows_sha256,
                seconds=seconds,
            )
            for scorer, rows in zip(self.metrics, statistics, strict=True)
            for s in score_rows(scorer, rows)
        ]

    def _encode(self, examples: Sequence[Example], rows_sha256: str) -> Encoded:
        return self.encodings.encode({"rows": rows_sha256}, lambda: examples)

    def _predict(self, encoded: Encoded, examples: Sequence[Example]) -> list[Prediction]:
        from xrobust.evaluation.predictions import predict_examples

        pad_id = self.tokenizer.pad_token_id
        return predict_examples(self.task, self.model, encoded, examples, self.accelerator, pad_id)

    def _statistics(self, examples: Sequence[Example], values: Sequence[Any]) -> list[np.ndarray]:
        gold = [example[self.task.kind.gold_column] for example in examples]
        return [scorer.statistics(gold, values, self.task.kind.labels) for scorer in self.metrics]

    def _kept_predictions(self, language: str, label: str | None, ids: list[str]) -> list[Any] | None:
        """What was predicted earlier, or None where it is not there any more as it was written."""
        artifact = self.result.artifacts.get(artifact_key(language, label))
        if artifact is None:
            return None
        path = self.folder.path / artifact.path
        if not path.is_file() or file_sha256(path) != artifact.sha256:
            return None
        said = load_predictions(self.folder.path, language, label)
        return [row["prediction"] for row in said] if [row["id"] for row in said] == ids else None

    def _forget(self, language: str, label: str | None) -> None:
        """Takes a language under a condition out of the document, just before what is new of it is put in."""

        def other(row: ScoreRow | PerturbedRows) -> bool:
            return (row.language, row.perturbation) != (language, label)

        self.result.scores = [row for row in self.result.scores if other(row)]
        self.result.data.perturbed = [row for row in self.result.data.perturbed if other(row)]
        self.result.artifacts.pop(artifact_key(language, label), None)

    def _save(
        self,
        scores: Sequence[ScoreRow],
        examples: Sequence[Example],
        said: Sequence[Prediction],
        label: str | None,
    ) -> None:
        """Puts scores into the document, writes it and the predictions, and tells the observers."""
        main = self.accelerator.is_main_process
        with signals.held():  # what was predicted is not to be done again
            if main and said:
                language = scores[0].language
                self.result.artifacts[artifact_key(language, label)] = self.folder.save_predictions(
                    language, self.task.kind, examples, said, label
                )
            self.result.scores = in_order([*self.result.scores, *scores], self.result)
            if main:
                self.folder.save(self.result)
        for row in scores:
            self.observers.call("language_scored", row=row.model_dump(mode="json"))


def artifact_key(language: str, label: str | None) -> str:
    """What the predictions of a language, under a condition, are called in the document."""
    return "/".join(("predictions", *([label] if label else []), language))


def in_order(rows: Sequence[ScoreRow], result: RunResult) -> list[ScoreRow]:
    """Rows by language, then clean text, perturbations as they were first asked for, and the worst case."""
    spec = result.spec.evaluation
    languages = {code: i for i, code in enumerate((*spec.languages, *spec.pairs))}
    labels: dict[str | None, int] = {p.label: i for i, p in enumerate(spec.perturbations)}
    labels[None] = -1

    def place(row: ScoreRow) -> tuple[int, int, float]:
        order = labels.get(row.perturbation, len(labels)) + (row.perturbation == WORST_CASE)
        return languages.get(row.language, len(languages)), order, row.epsilon or 0.0

    return sorted(rows, key=place)
