"""Encoded examples that are kept: found again, checked, made anew where they are damaged, and never in the way."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny_encoders import tokenizer
from transformers import PreTrainedTokenizerFast

from xrobust import RunSpec, run
from xrobust.contracts.encoded import Encoded
from xrobust.encoding import cache as encodings
from xrobust.encoding import files
from xrobust.encoding.cache import EncodingCache, tokenizer_sha256
from xrobust.encoding.files import _Array
from xrobust.errors import UserError
from xrobust.kinds import MultipleChoice, SequenceClassification, TokenClassification
from xrobust.registry.plugin_file import plugins_in, read_source
from xrobust.storage import cache

TAGGING = TokenClassification(("A", "B"))
ALONE = SimpleNamespace(is_main_process=True, is_local_main_process=True, wait_for_everyone=lambda: None)
"""What `EncodingCache` asks of Accelerate, with one process."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own: where it keeps encodings."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("XROBUST_CACHE_GB", raising=False)
    return tmp_path / "cache" / "xrobust" / "encoded"


def sentences(count: int) -> list[dict[str, Any]]:
    """Of 0 to 4 words, some of several pieces, some longer than a window."""
    words = ["a", "b" * 9, "cd", "abc abc"]
    rows = [[words[(k + j) % 4] for j in range(k % 5)] for k in range(count)]
    return [{"id": str(k), "tokens": row, "tags": ["AB"[len(word) % 2] for word in row]} for k, row in enumerate(rows)]


def of(rows: list[dict[str, Any]], made_from: Any = "these", kind: Any = TAGGING, **how: Any) -> Encoded:
    """`rows` encoded by way of the cache."""
    found = EncodingCache(kind, how.get("tokenizer", tokenizer("bert")), how.get("max_length", 12), ALONE)
    return found.encode({"rows": made_from}, lambda: rows)


def same(one: Encoded, other: Encoded) -> bool:
    """Whether two are equal, types of the numbers included."""

    def equal(a: Any, b: Any) -> bool:
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return a.dtype == b.dtype and np.array_equal(a, b)
        return bool(a == b)

    return all(equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Encoded))


def unreadable() -> Iterator[dict[str, Any]]:
    raise AssertionError("examples were asked for, and they are in the cache")
    yield


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("task", ["pawsx", "pos"])
def test_the_second_run_tokenises_nothing(
    task: str, tmp_path: Path, tiny_model: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train, dev, every language, perturbed rows and pairs, of a method that makes examples of its own."""
    texts: list[Any] = []
    original = PreTrainedTokenizerFast._encode_plus

    def counting(self: Any, text: Any, text_pair: Any = None, **options: Any) -> Any:
        texts.extend(text if isinstance(text, list) else [text])
        return original(self, text, text_pair, **options)

    monkeypatch.setattr(PreTrainedTokenizerFast, "_encode_plus", counting)

    def tokenised(learning_rate: float) -> list[Any]:
        texts.clear()
        spec = RunSpec(
            task=task,
            method="rs_aug",
            model=str(tiny_model),
            data_dir=tiny_data,
            output=tmp_path / "runs",
            perturb=("typos",),
            pairs=("all",) if task == "pawsx" else (),
            training={"epochs": 1, "learning_rate": learning_rate},
        )
        assert run(spec).status == "complete"
        return [text for text in texts if text not in ("a", " a a")]  # by which a tokenizer is known when it is loaded

    assert len(tokenised(1e-3)) > 60
    assert tokenised(2e-3) == []


@pytest.mark.parametrize("name", ["bert", "xlm-roberta"])
@pytest.mark.parametrize("kind", [TAGGING, SequenceClassification(("x", "y")), MultipleChoice(("A", "B"))])
@pytest.mark.parametrize("mapped", [True, False])
def test_what_is_kept_is_what_was_encoded(name: str, kind: Any, mapped: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if mapped:
        monkeypatch.setattr(files, "IN_MEMORY", 0)
    rows: list[dict[str, Any]] = sentences(23)
    if kind is not TAGGING:
        rows = [{"id": r["id"], "text": " ".join(r["tokens"]), "text_pair": "ab", "choices": ["a", "cd"]} for r in rows]
        for row in rows:
            row["label"] = kind.labels[int(row["id"]) % 2]
    pieces = tokenizer(name)
    expected = kind.encode(rows, pieces, 12)
    made, kept = (of(rows, kind=kind, tokenizer=pieces) for _ in range(2))
    assert same(made, expected) and same(kept, expected)
    for array in (kept.input_ids, kept.labels, kept.offsets):
        assert type(array) is np.ndarray and isinstance(array.base, np.memmap) == mapped and not array.flags.writeable


@pytest.mark.parametrize("count", [0, 6, 7, 14, 23])
def test_blocks_are_put_together(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encodings, "BLOCK", 7)
    rows = sentences(count)
    assert same(of(rows), TAGGING.encode(rows, tokenizer("bert"), 12))


def test_it_is_found_again_without_a_look_at_the_examples() -> None:
    expected = of(sentences(9))
    again = EncodingCache(TAGGING, tokenizer("bert"), 12, ALONE).encode({"rows": "these"}, unreadable)
    assert same(again, expected)


def test_what_it_is_made_from_decides() -> None:
    """Rows, length, labels and everything of the tokenizer that shows in what it gives."""
    rows = sentences(9)
    left, unknowing = tokenizer("bert"), tokenizer("bert")
    left.truncation_side = "left"
    unknowing.unk_token = None
    typeless = tokenizer("bert")
    typeless.model_input_names = ["input_ids", "attention_mask"]
    others: list[Callable[[], Encoded]] = [
        lambda: of(rows),
        lambda: of(rows[::-1], "others"),
        lambda: of(rows, max_length=8),
        lambda: of(rows, kind=TokenClassification(("B", "A"))),
        *(lambda given=given: of(rows, tokenizer=given) for given in (left, unknowing, typeless, tokenizer("roberta"))),
    ]
    for number, encode in enumerate(others, start=1):
        encode()
        assert len(entries(cache.cache_folder() / "encoded")) == number


def test_a_tokenizer_is_the_same_before_and_after_it_was_used() -> None:
    used = tokenizer("bert")
    used(["a b c d"], truncation=True, max_length=3, padding="max_length")
    assert tokenizer_sha256(used) == tokenizer_sha256(tokenizer("bert"))


@pytest.mark.parametrize("how", ["flipped", "truncated", "missing"])
@pytest.mark.parametrize("name", ["manifest.json", "input_ids.bin", "labels.bin", "offsets.bin"])
def test_damage_is_seen_said_and_made_good(name: str, how: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = sentences(9)
    expected = TAGGING.encode(rows, tokenizer("bert"), 12)
    of(rows)
    (entry,) = folder.iterdir()
    file, before = entry / name, (entry / name).read_bytes()
    middle = len(before) // 2
    flipped = bytes([before[middle] ^ 1])
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(before[:middle] if how == "truncated" else before[:middle] + flipped + before[middle + 1 :])
    caplog.set_level(logging.WARNING, "xrobust")
    assert same(of(rows), expected)
    (record,) = caplog.records
    assert record.getMessage().startswith(f"{entry} is damaged and is made anew (")
    assert file.read_bytes() == before


def test_a_disk_that_takes_nothing_is_no_failure(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.parent.parent.write_text("no folder")
    caplog.set_level(logging.WARNING, "xrobust")
    made = EncodingCache(TAGGING, tokenizer("bert"), 12, ALONE)
    for number in range(2):
        rows = sentences(9 + number)
        assert same(made.encode({"rows": number}, lambda rows=rows: rows), TAGGING.encode(rows, tokenizer("bert"), 12))
    assert [r.getMessage() for r in caplog.records] == [
        f"encoded in memory: {folder} does not take it (Not a directory)"
    ]


def test_a_disk_that_fills_is_no_failure(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: _Array, values: np.ndarray) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(_Array, "append", full)
    rows = sentences(9)
    assert same(of(rows), TAGGING.encode(rows, tokenizer("bert"), 12))
    assert caplog.records[0].getMessage() == f"encoded in memory: {folder} does not take it (No space left on device)"
    assert entries(folder) == []


def test_examples_that_cannot_be_read_leave_nothing(folder: Path) -> None:
    def failing() -> Iterator[dict[str, Any]]:
        yield from sentences(3)
        raise OSError("of the examples")

    with pytest.raises(OSError, match="of the examples"):
        EncodingCache(TAGGING, tokenizer("bert"), 12, ALONE).encode({"rows": "these"}, failing)
    assert entries(folder) == []


def test_two_that_make_the_same_do_no_harm(folder: Path) -> None:
    rows = sentences(9)

    def meanwhile() -> list[dict[str, Any]]:
        of(rows)  # another process is quicker
        return rows

    first = EncodingCache(TAGGING, tokenizer("bert"), 12, ALONE).encode({"rows": "these"}, meanwhile)
    assert same(first, of(rows)) and len(entries(folder)) == 1


def test_what_was_not_used_for_longest_goes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sentences(9)
    made = {}
    for number in range(3):
        before = set(entries(folder))
        of(rows, number)
        (made[number],) = set(entries(folder)) - before
        os.utime(folder / made[number], (1000 + number, 1000 + number))
    mapped = of(rows, 0)  # which is now the last one that was used
    one = sum(file.stat().st_size for file in (folder / made[0]).iterdir())
    monkeypatch.setenv("XROBUST_CACHE_GB", str(2.5 * one / 1e9))
    of(rows, 3)
    left = entries(folder)
    assert made[0] in left and made[1] not in left and made[2] not in left and len(left) == 2
    monkeypatch.setenv("XROBUST_CACHE_GB", str(one / 2e9))
    assert same(of(rows, 4), mapped)
    assert len(entries(folder)) == 1, "what is in use now stays"
    assert same(mapped, of(rows, 0)), "what is mapped can be read though it is removed"


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    (folder / ".old.tmp").mkdir(parents=True)
    (folder / ".new.tmp").mkdir()
    os.utime(folder / ".old.tmp", (1000, 1000))
    of(sentences(2))
    assert ".new.tmp" in entries(folder) and ".old.tmp" not in entries(folder)


def test_a_limit_of_nothing_keeps_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XROBUST_CACHE_GB", "0")
    rows = sentences(9)
    assert same(of(rows), TAGGING.encode(rows, tokenizer("bert"), 12))
    assert entries(folder) == []


@pytest.mark.parametrize("given", ["many", "-1", "nan"])
def test_a_limit_that_is_none(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XROBUST_CACHE_GB", given)
    with pytest.raises(UserError, match=f"XROBUST_CACHE_GB is '{given}': write how many gigabytes"):
        cache.max_bytes()


def test_new_draws_each_epoch_leave_no_file_an_epoch(
    folder: Path, tmp_path: Path, tiny_model: Path, tiny_data: Path
) -> None:
    spec = RunSpec(
        task="pos",
        method="rs_aug",
        method_params={"mode": "fresh"},
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path / "runs",
        languages=("en",),
        training={"epochs": 3},
    )
    run(spec)
    assert len(entries(folder)) == 2, "the dev and the test set"


PLUGIN = """
from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.kinds import TokenClassification

class Other(TokenClassification):
    number = 1

class Mine(Task):
    info = TaskInfo(name="mine", summary="", languages=("en",), license="", citation="")
    kind = Other(("A", "B"))
    metrics = ("accuracy",)
    columns = ("tokens", "tags")
    recipe = Recipe(epochs=1, learning_rate=1e-5, select_every=None)
"""


def test_what_a_single_file_brings_is_kept_under_its_code(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "mine.py"
    for number in (1, 2):
        file.write_text(PLUGIN.replace("number = 1", f"number = {number}"))
        ((_, task),) = plugins_in(read_source(file))
        for _ in range(2):
            of(sentences(3), kind=task.kind)
        assert len(entries(folder)) == number


def test_a_kind_without_source_is_not_kept(folder: Path) -> None:
    unknown = type("Unknown", (TokenClassification,), {"__module__": "nowhere"})(("A", "B"))
    rows = sentences(3)
    assert same(of(rows, kind=unknown), TAGGING.encode(rows, tokenizer("bert"), 12))
    assert entries(folder) == []
