"""Plugin files of a trained run: a document names them, and the user alone has them executed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust import EvaluationRequest, RunSpec, UserError, evaluate, load_model, load_result, run
from xrobust.analysis.explain import by_overlap
from xrobust.cli.main import main
from xrobust.predict import predict_file

METHOD = """
from pathlib import Path
from xrobust.contracts import Method, MethodInfo

with Path(MARKER).open("a") as marker:
    marker.write("executed\\n")

class Quiet(Method):
    info = MethodInfo(name="quiet", summary="plain fine-tuning")
"""
PERTURBATION = """
from xrobust.contracts import Perturbation, PerturbationInfo

class Shout(Perturbation):
    info = PerturbationInfo(name="shout", summary="capitals", kinds=("token_classification",))

    def apply(self, example, language, rng):
        return {**example, "tokens": [token.upper() for token in example["tokens"]]}
"""
OBSERVER = """
from xrobust import hookimpl
from pathlib import Path

@hookimpl
def run_finished(result):
    with Path(MARKER).open("a") as marker:
        marker.write("watched\\n")
"""


class Place:
    """A run that was made with `--plugin`, its plugin file, and what says how often that was executed."""

    def __init__(self, folder: Path) -> None:
        self.marker = folder / "marker"
        self.plugin = self.written(folder / "mine.py", METHOD)
        self.run = folder / "run"

    def written(self, path: Path, source: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source.replace("MARKER", repr(str(self.marker))))
        return path

    def executed(self) -> int:
        """How many times a plugin file was executed or called since the last look, in processes that know none yet."""
        for name in [name for name in sys.modules if name.startswith("xrobust_plugin_")]:
            del sys.modules[name]
        count = len(self.marker.read_text().splitlines()) if self.marker.exists() else 0
        self.marker.unlink(missing_ok=True)
        return count

    def names(self, *files: object) -> None:
        """Writes other plugin files into the document. `local` is in none of its sums."""
        document = json.loads((self.run / "result.json").read_text())
        document["local"]["plugin_files"] = [str(file) for file in files]
        (self.run / "result.json").write_text(json.dumps(document))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: Path) -> Place:
    """A run of this user, with a method from a file."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("made")
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        place = Place(folder)
        spec = RunSpec(
            task="pos",
            method="quiet",
            model=str(tiny_model),
            data_dir=tiny_data,
            output=folder / "runs",
            languages=("en",),
            plugins=(place.plugin,),
            training={"max_steps": 1},
        )
        place.run = folder / "runs" / "pos" / "quiet" / run(spec).run_id
        return place


@pytest.fixture
def mine(made: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A copy of the run on the machine on which it was made; its plugin file may be changed."""
    shutil.copytree(made.marker.parent / "state", tmp_path / "state")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return copied(made, tmp_path)


@pytest.fixture
def strangers(made: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The same run for a user who has never named a plugin file."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return copied(made, tmp_path)


def copied(made: Place, folder: Path) -> Place:
    place = Place(folder / "copy")
    place.plugin.unlink()
    place.plugin, place.marker = made.plugin, made.marker
    shutil.copytree(made.run, place.run)
    text = made.marker.parent / "text.txt"
    text.write_text("the\ncat\n")
    place.executed()
    return place


USES: dict[str, Callable[[Place], object]] = {
    "predict": lambda place: list(predict_file(place.run, place.marker.parent / "text.txt")),
    "eval": lambda place: evaluate(place.run, ["de"]),
    "load_model": lambda place: load_model(place.run),
}


@pytest.mark.parametrize("use", USES)
def test_a_strangers_run_executes_nothing(use: str, strangers: Place) -> None:
    before = (strangers.run / "result.json").read_bytes()
    with pytest.raises(UserError) as refused:
        USES[use](strangers)
    sha256 = load_result(strangers.run).spec.train.method[0].plugin_sha256
    assert sha256 is not None
    assert str(refused.value) == (
        f"the run needs method 'quiet' from a file of sha256 {sha256[:12]}..., which you have not named on this "
        f"machine, or which was moved or edited since (the run's document says {strangers.plugin}): name it with "
        "--plugin FILE, if you trust it"
    )
    assert strangers.executed() == 0
    assert (strangers.run / "result.json").read_bytes() == before


def test_a_stranger_names_the_file_once(strangers: Place, tmp_path: Path) -> None:
    elsewhere = tmp_path / "read" / "theirs.py"
    elsewhere.parent.mkdir()
    shutil.copy(strangers.plugin, elsewhere)
    evaluate(strangers.run, ["de"], plugin_files=[elsewhere])
    local = load_result(strangers.run).local
    assert local is not None and local.plugin_files == [str(elsewhere), str(strangers.plugin)]
    assert strangers.executed() == 1, "the file that was named takes the place of the recorded one"
    load_model(strangers.run)
    assert strangers.executed() == 1


@pytest.mark.parametrize("use", USES)
def test_a_user_need_not_name_a_file_again(use: str, mine: Place) -> None:
    USES[use](mine)
    assert mine.executed() == 1


@pytest.mark.parametrize("use", USES)
def test_another_file_in_its_place_is_not_executed(use: str, mine: Place, tmp_path: Path) -> None:
    """Neither where the document says so, nor where the user names it."""
    edited = mine.written(tmp_path / "edited.py", METHOD + "# edited\n")
    mine.names(edited)
    with pytest.raises(
        UserError, match=r"the run needs method 'quiet' from a file of sha256 .*: name it with --plugin"
    ):
        USES[use](mine)
    with pytest.raises(
        UserError, match=rf"the run needs .*, and {edited} is [0-9a-f]{{12}}\.\.\.: name the file as it w"
    ):
        load_model(mine.run, plugin_files=[edited])
    assert mine.executed() == 0


def test_a_file_of_the_users_that_was_edited_since(mine: Place, tmp_path: Path) -> None:
    content = mine.plugin.read_bytes()
    try:
        mine.plugin.write_bytes(content + b"# edited\n")
        with pytest.raises(UserError, match="moved or edited since"):
            load_model(mine.run)
        with pytest.raises(UserError, match="name the file as it was then"):
            load_model(mine.run, plugin_files=[mine.plugin])
        mine.plugin.unlink()
        os.mkfifo(mine.plugin)  # which is not waited for
        with pytest.raises(UserError, match="moved or edited since"):
            load_model(mine.run)
        assert mine.executed() == 0
    finally:
        mine.plugin.unlink()
        mine.plugin.write_bytes(content)


def test_a_relative_path_is_no_place(mine: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mine.plugin.parent)
    mine.names(mine.plugin.name, f"./{mine.plugin.name}")
    with pytest.raises(UserError, match="the run needs method 'quiet'"):
        load_model(mine.run)
    assert mine.executed() == 0


def test_notes_that_others_may_write_to_count_for_nothing(mine: Place, tmp_path: Path) -> None:
    notes = tmp_path / "state" / "xrobust" / "plugin-files"
    assert notes.stat().st_mode & 0o777 == 0o700
    notes.chmod(0o777)
    with pytest.raises(UserError, match="the run needs method 'quiet'"):
        load_model(mine.run)
    notes.chmod(0o700)
    load_model(mine.run)
    (note,) = notes.iterdir()
    note.write_text(note.read_text().replace(str(mine.plugin), "/another.py"))
    with pytest.raises(UserError, match="the run needs method 'quiet'"):
        load_model(mine.run)


def test_without_a_state_folder_the_file_is_named_each_time(
    strangers: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    load_model(strangers.run, plugin_files=[strangers.plugin])
    with pytest.raises(UserError, match="the run needs method 'quiet'"):
        load_model(strangers.run)
    load_model(strangers.run, plugin_files=[strangers.plugin])


def test_a_file_that_the_spec_does_not_need_is_not_executed(
    finished_run: Path, tmp_path: Path, tiny_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Built-in plugins alone, and a document that names a file; also one that its reader has named before."""
    place = Place(tmp_path / "place")
    shutil.copytree(finished_run, place.run)
    observer = place.written(tmp_path / "watch.py", OBSERVER)
    place.names(place.plugin, observer)
    text = tmp_path / "text.txt"
    text.write_text("the\n")
    for use in (lambda: load_model(place.run), lambda: list(predict_file(place.run, text))):
        use()
    by_overlap([place.run])
    assert place.executed() == 0
    evaluate(place.run, ["de"], plugin_files=[observer])
    assert place.executed() == 1
    place.names(place.plugin, observer)
    with caplog.at_level(logging.INFO, "xrobust"):
        evaluate(place.run, ["de"])
    assert place.executed() == 0
    log = (place.run / "run.log").read_text()
    for file in (place.plugin, observer):
        assert f"{file} is not loaded: what is scored does not need it (--plugin FILE)" in log


def test_a_perturbation_is_found_again(mine: Place, tmp_path: Path) -> None:
    file = tmp_path / "shout.py"
    file.write_text(PERTURBATION)
    request = EvaluationRequest(languages=("en",), perturb=("shout",))
    evaluate(mine.run, request=request, plugin_files=[file])
    more = EvaluationRequest(languages=("de",), perturb=("shout",))
    result = evaluate(mine.run, request=more)
    assert {row.language for row in result.scores if row.perturbation == "shout"} == {"de", "en"}
    file.rename(tmp_path / "moved.py")
    with pytest.raises(UserError, match="the run needs perturbation 'shout' from a file of sha256"):
        evaluate(mine.run, request=more)
    moved = tmp_path / "moved.py"
    moved.write_text(PERTURBATION + "# another version\n")
    assert evaluate(mine.run, request=more, plugin_files=[moved]).is_scored()


def test_the_commands_take_the_file(
    strangers: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*arguments: object) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        return int(ended.value.code or 0)

    text = strangers.marker.parent / "text.txt"
    assert command("predict", strangers.run, text) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert command("eval", strangers.run, "-l", "de") == 2
    assert strangers.executed() == 0
    assert command("predict", strangers.run, text, "--plugin", strangers.plugin) == 0
    assert capsys.readouterr().out.count("\t") == 4
    assert strangers.executed() == 1
    monkeypatch.setenv("XDG_STATE_HOME", str(strangers.run / "nothing"))
    assert command("eval", strangers.run, "-l", "de", "--plugin", strangers.plugin) == 0
    for reading in ("runs", "leaderboard"):
        command(reading, strangers.run)
    command("compare", strangers.run, strangers.run)
    strangers.executed()
    assert command("analyze", "overlap", strangers.run) == 0, "the task is a built-in one"
    assert strangers.executed() == 0
