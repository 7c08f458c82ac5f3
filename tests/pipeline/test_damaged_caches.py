"""Runs whose cache is damaged in every file: said once of each, made anew, and the scores are the same."""

from __future__ import annotations

import gzip
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xrobust import RunSpec, run
from xrobust.encoding import files as encoded_files
from xrobust.results.board import index
from xrobust.results.schema import RunResult
from xrobust.storage import code_hash, file_memo

Made = Callable[[Path], Any]
"""Runs and lists a small run in a cache, and gives the outcome."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: Path) -> Iterator[Made]:
    """Runs and lists a small run in a cache, as a new process does; files are old enough to be remembered."""
    with pytest.MonkeyPatch.context() as patch:
        late = SimpleNamespace(time=lambda: time.time() + 60)
        patch.setattr(file_memo, "time", late)
        patch.setattr(index, "time", late)
        patch.setattr(encoded_files, "IN_MEMORY", 500)  # so that some arrays are mapped, and some are not

        def make(cache: Path) -> tuple[Any, ...]:
            patch.setenv("XDG_CACHE_HOME", str(cache))
            code_hash._code_hash.cache_clear()
            output = tmp_path_factory.mktemp("runs")
            spec = RunSpec(
                task="pawsx",
                model=str(tiny_model),
                data_dir=tiny_data,
                output=output,
                languages=("en", "de"),
                perturb=("typos",),
                pairs=("en:de",),
                training={"epochs": 1, "learning_rate": 5e-3},
            )
            return outcome(run(spec), output)

        yield make


def outcome(result: RunResult, output: Path) -> tuple[Any, ...]:
    """All of a run that must not depend on the cache: scores and rows, and the record that a leaderboard has of it."""
    (read,) = list(index.read_documents(sorted(output.rglob("result.json")), ["runs"]))
    assert read.record is not None
    assert result.training is not None
    timeless = [row.model_copy(update={"seconds": 0}) for row in result.scores]
    return timeless, result.data, result.training.weights, read.record.layout, str(read.record.values.tolist())


@pytest.fixture(scope="module")
def whole(made: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A cache that is filled, and the outcome of the run that filled it."""
    cache = tmp_path_factory.mktemp("cache")
    return cache, made(cache)


def entries(cache: Path) -> list[Path]:
    """Everything that was kept: files of lines, and the files of encoded examples."""
    return sorted(path for path in cache.rglob("*") if path.is_file())


def flipped(place: float) -> Callable[[Path], Any]:
    def flip(file: Path) -> None:
        content = bytearray(file.read_bytes())
        if content:
            content[int(place * (len(content) - 1))] ^= 16
        file.write_bytes(content)

    return flip


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def of_another(file: Path) -> None:
    """The content of the next file of its folder."""
    others = sorted(path for path in file.parent.iterdir() if path != file and path.is_file())
    if others:
        shutil.copy(others[0], file)


def of_wrong_values(file: Path) -> None:
    """Whole, under its own name, with other values in it."""
    if not file.name.endswith(".jsonl.gz"):
        file.write_text('{"content": {}, "sha256": ""}')
        return
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    section = file.parent.name
    wrong: list[Any] = [json.loads(line) for line in lines[:-1]]
    if section == "unchanged":
        wrong[0]["value"] = {"rows": "many"}
    elif section == "perturbed":
        wrong[1][1] = {"id": "elsewhere", "text": 3}
    else:
        wrong.append({"language": 7})
    end = {"lines": len(wrong), "of": f"{section}/{file.name.removesuffix('.jsonl.gz')}"}
    file.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in [*wrong, end]).encode()))


def gone(file: Path) -> None:
    file.unlink()


DAMAGE = {
    "first bit": flipped(0),
    "middle bit": flipped(0.5),
    "last bit": flipped(1),
    "cut": cut,
    "emptied": lambda file: file.write_bytes(b""),
    "another file": of_another,
    "wrong values": of_wrong_values,
    "gone": gone,
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_the_scores_are_those_without_damage(
    how: str, whole: tuple[Path, Any], made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, expected = whole
    cache = Path(shutil.copytree(kept, tmp_path / "cache"))
    assert {file.relative_to(cache / "xrobust").parts[0] for file in entries(cache)} == SECTIONS
    for file in entries(cache):
        DAMAGE[how](file)
    caplog.set_level(logging.WARNING, "xrobust")
    assert made(cache) == expected
    said = [record.getMessage() for record in caplog.records if "is damaged and is made anew" in record.getMessage()]
    assert len(said) == len(set(said)) and all("\n" not in line for line in said)
    if how in ("middle bit", "cut", "wrong values"):
        assert {section for section in SECTIONS if any(f"/{section}/" in line for line in said)} == SECTIONS
        caplog.clear()
        assert made(cache) == expected
        assert [record.getMessage() for record in caplog.records if "damaged" in record.getMessage()] == []


SECTIONS = {"encoded", "leaderboard", "perturbed", "repeated", "unchanged"}
