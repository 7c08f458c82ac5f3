"""A short fuzz run; `python -m tests.benchmarks.fuzz` is the long one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from benchmarks import fuzz
from benchmarks.fuzzed_inputs import prepare
from benchmarks.mutations import bytes_mutated, tree_mutated, tree_text

INPUTS = 200


def test_no_input_is_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is read, or refused by one line; the long run with `--seed 7 --only NUMBER` shows one that is neither."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "true" / "cache"))
    monkeypatch.setenv("XROBUST_TRACEBACK", "1")
    (tmp_path / "true").mkdir()
    prepare(tmp_path / "true")
    outcomes = fuzz.Outcomes()
    for number in range(INPUTS):
        outcomes.add(number, *fuzz.one(7, number, tmp_path / "true"))
    assert outcomes.failures == []
    for kind in ("document", "preset", "table", "setting"):
        assert outcomes.counts[kind, "read"] and outcomes.counts[kind, "refused"]


def test_a_failure_is_told_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> None:
        raise KeyError("a defect")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.fuzzed_inputs.KINDS", {"document": (1, lambda rng, place, true: read)})
    kind, what, said = fuzz.one(1, 5, tmp_path)
    assert (kind, what) == ("document", "failed") and said.endswith("KeyError: 'a defect'\n")
    assert (tmp_path / "build/fuzz/document-5").is_dir()


def test_mutations_depend_on_the_seed_alone() -> None:
    tree = {"a": [1, {"b": None}], "c": "text"}
    for make in (
        lambda rng: bytes_mutated(rng, b"a: 1\nb: 2\n" * 20, b"other"),
        lambda rng: tree_text(tree_mutated(rng, tree)),
    ):
        several = [make(random.Random(seed)) for seed in range(50)]
        assert several == [make(random.Random(seed)) for seed in range(50)]
        assert len(set(several)) > 30
    assert tree == {"a": [1, {"b": None}], "c": "text"}, "the true one is left as it is"
