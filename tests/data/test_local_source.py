"""A local folder of data: which files are found, which ids rows get, what is said when something is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from xrobust.data.local import LocalSource
from xrobust.data.sources import open_source
from xrobust.errors import UserError
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn
from xrobust_tasks.xnli import Xnli

WORD = "# sent_id = s1\n1\t{}\t_\tNOUN\t_\t_\t_\t_\t_\t_\n\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def message(source: LocalSource, *arguments: object) -> str:
    with pytest.raises(UserError) as error:
        source.load(*arguments)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)
    return str(error.value)


def test_ids_of_a_sidecar_align_languages(tmp_path: Path) -> None:
    write(tmp_path / "pawsx/test-en.tsv", "a\tb\t0\nc\td\t1\ne\tf\t1\n")
    write(tmp_path / "pawsx/test-en.ids", "1\n2\n3\n")
    write(tmp_path / "pawsx/test-de.tsv", "A\tB\t0\nE\tF\t1\n")
    write(tmp_path / "pawsx/test-de.ids", "1\r\n3\r\n")
    source = open_source(tmp_path, offline=False)
    english = {e["id"]: e for e in source.load(PawsX(), "test", "en")}
    german = source.load(PawsX(), "test", "de")
    assert [(english[e["id"]]["text"], e["text"]) for e in german] == [("a", "A"), ("e", "E")]
    assert german[1] == {"id": "3", "text": "E", "text_pair": "F", "label": "1"}


def test_parallel_rows_have_their_number_as_id(tmp_path: Path) -> None:
    for language in ("en", "sw"):
        write(tmp_path / f"xnli/test-{language}.tsv", f"{language}\tb\tneutral\n{language}\td\tcontradictory\n")
    source = LocalSource(tmp_path)
    for language in ("en", "sw"):
        assert [(e["id"], e["text"]) for e in source.load(Xnli(), "test", language)] == [
            ("0", language),
            ("1", language),
        ]
    assert source.load(Xnli(), "test", "en")[1]["label"] == "contradiction"


def test_other_rows_have_language_and_number(tmp_path: Path) -> None:
    write(tmp_path / "wikiann/test-de.tsv", "Berlin\tB-LOC\n\n.\tO\n\n")
    assert LocalSource(tmp_path).load(WikiAnn(), "test", "de") == [
        {"id": "de:0", "tokens": ["Berlin"], "tags": ["B-LOC"]},
        {"id": "de:1", "tokens": ["."], "tags": ["O"]},
    ]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ("1\n", ": 1 ids for 2 rows of test-de.tsv"),
        ("1\n2\n3\n", ": 3 ids for 2 rows of test-de.tsv"),
        ("1\n1\n", ":2: id '1' is that of line 1 too"),
        ("1\n\n", ":2: empty; an id is expected"),
    ],
)
def test_a_sidecar_that_does_not_fit(tmp_path: Path, ids: str, said: str) -> None:
    write(tmp_path / "pawsx/test-de.tsv", "a\tb\t0\nc\td\t1\n")
    sidecar = write(tmp_path / "pawsx/test-de.ids", ids)
    assert message(LocalSource(tmp_path), PawsX(), "test", "de") == f"{sidecar}{said}"


@pytest.mark.parametrize("place", ["pos/UD_German-GSD", "ud/UD_German-GSD", "UD_German-GSD", "."])
def test_treebanks_are_found_where_there_is_no_tsv(tmp_path: Path, place: str) -> None:
    write(tmp_path / place / "de_gsd-ud-test.conllu", WORD.format("a"))
    source = LocalSource(tmp_path)
    assert source.languages(Pos(), "test") == ("de",)
    assert source.languages(Pos(), "dev") == ()
    assert source.load(Pos(), "test", "de") == [{"id": "de_gsd:s1", "tokens": ["a"], "tags": ["NOUN"]}]
    # Universal part-of-speech tags are no labels of this task.
    assert "no folder 'wikiann'" in message(source, WikiAnn(), "test", "de")


def test_tsv_wins_over_treebanks(tmp_path: Path) -> None:
    write(tmp_path / "pos/test-de.tsv", "b\tX\n")
    write(tmp_path / "pos/UD_German-GSD/de_gsd-ud-test.conllu", WORD.format("a"))
    write(tmp_path / "ud/UD_French-GSD/fr_gsd-ud-test.conllu", WORD.format("a"))
    source = LocalSource(tmp_path)
    assert source.languages(Pos(), "test") == ("de",)
    assert source.load(Pos(), "test", "de")[0]["tokens"] == ["b"]


def test_languages_are_sorted_and_per_split(tmp_path: Path) -> None:
    for name in ("test-zh.tsv", "test-de.tsv", "dev-de.tsv", "notes-de.tsv", "test.tsv", "test-fr.txt"):
        write(tmp_path / "pawsx" / name, "a\tb\t0\n")
    source = LocalSource(tmp_path)
    assert source.languages(PawsX(), "test") == ("de", "zh")
    assert source.languages(PawsX(), "dev") == ("de",)
    assert source.languages(PawsX(), "train") == ()


def test_what_is_missing_is_said_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere: there is no such folder$"):
        LocalSource(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"file: is a file, not a folder$"):
        LocalSource(write(tmp_path / "file", ""))
    source = LocalSource(tmp_path)
    assert message(source, PawsX(), "test", "de") == f"data dir {tmp_path}: no folder 'pawsx'; it has no folder at all"
    (tmp_path / "xnli").mkdir()
    (tmp_path / "wikiann").mkdir()
    assert message(source, PawsX(), "test", "de") == f"data dir {tmp_path}: no folder 'pawsx'; it has wikiann, xnli"
    assert message(source, Xnli(), "test", "de") == (
        f"{tmp_path / 'xnli'}: no file named <split>-<language>.tsv in it, for instance test-de.tsv (or test-de.tsv.gz)"
    )
    write(tmp_path / "xnli/test-de.tsv", "a\tb\tneutral\n")
    write(tmp_path / "xnli/test-en.tsv", "a\tb\tneutral\n")
    assert message(source, Xnli(), "test", "sw") == (
        f"data dir {tmp_path}: no test set of xnli in language 'sw'; there are de, en"
    )
    assert message(source, Xnli(), "train", "en") == f"data dir {tmp_path}: xnli has no train set; it has test"


def test_a_folder_says_what_it_is() -> None:
    assert LocalSource(Path()).describe(Xnli()) == {"id": "local", "revision": None}
