"""Progress of a run in a file, for the process that started it."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrobust import RunSpec, run
from xrobust.runtime.progress_file import PROGRESS_FILE, progress_observers, read_progress


def test_a_run_says_how_far_it_is(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "progress.json"
    monkeypatch.setattr("xrobust.runtime.progress_file.SECONDS", 0.0)
    monkeypatch.setenv(PROGRESS_FILE, str(file))
    seen = []

    (observer,) = progress_observers()
    assert progress_observers() == []  # the processes of a run that it starts write none
    write = observer._write
    monkeypatch.setattr(observer, "_write", lambda **often: (write(**often), seen.append(read_progress(file))))
    spec = RunSpec(
        task="pos",
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path,
        languages=("en", "de"),
        limit=8,
        perturb=("typos",),
        training={"max_steps": 2, "learning_rate": 1e-3},
    )
    run(spec, [observer])
    assert {"phase": "train", "done": 2, "total": 2} in seen
    last = seen[-1]
    assert last is not None and last["phase"] not in ("start", "train") and 0 < last["done"] <= last["total"]


def test_a_file_that_is_not_there_or_no_progress_is_none(tmp_path: Path) -> None:
    assert read_progress(tmp_path / "none.json") is None
    (tmp_path / "half.json").write_text('{"phase": "tr')
    assert read_progress(tmp_path / "half.json") is None
