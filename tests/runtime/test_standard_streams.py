"""Standard output that is closed, full, unread or ASCII: no traceback, and what is at work goes on."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from xrobust.results.store import load_result

XROBUST = f"{shlex.quote(sys.executable)} -P -m xrobust"


def shell(line: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a line in a shell, in a folder."""
    env = {**os.environ, **variables}
    return subprocess.run(["bash", "-c", line], cwd=folder, env=env, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("command", ["--help", "list presets"])
@pytest.mark.parametrize(
    ("where", "reason"), [(">&-", "it is closed"), (">/dev/full", "No space left on device")], ids=["closed", "full"]
)
def test_lost_output_is_one_line_and_exit_1(command: str, where: str, reason: str, tmp_path: Path) -> None:
    done = shell(f"{XROBUST} {command} {where}", tmp_path)
    assert (done.returncode, done.stderr) == (1, f"xrobust: standard output cannot be written: {reason}\n")


def test_a_reader_that_leaves_is_met_with_silence(tmp_path: Path) -> None:
    out, into = os.pipe()
    os.close(out)
    for command in ("--help", "list", "schema"):
        started = [sys.executable, "-P", "-m", "xrobust", command]
        done = subprocess.run(started, cwd=tmp_path, stdout=into, stderr=subprocess.PIPE, timeout=300)
        assert (done.returncode, done.stderr) == (1, b"")
    os.close(into)


def test_errors_have_their_exit_code_where_nobody_hears_them(tmp_path: Path) -> None:
    done = shell(f"{XROBUST} rum 2>&-", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")
    assert shell(f"{XROBUST} rum >&- 2>&- <&-", tmp_path).returncode == 2


def test_ascii_gets_escapes_in_text_and_utf_8_in_data(tmp_path: Path) -> None:
    variables = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C.UTF-8"}
    done = shell(f"{XROBUST} show perturbation diacritics; {XROBUST} rü", tmp_path, **variables)
    assert r"\xe4" in done.stdout and done.stdout.isascii()
    assert r"r\xfc" in done.stderr and "Traceback" not in done.stderr


def test_a_run_ends_complete_without_its_terminal(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    arguments = f"run -t pos --model {tiny_model} --data-dir {tiny_data} --limit 8 -l en,de --offline"
    ways = ["2>&- <&- | true", ">/dev/full"]
    for number, way in enumerate(ways):
        done = shell(f"{XROBUST} {arguments} --seeds {number} -o {number} {way}; exit ${{PIPESTATUS[0]}}", tmp_path)
        assert done.returncode == 0, done.stderr
        (file,) = (tmp_path / str(number)).rglob("result.json")
        assert load_result(file).status == "complete" and len(load_result(file).clean_scores()) >= 2
        assert done.stderr.splitlines() == (
            ["xrobust: standard output cannot be written: No space left on device; the results are in the run's folder"]
            if way == ">/dev/full"
            else []
        )


def test_a_name_that_is_not_utf_8_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    for arguments in (r"run --preset mini -t pos -o $'out\xff'", r"predict run $'in\xff'", r"runs $'\xff'"):
        done = shell(f"{XROBUST} {arguments}", tmp_path)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert r"\xff is not UTF-8" in done.stderr
    assert list(tmp_path.iterdir()) == []
    folder = os.fsencode(tmp_path) + b"/\xff"
    os.mkdir(folder)  # noqa: PTH102 - a Path is no bytes
    done = shell(f"cd $'\\xff'; {XROBUST} run --preset mini -t pos --limit 8", tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("xrobust: the working folder ")
    done = shell(f"mkdir gone; cd gone; rmdir ../gone; {XROBUST} list presets", tmp_path)
    assert (done.returncode, done.stderr) == (2, "xrobust: the working folder has been deleted: change to another\n")


def test_no_folder_for_temporary_files_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import tempfile

    from xrobust.cli.main import main

    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "nowhere")])
    monkeypatch.setattr("xrobust.plan.make_plan", lambda request: None)
    monkeypatch.setattr("xrobust.pipeline.require_ready", lambda plan: None)
    with pytest.raises(SystemExit) as ended:
        main(["run", "--preset", "mini", "-t", "pos", "--num-processes", "2"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "xrobust: no folder for temporary files can be written to: name one by TMPDIR=FOLDER before the command\n"
    )
