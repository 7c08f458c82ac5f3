"""A perturbation made ready for one language."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from xrobust.contracts import Example, NotCovered, Perturbation, Task
from xrobust.data.checks import fingerprint
from xrobust.evaluation.apply_perturbation import AppliedPerturbation, perturb
from xrobust.evaluation.requested_perturbations import RequestedPerturbation
from xrobust.results.schema import PerturbedRows
from xrobust.storage import cache

SECTION = "perturbed"
"""Where perturbed rows are kept, in the cache."""


@dataclass
class PerturbedCondition:
    """A perturbation made ready for one language, or the reason why it does not cover it."""

    condition: RequestedPerturbation
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
            found = AppliedPerturbation({}, 0, 0)
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

    def _make(self, examples: Sequence[Example], task: Task) -> AppliedPerturbation | None:
        spec = self.condition.spec
        try:
            found = perturb(self.begin(), task.kind, examples, self.language, spec.seed)
        except NotCovered as reason:
            self.reason = str(reason)
            return None
        counts = {"tokens": found.tokens, "changed_tokens": found.changed_tokens}
        cache.write_lines(SECTION, self.key, iter([counts, *([i, found.rows[i]] for i in sorted(found.rows))]))
        return found

    def _kept(self) -> AppliedPerturbation | None:
        lines = cache.read_lines(SECTION, self.key)
        return None if lines is None else AppliedPerturbation(dict(lines[1:]), **lines[0])
