"""The result document: one JSON document a run. `xrobust schema` prints its JSON Schema.

Numbers are numbers, scores are fractions of 1, times are seconds, sizes are bytes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from xrobust.config.resolved_spec import Spec
from xrobust.config.tuning_record import TuningSection
from xrobust.data.splits import DataRows, RowsOrigin
from xrobust.errors import UserError
from xrobust.results.host_free import host_free
from xrobust.results.score_key import Pair, ScoreKey, Section
from xrobust.results.sections import (
    Artifact,
    DataSection,
    Environment,
    Local,
    ModelSection,
    PerturbedRows,
    ScoreRow,
    Summary,
    TrainingSection,
    Unscored,
)
from xrobust.storage.hashing import canonical_json

logger = logging.getLogger("xrobust")

SCHEMA_VERSION = 2
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00$")]
"""UTC, ISO 8601, to the second."""
Status = Literal["running", "interrupted", "failed", "complete"]


class RunResult(Section):
    """The result document of one run."""

    schema_version: Literal[2] = 2
    run_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    group_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    status: Status
    error: str | None = None
    started: Time
    updated: Time
    spec: Spec
    model: ModelSection
    data: DataSection
    environment: Environment
    local: Local | None
    """Null in a document that was exported."""
    training: TrainingSection | None = None
    tuning: TuningSection | None = None
    """Null where the settings were not tuned by `xrobust sweep`."""
    scores: list[ScoreRow] = []
    summary: Summary | None = None
    supervision: list[str]
    """Data that training saw: `source`, `target_unlabelled`, `bitext`, `target_few_shot`."""
    sample: bool = False
    """True if any of the data are the small ones that come with xrobust: such a score means nothing outside a test."""
    artifacts: list[Artifact] = []
    warnings: list[str] = []
    unscored: list[Unscored] | None = None
    """Test sets that were asked for and have no score of that asking; null in documents of earlier versions."""
    sums: dict[str, str] = {}
    """sha256 of each field of this document as canonical JSON, but for `local` and the sums; empty in documents from
    before it was written down."""
    sha256: str | None = None
    """sha256 of this document as canonical JSON, without this field and without `local`."""

    def warn(self, text: str) -> None:
        """Logs a warning and adds it to the document, once; without the paths in it, which only the log has."""
        if (stored := host_free(text)) not in self.warnings:
            logger.warning(text)
            self.warnings.append(stored)

    def forget_training(self) -> None:
        """Takes out all that says how the model was trained and what it scored, for training that begins or goes on."""
        self.training, self.summary = None, None
        self.scores, self.artifacts, self.data.perturbed, self.data.pairs = [], [], [], []
        self.unscored = []

    def require_local(self) -> Local:
        """The section `local`. Raises UserError for a document that was exported, which has none."""
        if self.local is None:
            raise UserError(
                f"the document of run {self.run_id} was exported: it does not say where its model and data lie; "
                "use the run's own folder"
            )
        return self.local

    def exported(self) -> dict[str, Any]:
        """The document as plain values without the section `local`: what to hand on and to publish.

        Its sums are those of these values: a document that is older than a field has none of it in its own.
        """
        whole = self.model_copy(update={"local": None})
        whole.sums = whole.computed_sums()
        whole.sha256 = whole.computed_sha256()
        return whole.model_dump(mode="json")

    def computed_sha256(self) -> str:
        """The value that the field `sha256` must have."""
        whole = self.model_dump(mode="json", exclude={"local", "sha256"})
        return hashlib.sha256(canonical_json(whole).encode()).hexdigest()

    def computed_sums(self) -> dict[str, str]:
        """The value that the field `sums` must have. Raises ValueError for numbers that are not finite."""
        return section_sums(self.model_dump(mode="json"))

    def predictions_of(self, under: ScoreKey) -> Artifact | None:
        """The file with the predictions of a test set under a condition, or None."""
        return next((artifact for artifact in self.artifacts if artifact.of == under), None)

    def examples_of(self, under: ScoreKey | None) -> int | None:
        """The number of examples scored in a test set under a condition; None where it has no score."""
        return next((row.n for row in self.scores if row.key == under), None)

    def clean_scores(self) -> list[ScoreRow]:
        """The rows of single languages on clean text."""
        return [row for row in self.scores if row.condition == "clean" and row.pair is None]

    def scored(self, used: Iterable[DataRows] = ()) -> set[str]:
        """Languages that have clean scores; of those whose test rows are in `used`, the ones scored on these rows."""
        expected = {row.language: row.sha256 for row in used if row.split == "test"}
        return {
            row.language
            for row in self.clean_scores()
            if row.language is not None and row.rows_sha256 == expected.get(row.language, row.rows_sha256)
        }

    def is_scored(self) -> bool:
        """True if every request has scores, or is known to have none, and there are scores at all.

        Of what `eval` asked for, a test set that could not be scored is no request any more.
        """
        if not self.scores:
            return False
        if self.unscored is None:
            return not self._lacking()
        return all(one.added and one.error is not None for one in self.unscored)

    def ask(self, keys: Iterable[ScoreKey], *, added: bool) -> None:
        """Notes test sets that are to be scored; `added`: by `eval`, to what the run itself was asked for."""
        if self.unscored is None:
            before = [] if self.status == "complete" else self._lacking()
            self.unscored = [Unscored(of=key) for key in before]
        owed = {one.of for one in self.unscored if not one.added}
        asked = dict.fromkeys(keys)
        kept = [one for one in self.unscored if one.of not in asked]
        self.unscored = [*kept, *(Unscored(of=key, added=added and key not in owed) for key in asked)]

    def settle(self, under: ScoreKey) -> None:
        """Notes that nothing is left to score of a test set under a condition."""
        self.unscored = [one for one in self.unscored or () if one.of != under]

    def note_failure(self, under: ScoreKey, error: str) -> None:
        """Notes the reason that a test set under a condition, which was asked for, could not be scored."""
        for one in self.unscored or ():
            if one.of == under:
                one.error = host_free(error)

    def give_up(self, error: str, *, everything: bool = False) -> None:
        """Notes that what `eval` asked for, or `everything`, and is not scored, is not asked for any more, and why."""
        for one in self.unscored or ():
            if one.added or everything:
                one.added, one.error = True, one.error or host_free(error)

    def _lacking(self) -> list[ScoreKey]:
        """Columns of the scores that the spec asks for and the document lacks: for one without `unscored`."""
        spec, scored = self.spec.evaluation, {row.key for row in self.scores}
        tried = {(row.language, row.perturbation) for row in self.data.perturbed}
        attacked = {row.language for row in self.scores if row.condition == "attack"}
        attack = "" if spec.attack is None else spec.attack.name
        keys = [ScoreKey(language=code) for code in spec.languages]
        keys += [ScoreKey(pair=pair) for pair in spec.pairs]
        return [
            *(key for key in keys if key not in scored),
            *(
                ScoreKey(condition="perturbed", language=code, perturbation=label)
                for label, codes in spec.under.items()
                for code in codes
                if (code, label) not in tried
            ),
            *(
                ScoreKey(condition="attack", language=code, attack=attack)
                for code in spec.attacked
                if code not in attacked
            ),
        ]

    def scored_pairs(self, used: Iterable[DataRows]) -> set[Pair]:
        """Pairs that have scores on the test rows in `used`."""
        expected = {row.language: row.sha256 for row in used if row.split == "test"}
        scored = {row.pair for row in self.scores}
        return {
            row.pair
            for row in self.data.pairs
            if row.pair in scored and [row.first_sha256, row.second_sha256] == [expected.get(code) for code in row.pair]
        }

    def perturbed(self, language: str, label: str) -> PerturbedRows | None:
        """The entry on the perturbed rows of a language, or None."""
        for row in self.data.perturbed:
            if (row.language, row.perturbation) == (language, label):
                return row
        return None

    def value(self, language: str, metric: str | None = None) -> float:
        """A clean score. Raises KeyError if there is none."""
        wanted = metric or self.main_metric
        for row in self.clean_scores():
            if row.language == language and row.metric == wanted:
                return row.value
        raise KeyError(f"no {wanted} for {language}")

    @property
    def main_metric(self) -> str:
        """The first metric of the task: the first that was scored."""
        return self.scores[0].metric

    def main_scores(self) -> list[ScoreRow]:
        """The rows of the main metric."""
        return [row for row in self.scores if row.metric == self.main_metric]


def section_sums(document: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of each field of a document in plain values, but for `local` and the sums themselves. Raises ValueError
    for numbers that are not finite."""
    return {
        name: hashlib.sha256(canonical_json(value).encode()).hexdigest()
        for name, value in document.items()
        if name not in ("local", "sums", "sha256")
    }


def replace_rows(result: RunResult, used: Iterable[DataRows], origin: RowsOrigin) -> None:
    """Puts test rows, which are from `origin`, into the document, in place of older ones of the same languages."""
    other = other_origin(result, origin)
    new = {row.language: row.model_copy(update={"origin": other}) for row in used}
    if new and origin.sample:
        result.sample = True
    replaced = [new.pop(row.language, row) if row.split == "test" else row for row in result.data.used]
    result.data.used = [*replaced, *new.values()]


def other_origin(result: RunResult, origin: RowsOrigin) -> RowsOrigin | None:
    """The source of rows if it is another than the document's; else None."""
    same = (origin.id, origin.revision) == (result.data.id, result.data.revision)
    return None if same else origin


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None, or None if there are none."""
    present = [value for value in values if value is not None]
    return sum(present) / len(present) if present else None


def now() -> str:
    """The time, UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def json_schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunResult.model_json_schema()}
