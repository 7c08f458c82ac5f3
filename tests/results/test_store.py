"""What is on disk: written whole or not at all, verified when it is read, and said plainly when a run ends badly."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from handmade_runs import signed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xrobust import load_result
from xrobust.config.resolved_spec import group_id, run_id
from xrobust.contracts import Prediction
from xrobust.contracts.hooks import hookimpl
from xrobust.errors import RunError, UserError
from xrobust.kinds import SequenceClassification, TokenClassification
from xrobust.results import store
from xrobust.results.run_folder import RunFolder
from xrobust.results.schema import RunResult
from xrobust.results.score_key import ScoreKey
from xrobust.results.store import load_predictions, read_predictions, save_predictions, save_result
from xrobust.results.summary import summarise
from xrobust.runtime.observers import Observers
from xrobust.storage.atomic import write_atomically, writing
from xrobust.storage.hashing import canonical_json, file_sha256

one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
"""Each example overwrites what the one before wrote: that is what is tested."""


# ---------------------------------------------------------------------------------------------------- atomic writes


@one_folder
@given(st.binary(max_size=200))
def test_a_write_replaces_the_content(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    write_atomically(path, lambda file: file.write(content))
    assert path.read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert len(file_sha256(path)) == 64


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (OSError(28, "No space left on device"), RunError),
        (KeyError("x"), KeyError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["full disk", "a defect", "Ctrl-C"],
)
@pytest.mark.parametrize("before", [b"old", None], ids=["over a file", "a new file"])
def test_a_failing_write_leaves_what_was_there(
    tmp_path: Path, error: BaseException, raised: type[BaseException], before: bytes | None
) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)

    def write(file: Any) -> None:
        file.write(b"half of the new cont")
        file.flush()
        raise error

    with pytest.raises(raised) as caught:
        write_atomically(path, write)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == ([("file", before)] if before is not None else [])
    if raised is RunError:
        assert str(caught.value) == f"cannot write {path}: No space left on device"


def test_a_write_that_cannot_begin(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot write .*nowhere/file: No such file"):
        write_atomically(tmp_path / "nowhere" / "file", lambda file: file.write(b"x"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(RunError, match=r"cannot write .*file/file: Not a directory"):
        write_atomically(tmp_path / "file" / "file", lambda file: file.write(b"x"))
    with pytest.raises(RunError, match=r"cannot write a\.b: why$"), writing(Path("a.b")):
        raise OSError("why")


# ----------------------------------------------------------------------------------------------------- the document


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the folder of a complete run."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))


def test_the_document_goes_through_a_file_unchanged(run: Path) -> None:
    first = load_result(run)
    assert first.model_dump(mode="json") == json.loads((run / "result.json").read_text())
    save_result(run, first)
    second = load_result(run / "result.json")
    assert second.updated >= first.started
    assert second.model_copy(update={"updated": first.updated}) == first
    assert load_result(str(run)) == second
    train = first.spec.train.model_dump(mode="json")
    assert (run_id(train), group_id(train)) == (first.run_id, first.group_id)
    assert first.value("de") == next(r.value for r in first.scores if (r.language, r.metric) == ("de", "accuracy"))
    assert first.value("de", "xtreme_f1") != first.value("de")
    with pytest.raises(KeyError, match="no accuracy for sw"):
        first.value("sw")


def test_the_summary_is_computed_from_the_scores(run: Path) -> None:
    """Perturbed rows and other metrics are no part of it; without scores there is none."""
    result = load_result(run)
    expected = result.summary
    german = result.scores[0]
    result.scores.append(german.model_copy(update={"condition": "perturbed", "perturbation": "typos", "value": 0.0}))
    result.summary = None
    result.summary = summarise(result)
    assert result.summary is not None and [row.perturbation for row in result.summary.robustness] == ["typos"]
    assert result.summary.model_copy(update={"robustness": []}) == expected
    result.scores = []
    result.summary = summarise(result)
    assert result.summary is None


def changed(run: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    document = json.loads((run / "result.json").read_text())
    change(document)
    (run / "result.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(schema_version=3), r": schema version 3 where this xrobust reads 1 and 2$"),
        (lambda d: d.pop("schema_version"), r": schema version None where this xrobust reads 1 and 2$"),
        (lambda d: d.update(note="mine"), r"does not fit the schema at note: "),
        (lambda d: d["scores"][1].update(note="mine"), r"does not fit the schema at scores\.1\.note: "),
        (lambda d: d["spec"]["train"].update(note="mine"), r"does not fit the schema at spec\.train\.note: "),
        (lambda d: d.pop("spec"), r"does not fit the schema at spec: "),
        (lambda d: d.update(status="done"), r"does not fit the schema at status: "),
        (lambda d: d["scores"][0].update(value="high"), r"does not fit the schema at scores\.0\.value: "),
        (lambda d: d["scores"][0].pop("metric"), r"does not fit the schema at scores\.0\.metric: "),
        (lambda d: d["spec"]["train"]["training"].update(epochs=0), r"at spec\.train\.training\.epochs: "),
        (lambda d: d["spec"]["train"]["training"].update(learning_rate=float("nan")), r"training\.learning_rate: "),
        (lambda d: d["spec"]["train"].update(limit=-5), r"does not fit the schema at spec\.train\.limit: "),
        (lambda d: d["spec"]["train"].update(seed=10**30), r"does not fit the schema at spec\.train\.seed: "),
        (lambda d: d.update(run_id="x"), r"does not fit the schema at run_id: "),
        (lambda d: d.update(run_id="0" * 16), r"does not fit the spec in it: the document was changed$"),
        (lambda d: d.update(group_id="0" * 16), r"does not fit the spec in it: the document was changed$"),
        (lambda d: d["spec"]["train"].update(seed=1), r"the document was changed$"),
        (lambda d: d["spec"]["train"]["training"].update(learning_rate=5e-4), r"the document was changed$"),
        (lambda d: d["spec"]["train"]["training"].pop("weight_decay"), r"the document was changed$"),
        (lambda d: d["spec"]["train"]["data"].update(train="0" * 64), r"the document was changed$"),
        (
            lambda d: d["scores"][0].update(value=0.99),
            r": scores does not fit the sha256 in `sums`: the document was c",
        ),
        (
            lambda d: d.update(sample=True) or (d["scores"].pop() and d["warnings"].append("fine")),
            r": scores and sample and warnings do not fit the sha256 in `sums`: the document was changed$",
        ),
        (
            lambda d: d["scores"][1].update(value=float("nan")),
            r": scores\.1 \(xtreme_f1 of de, clean\): value is nan: the document was changed$",
        ),
        (lambda d: d["training"]["curve"][0].update(loss=float("inf")), r": training\.curve\.0\.loss is inf: the doc"),
        (lambda d: d.pop("sums") and d["scores"].pop(), r": its sha256 does not fit its content: the document was c"),
        (lambda d: d["sums"].update(scores="0" * 64), r": scores does not fit the sha256 in `sums`"),
        (lambda d: d["warnings"].append("\ud800"), r"surrogates not allowed|string_unicode|at warnings"),
        (lambda d: d.update(sha256="0" * 64), r": its sha256 does not fit its content"),
    ],
)
def test_a_document_that_is_refused(run: Path, change: Callable[[dict[str, Any]], Any], message: str) -> None:
    changed(run, change)
    with pytest.raises(UserError, match=message) as caught:
        load_result(run)
    assert str(run / "result.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_scored_is_no_part_of_the_identity(run: Path) -> None:
    changed(run, lambda d: d["spec"]["evaluation"]["languages"].append("sw") or d.update(signed(d)))
    assert load_result(run).spec.evaluation.languages == ("de", "en", "fr", "sw")


def test_the_sha256_is_that_of_the_values_however_they_are_written(run: Path) -> None:
    """An export has the same; a program may sort keys or write 1 for 1.0; a field may be newer than the document."""
    first = load_result(run)
    (run / "result.json").write_text(json.dumps(first.exported(), sort_keys=True))
    assert load_result(run).sha256 == first.sha256
    changed(run, lambda d: [row.update(coverage=1) for row in d["scores"]])
    assert load_result(run).scores == first.scores

    def as_before_the_field(document: dict[str, Any]) -> None:
        del document["sample"]
        whole = {key: value for key, value in document.items() if key not in ("local", "sha256")}
        document["sha256"] = hashlib.sha256(canonical_json(whole).encode()).hexdigest()

    changed(run, as_before_the_field)
    assert load_result(run).scores == first.scores
    # What is handed on of such a document has all fields, and sums of its own.
    (run / "result.json").write_text(json.dumps(load_result(run).exported()))
    assert load_result(run).scores == first.scores


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a result document"),
        (b"{", "is not a result document"),
        (b"\xff\xfe", "is not a result document"),
        (b"[" * 100_000, "is not a result document"),
        (b"[]", "is not a result document: it holds no fields$"),
        (b"null", "is not a result document: it holds no fields$"),
        (b'{"status": "failed", "status": "complete"}', "is not a result document: the key 'status' is there twice$"),
        (b"1" * 5000, "is not a result document: a whole number of too many digits$"),
        (b"{}", "schema version None"),
        (b'{"schema_version": 1}', "does not fit schema version 1"),
        (b'{"schema_version": 2}', "does not fit the schema"),
    ],
    ids=lambda value: value[:20].decode(errors="replace") if isinstance(value, bytes) else "",
)
def test_what_is_no_document(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_result(tmp_path)


@one_folder
@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
)
def test_anything_else_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "result.json").write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_result(tmp_path)
    assert "result.json" in str(caught.value)


def test_no_document_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run at .*nowhere: .* does not exist \(xrobust runs DIR lists"):
        load_result(tmp_path / "nowhere")
    (tmp_path / "result.json").mkdir()
    with pytest.raises(UserError, match="is a folder, where a file belongs"):
        load_result(tmp_path)


# ------------------------------------------------------------------------------------------------------ predictions

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
score = st.floats(0, 1, width=32)


@one_folder
@given(st.lists(st.tuples(text, st.sampled_from("ab"), st.sampled_from("ab"), st.tuples(score, score)), max_size=5))
def test_predictions_of_labels_go_through_a_file(tmp_path: Path, rows: list[Any]) -> None:
    kind = SequenceClassification(("a", "b"))
    examples = [{"id": name, "text": "...", "label": gold} for name, gold, _, _ in rows]
    predictions = [Prediction(guess, list(scores)) for _, _, guess, scores in rows]
    artifact = save_predictions(tmp_path, ScoreKey(language="de"), kind, examples, predictions)
    assert read_predictions(tmp_path, artifact, None) == [
        {"id": name, "label": gold, "prediction": guess, "scores": list(scores)} for name, gold, guess, scores in rows
    ]
    assert artifact.path == "predictions/de.parquet"
    assert artifact.sha256 == file_sha256(tmp_path / artifact.path)


token = st.tuples(st.sampled_from("XYZ"), st.sampled_from("XYZ"), score)


@one_folder
@given(st.lists(st.lists(token, max_size=4), max_size=4))
def test_predictions_of_tags_go_through_a_file(tmp_path: Path, sentences: list[Any]) -> None:
    kind = TokenClassification(("X", "Y", "Z"))
    examples = [
        {"id": str(i), "tokens": ["t"] * len(s), "tags": [gold for gold, _, _ in s]} for i, s in enumerate(sentences)
    ]
    predictions = [Prediction([guess for _, guess, _ in s], [p for _, _, p in s]) for s in sentences]
    artifact = save_predictions(tmp_path, ScoreKey(language="zh"), kind, examples, predictions)
    assert read_predictions(tmp_path, artifact, None) == [
        {"id": e["id"], "label": e["tags"], "prediction": list(p.value), "scores": list(p.scores)}
        for e, p in zip(examples, predictions, strict=True)
    ]


def test_predictions_that_are_not_there(run: Path) -> None:
    with pytest.raises(UserError, match=r"no predictions for 'sw' in .*: score it with xrobust eval .* --languages sw"):
        load_predictions(run, "sw")
    assert load_predictions(run / "result.json", "de") == load_predictions(run, "de")
    (run / "predictions" / "sw.parquet").write_bytes((run / "predictions" / "de.parquet").read_bytes())
    with pytest.raises(UserError, match=r"no predictions for 'sw' in "):
        load_predictions(run, "sw")
    (run / "predictions" / "de.parquet").unlink()
    with pytest.raises(UserError, match=r"its predictions are missing, .*/predictions/de\.parquet does not exist$"):
        load_predictions(run, "de")


def test_more_predictions_than_examples_are_not_read(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = run / "predictions" / "de.parquet"
    pq.write_table(pa.table({"id": pa.array(["a"] * 1000).dictionary_encode()}), file)
    with_artifact(run, sha256=file_sha256(file))
    monkeypatch.setattr(pq.ParquetFile, "read", None)
    with pytest.raises(UserError, match=r"de\.parquet holds 1000 predictions where the document says \d+ examples$"):
        load_predictions(run, "de")


def with_artifact(run: Path, **values: Any) -> None:
    """Changes what a document says of its German predictions, and its sums with it."""
    result = load_result(run)
    artifact = result.predictions_of(ScoreKey(language="de"))
    assert artifact is not None
    for name, value in values.items():
        setattr(artifact, name, value)
    save_result(run, result)


def test_predictions_that_are_no_table(run: Path) -> None:
    file = run / "predictions" / "de.parquet"
    file.write_bytes(b"PAR1 cut off")
    with_artifact(run, sha256=file_sha256(file))
    with pytest.raises(UserError, match=r"predictions/de\.parquet cannot be read: ") as caught:
        load_predictions(run, "de")
    assert "\n" not in str(caught.value)


def test_predictions_outside_of_the_run(run: Path) -> None:
    file = shutil.copy(run / "predictions" / "de.parquet", run.parent / "other.parquet")
    with_artifact(run, path="../other.parquet", sha256=file_sha256(Path(file)))
    with pytest.raises(UserError, match=r"lie outside the run's folder, at \.\./other\.parquet$"):
        load_predictions(run, "de")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_not_written(run: Path, bad: float) -> None:
    result, before = load_result(run), (run / "result.json").read_bytes()
    result.scores[1] = result.scores[1].model_copy(update={"ci_low": bad})
    with pytest.raises(RunError, match=rf"cannot be written: scores\.1 \(xtreme_f1 of de, clean\): ci_low is {bad}$"):
        save_result(run, result)
    assert (run / "result.json").read_bytes() == before


# ------------------------------------------------------------------------------------------------------- run folder


class Listener:
    """Notes what observers are told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    @hookimpl
    def run_failed(self, error: str, folder: str) -> None:
        self.heard.append((error, folder))

    @hookimpl
    def run_interrupted(self, run_id: str, folder: str) -> None:
        assert run_id == load_result(folder).run_id
        self.heard.append(("interrupted", folder))


def record(run: Path, error: BaseException | None, raised: type[BaseException] | None = None) -> tuple[RunResult, str]:
    """A run that ends with `error`: what is then in the document, and the message of what was raised."""
    listener, message = Listener(), ""
    folder, result = RunFolder(run), load_result(run)
    result.status, result.error = "running", None
    try:
        with folder.recording(result, Observers([("listener", listener)]), main=True):
            assert load_result(run).status == "running"
            if error is not None:
                raise error
    except BaseException as caught:
        assert raised is not None and isinstance(caught, raised), caught
        message = str(caught)
    else:
        assert raised is None
    after = load_result(run)
    expected = [] if error is None else [(after.error or after.status, str(run))]
    assert listener.heard == expected
    return after, message


def test_a_run_that_ends_well_is_left_to_say_so(run: Path) -> None:
    after, _ = record(run, None)
    assert (after.status, after.error) == ("running", None)
    log = (run / "run.log").read_text()
    assert f"run {after.run_id}, {run}" in log and "Traceback" not in log


def test_an_unforeseen_error_is_one_line_and_its_traceback_in_the_log(run: Path) -> None:
    after, message = record(run, ZeroDivisionError("by\nzero"), RunError)
    assert (after.status, after.error) == ("failed", "ZeroDivisionError: by zero")
    assert message == f"ZeroDivisionError: by zero (traceback in {run / 'run.log'})"
    log = (run / "run.log").read_text()
    assert "Traceback (most recent call last)" in log and "ZeroDivisionError: by\nzero" in log
    assert "test_store.py" in log
    assert after.scores, "what there was is kept"


@pytest.mark.parametrize("kind", [RunError, UserError])
def test_a_foreseen_error_stays_as_it_is(run: Path, kind: type[Exception]) -> None:
    after, message = record(run, kind("the loss is nan"), kind)
    assert (after.status, after.error) == ("failed", "the loss is nan")
    assert message == "the loss is nan"
    assert "Traceback" in (run / "run.log").read_text()


def test_ctrl_c_is_no_failure(run: Path) -> None:
    after, _ = record(run, KeyboardInterrupt(), KeyboardInterrupt)
    assert (after.status, after.error) == ("interrupted", None)
    assert "Traceback" not in (run / "run.log").read_text()


def test_a_disk_that_is_full_at_the_end_too(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason that matters reaches the user though the document cannot be written, and the old one is whole."""
    before = (run / "result.json").read_bytes()
    folder, result = RunFolder(run), load_result(run)
    saved = folder.save
    calls = 0

    def save(document: RunResult) -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise RunError("no space")
        saved(document)

    monkeypatch.setattr(folder, "save", save)
    with pytest.raises(RunError, match="ValueError: why"), folder.recording(result, Observers(), main=True):
        raise ValueError("why")
    assert json.loads((run / "result.json").read_text())["scores"] == json.loads(before)["scores"]


def test_a_disk_that_fills_leaves_room_for_the_document(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the disk had nothing free but what the run had kept for itself."""
    folder, result = RunFolder(run), load_result(run)
    saved, calls = store.save_result, 0

    def save(path: Path, document: RunResult) -> None:
        nonlocal calls
        calls += 1
        if calls > 1 and (path / ".reserve").exists():
            raise RunError("no space")
        saved(path, document)

    monkeypatch.setattr(store, "save_result", save)
    with pytest.raises(RunError, match="no space"), folder.recording(result, Observers(), main=True):
        assert (run / ".reserve").stat().st_size == 1 << 20
        folder.save(result)
    assert load_result(run).status == "failed"
    assert not (run / ".reserve").exists()


def test_only_the_main_process_writes(run: Path) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in run.iterdir()}
    with pytest.raises(ZeroDivisionError), RunFolder(run).recording(load_result(run), Observers(), main=False):
        raise ZeroDivisionError
    assert {p.name: p.stat().st_mtime_ns for p in run.iterdir()} == before


def test_the_log_grows_and_nothing_is_left_open(run: Path) -> None:
    logger = logging.getLogger("xrobust")
    handlers, level = list(logger.handlers), logger.level
    before = (run / "run.log").read_text()
    record(run, ValueError("one"), RunError)
    record(run, ValueError("two"), RunError)
    log = (run / "run.log").read_text()
    assert log.startswith(before) and log.index("ValueError: one") < log.index("ValueError: two")
    assert (logger.handlers, logger.level) == (handlers, level)


def test_a_folder_that_is_locked(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "a" / "b")
    with folder.locked(main=True):
        assert folder.path.is_dir()
    assert not list(tmp_path.iterdir()), "nothing was written"
    with folder.locked(main=True):
        (folder.path / "kept").write_text("")
        with folder.locked(main=False):
            pass
        second = RunFolder(folder.path).locked(main=True)
        with (
            pytest.raises(
                RunError, match=r"another process \(id \d+ on .+\) is at work on this run \(.*/a/b\)"
            ) as caught,
            second,
        ):
            raise AssertionError("two at once")
        assert "\n" not in str(caught.value)
        assert sorted(p.name for p in folder.path.iterdir()) == [".lock", "kept"], "the first one's lock is still there"
    assert [p.name for p in folder.path.iterdir()] == ["kept"]
    with folder.locked(main=True):
        (folder.path / "model").mkdir()
        folder.clear()
        assert [p.name for p in folder.path.iterdir()] == [".lock"], "what holds it is not deleted"
    (tmp_path / "file").write_text("")
    blocked = RunFolder(tmp_path / "file" / "run").locked(main=True)
    with pytest.raises(UserError, match=r"cannot write to .*file/run: .* \(--output says where"), blocked:
        pass


def test_a_lock_that_its_holder_deletes_just_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock on a deleted file would lock nothing: the next process makes a file of the same name."""
    flock, calls = fcntl.flock, []

    def late(file: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX:
            calls.append(file)
            if len(calls) < 3:
                (tmp_path / "run" / ".lock").unlink()
            if len(calls) == 2:
                (tmp_path / "run").rmdir()
        flock(file, operation)

    monkeypatch.setattr("fcntl.flock", late)
    with RunFolder(tmp_path / "run").locked(main=True):
        assert len(calls) == 3
        with pytest.raises(RunError, match="another process"), RunFolder(tmp_path / "run").locked(main=True):
            pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def none(file: int, operation: int) -> None:
        raise OSError(number, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with RunFolder(tmp_path / "run").locked(main=True):
        assert (tmp_path / "run").is_dir()
    assert not (tmp_path / "run").exists()


# ------------------------------------------------------------------------------------------------------------ model


def test_a_model_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)

    def whole(path: Path) -> None:
        (path / "weights").write_text("new")
        (path / "config").write_text("new")

    def half(error: BaseException) -> Callable[[Path], None]:
        def write(path: Path) -> None:
            (path / "weights").write_text("half")
            raise error

        return write

    with pytest.raises(RunError, match=r"cannot write .*model: No space left on device"):
        folder.save_model(half(OSError(28, "No space left on device")))
    assert not list(tmp_path.iterdir())
    folder.model.mkdir()
    (folder.model / "weights").write_text("old")
    (folder.model / "only in the old one").write_text("old")
    for error, raised in (
        (KeyError("x"), KeyError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(5, "no"), RunError),
    ):
        with pytest.raises(raised):
            folder.save_model(half(error))
        assert {p.name: p.read_text() for p in folder.model.iterdir()} == {
            "weights": "old",
            "only in the old one": "old",
        }
        assert [p.name for p in tmp_path.iterdir()] == ["model"]
    folder.save_model(whole)
    assert {p.name: p.read_text() for p in folder.model.iterdir()} == {"weights": "new", "config": "new"}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]
