"""Experiment trackers: what TensorBoard, MLflow and W&B have of a run is what its document says."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accelerate.utils import imports
from mlflow import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

from xrobust import RunSpec, hookimpl, run
from xrobust.errors import UserError
from xrobust.results.schema import RunResult
from xrobust.results.tracking.libraries import LIBRARIES, MLflow, TrackedRun, require_trackers
from xrobust.results.tracking.observer import Tracker
from xrobust.results.tracking.values import parameters, score_values
from xrobust.runtime.observers import Observers

NAME = "pos-vanilla-seed0-"


@pytest.fixture(autouse=True)
def nothing_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """W&B writes to disk alone; no store of MLflow is named."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the reader of these tests asks for it too


class StopsOnce:
    """Presses Ctrl-C when the dev set was scored after the last step, the first time."""

    def __init__(self) -> None:
        self.pressed = False

    @hookimpl
    def dev_scored(self, step: int) -> None:
        if step == 4 and not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def tracked(
    tiny_model: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunResult, Path, str]]:
    """A run that was stopped after its last step and went on from a checkpoint before; its output; MLflow's state of
    it in between."""
    output = tmp_path_factory.mktemp("tracked runs")
    spec = RunSpec(
        task="pos",
        model=str(tiny_model),
        data_dir=tiny_data,
        output=output,
        languages="en,de",
        perturb="casing",
        training={"max_steps": 4, "select_every": 2},
        checkpoint_steps=2,
        log_with="tensorboard,mlflow,wandb",
        experiment="first try",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        stops = StopsOnce()
        with pytest.raises(KeyboardInterrupt):
            run(spec, observers=[stops])
        (stopped,) = mlflow_runs(output, "first try")
        yield run(spec, observers=[stops]), output, stopped.info.status


def mlflow_runs(output: Path, experiment: str) -> list[Any]:
    """The runs of an experiment in MLflow's local store."""
    client = MlflowClient((output / "trackers" / "mlflow").as_uri())
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


def expected_scores(result: RunResult) -> dict[str, float]:
    """Names and values of every score and drop, and of some averages, made from the document."""
    scores, summary = {}, result.summary
    assert summary is not None and summary.average_targets is not None
    for row in result.scores:
        place = f"{row.perturbation or row.condition}/{row.metric}/{row.language}"
        scores[f"scores/{place}"] = row.value
        if row.drop is not None:
            scores[f"drops/{place}"] = row.drop
    conditions = {row.condition for row in result.scores}
    assert conditions == {"clean", "perturbed", "worst_case"}, "all of them are looked at"
    return scores | {"summary/average": summary.average, "summary/average_targets": summary.average_targets}


def test_tensorboard_has_the_curves_the_scores_and_the_end(tracked: tuple[RunResult, Path, str]) -> None:
    result, output, _ = tracked
    events = EventAccumulator(str(output / "trackers/tensorboard/first try" / (NAME + result.run_id))).Reload()

    def points(tag: str) -> list[tuple[int, float]]:
        return [(event.step, event.value) for event in events.Scalars(tag)]

    assert result.training is not None
    dev, curve = result.training.dev, result.training.curve
    assert points("dev/accuracy") == [(point.step, pytest.approx(point.value)) for point in dev]
    # Step 4 was done twice: what was logged before the restart is left out.
    assert points("train/loss") == [(point.step, pytest.approx(point.loss)) for point in curve]
    assert points("train/learning_rate") == [(point.step, pytest.approx(point.learning_rate)) for point in curve]
    for name, value in expected_scores(result).items():
        assert points(name) == [(4, pytest.approx(value))], name
    states = [event.tensor_proto.string_val for event in events.Tensors("state/text_summary")]
    assert states == [[b"interrupted"], [b"complete"]]


def test_mlflow_has_one_run_that_went_on(tracked: tuple[RunResult, Path, str]) -> None:
    result, output, status_between = tracked
    (found,) = mlflow_runs(output, "first try")
    assert (status_between, found.info.status) == ("KILLED", "FINISHED")
    assert found.info.run_name == NAME + result.run_id
    metrics = found.data.metrics
    assert expected_scores(result).items() <= metrics.items()
    assert result.training is not None
    assert metrics["train/loss"] == result.training.curve[-1].loss
    assert metrics["dev/accuracy"] == result.training.dev[-1].value
    params = found.data.params
    assert params["training.learning_rate"] == str(result.spec.train.training.learning_rate)
    assert (params["task"], params["seed"], params["evaluation.languages"]) == ("pos", "0", "en,de")
    assert params["experiment"] == "first try"
    assert str(output) not in json.dumps([params, found.data.tags])
    assert found.data.tags["xrobust.state"] == "complete"


def test_wandb_has_the_scores_of_a_run_that_went_on(tracked: tuple[RunResult, Path, str]) -> None:
    result, output, _ = tracked
    folders = sorted((output / "trackers/wandb/wandb").glob(f"offline-run-*-{result.run_id}"))
    records = [record for folder in folders for record in wandb_records(folder / f"run-{result.run_id}.wandb")]
    runs = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    assert {(one.run_id, one.display_name, one.run_group, one.project) for one in runs} == {
        (result.run_id, NAME + result.run_id, "first try", "xrobust")
    }
    config = {item.key for one in runs for item in one.config.update}
    config |= {item.key for one in records for item in one.config.update}
    assert {"training.learning_rate", "task"} <= config
    history: dict[str, Any] = {}
    for record in records:
        for item in record.history.item:
            history["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
        for item in record.summary.update:
            history["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    assert expected_scores(result).items() <= history.items()
    assert history["state"] == "complete"
    assert {"train/loss", "train/learning_rate", "train/examples_per_second", "dev/accuracy"} <= history.keys()


def wandb_records(path: Path) -> Iterator[Record]:
    """The records of a file of W&B: a header of 7 bytes, then LevelDB's log format, in blocks of 32 KiB."""
    data, at, parts = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # no room for the head of another piece in this block
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            record = Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def test_trackers_are_no_part_of_the_document(tracked: tuple[RunResult, Path, str]) -> None:
    result, output, _ = tracked
    document = (output / "pos" / "vanilla" / result.run_id / "result.json").read_text()
    assert "first try" not in document and "mlflow" not in document


def a_run(folder: Path, **changes: Any) -> TrackedRun:
    values = {"run_id": "0" * 16, "name": "a", "group": "pos", "experiment": None, "folder": folder, "anew": True}
    return TrackedRun(**{**values, "offline": True, "trained_steps": 0, **changes})


SPEC = {"train": {"task": "pos", "note": "x" * 600, "limit": None}, "evaluation": {"languages": ["en", "de"]}}


def test_a_failure_is_logged_with_its_reason_and_no_path(tmp_path: Path) -> None:
    observers = Observers([("mlflow", Tracker(MLflow, a_run(tmp_path / "trackers")))])
    observers.call("run_started", spec=SPEC, total_steps=3, head="")
    observers.call("run_failed", error=f"cannot write {tmp_path}/result.json")
    assert observers.failed == {}
    (found,) = mlflow_runs(tmp_path, "xrobust")
    assert found.info.status == "FAILED"
    assert found.data.tags["xrobust.error"] == "cannot write result.json"
    assert found.data.params["note"] == "x" * 497 + "..."
    assert found.data.params["evaluation.languages"] == "en,de"
    assert "limit" not in found.data.params


def test_a_run_from_its_beginning_is_a_new_one_in_mlflow_and_takes_any_number_of_scores(tmp_path: Path) -> None:
    """MLflow takes 1,000 metrics, and 100 parameters, at once."""
    for anew in (True, True, False):
        library = MLflow()
        library.open(a_run(tmp_path / "trackers", anew=anew))
        library.parameters({f"p{i}": i for i in range(101)} | {"changed": anew})
        library.log({f"m/{i}": i / 2 for i in range(1001)}, 7)
        library.close("complete", "", 7)
    found = mlflow_runs(tmp_path, "xrobust")
    assert [len(one.data.metrics) for one in found] == [1001, 1001]
    assert [(len(one.data.params), one.data.params["changed"]) for one in found] == [(102, "True")] * 2


def test_a_tracker_that_fails_leaves_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "trackers"
    folder.mkdir()
    (folder / "tensorboard").write_text("no folder")
    run_ = a_run(folder)
    observers = Observers([(name, Tracker(LIBRARIES[name], run_)) for name in ("tensorboard", "mlflow")])
    observers.call("run_started", spec=SPEC, total_steps=3, head="")
    observers.call("run_interrupted")
    assert list(observers.failed) == ["tensorboard"]
    assert mlflow_runs(tmp_path, "xrobust")[0].info.status == "KILLED"


def test_names_are_what_every_tracker_takes() -> None:
    row = {"condition": "perturbed", "perturbation": "dist/typos(rate=0.2)", "attack": None, "metric": "f1"}
    row |= {"language": None, "pair": ["en", "de"], "value": 0.5, "drop": None}
    assert score_values(row) == {"scores/dist_typos_rate_0.2/f1/en-de": 0.5}
    spec = {"train": {"method": [{"name": "rs_aug", "params": {"copies": 2}}]}, "evaluation": {"pairs": [["en", "de"]]}}
    assert parameters(spec) == {
        "method.rs_aug.name": "rs_aug",
        "method.rs_aug.params.copies": 2,
        "evaluation.pairs": "en:de",
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"log_with": "tensorbord"}, "unknown tracker 'tensorbord': did you mean 'tensorboard'?"),
        ({"log_with": ["tensorboard", "x"]}, "unknown tracker 'x': known: mlflow, tensorboard, wandb"),
        ({"experiment": "../up"}, "the name of an experiment begins with a letter or digit"),
    ],
)
def test_unknown_names_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as raised:
        RunSpec.parse({"task": "pos", **values})
    assert message in str(raised.value)


def test_the_command_says_what_is_missing_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from xrobust.cli.main import main

    def refused(*more: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["run", "--preset", "mini", "-t", "pos", "-o", str(tmp_path / "o"), *more])
        assert ended.value.code == 2 and not (tmp_path / "o").exists()
        return capsys.readouterr().err

    assert "unknown tracker 'mlflo': did you mean 'mlflow'?" in refused("--log-with", "tensorboard,mlflo")
    monkeypatch.setattr(imports, "is_mlflow_available", lambda: False)
    said = refused("--log-with", "tensorboard", "--log-with", "mlflow")
    assert said == 'xrobust: --log-with mlflow: its library is not installed: pip install "xrobust[trackers]"\n'


def test_nobody_logged_in_to_wandb_is_found_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    for name in ("WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "online")
    wandb.teardown()  # it read the environment before
    with pytest.raises(UserError, match="no login is known for Weights & Biases: run `wandb login`"):
        require_trackers(["wandb"], offline=False)
    require_trackers(["wandb"], offline=True)
    wandb.teardown()
