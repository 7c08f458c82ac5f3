"""`predict_file`: the labels that a scored test set got, for the same file, line by line."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import xrobust.predict
from xrobust import RunSpec, load_predictions, run
from xrobust.errors import UserError
from xrobust.predict import predict_file

TASKS = ("pawsx", "xnli", "wikiann", "pos")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> Path:
    """The tiny data, whose German test sets have what published files have: rows to be cleaned, or to be left out."""
    folder = tmp_path_factory.mktemp("data") / "data"
    shutil.copytree(tiny_data, folder)
    pairs = folder / "pawsx" / "test-de.tsv"
    rows = pairs.read_text().splitlines()
    pairs.write_text("\n".join([*rows[:3], "NS\tHund\t0", *rows[3:], "Hund\t \t1"]) + "\n")
    (folder / "pawsx" / "test-de.ids").unlink(missing_ok=True)
    tokens = folder / "wikiann" / "test-de.tsv"
    prefixed = [f"de:{line}" if line else line for line in tokens.read_text().splitlines()]
    tokens.write_text("\n".join(["-DOCSTART-\tO", "", *prefixed[:-1], "  ", ""]) + "\n")
    words = folder / "pos" / "test-de.tsv"
    (folder / "pos" / "test-de.tsv.gz").write_bytes(gzip.compress(words.read_bytes()))
    words.unlink()
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, data: Path, tiny_model: Path) -> dict[str, Path]:
    """A trained run of each task, scored on German."""
    folder = tmp_path_factory.mktemp("runs")
    found = {}
    for task in TASKS:
        training = {"epochs": 20 if task in ("pawsx", "xnli") else 3, "learning_rate": 1e-2, "batch_size": 8}
        training["dev_looks"] = 1  # the weights of the last step
        spec = RunSpec(
            task=task, model=str(tiny_model), data_dir=data, output=folder, languages=("de",), training=training
        )
        found[task] = folder / task / "vanilla" / run(spec).run_id
    return found


def lines_of(file: Path) -> list[str]:
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return data.decode().splitlines()


@pytest.mark.parametrize("block", [2, 4096])
@pytest.mark.parametrize("task", TASKS)
def test_the_labels_are_those_of_the_scored_test_set(
    task: str, block: int, runs: dict[str, Path], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xrobust.predict, "BLOCK", block)
    (file,) = (data / task).glob("test-de.tsv*")
    given, out = lines_of(file), list(predict_file(runs[task], file))
    assert len(out) == len(given)
    saved = load_predictions(runs[task], "de")
    expected = [tag for row in saved for tag in row["prediction"]] if task in ("wikiann", "pos") else None
    if expected is None:
        expected = [row["prediction"] for row in saved]
    columns = 2 if task in ("pawsx", "xnli") else 1
    assert len(set(expected)) > 1, "a constant would prove nothing"
    labelled = []
    for before, after in zip(given, out, strict=True):
        if not before.strip(" "):
            assert after == ""
            continue
        fields = after.split("\t")
        assert fields[:columns] == before.split("\t")[:columns] and len(fields) == columns + 2
        if fields[columns]:
            assert 0 < float(fields[columns + 1]) <= 1
            labelled.append(fields[columns])
        else:
            assert fields[columns + 1] == "" and ("NS" in fields or " " in fields or "-DOCSTART-" in fields)
    assert labelled == expected


def test_a_treebank_gets_its_tags_in_place(runs: dict[str, Path], data: Path, tmp_path: Path) -> None:
    """The words' lines have the tags of the scored test set; comments, contractions and sentences without text stay."""
    sentences = [
        part.splitlines() for part in "\n".join(lines_of(data / "pos" / "test-de.tsv.gz")).split("\n\n") if part
    ]
    lines = ["# a treebank", "1\t_\t_\tNOUN\t_\t_\t_\t_\t_\t_", ""]
    for words in sentences:
        lines += ["# text = x", "1-2\tam\t_\t_\t_\t_\t_\t_\t_\t_"]
        for number, word in enumerate(words, start=1):
            other = "SpaceAfter=No" if number == 1 else "_"
            lines.append(f"{number}\t{word.split(chr(9))[0]}\t_\t_\t_\t_\t_\t_\t_\t{other}")
        lines.append("")
    file = tmp_path / "de_x-ud-test.conllu"
    file.write_text("\n".join(lines) + "\n")
    out = list(predict_file(runs["pos"], file))
    assert len(out) == len(lines)
    changed = [(before, after.split("\t")) for before, after in zip(lines, out, strict=True) if before != after]
    tags = [tag for row in load_predictions(runs["pos"], "de") for tag in row["prediction"]]
    assert [after[3] for _, after in changed] == tags
    for before, after in changed:
        kept = before.split("\t")
        assert [*after[:3], *after[4:9]] == [*kept[:3], *kept[4:9]]
        more = "SpaceAfter=No|" if kept[9] != "_" else ""
        assert after[9].startswith(f"{more}Prob=0.") or after[9] == f"{more}Prob=1.0000"


def test_text_without_labels_and_from_a_pipe_gives_the_labels_of_the_file(
    runs: dict[str, Path], data: Path, tmp_path: Path
) -> None:
    rows = [line.split("\t")[:2] for line in lines_of(data / "pawsx" / "test-de.tsv")]
    text = "".join("\t".join(row) + "\n" for row in rows)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    out = list(predict_file(runs["pawsx"], pipe))
    writer.join()
    assert out == list(predict_file(runs["pawsx"], data / "pawsx" / "test-de.tsv"))


def test_progress_counts_lines(runs: dict[str, Path], data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xrobust.predict, "BLOCK", 10)
    seen: list[tuple[int, int]] = []
    file = data / "wikiann" / "test-de.tsv"
    out = list(predict_file(runs["wikiann"], file, progress=lambda done, total: seen.append((done, total))))
    assert {total for _, total in seen} == {len(out)} and seen[-1][0] == len(out)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen}) and len(seen) > 1


@pytest.mark.parametrize("block", [2, 4096])
def test_what_was_done_to_the_text_is_said_once(
    block: int, runs: dict[str, Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xrobust.predict, "BLOCK", block)
    said: list[str] = []
    pairs, words = data / "pawsx" / "test-de.tsv", data / "wikiann" / "test-de.tsv"
    list(predict_file(runs["pawsx"], pairs, note=said.append))
    assert said == [f"{pairs}: left out: 2, never translated (NS, or empty)"]
    said.clear()
    list(predict_file(runs["wikiann"], words, note=said.append))
    assert said == [f"{words}: prefix 'de:' cut from tokens; rows: 24"]
    said.clear()
    long = tmp_path / "long.tsv"
    long.write_text("cat\tdog\n" * 3 + "cat " * 80 + "\tdog\n")
    list(predict_file(runs["pawsx"], long, note=said.append))
    assert said == [
        f"{long}: max_length 64 cuts 1 of 4 examples (25.0%, 20 word pieces in all): which is all that the model takes"
    ]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_without_an_example(text: str, runs: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "nothing.tsv"
    file.write_text(text)
    with pytest.raises(UserError, match=r"nothing\.tsv: the file is empty; expected lines of sentence1 TAB sentence2"):
        list(predict_file(runs["pawsx"], file))


def test_a_bad_line_is_found_before_the_first_label(runs: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "text.tsv"
    file.write_text("a\tb\n" * 50 + "a\n")
    out: Iterator[str] = predict_file(runs["pawsx"], file)
    with pytest.raises(UserError, match=r"text\.tsv:51: 1 column found, 2 expected"):
        next(out)
