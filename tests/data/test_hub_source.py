"""The hub path, against a small server on this machine: the real libraries, in a process of their own, nothing patched.

The repositories, revisions, patterns and columns are those that the four tasks declare.
"""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hub_server import Hub

from xrobust.contracts import Task
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn
from xrobust_tasks.xnli import Xnli

CLIENT = """
import json, sys
from importlib import import_module
from xrobust.data import open_source
from xrobust.data.splits import load_split
from xrobust.errors import UserError

TASKS = {"pawsx": "PawsX", "xnli": "Xnli", "wikiann": "WikiAnn", "pos": "Pos"}
answers = []
for name, split, language, offline in json.loads(sys.argv[1]):
    task = getattr(import_module(f"xrobust_tasks.{name}"), TASKS[name])()
    try:
        answers.append(list(load_split(task, open_source(None, offline), split, language, None)[0]))
    except UserError as error:
        answers.append({"error": str(error), "cause": type(error.__cause__).__name__})
print(json.dumps(answers))
"""


def parquet(columns: dict[str, Any], features: dict[str, Any] | None = None) -> bytes:
    """A parquet file as the hub's data sets have it, class labels in its metadata; without `features` a plain one."""
    buffer = io.BytesIO()
    if features is None:
        pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    else:
        import datasets

        table = pyarrow.table(columns, schema=datasets.Features(features).arrow_schema)
        pyarrow.parquet.write_table(table, buffer)
    return buffer.getvalue()


def repositories() -> dict[tuple[str, str], dict[str, bytes]]:
    from datasets import ClassLabel, Sequence, Value

    pairs = {"id": Value("int32"), "sentence1": Value("string"), "sentence2": Value("string")}
    paws = {**pairs, "label": ClassLabel(names=["0", "1"])}
    paws_files = {}
    for language in ("en", "de"):
        rows = {"id": [7, 9, 12], "sentence1": ["a", "NS", language], "sentence2": ['"', "b", "c"], "label": [1, 0, 0]}
        for split in ("train", "validation", "test"):
            paws_files[f"{language}/{split}-00000-of-00001.parquet"] = parquet(rows, paws)
    paws_files["es/test-00000-of-00001.parquet"] = parquet(
        {"id": [1, 2], "sentence1": ["a", "b"], "sentence2": ["c", "d"], "label": [0, -1]}, paws
    )
    paws_files["fr/test-00000-of-00001.parquet"] = parquet({"id": [1], "label": [0]})

    nli = {"premise": ["p", "q", "r"], "hypothesis": ["h", "i", "j"], "label": [2, 0, 1]}
    nli_features = {
        "premise": Value("string"),
        "hypothesis": Value("string"),
        "label": ClassLabel(names=["entailment", "neutral", "contradiction"]),
    }
    nli_files = {
        "sw/validation-00000-of-00001.parquet": parquet(nli, nli_features),
        "sw/train-00000-of-00001.parquet": parquet(nli, nli_features),
        "de/test-00000-of-00001.parquet": parquet(nli),
    }

    # Another order of the names than the task's: what a number means is in the file.
    names = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER", "B-ORG", "I-ORG"]
    wikiann = {
        "tokens": Sequence(Value("string")),
        "ner_tags": Sequence(ClassLabel(names=names)),
        "langs": Sequence(Value("string")),
    }
    wikiann_files = {
        "de/test-00000-of-00001.parquet": parquet(
            {"tokens": [["Bad", "Ems"], ["", "x"]], "ner_tags": [[1, 2], [0, 3]], "langs": [["de"] * 2] * 2}, wikiann
        ),
        "yo/test-00000-of-00001.parquet": parquet(
            {
                "tokens": [["yo:Eko", "yo:"], ["yo:a"] * 8],
                "ner_tags": [[1, 0], [0] * 8],
                "langs": [["yo"] * 2, ["yo"] * 8],
            },
            wikiann,
        ),
    }

    tags = Pos.kind.labels
    pos = {"tokens": Sequence(Value("string")), "pos_tags": Sequence(ClassLabel(names=list(tags)))}
    one = {"tokens": [["das"]], "pos_tags": [[tags.index("DET")]]}
    two = {"tokens": [["Haus", "."]], "pos_tags": [[tags.index("NOUN"), tags.index("PUNCT")]]}
    pos_files = {
        "udpos.German/test-00000-of-00002.parquet": parquet(one, pos),
        "udpos.German/test-00001-of-00002.parquet": parquet(two, pos),
        "udpos.German/train-00000-of-00001.parquet": parquet(two, pos),
        "udpos.Kazakh/test-00000-of-00001.parquet": parquet(one, pos),
        "PAN-X.de/test-00000-of-00001.parquet": b"nothing to read",
    }

    def place(task: type[Task]) -> tuple[str, str]:
        assert task.info.hub is not None
        return task.info.hub.repo, task.info.hub.revision

    return {place(PawsX): paws_files, place(Xnli): nli_files, place(WikiAnn): wikiann_files, place(Pos): pos_files}


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    hub = Hub(repositories())
    yield hub
    hub.close()


@pytest.fixture(scope="module")
def closed() -> str:
    """An endpoint that nobody answers at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hub-home")


def ask(endpoint: str, home: Path, *requests: tuple[str, str, str], offline: bool = False) -> list[Any]:
    """The rows of each (task, split, language), or its error, from a process with this endpoint and cache."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith("HF_") and "proxy" not in name.lower()
    }
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, json.dumps([[*request, offline] for request in requests])],
        env={**clean, "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": str(int(offline))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answers: list[Any] = json.loads(done.stdout)
    return answers


WANTED = [("pawsx", "test", "de"), ("xnli", "dev", "sw"), ("wikiann", "test", "de"), ("pos", "test", "de")]


@pytest.fixture(scope="module")
def online(hub: Hub, home: Path) -> list[Any]:
    """The first answers; what they fetched stays in the cache of `home`."""
    hub.log.clear()
    return ask(hub.endpoint, home, *WANTED)


def test_rows_labels_and_ids(online: list[Any]) -> None:
    pawsx, xnli, wikiann, pos = online
    # The data set's own ids; without the pair that was never translated.
    assert pawsx == [
        {"id": "7", "text": "a", "text_pair": '"', "label": "1"},
        {"id": "12", "text": "de", "text_pair": "c", "label": "0"},
    ]
    assert [(e["id"], e["text"], e["text_pair"], e["label"]) for e in xnli] == [
        ("0", "p", "h", "contradiction"),
        ("1", "q", "i", "entailment"),
        ("2", "r", "j", "neutral"),
    ]
    assert wikiann == [
        {"id": "de:0", "tokens": ["Bad", "Ems"], "tags": ["B-LOC", "I-LOC"]},
        {"id": "de:1", "tokens": ["", "x"], "tags": ["O", "B-PER"]},
    ]
    # Both files of the split, in order.
    assert pos == [
        {"id": "de:0", "tokens": ["das"], "tags": ["DET"]},
        {"id": "de:1", "tokens": ["Haus", "."], "tags": ["NOUN", "PUNCT"]},
    ]


def test_only_the_files_of_the_split_were_fetched(hub: Hub, online: list[Any]) -> None:
    assert sorted(hub.files()) == [
        "de/test-00000-of-00001.parquet",
        "de/test-00000-of-00001.parquet",
        "sw/validation-00000-of-00001.parquet",
        "udpos.German/test-00000-of-00002.parquet",
        "udpos.German/test-00001-of-00002.parquet",
    ]
    assert not any("train" in line for line in hub.log)


def test_what_was_fetched_is_there_offline(closed: str, home: Path, online: list[Any]) -> None:
    *again, missing = ask(closed, home, *WANTED, ("pawsx", "dev", "de"), offline=True)
    assert again == online
    assert missing["error"] == (
        f"pawsx: de/validation-*.parquet of {PawsX.info.hub.repo} at {PawsX.info.hub.revision} is not in the cache: "
        "use --data-dir"
    )


def test_without_a_network_the_cache_serves_and_the_rest_is_said(closed: str, home: Path, online: list[Any]) -> None:
    *again, missing = ask(closed, home, *WANTED, ("pawsx", "dev", "de"))
    assert again == online
    assert missing["error"].startswith(f"pawsx: cannot get de/validation-*.parquet of {PawsX.info.hub.repo} at ")
    assert missing["error"].endswith("): use --data-dir")
    assert "refused" in missing["error"]
    assert "\n" not in missing["error"]
    assert missing["cause"] == "ConnectError"


def test_half_of_a_split_is_not_taken_for_the_whole(hub: Hub, closed: str, tmp_path: Path) -> None:
    wanted = ("pos", "test", "de")
    whole = ask(hub.endpoint, tmp_path, wanted)
    (second,) = tmp_path.glob("hub/datasets--google--xtreme/snapshots/*/udpos.German/test-00001-of-00002.parquet")
    second.unlink()
    assert "is not in the cache" in ask(closed, tmp_path, wanted, offline=True)[0]["error"]
    assert ask(hub.endpoint, tmp_path, wanted) == whole


def test_what_the_hub_cannot_give_is_said(hub: Hub, tmp_path: Path) -> None:
    unknown, no_split, unnamed, no_column, plain, prefixed = ask(
        hub.endpoint,
        tmp_path,
        ("pawsx", "test", "deu"),
        ("pos", "dev", "kk"),
        ("pawsx", "test", "es"),
        ("pawsx", "test", "fr"),
        ("xnli", "test", "de"),
        ("wikiann", "test", "yo"),
    )
    assert unknown["error"] == "pawsx: no language 'deu' on the hub; did you mean 'de'?"
    where = f"{Pos.info.hub.repo} at {Pos.info.hub.revision}"
    assert no_split["error"] == f"pos: there is no file udpos.Kazakh/validation-*.parquet in {where}"
    where = f"{PawsX.info.hub.repo} at {PawsX.info.hub.revision}"
    assert unnamed["error"] == f"test set in 'es' of {where}, row 1 (id 2): label '-1' is none of 0, 1"
    assert no_column["error"] == f"pawsx: fr/test-*.parquet of {where} has no column sentence1, sentence2"
    # A file without names for its numbers: they are in the task's order.
    assert [e["label"] for e in plain] == ["contradiction", "entailment", "neutral"]
    # The data set's original tokens say their language.
    assert [e["tokens"] for e in prefixed] == [["Eko", ""], ["a"] * 8]
