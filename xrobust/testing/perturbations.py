"""Conformance tests of perturbations: golden cases, and checks that must hold for each of them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xrobust.config.validation import validated
from xrobust.contracts import (
    Example,
    GoldenCase,
    Kind,
    NotCovered,
    Perturbation,
    PerturbationContext,
    Task,
)
from xrobust.contracts.task import Recipe, TaskInfo
from xrobust.evaluation.apply_perturbation import example_rng, violation
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification
from xrobust.metrics.entities import entity_spans


def check_perturbation(cls: type[Perturbation]) -> int:
    """Runs every golden case of a perturbation. Returns their number.

    Raises AssertionError, which names the case, where an output is not the expected one, depends on anything but the
    example and the seed, or does not keep the gold label; and where there is no case at all.
    """
    cases = cls.golden()
    assert cases, f"perturbation {cls.info.name!r} ships no golden cases: golden/{cls.info.name}.jsonl is not there"
    for number, case in enumerate(cases, start=1):
        try:
            check_golden_case(cls, case)
        except AssertionError as error:
            raise AssertionError(f"{cls.info.name}, golden case {number} ({case.language}): {error}") from error
    return len(cases)


def check_golden_case(cls: type[Perturbation], case: GoldenCase) -> None:
    """Runs one case, twice and in another order. Raises AssertionError."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for name, content in case.files.items():
            files[name] = Path(folder, name)
            files[name].write_text(content, encoding="utf-8")
        first, second = set_up_case(cls, case, files), set_up_case(cls, case, files)
        kind = kind_of(case.example)
        before = repr(case.example)
        output = _apply(first, case)
        assert repr(case.example) == before, "it changed the example that it was given"
        assert output == case.expected, f"{_shown(output)} came out where {_shown(case.expected)} is expected"
        again = dict(case.example, id=f"{case.example['id']}, another")
        _apply(second, case, again)  # another example before: nothing may be carried over
        assert _apply(second, case) == output, "another output after another example: it must depend on `rng` alone"
        if first is not None and output is not None:
            problem = violation(first, kind, case.example, output)
            assert problem is None, problem


def set_up_case(cls: type[Perturbation], case: GoldenCase, files: Mapping[str, Path]) -> Perturbation | None:
    """A perturbation that is ready for the case, or None where it says that it does not cover the language."""
    import numpy as np

    perturbation = cls(validated(cls.Params, case.params, f"perturb.{cls.info.name}"))
    if perturbation.language_problem(case.language) is not None:
        return None

    def vectors(words: Sequence[str], max_pieces: int | None) -> Any:
        return np.array([case.vectors[word] for word in words], dtype=np.float32)

    context = PerturbationContext(
        task=task_of(case.example),
        language=case.language,
        source=case.source,
        files=files,
        needs=cls.needs,
        sources={
            "source_train": lambda: list(case.source_train),
            "target_train": lambda: case.target_train,
            "target_test": lambda: [case.example] if case.target_test is None else list(case.target_test),
            "encoder": lambda: vectors,
        },
    )
    try:
        perturbation.prepare(context)
    except NotCovered:
        return None
    return perturbation


def kind_of(example: Mapping[str, Any]) -> Kind:
    """The kind of task that an example's columns belong to."""
    if "tokens" in example:
        return TokenClassification(tuple(dict.fromkeys(("O", *example["tags"], *_inside(example["tags"])))))
    if "choices" in example:
        return MultipleChoice(("A", "B", "C", "D"))
    return SequenceClassification((str(example["label"]),))


def _inside(tags: Sequence[str]) -> list[str]:
    """The tags of each type of entity: one may get longer, and a stray I- is written B- when it is replaced."""
    return [f"{prefix}-{span.type}" for span in entity_spans(tags) for prefix in "BI"]


def task_of(example: Mapping[str, Any]) -> Task:
    """A minimal task of the example's kind."""

    class Golden(Task):
        info = TaskInfo(name="golden", summary="", languages=(), license="", citation="")
        kind = kind_of(example)
        metrics = ("accuracy",)
        columns = ()
        recipe = Recipe(epochs=1, learning_rate=1.0)

    return Golden()


def _apply(perturbation: Perturbation | None, case: GoldenCase, example: Example | None = None) -> Example | None:
    if perturbation is None:
        return None
    example = case.example if example is None else example
    rng = example_rng(case.seed, perturbation.info.name, case.language, example["id"])
    after = perturbation.apply(example, case.language, rng)
    return None if after is None or after == example else dict(after)


def _shown(example: Example | None) -> str:
    if example is None:
        return "nothing"
    return " | ".join(str(value) for key, value in example.items() if key != "id")
