"""From pages to the files of wikititle: the published rules, and what is wrong with a dump."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xrobust.cli.main import main
from xrobust.data import tsv
from xrobust.errors import UserError
from xrobust_tasks.wikititle import WikiTitle
from xrobust_tasks.wikititle_pages import SPLITS, convert, split_of

TITLES = ["Naam", "Ligging", "Sport", "Kuns", "Musiek"]


def page(number: int, titles: list[str] | None = None, size: int = 300) -> dict[str, Any]:
    """A page of sections whose texts say where they come from."""
    sections = [{"title": t, "text": f"{number} {t} ".ljust(size, "x")} for t in (titles or TITLES)]
    return {"title": f"page {number}", "sections": sections}


def write(path: Path, pages: list[Any]) -> Path:
    path.write_text("".join(json.dumps(p, ensure_ascii=False) + "\n" for p in pages), encoding="utf-8")
    return path


def rows(folder: Path, language: str = "af") -> dict[str, list[dict[str, Any]]]:
    return {split: tsv.read(folder / f"{split}-{language}.tsv", WikiTitle()) for split in SPLITS}


SECTIONS = st.lists(
    st.tuples(st.sampled_from([*TITLES, "", " Sport "]), st.integers(150, 400), st.sampled_from("xyz")), max_size=7
)


@given(st.lists(SECTIONS, max_size=6), st.integers(0, 3))
@settings(deadline=None, max_examples=50)
def test_every_example_keeps_the_rules(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[list[tuple[str, int, str]]], seed: int
) -> None:
    folder = tmp_path_factory.mktemp("pages")
    odd = [
        {
            "title": f"odd {i}",
            "sections": [{"title": t, "text": f"odd {i}\t{t.strip()}\n" + c * n} for t, n, c in found],
        }
        for i, found in enumerate(drawn)
    ]
    dump = write(folder / "dump.jsonl", [*odd, *map(page, range(40))])
    counts = convert(dump, "af", folder / "out", seed)
    found = rows(folder / "out")
    assert {split: len(found[split]) for split in SPLITS} == dict(counts.examples)

    titles = {p["title"]: {s["title"].strip() for s in p["sections"]} for p in [*odd, *map(page, range(40))]}
    seen = Counter(row["text"] for split in SPLITS for row in found[split])
    assert set(seen.values()) == {1}, "no text twice"
    home: dict[str, set[str]] = defaultdict(set)
    used: Counter[str] = Counter()
    for split in SPLITS:
        for row in found[split]:
            words = row["text"].split(" ")
            name, rest = ("odd " + words[1], words[2:]) if words[0] == "odd" else ("page " + words[0], words[1:])
            right = row["choices"]["ABCD".index(row["label"])]
            assert right == rest[0], "the text says what its title is"
            assert len(set(row["choices"])) == 4 and set(row["choices"]) <= titles[name] - {""}
            assert len(row["text"]) > 200 and "\t" not in row["text"]
            home[name].add(split)
            used[name] += 1
    assert all(len(splits) == 1 for splits in home.values()), "a page is in one split"
    assert max(used.values()) <= 4
    assert counts.usable_pages == len(used)
    assert counts.pages == 40 + len(odd)


def test_the_same_again_and_another_seed_otherwise(tmp_path: Path) -> None:
    dump = write(tmp_path / "dump.jsonl", [page(i) for i in range(60)])
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        convert(dump, "af", tmp_path / name, seed)
    assert rows(tmp_path / "a") == rows(tmp_path / "b") != rows(tmp_path / "c")
    backwards = write(tmp_path / "backwards.jsonl", [page(i) for i in reversed(range(60))])
    convert(backwards, "af", tmp_path / "d", 0)
    assert {str(r) for r in rows(tmp_path / "d")["test"]} == {str(r) for r in rows(tmp_path / "a")["test"]}


def test_shares_of_the_splits() -> None:
    found = Counter(split_of(f"page {i}", 0) for i in range(5000))
    assert found["test"] / 5000 == pytest.approx(0.2, abs=0.02)
    assert found["dev"] / 5000 == pytest.approx(0.08, abs=0.015)


def test_the_right_answer_is_anywhere(tmp_path: Path) -> None:
    convert(write(tmp_path / "dump.jsonl", [page(i) for i in range(200)]), "af", tmp_path)
    labels = Counter(row["label"] for row in rows(tmp_path)["train"])
    assert set(labels) == set("ABCD")
    assert max(labels.values()) < 1.3 * min(labels.values())


@pytest.mark.parametrize(
    "unusable",
    [
        page(0, TITLES[:3]),
        page(0, ["Sport", "Sport", "Naam", "Kuns"]),
        page(0, TITLES, size=200),
        page(0, TITLES[:4], size=201) | {"sections": page(0, TITLES[:4], size=201)["sections"] + []},
    ],
    ids=["three titles", "three different titles", "sections of 200 characters", "900 bytes"],
)
def test_pages_that_are_not_used(tmp_path: Path, unusable: dict[str, Any]) -> None:
    dump = write(tmp_path / "dump.jsonl", [unusable])
    with pytest.raises(UserError, match=r"dump\.jsonl: none of its 1 pages is usable: one needs 1000 bytes"):
        convert(dump, "af", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_text_twice_stays_once(tmp_path: Path) -> None:
    pages = [page(i) for i in range(60)]
    pages[7]["sections"][2]["text"] = pages[3]["sections"][0]["text"].replace(" ", "\n \u2028")
    counts = convert(write(tmp_path / "dump.jsonl", pages), "af", tmp_path)
    assert counts.duplicates == 1


GOOD = json.dumps(page(0)).encode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", r":2: not JSON \("),
        (b"\xff", ":2: byte 0xff is not valid UTF-8"),
        (b"[]", r":2: a JSON object is expected, found \[\]"),
        (b"{}", ":2: no 'sections'; it has nothing"),
        (b'{"sections": []}', ":2: no 'title'; it has 'sections'"),
        (b'{"title": "a", "sections": {}}', r":2: 'sections' is \{\}; a list is expected"),
        (b'{"title": 7, "sections": []}', ":2: 'title' is 7; a string is expected"),
        (b'{"title": "a", "sections": [{"title": "b"}]}', ":2: section 1: no 'text'; it has 'title'"),
        (b'{"title": "a", "sections": ["b"]}', ":2: section 1: a JSON object is expected"),
        (rb'{"title": "\ud800", "sections": []}', ":2: 'title' holds half a surrogate pair"),
        (b"[" * 100_000, ":2: JSON that is not a page"),
    ],
)
def test_a_dump_that_cannot_be_read(tmp_path: Path, line: bytes, message: str) -> None:
    dump = tmp_path / "dump.jsonl"
    dump.write_bytes(GOOD + b"\n" + line + b"\n")
    with pytest.raises(UserError, match=r"dump\.jsonl" + message) as caught:
        convert(dump, "af", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == [], "nothing is left half written"


def test_too_few_pages(tmp_path: Path) -> None:
    dump = write(tmp_path / "dump.jsonl", [page(0)])
    with pytest.raises(UserError, match=r"its 1 usable pages leave nothing for .* and .*; give more pages"):
        convert(dump, "af", tmp_path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump = write(tmp_path / "dump.jsonl", [page(i) for i in range(60)])

    def said(*arguments: object) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["data", "convert", "wikititle", *map(str, arguments)])
        return ended.value.code, *capsys.readouterr()

    code, out, _ = said(dump, "--language", "af", "--output", tmp_path / "data" / "wikititle")
    lines = out.splitlines()
    assert code == 0 and lines[0] == "60 pages, 60 of them usable; 0 sections left out as duplicates"
    found = rows(tmp_path / "data" / "wikititle")
    for line, split in zip(lines[1:], SPLITS, strict=True):
        assert line.endswith(f"{split}-af.tsv: {len(found[split])} examples")

    (tmp_path / "file").write_text("")
    for arguments, message in (
        (
            (tmp_path / "nowhere.jsonl", "--language", "af", "--output", tmp_path),
            "nowhere.jsonl: there is no such file",
        ),
        ((tmp_path, "--language", "af", "--output", tmp_path / "x"), "is a folder, where a file belongs"),
        ((dump, "--language", "af", "--output", tmp_path / "file"), "cannot be made (File exists)"),
        ((dump, "--language", "a/f", "--output", tmp_path), "'a/f' is no language code"),
    ):
        code, _, error = said(*arguments)
        assert code == 2 and message in error and error.count("\n") == 1
