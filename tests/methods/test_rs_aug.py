"""rs_aug against an independent reading of the published algorithm, and where its table comes from."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scipy import stats
from tiny_encoders import TinyChoiceTask, TinySequenceTask, TinyTokenTask

from xrobust import RunSpec
from xrobust.contracts import DataContext, Example, Task
from xrobust.errors import UserError
from xrobust.plan import RunPlan, make_plan
from xrobust.registry.plugins import Plugins
from xrobust_methods.rs_aug import RsAug
from xrobust_methods.shared import synonyms as neighbors

TABLE = {
    "good": ["fine", "nice"],
    "dog": ["hound"],
    "walks": ["strolls", "ambles", "goes"],
    "the": [],
    "Berlin": ["berlin"],
}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.json"
    path.write_text(json.dumps(TABLE))
    return path


def augmented(
    table: Path, examples: Sequence[Example], task: Task | None = None, seed: int = 0, epoch: int = 0, **params: Any
) -> Sequence[Example]:
    method = RsAug(RsAug.Params(neighbors=table, **params))
    context = DataContext(task or TinySequenceTask(), seed, epoch, method.files(None, offline=True))
    return method.augment(examples, context)


def sentence(text: str, label: str = "yes", id: str = "7") -> dict[str, str]:
    return {"id": id, "text": text, "label": label}


# -------------------------------------------------------------------------------------------------------- algorithm


def reachable(text: str) -> set[str]:
    """Every sentence that the published algorithm can make of a sentence."""
    return {" ".join(words) for words in product(*([w, *TABLE.get(w, [])] for w in text.split(" ")))}


def test_every_combination_is_equally_likely(table: Path) -> None:
    """Independent words, each uniform over itself and its neighbours: so is the sentence over all combinations."""
    text = "good dog walks"
    drawn = Counter(e["text"] for e in augmented(table, [sentence(text)], copies=1000))
    assert drawn.keys() <= reachable(text)
    assert len(reachable(text)) == 3 * 2 * 4
    assert stats.chisquare([drawn[s] for s in reachable(text)]).pvalue > 1e-3


def test_a_word_stays_with_probability_one_over_one_plus_n(table: Path) -> None:
    draws = augmented(table, [sentence("walks", id=str(i)) for i in range(4)], copies=1000)
    kept = sum(e["text"] == "walks" for e in draws)
    assert stats.binomtest(kept, 4000, 1 / 4).pvalue > 1e-3


def test_capitalised_words_and_glued_punctuation_stay(table: Path) -> None:
    text = "Good dog. (good) DOG good, the  dog"
    drawn = {e["text"] for e in augmented(table, [sentence(text)], copies=100)}
    assert drawn == {"Good dog. (good) DOG good, the  dog", "Good dog. (good) DOG good, the  hound"}
    # The look-up is case-sensitive both ways: a key with a capital is found as such.
    assert {e["text"] for e in augmented(table, [sentence("Berlin berlin")], copies=100)} == {
        "Berlin berlin",
        "berlin berlin",
    }


def test_only_single_spaces_split(table: Path) -> None:
    for text in ("", " ", "a  b ", "good\tdog", "good\u00a0dog"):
        assert {e["text"] for e in augmented(table, [sentence(text)], copies=50)} == {text}


def test_copies_replace_the_originals_and_are_kept_unchanged(table: Path) -> None:
    train = [sentence("good", "yes", "1"), sentence("nothing here", "no", "2")]
    draws = augmented(table, train, copies=3)
    assert [e["id"] for e in draws] == ["1#0", "2#0", "1#1", "2#1", "1#2", "2#2"]
    assert [e["label"] for e in draws] == ["yes", "no"] * 3
    assert [e["text"] for e in draws][1::2] == ["nothing here"] * 3
    assert train == [sentence("good", "yes", "1"), sentence("nothing here", "no", "2")]


def test_both_sentences_of_a_pair_are_drawn_independently(table: Path) -> None:
    pair = {"id": "1", "text": "dog", "text_pair": "dog", "label": "no"}
    drawn = Counter((e["text"], e["text_pair"]) for e in augmented(table, [pair], copies=1000))
    assert len(drawn) == 4
    assert stats.chisquare(list(drawn.values())).pvalue > 1e-3


def test_tokens_are_replaced_one_for_one(table: Path) -> None:
    example = {"id": "1", "tokens": ["good", "", "Good", "dog", "good dog"], "tags": ["O", "X", "Y", "X", "O"]}
    draws = augmented(table, [example], TinyTokenTask(), copies=200)
    assert all(e["tags"] == example["tags"] and len(e["tokens"]) == 5 for e in draws)
    assert {e["tokens"][0] for e in draws} == {"good", "fine", "nice"}
    assert {e["tokens"][3] for e in draws} == {"dog", "hound"}
    # A token is looked up whole.
    assert {(*e["tokens"][1:3], e["tokens"][4]) for e in draws} == {("", "Good", "good dog")}


def test_choices_are_sentences(table: Path) -> None:
    example = {"id": "1", "text": "good", "choices": ["the dog", "Dog"], "label": "A"}
    draws = augmented(table, [example], TinyChoiceTask(), copies=100)
    assert {tuple(e["choices"]) for e in draws} == {("the dog", "Dog"), ("the hound", "Dog")}
    assert {e["label"] for e in draws} == {"A"}


def test_draws_depend_on_seed_example_and_copy_alone(table: Path) -> None:
    text = "good dog walks good dog walks good dog walks"
    train = [sentence(text, id=str(i)) for i in range(20)]

    def texts(examples: Sequence[Example], **settings: Any) -> dict[str, str]:
        return {e["id"]: e["text"] for e in augmented(table, examples, **settings)}

    first = texts(train, copies=2)
    assert texts(train, copies=2) == first
    assert texts(train[::-1], copies=2) == first
    assert texts(train[3:5], copies=3).items() >= {k: v for k, v in first.items() if k[:-2] in ("3", "4")}.items()
    assert len(set(first.values())) == 40
    assert not set(first.values()) & set(texts(train, copies=2, seed=1).values())


def test_fresh_mode_draws_anew_each_epoch(table: Path) -> None:
    train = [sentence("good dog walks good dog walks good dog walks", id=str(i)) for i in range(5)]
    epochs = [[e["text"] for e in augmented(table, train, mode="fresh", epoch=k)] for k in range(2)]
    assert len(epochs[0]) == len(train)
    assert not set(epochs[0]) & set(epochs[1])
    assert RsAug(RsAug.Params(mode="fresh")).every_epoch
    assert not RsAug(RsAug.Params()).every_epoch
    assert RsAug.Params(mode="fresh", copies=10) == RsAug.Params(mode="fresh")


class Watched(Sequence[Example]):
    """A data set that notes which of its rows were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: Any) -> Any:
        self.asked.append(index)
        return sentence("good dog", id=str(index))


def test_copies_are_made_when_they_are_asked_for(table: Path) -> None:
    train = Watched()
    draws = augmented(table, train, copies=1000)
    assert len(draws) == 1_000_000_000
    assert not train.asked
    assert draws[2_000_003]["id"] == "3#2"
    assert draws[-1]["id"] == "999999#999"
    assert [e["id"] for e in draws[999_999:1_000_001]] == ["999999#0", "0#1"]
    assert train.asked == [3, 999_999, 999_999, 0]
    with pytest.raises(IndexError):
        draws[1_000_000_000]


def test_published_numbers_of_copies() -> None:
    plugins = Plugins()
    found = {name: RsAug.defaults(plugins.load("tasks", name)()) for name in ("pawsx", "xnli", "wikiann", "pos")}
    assert found == {"pawsx": {"copies": 10}, "xnli": {"copies": 3}, "wikiann": {"copies": 3}, "pos": {"copies": 3}}


def test_parameters(table: Path) -> None:
    assert "neighbors" not in RsAug.Params(neighbors=table).model_dump()  # its content counts, not its place
    for wrong in ({"copies": 0}, {"mode": "copy"}, {"copy": 3}):
        with pytest.raises(ValidationError):
            RsAug.Params(**wrong)


# ------------------------------------------------------------------------------------------------------------ table


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty user cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "xrobust" / "counterfitted_neighbors.json"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """Stands in for the public repository: serves what the test puts under `table`."""
    served: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = served.get("table")
            self.send_response(200 if data is not None else 404)
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *arguments: Any) -> None:
            """Nothing on the terminal."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    monkeypatch.setattr(neighbors, "URL", f"http://127.0.0.1:{running.server_port}/table")
    yield served
    running.shutdown()


def find(data_dir: Path | None = None, offline: bool = False, **params: Any) -> Path:
    return RsAug(RsAug.Params(**params)).files(data_dir, offline)["neighbors"]


def test_where_the_table_is_looked_for(
    table: Path, nowhere: Path, tmp_path: Path, server: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.dumps(TABLE).encode()
    monkeypatch.setattr(neighbors, "SHA256", hashlib.sha256(content).hexdigest())
    server["table"] = content
    assert find() == nowhere
    assert nowhere.read_bytes() == content
    assert [p.name for p in nowhere.parent.iterdir()] == [nowhere.name]
    server.clear()
    assert find(offline=True) == nowhere

    in_data = tmp_path / "data" / "synonyms" / "counterfitted_neighbors.json"
    in_data.parent.mkdir(parents=True)
    in_data.write_bytes(content)
    assert find(tmp_path / "data") == in_data
    assert find(tmp_path / "data", neighbors=table) == table


def test_a_table_without_an_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((Path("/dev/zero"), "a device"), (tmp_path / "pipe", "a pipe")):
        with pytest.raises(UserError, match=f"{path} is {what}, where a file belongs"):
            find(neighbors=path)


def test_a_cached_table_that_was_damaged_is_fetched_again(
    nowhere: Path, server: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.dumps(TABLE).encode()
    monkeypatch.setattr(neighbors, "SHA256", hashlib.sha256(content).hexdigest())
    nowhere.parent.mkdir(parents=True)
    nowhere.write_bytes(content[:20])
    server["table"] = content
    assert find().read_bytes() == content


def test_what_is_said_when_there_is_none(nowhere: Path, tmp_path: Path, server: dict[str, bytes]) -> None:
    with pytest.raises(UserError) as caught:
        find(tmp_path / "data", offline=True)
    assert neighbors.URL in str(caught.value)
    assert str(tmp_path / "data" / "synonyms" / "counterfitted_neighbors.json") in str(caught.value)
    assert "--set method.neighbors=PATH" in str(caught.value)
    with pytest.raises(UserError, match=r"cannot be downloaded .*404"):
        find()
    server["table"] = b"{}"
    with pytest.raises(UserError, match="is not the published table"):
        find()
    assert not nowhere.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not a JSON file"),
        (b'{"a": ["\xff"]}', "not a JSON file"),
        (b"[]", "expected a JSON object of words"),
        (b"{}", "expected a JSON object of words"),
        (b'{"a": "b"}', "expected a list of words for 'a'"),
        (b'{"a": [], "b": [1]}', "expected a list of words for 'b'"),
        (b'{"a": ["b"], "c": [], "a": ["c"]}', "'a' stands there twice: keep one"),
    ],
)
def test_what_is_said_of_a_malformed_table(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        find(neighbors=path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="cannot be read"):
        find(neighbors=tmp_path / "none.json")


def test_the_published_table(real_data: Path) -> None:
    path = real_data / "synonyms" / "counterfitted_neighbors.json"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == neighbors.SHA256
    words: Mapping[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    assert (len(words), max(map(len, words.values()))) == (49_975, 8)
    assert len(neighbors.read_table(path)) == 25_591


def test_on_real_sentences(real_data: Path) -> None:
    """The share of words that are replaced is what the table's neighbour counts predict."""
    table = real_data / "synonyms" / "counterfitted_neighbors.json"
    words = json.loads(table.read_text(encoding="utf-8"))
    lines = (real_data / "xnli" / "train-en.tsv").read_text(encoding="utf-8").splitlines()[:500]
    train = [sentence(line.split("\t")[0], id=str(i)) for i, line in enumerate(lines)]
    expected = sum(1 - 1 / (1 + len(words.get(w, []))) for e in train for w in e["text"].split(" "))
    draws = augmented(table, train, copies=4)
    changed = 0
    for i, drawn in enumerate(draws):
        before, after = train[i % len(train)]["text"].split(" "), drawn["text"].split(" ")
        changed += sum(a != b for a, b in zip(before, after, strict=True))
        assert all(a == b or b in words[a] for a, b in zip(before, after, strict=True))
    assert changed / 4 == pytest.approx(expected, rel=0.03)


def test_another_source_language_needs_a_table_of_its_own(
    tiny_model: Path, tiny_data: Path, table: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_data, data)
    for language in ("de", "en-GB"):
        shutil.copy(data / "pos" / "dev-de.tsv", data / "pos" / f"train-{language}.tsv")
    shutil.copy(data / "pos" / "dev-de.tsv", data / "pos" / "dev-en-GB.tsv")

    def planned(source: str, **params: Any) -> RunPlan:
        spec = RunSpec(task="pos", method="rs_aug+lora", source=source, method_params=params, model=str(tiny_model))
        return make_plan(spec.model_copy(update={"data_dir": data}))

    with pytest.raises(UserError) as error:
        planned("de")
    assert str(error.value) == (
        "method 'rs_aug' cannot train on source language 'de': its table is of English words; "
        "give one of that language with --set method.neighbors=PATH"
    )
    assert planned("de", neighbors=table).spec.train.source == "de"
    assert planned("en-GB").spec.train.source == "en-GB"
