"""CoNLL-U: the words of Universal Dependencies, languages from names, ids that align what is parallel."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrobust.data import conllu
from xrobust.data.local import LocalSource
from xrobust.errors import UserError
from xrobust_tasks.pos import Pos

UPOS = sorted(conllu.UPOS_TAGS)
FORM = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\t\n"), min_size=1)
WORDS = st.lists(st.tuples(FORM, st.sampled_from(UPOS)), min_size=1, max_size=6)
REST = "\t_\t_\t_\t_\t_"


def word(number: object, form: str, tag: str) -> str:
    return f"{number}\t{form}\t_\t{tag}\t_{REST}"


def treebank(*sentences: str) -> str:
    return "".join(sentence + "\n\n" for sentence in sentences)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("treebank") / "de_gsd-ud-test.conllu"


@given(st.lists(WORDS, min_size=1, max_size=4), st.data())
def test_words_come_back_and_nothing_else(
    file: Path, sentences: list[list[tuple[str, str]]], data: st.DataObject
) -> None:
    lines = []
    for words in sentences:
        lines.append(f"# text = {words[0][0]}")
        for number, (form, tag) in enumerate(words, start=1):
            if data.draw(st.booleans()):
                lines.append(word(f"{number}-{number + 1}", form + "x", "_"))
            lines.append(word(number, form, tag))
            if data.draw(st.booleans()):
                lines += ["# a comment in between", word(f"{number}.1", form + "y", "VERB")]
        lines.append("")
    write(file, "\n".join(lines) + "\n")
    found = conllu.sentences(file, Pos())
    assert [list(zip(s.tokens, s.tags, strict=True)) for s in found] == sentences


def test_a_contraction_and_an_elided_word(file: Path) -> None:
    write(
        file,
        treebank(
            "\n".join(
                [
                    "# sent_id = s1",
                    "# text = im Haus",
                    word("1-2", "im", "_"),
                    word(1, "in", "ADP"),
                    word(2, "dem", "DET"),
                    word(3, "Haus", "NOUN"),
                    word("3.1", "ist", "AUX"),
                ]
            )
        ),
    )
    found = conllu.sentences(file, Pos())
    assert len(found) == 1
    assert found[0].sent_id == "s1"
    assert found[0].tokens == ["in", "dem", "Haus"]
    assert found[0].tags == ["ADP", "DET", "NOUN"]


def test_spaces_in_a_form_stay_and_the_last_empty_line_may_lack(file: Path) -> None:
    write(file, word(1, "25 000", "NUM"))
    assert conllu.sentences(file, Pos())[0].tokens == ["25 000"]


@pytest.mark.parametrize(
    ("name", "language", "split", "bank"),
    [
        ("UD_German-GSD/de_gsd-ud-test.conllu", "de", "test", "de_gsd"),
        ("anything/yo_ytb-ud-dev.conllu", "yo", "dev", "yo_ytb"),
        ("UD_German-HDT/de_hdt-ud-train-a-1.conllu", "de", "train", "de_hdt"),
        ("UD_German/de-ud-train.conllu", "de", "train", "de"),
        ("UD_German-GSD/test.conllu", "de", "test", "UD_German-GSD"),
        ("UD_de-GSD/gsd-test.conllu", "de", "test", "UD_de-GSD"),
        ("kk/train.conllu", "kk", "train", "kk"),
        ("UD_Yoruba/dev.conllu", "yo", "dev", "UD_Yoruba"),
        ("UD_French-PUD/test-en.conllu", "en", "test", "en"),
        ("test-fro.conllu", "fro", "test", "fro"),
        ("my-corpus/de-test.conllu", "de", "test", "de"),
    ],
)
def test_names_tell_language_and_split(tmp_path: Path, name: str, language: str, split: str, bank: str) -> None:
    path = write(tmp_path / name, word(1, "a", "NOUN"))
    write(path.parent / "not-a-split.conllu", "")
    assert conllu.find(tmp_path, Pos()) == [conllu.TreebankFile(bank, path, language, split)]


@pytest.mark.parametrize(
    "place", ["UD_Klingon-X", "pos", "ud", "pos/ud", ".", "pos/UD_pos-X", "pos/my-corpus", "no-text"]
)
def test_a_language_that_no_name_tells(tmp_path: Path, place: str) -> None:
    """The folder of the task is no language, and neither is that of any data, whatever it is called."""
    data = tmp_path / "abc"
    path = write(data / place / "test.conllu", word(1, "a", "NOUN"))
    with pytest.raises(UserError) as error:
        LocalSource(data).languages(Pos(), "test")
    assert str(error.value).startswith(f"{path}: cannot tell its language; name the file like test-de.conllu")


def test_a_data_folder_may_be_a_treebank(tmp_path: Path) -> None:
    write(tmp_path / "UD_German-GSD" / "test.conllu", word(1, "a", "NOUN"))
    assert LocalSource(tmp_path / "UD_German-GSD").languages(Pos(), "test") == ("de",)


def test_sentences_without_text_are_left_out_and_counted(tmp_path: Path) -> None:
    """A treebank released without its text has _ for every form; a genuine _ among other words stays."""
    text = "\n".join([word(1, "snake", "NOUN"), word(2, "_", "PUNCT"), word(3, "case", "NOUN")])
    without = "\n".join([word(1, "_", "DET"), word(2, "_", "NOUN")])
    write(tmp_path / "de_two-ud-test.conllu", treebank(text, without, without))
    rows = conllu.read(conllu.find(tmp_path, Pos()), Pos(), "de", "test")
    assert [row["tokens"] for row in rows] == [["snake", "_", "case"]]
    assert rows.account.left_out == {"no text in the treebank (every form is _)": 2} and not rows.account.parts
    write(tmp_path / "de_two-ud-test.conllu", treebank(without))
    with pytest.raises(UserError, match=r"de_two-ud-test.conllu: no sentence has text: every form is _"):
        conllu.read(conllu.find(tmp_path, Pos()), Pos(), "de", "test")


def test_treebanks_of_a_language_are_joined_in_sorted_order(tmp_path: Path) -> None:
    sentence = "# sent_id = {}\n" + word(1, "{}", "NOUN")
    write(tmp_path / "UD_German-PUD" / "de_pud-ud-test.conllu", treebank(sentence.format("n1", "c")))
    write(tmp_path / "UD_German-GSD" / "de_gsd-ud-test-b.conllu", treebank(sentence.format("test-s2", "b")))
    write(tmp_path / "UD_German-GSD" / "de_gsd-ud-test-a.conllu", treebank(sentence.format("test-s1", "a")))
    write(tmp_path / "UD_German-GSD" / "de_gsd-ud-dev.conllu", treebank(sentence.format("dev-s1", "x")))
    write(tmp_path / "UD_Chinese-GSD" / "zh_gsd-ud-test.conllu", treebank(sentence.format("test-s1", "y")))
    write(tmp_path / "UD_Chinese-PUD" / "zh_pud-ud-test.conllu", treebank(sentence.format("n1", "z")))
    files = conllu.find(tmp_path, Pos())
    german = conllu.read(files, Pos(), "de", "test")
    assert [(e["id"], e["tokens"]) for e in german] == [
        ("de_gsd:test-s1", ["a"]),
        ("de_gsd:test-s2", ["b"]),
        ("n1", ["c"]),
    ]
    assert german.account.parts == {"de_gsd": 2, "de_pud": 1}
    chinese = conllu.read(files, Pos(), "zh", "test")
    # What is parallel has one id in both languages; equal numbers of unrelated treebanks have not.
    assert {e["id"] for e in german} & {e["id"] for e in chinese} == {"n1"}


def test_a_sentence_without_an_id_has_its_row(tmp_path: Path) -> None:
    text = treebank(
        "# sent_id = s1\n" + word(1, "a", "NOUN"), word(1, "b", "NOUN"), "# sent_id =\n" + word(1, "c", "X")
    )
    write(tmp_path / "UD_German-GSD" / "de_gsd-ud-test.conllu", text)
    rows = conllu.read(conllu.find(tmp_path, Pos()), Pos(), "de", "test")
    assert [row["id"] for row in rows] == ["de_gsd:s1", "de:1", "de:2"]


def test_a_line_of_blanks_ends_a_sentence(file: Path) -> None:
    write(file, word(1, "a", "NOUN") + "\n \t\n" + word(1, "b", "NOUN") + "\n")
    assert [s.tokens for s in conllu.sentences(file, Pos())] == [["a"], ["b"]]
    assert [record.lines for record in conllu.records(file, Pos())][1] == [" \t"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n", ":1: 1 column found, 10 expected (CoNLL-U, separated by TAB)"),
        ("1\ta\t_\tNOUN\n", ":1: 4 columns found, 10 expected (CoNLL-U, separated by TAB)"),
        (word(1, "a", "NOUN") + "\n" + word("x", "b", "X"), ":2: 'x' is no CoNLL-U word id (1, 1-2 or 1.1)"),
        ("# c\n" + word(1, "a", "_"), f":2: UPOS '_' is none of {', '.join(UPOS)}"),
        (word(1, "a", "CONJ"), f":1: UPOS 'CONJ' is none of {', '.join(UPOS)}"),
        ("# only a comment\n\n", ": no sentence in it; expected CoNLL-U"),
        ("", ": no sentence in it; expected CoNLL-U"),
    ],
)
def test_what_is_wrong_is_said_with_the_line(file: Path, text: str, message: str) -> None:
    write(file, text)
    with pytest.raises(UserError) as error:
        conllu.sentences(file, Pos())
    assert str(error.value) == f"{file}{message}"


def test_invalid_utf8(file: Path) -> None:
    file.write_bytes(word(1, "a", "NOUN").encode() + b"\n" + b"2\t\xff\n")
    with pytest.raises(UserError, match=":2: byte 0xff is not valid UTF-8"):
        conllu.sentences(file, Pos())


def test_an_id_that_is_there_twice(tmp_path: Path) -> None:
    sentence = "# sent_id = s1\n" + word(1, "a", "NOUN")
    path = write(tmp_path / "UD_German-GSD" / "de_gsd-ud-test.conllu", treebank(sentence, sentence))
    with pytest.raises(UserError) as error:
        conllu.read(conllu.find(tmp_path, Pos()), Pos(), "de", "test")
    assert str(error.value) == f"{path}:5: sent_id 's1' is that of {path}:2 too"
