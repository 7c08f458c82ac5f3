"""Runs that cannot go on: a loss that is no number, a disk that is full. Nothing is lost, no half-written document."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fork_server import Pythons
from safetensors.numpy import load_file, save_file

from xrobust import load_result
from xrobust.errors import UserError
from xrobust.results.host_free import host_free
from xrobust.results.run_folder import RunFolder
from xrobust.results.store import save_result
from xrobust.storage.hashing import file_sha256
from xrobust.training.checkpoints import Checkpoints

Command = Callable[..., subprocess.CompletedProcess[str]]

DIVERGES = """
from xrobust.contracts import Method, MethodInfo

class Diverges(Method):
    info = MethodInfo(name="diverges", summary="a loss that is no number from the eighth step on")

    def objective(self, inner, ctx):
        calls = 0

        def objective(forward, batch):
            nonlocal calls
            calls += 1
            return inner(forward, batch) * (float("nan") if calls > 7 else 1.0)

        return objective
"""


def the_run(output: Path) -> Path:
    (document,) = output.rglob("result.json")
    return document.parent


def test_nan_stops_the_run_and_keeps_what_it_had(
    tmp_path: Path, xrobust: Command, tiny_model: Path, tiny_data: Path
) -> None:
    plugin = tmp_path / "diverges.py"
    plugin.write_text(DIVERGES)
    arguments = [
        *("run", "--task", "pos", "--method", "diverges", "--plugin", plugin, "--model", tiny_model),
        *("--data-dir", tiny_data, "--output", tmp_path / "runs"),
        *("--set", "training.epochs=4", "--set", "training.batch_size=16"),
        *("--set", "training.select_every=3"),
    ]
    done = xrobust(*arguments)
    assert done.returncode == 1
    # Of step 8; on a GPU it is read later, before the next look at the dev set.
    assert re.match("xrobust: the loss is nan at step [89] of 12: a smaller training.learning_rate", done.stderr)
    assert done.stderr.count("\n") == 1
    folder = the_run(tmp_path / "runs")
    result = load_result(folder)
    assert result.status == "failed"
    assert result.error is not None and "the loss is nan at step" in result.error
    assert result.scores == [] and result.summary is None and result.training is None
    assert sorted(p.name for p in (folder / "checkpoints").glob("step-*")) == ["step-00000003", "step-00000006"]
    log = (folder / "run.log").read_text()
    assert "RunError: the loss is nan" in log, "the log has the traceback"
    assert "step 6 dev accuracy" in log
    listed = xrobust("runs", tmp_path / "runs")
    assert "failed" in listed.stdout and result.run_id in listed.stdout


BREAKS = """
from xrobust.contracts import Method, MethodInfo

class Breaks(Method):
    info = MethodInfo(name="breaks", summary="a finite loss, whose gradient is no number at the last step")

    def objective(self, inner, ctx):
        calls = 0

        def objective(forward, batch):
            nonlocal calls
            calls += 1
            loss = inner(forward, batch)
            if calls == 12:
                loss.register_hook(lambda gradient: gradient * float("nan"))
            return loss

        return objective
"""


def test_weights_that_break_in_the_last_step_fail_the_run(
    tmp_path: Path, xrobust: Command, tiny_model: Path, tiny_data: Path
) -> None:
    """The loss is that of before the step, so it does not show."""
    plugin = tmp_path / "breaks.py"
    plugin.write_text(BREAKS)
    done = xrobust(
        *("run", "--task", "pos", "--method", "breaks", "--plugin", plugin, "--model", tiny_model),
        *("--data-dir", tiny_data, "--output", tmp_path / "runs"),
        *("--set", "training.epochs=4", "--set", "training.batch_size=16"),
    )
    assert done.returncode == 1
    assert re.match(r"xrobust: \d+ of the trained tensors are not finite \(\S+\) at step 12 of 12: a ", done.stderr)
    assert done.stderr.count("\n") == 1
    result = load_result(the_run(tmp_path / "runs"))
    assert result.status == "failed" and result.scores == [] and result.training is None


NO_SCORE = """
import numpy as np
from xrobust.contracts import Metric, Recipe, Task, TaskInfo
from xrobust.kinds import TokenClassification

class NoScore(Metric):
    name, definition, outputs = "no_score", "none", ("no_score",)

    def statistics(self, references, predictions, labels):
        return np.ones((len(references), 1))

    def score(self, counts):
        return np.full_like(counts, np.nan)

class Tags(Task):
    info = TaskInfo(name="tags", summary="tags", languages=("en", "de", "fr"), license="-", citation="-")
    kind = TokenClassification(("DET", "NOUN", "VERB", "ADJ", "ADP", "PROPN", "PUNCT"))
    metrics = (NoScore(),)
    columns = ("tokens", "tags")
    recipe = Recipe(epochs=1, learning_rate=2e-5, select_every=2, batch_size=16)
"""


def test_a_dev_score_that_is_no_number_selects_no_weights(
    tmp_path: Path, xrobust: Command, tiny_model: Path, tiny_data: Path
) -> None:
    plugin = tmp_path / "no_score.py"
    plugin.write_text(NO_SCORE)
    shutil.copytree(tiny_data / "pos", tmp_path / "data" / "tags")
    done = xrobust(
        *("run", "--task", "tags", "--plugin", plugin, "--model", tiny_model),
        *("--data-dir", tmp_path / "data", "--output", tmp_path / "runs"),
    )
    assert done.returncode == 1
    assert done.stderr == (
        "xrobust: metric 'no_score' (no_score.py): its score failed at the dev set: it is nan, and no weights can be "
        "selected by it\n"
    )


@pytest.mark.parametrize(
    ("command", "options", "named"),
    [
        ("eval", ("--perturb", "casing"), "de under casing: "),
        ("eval", ("--attack", "pgd"), "de under pgd: "),
        ("predict", (), ""),
    ],
)
def test_a_model_whose_output_is_no_number_is_not_scored(
    command: str, options: tuple[str, ...], named: str, tmp_path: Path, xrobust: Command, finished_run: Path
) -> None:
    """The greatest of several NaN is the first: all tokens would be of one tag."""
    shutil.copytree(finished_run, tmp_path / "run")
    file = tmp_path / "run" / "model" / "model.safetensors"
    weights = load_file(file)
    weights["classifier.bias"][2] = np.nan
    save_file(weights, file, {"format": "pt"})
    result = load_result(tmp_path / "run")
    for artifact in result.artifacts:  # as if training had written these weights
        artifact.sha256 = file_sha256(tmp_path / "run" / artifact.path)
    save_result(tmp_path / "run", result)
    if command == "predict":
        (tmp_path / "text.txt").write_text("the\ncat\n\na\ndog\n")
        options = (str(tmp_path / "text.txt"),)
    done = xrobust(command, tmp_path / "run", *options)
    assert done.returncode == 1, done.stdout
    assert re.match(
        rf"xrobust: {named}the model's output is not a number for \d+ examples: its weights are ", done.stderr
    )
    assert done.stderr.count("\n") == 1


SCRIPT = """
import resource, sys
sys.dont_write_bytecode = True
from xrobust.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
main(sys.argv[2:])
"""


@pytest.fixture
def with_full_disk(tmp_path: Path, pythons: Pythons) -> Command:
    """Runs a command that cannot write files of more than `limit` bytes.

    The limit fails a write as a full disk does: in the middle, with an error of the system.
    """

    def run(limit: int, *arguments: object) -> subprocess.CompletedProcess[str]:
        return pythons.run("-c", SCRIPT, limit, *arguments, cwd=tmp_path)

    return run


def the_error(done: subprocess.CompletedProcess[str]) -> str:
    """Of a command that the disk ended: one line."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith("xrobust: cannot write ") and done.stderr.count("\n") == 1, done.stderr
    assert "large" in done.stderr, "the system's own reason"
    return done.stderr


def test_a_checkpoint_that_does_not_fit_is_done_without(
    tmp_path: Path, with_full_disk: Command, tiny_model: Path, tiny_data: Path, finished_run: Path
) -> None:
    """The weights fit, the optimiser's two moments do not: the result is that of a run with room."""
    limit = int(1.5 * (finished_run / "model" / "model.safetensors").stat().st_size)
    done = with_full_disk(
        limit,
        *("run", "--task", "pos", "--model", tiny_model, "--data-dir", tiny_data, "--output", tmp_path),
        *("--set", "training.epochs=2", "--set", "training.learning_rate=5e-3", "--set", "checkpoint_steps=1"),
    )
    assert done.returncode == 0, done.stderr
    folder = the_run(tmp_path)
    result, expected = load_result(folder), load_result(finished_run)
    (warning,) = result.warnings
    checkpoint = folder / "checkpoints" / "step-00000001"
    assert warning.startswith(f"cannot write {checkpoint.name}: ") and "large" in warning, "the document has no path"
    assert f"cannot write {checkpoint}: " in (folder / "run.log").read_text()
    assert warning.endswith(": training goes on without this checkpoint, and tries again at the next")
    assert f"warning: {warning}" in done.stdout
    assert "cannot write " + str(folder / "checkpoints" / "step-00000002") in (folder / "run.log").read_text()
    assert result.run_id == expected.run_id
    assert [(row.language, row.metric, row.value) for row in result.scores] == [
        (row.language, row.metric, row.value) for row in expected.scores
    ]
    assert not [path for path in folder.rglob("*") if ".tmp" in path.name], "nothing half-written is left"


def test_a_model_that_does_not_fit_fails_the_run(
    tmp_path: Path, with_full_disk: Command, tiny_model: Path, tiny_data: Path, finished_run: Path
) -> None:
    limit = int(0.5 * (finished_run / "model" / "model.safetensors").stat().st_size)
    error = the_error(
        with_full_disk(
            limit,
            *("run", "--task", "pos", "--model", tiny_model, "--data-dir", tiny_data, "--output", tmp_path),
            *("--set", "training.epochs=2", "--set", "training.select_every=2"),
        )
    )
    folder = the_run(tmp_path)
    assert f"{folder / 'model'}: " in error
    result = load_result(folder)
    assert result.status == "failed" and result.error is not None and "model" in result.error
    assert not [p for p in folder.rglob("*") if ".tmp" in p.name], "nothing half-written is left"


def test_a_full_disk_leaves_the_document_as_it_was(
    tmp_path: Path, with_full_disk: Command, tiny_model: Path, tiny_data: Path
) -> None:
    from xrobust import RunSpec, run

    training = {"epochs": 1}
    run(
        RunSpec(
            task="pos", model=str(tiny_model), data_dir=tiny_data, output=tmp_path, languages=("en",), training=training
        )
    )
    document = the_run(tmp_path) / "result.json"
    before = document.read_bytes()
    error = the_error(with_full_disk(len(before), "eval", the_run(tmp_path), "--languages", "de,fr"))
    assert "result.json" in error
    assert document.read_bytes() == before, "the last whole document"
    assert json.loads(before)["status"] == "complete"
    assert not list(the_run(tmp_path).rglob("*.tmp*"))


def test_too_little_space_is_found_before_training(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xrobust import RunSpec, run

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9 - 10_000, 10_000))
    spec = RunSpec(task="pos", model=str(tiny_model), data_dir=tiny_data, output=tmp_path)
    with pytest.raises(UserError, match=r"needs up to .* GB .*has 0\.00 GB free: make room or choose another --output"):
        run(spec)
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_a_forced_run_that_cannot_begin_leaves_the_complete_one(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from xrobust import RunSpec, run

    training = {"epochs": 1}
    spec = RunSpec(
        task="pos", model=str(tiny_model), data_dir=tiny_data, output=tmp_path, languages=("en",), training=training
    )
    run(spec)
    folder = the_run(tmp_path)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10**9, 10**9, 0))
    with pytest.raises(UserError, match="make room"):
        run(spec.model_copy(update={"force": True, "keep_checkpoints": "all", "checkpoint_steps": 1}))
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


FILL = """
import json, os, signal, sys
from pathlib import Path
from xrobust import RunError, RunSpec, hookimpl, run

model, data, output, until = sys.argv[1:]
filler = Path(output) / "filler"
failed = []


def fill():
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            failed.append(error.strerror)


class Fills:
    @hookimpl
    def dev_scored(self, step, best):
        if step == 2:
            fill()
        if step == int(until):
            filler.unlink()
        if step == 7 and 0 < int(until) < 7:
            raise KeyboardInterrupt


spec = RunSpec(
    task="pos", model=model, data_dir=data, output=Path(output) / "runs", languages=("de",),
    training={"epochs": 4, "select_every": 1, "learning_rate": 5e-3},
)
error = None
try:
    run(spec, [Fills()])
except KeyboardInterrupt:
    run(spec)
except RunError as failure:
    error = str(failure)
(document,) = Path(output).rglob("result.json")
names = sorted(path.name for path in document.parent.iterdir())
model = document.parent / "model" / "model.safetensors"
print(json.dumps([failed, error, json.loads(document.read_text()), names, model.exists() and model.read_bytes().hex()]))
"""


def on_a_small_disk(tmp_path: Path, *arguments: object) -> list[Any]:
    """What `FILL` prints, on a real file system of 8 MB in a name space of its own: nothing stays mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    own = ["unshare", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=8m tmpfs "$0" && exec "$@"']
    if not shutil.which("unshare") or subprocess.run([*own, disk, "true"], capture_output=True).returncode:
        pytest.skip("no file system of its own can be mounted here")
    given = map(str, [*arguments[:2], disk, *arguments[2:]])
    done = subprocess.run([*own, disk, sys.executable, "-c", FILL, *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found[0] == ["No space left on device"], "the disk was filled"
    return list(found)


@pytest.mark.parametrize("until", [5, 8], ids=["and the run is stopped later", "until the last step is done"])
def test_a_disk_that_is_full_for_a_while(tmp_path: Path, tiny_model: Path, tiny_data: Path, until: int) -> None:
    """Better weights that could not be written are written when there is room, or go into the model from memory."""
    from xrobust import RunSpec, run

    _, error, document, _, model = on_a_small_disk(tmp_path, tiny_model, tiny_data, until)
    assert error is None and document["status"] == "complete"
    (warning,) = document["warnings"]
    assert "No space left on device: training goes on" in warning

    spec = RunSpec(task="pos", model=str(tiny_model), data_dir=tiny_data, output=tmp_path / "roomy", languages=("de",))
    training = {"epochs": 4, "select_every": 1, "learning_rate": 5e-3}
    result = run(spec.model_copy(update={"training": training}))
    assert result.training is not None
    assert document["training"]["dev"] == [point.model_dump() for point in result.training.dev]
    assert document["training"]["selected_step"] == result.training.selected_step
    assert bytes.fromhex(model) == (the_run(tmp_path / "roomy") / "model" / "model.safetensors").read_bytes()


def test_a_disk_that_stays_full(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    _, error, document, names, _ = on_a_small_disk(tmp_path, tiny_model, tiny_data, 0)
    assert error is not None and error.endswith("No space left on device")
    assert document["status"] == "failed" and document["error"] == host_free(error)
    assert names == ["checkpoints", "result.json", "run.log"], "no reserve, no lock, no half of a model"


def test_the_room_that_checkpoints_take_is_what_they_take(tmp_path: Path) -> None:
    import torch

    weights = {"w": torch.zeros(250_000)}
    optimiser = {"state": {0: {"exp_avg": torch.zeros(250_000), "exp_avg_sq": torch.zeros(250_000)}}}
    size = 1_000_000
    for keep_all, saved in ((True, 5), (False, 5), (False, 1)):
        checkpoints = Checkpoints(tmp_path / f"{keep_all}{saved}", keep_all=keep_all)
        most = 0
        for step in range(1, saved + 1):
            best = checkpoints.save_best(step, weights)
            checkpoints.save(step, weights, optimiser, {"best": best})
            most = max(most, sum(p.stat().st_size for p in checkpoints.folder.rglob("*") if p.is_file()))
        room = checkpoints.disk_space(size, saved)
        assert most <= room * 1.01
        assert room <= most * 2, "not so much more that a run is refused that would have fitted"


def test_require_space_lets_a_run_pass(tmp_path: Path) -> None:
    RunFolder(tmp_path).require_space(1)
    with pytest.raises(UserError):
        RunFolder(tmp_path).require_space(2**62)
