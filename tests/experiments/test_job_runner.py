"""One job: its attempts, how it is stopped, and what it leaves. Small programs stand in for runs."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust.experiments.job import Job, Place
from xrobust.experiments.job_runner import JobRunner, is_marked_finished, read_status

MakeJob = Callable[..., Job]
Program = Callable[[str], Callable[..., list[str]]]

FAILS_TWICE = """
import pathlib, sys
count = pathlib.Path(sys.argv[1] + ".count")
count.parent.mkdir(parents=True, exist_ok=True)
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
print("arguments", *sys.argv[2:])
if number < 3:
    print("xrobust: " + REASON, file=sys.stderr)
    sys.exit(1)
"""
WAITS = """
import os, signal, sys
def stop(number, frame):
    print("xrobust: terminated; the same command goes on", file=sys.stderr, flush=True)
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
os.close(os.open(PIPE, os.O_WRONLY))
signal.pause()
"""


def fails_twice(reason: str) -> str:
    return FAILS_TWICE.replace("REASON", repr(reason))


def test_a_failed_run_is_started_again_as_often_as_asked(make_job: MakeJob, program: Program) -> None:
    job = make_job(retries=2)
    outcome = JobRunner(job, Place(), program(fails_twice("the disk fell down"))).run()
    assert outcome.state == "complete" and [one.exit_code for one in outcome.attempts] == [1, 1, 0]
    assert [one.reason for one in outcome.attempts] == ["the disk fell down", "the disk fell down", None]
    assert job.log.read_text().count("xrobust: the disk fell down") == 2
    assert read_status(job)["state"] == "complete" and len(read_status(job)["attempts"]) == 3


def test_after_the_last_retry_the_job_has_failed_with_the_last_reason(make_job: MakeJob, program: Program) -> None:
    outcome = JobRunner(make_job(retries=1), Place(), program(fails_twice("no luck"))).run()
    assert (outcome.state, outcome.reason, len(outcome.attempts)) == ("failed", "no luck", 2)


def test_after_memory_ran_out_micro_batches_are_halved_and_halved_again(make_job: MakeJob, program: Program) -> None:
    job = make_job(retries=2, batch_size=32)
    outcome = JobRunner(job, Place(), program(fails_twice("CUDA out of memory, 3 MB wanted"))).run()
    assert [one.micro_batch_size for one in outcome.attempts] == [None, 16, 8]
    lines = [line for line in job.log.read_text().splitlines() if line.startswith("arguments")]
    assert lines == ["arguments", "arguments --set micro_batch_size=16", "arguments --set micro_batch_size=8"]


def test_a_run_that_the_system_killed_is_said_so_and_gets_smaller_batches(make_job: MakeJob, program: Program) -> None:
    source = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    outcome = JobRunner(make_job(batch_size=3), Place(), program(source)).run()
    assert outcome.state == "failed" and "SIGKILL (as the system does when memory runs out)" in str(outcome.reason)
    assert [one.micro_batch_size for one in outcome.attempts] == [None, 1]


def test_a_full_disk_is_no_reason_to_try_again(make_job: MakeJob, program: Program) -> None:
    source = fails_twice(f"cannot write x: {os.strerror(28)}")
    outcome = JobRunner(make_job(retries=5), Place(), program(source)).run()
    assert outcome.state == "no room" and len(outcome.attempts) == 1


def test_a_run_that_cannot_be_started_has_failed(make_job: MakeJob) -> None:
    outcome = JobRunner(make_job(), Place(), lambda job, more: ["/there/is/no/such/program"]).run()
    assert outcome.state == "failed" and "cannot be started: No such file" in str(outcome.reason)


def test_a_run_that_another_process_works_on_is_left_to_it(make_job: MakeJob, program: Program) -> None:
    job = make_job()
    job.folder.mkdir(parents=True)
    with (job.folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        outcome = JobRunner(job, Place(), program("raise SystemExit(1)")).run()
    assert outcome.state == "busy" and outcome.attempts == () and not job.log.exists()


def test_a_run_that_another_process_took_first_is_no_failure(make_job: MakeJob, program: Program) -> None:
    source = fails_twice("another process (id 7 on node1) is at work on this run (runs/x): wait until it has ended")
    outcome = JobRunner(make_job(retries=5), Place(), program(source)).run()  # and has ended by now
    assert outcome.state == "busy" and outcome.attempts == ()


def waiting(job: Job, program: Program, tmp_path: Path) -> tuple[JobRunner, list[object], threading.Thread]:
    """A runner on a thread, whose program waits for a signal."""
    pipe = tmp_path / "ready"
    os.mkfifo(pipe)
    runner = JobRunner(job, Place(), program(WAITS.replace("PIPE", repr(str(pipe)))))
    ended: list[object] = []
    thread = threading.Thread(target=lambda: ended.append(runner.run()))
    thread.start()
    os.close(os.open(pipe, os.O_RDONLY))  # waits for the program
    return runner, ended, thread


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_job_that_is_stopped_is_not_started_again(
    make_job: MakeJob, program: Program, tmp_path: Path, how: str
) -> None:
    job = make_job(retries=5)
    runner, ended, thread = waiting(job, program, tmp_path)
    getattr(runner, how)()
    thread.join(60)
    (outcome,) = ended
    assert outcome.state == "stopped" and len(outcome.attempts) == 1  # type: ignore[attr-defined]
    assert outcome.attempts[0].exit_code == {"stop": 75, "kill": -signal.SIGKILL}[how]  # type: ignore[attr-defined]
    assert JobRunner.run(runner).state == "stopped"  # nor is it begun later


ENDS_WITH_PARENT = """
import os, signal, sys
sys.path[:0] = PATH
from xrobust.runtime.parent_watch import end_with_parent
def stop(number, frame):
    open(sys.argv[1] + ".ended", "w").close()
    sys.exit(75)
signal.signal(signal.SIGTERM, stop)
end_with_parent()
os.close(os.open(READY, os.O_WRONLY))
while True:
    signal.pause()
"""
PARENT = """
import sys
sys.path[:0] = PATH
from pathlib import Path
from xrobust.experiments.job import Job, Place
from xrobust.experiments.run_process import RunProcess
folder = Path(FOLDER)
files = {key: folder / key for key in ("spec", "log", "progress", "status", "folder")}
job = Job(name="x", task="pos", method="vanilla", model="m", seed=1, run_id="0", asked="", batch_size=1, **files)
RunProcess(job, Place(), [sys.executable, "-c", CHILD, str(job.spec)]).wait()
"""


def test_a_run_ends_when_the_process_that_started_it_is_killed(tmp_path: Path) -> None:
    ready, alive = tmp_path / "ready", tmp_path / "alive"
    os.mkfifo(ready)
    os.mkfifo(alive)
    path = repr([entry for entry in sys.path if entry])
    child = ENDS_WITH_PARENT.replace("READY", repr(str(ready))).replace("PATH", path)
    child = f"lock = open({str(alive)!r}, 'w')\n{child}"  # the pipe reads its end when the run is gone
    source = PARENT.replace("FOLDER", repr(str(tmp_path))).replace("CHILD", repr(child)).replace("PATH", path)
    parent = subprocess.Popen([sys.executable, "-c", source])
    with alive.open("rb") as pipe:
        os.close(os.open(ready, os.O_RDONLY))
        parent.kill()
        parent.wait()
        assert pipe.read() == b""
    assert (tmp_path / "spec.ended").exists()


def test_a_finished_mark_holds_for_one_document_and_one_request(make_job: MakeJob, program: Program) -> None:
    job = make_job()
    job.folder.mkdir(parents=True)
    (job.folder / "result.json").write_text("{}")
    JobRunner(job, Place(), program("")).run()
    status = json.loads(job.status.read_text())
    assert is_marked_finished(job, status)
    assert not is_marked_finished(make_job(asked="more"), status)
    (job.folder / "result.json").write_text("{ }")
    assert not is_marked_finished(job, status)


def test_a_run_gets_its_threads_cores_and_gpus(make_job: MakeJob, program: Program) -> None:
    source = (
        "import os\n"
        "print(os.environ['OMP_NUM_THREADS'], os.environ['CUDA_VISIBLE_DEVICES'])\n"
        "while len(os.sched_getaffinity(0)) > 1: pass\n"
        "print(sorted(os.sched_getaffinity(0)))"
    )
    core = max(os.sched_getaffinity(0))
    job = make_job()
    JobRunner(job, Place(cores=(core,), threads=3, gpus=("4", "MIG-7")), program(source)).run()
    assert job.log.read_text().splitlines() == ["3 4,MIG-7", f"[{core}]"]
