"""Tasks whose `load` returns what the library `datasets` has: a Dataset, or a stream."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, IterableDataset, List, Value

from xrobust import RunSpec, UserError, load_predictions, run
from xrobust.contracts import Cleaner, Example, LeftOut, Recipe, Split, Task, TaskInfo
from xrobust.data import open_source
from xrobust.data.hf_datasets import DatasetExamples
from xrobust.data.splits import load_split, open_split
from xrobust.errors import PluginError
from xrobust.kinds import SequenceClassification, TokenClassification

SOURCE = open_source(None, True)
NAMES = ["neg", "pos"]
REVIEWS = Features({"text": Value("string"), "label": ClassLabel(names=["pos", "neg"])})


class Reviews(Task):
    """Loads whatever it was made with."""

    info = TaskInfo(name="reviews", summary="-", languages=("en", "de"), license="-", citation="-")
    kind = SequenceClassification(NAMES)
    metrics = ("accuracy",)
    recipe = Recipe(epochs=1, learning_rate=1e-3, select_every=None, batch_size=4)
    columns = ("text", "label")
    label_aliases = {"positive": "pos"}

    def __init__(self, data: Any) -> None:
        self.data = data

    def load(self, split: Split, language: str, source: Any) -> Any:
        return self.data


class Parallel(Reviews):
    parallel_rows = True


class Long(Reviews):
    def cleaner(self, rows: Iterable[Example]) -> Cleaner:
        return Cleaner(lambda row: row if int(row["text"]) >= 5 else LeftOut("too short"))


class Tags(Reviews):
    kind = TokenClassification(("O", "X"))
    columns = ("tokens", "tags")


def rows(count: int) -> list[dict[str, Any]]:
    return [{"text": str(row), "label": row % 2} for row in range(count)]


class Stream:
    """A stream of reviews without an end, which counts what is read of it."""

    def __init__(self, features: Features | None = REVIEWS) -> None:
        self.read = 0

        def generator() -> Iterator[dict[str, Any]]:
            while True:
                self.read += 1
                yield {"text": str(self.read - 1), "label": (self.read - 1) % 2}

        self.dataset = IterableDataset.from_generator(generator, features=features)


def load(task: Task, limit: int | None = None) -> tuple[Sequence[Example], str]:
    examples, used = load_split(task, SOURCE, "test", "de", limit)
    assert used.rows == len(examples)
    return examples, used.sha256


def test_a_dataset_a_stream_and_dicts_are_the_same_rows() -> None:
    as_dicts = [{"id": f"de:{row}", "text": str(row), "label": ["pos", "neg"][row % 2]} for row in range(7)]
    examples, fingerprint = load(Reviews(as_dicts))
    assert examples == as_dicts and examples[0] is not as_dicts[0]
    dataset = Dataset.from_list(rows(7), features=REVIEWS)
    stream = dataset.to_iterable_dataset()
    for data in (dataset, dataset.with_format("numpy"), stream, stream.with_format("numpy")):
        found, its_fingerprint = load(Reviews(data))
        assert list(found) == as_dicts
        assert its_fingerprint == fingerprint
    dressed = dataset.with_transform(lambda batch: {**batch, "text": [text + "!" for text in batch["text"]]})
    assert [e["text"] for e in load(Reviews(dressed))[0]] == [f"{row}!" for row in range(7)]


def test_a_dataset_is_read_a_part_at_a_time() -> None:
    examples, _ = load(Reviews(Dataset.from_list(rows(2500), features=REVIEWS)))
    assert isinstance(examples, DatasetExamples)
    whole = list(examples)
    assert [e["text"] for e in whole] == [str(row) for row in range(2500)]
    assert examples[1234] == whole[1234]
    assert examples[-1] == whole[-1]
    assert examples[10:2000:900] == whole[10:2000:900]
    with pytest.raises(IndexError):
        examples[2500]
    limited, _ = load(Reviews(Dataset.from_list(rows(2500), features=REVIEWS)), limit=3)
    assert isinstance(limited, DatasetExamples)
    assert list(limited) == whole[:3]


def test_no_more_of_a_stream_is_read_than_the_limit() -> None:
    stream = Stream()
    examples, _ = load(Reviews(stream.dataset), limit=5)
    assert stream.read == 5
    assert [e["label"] for e in examples] == ["pos", "neg", "pos", "neg", "pos"]
    untyped = Stream(features=None)
    assert [e["label"] for e in load(Reviews(untyped.dataset), limit=5)[0]] == ["neg", "pos", "neg", "pos", "neg"]
    assert untyped.read == 5


def test_a_task_that_leaves_rows_out_is_given_all_of_a_stream() -> None:
    stream = Dataset.from_list(rows(12), features=REVIEWS).to_iterable_dataset()
    assert [e["text"] for e in load(Long(stream), limit=3)[0]] == ["5", "6", "7"]


def test_ids_and_labels() -> None:
    with_ids = Dataset.from_list([{"id": 7, "text": "a", "label": "positive"}, {"id": 9, "text": "b", "label": "neg"}])
    assert list(load(Reviews(with_ids))[0]) == [
        {"id": "7", "text": "a", "label": "pos"},
        {"id": "9", "text": "b", "label": "neg"},
    ]
    assert [e["id"] for e in load(Parallel(Dataset.from_list(rows(2))))[0]] == ["0", "1"]
    # Numbers without names are in the order of the task's labels.
    assert [e["label"] for e in load(Reviews(Dataset.from_list(rows(2))))[0]] == NAMES
    features = Features(
        {
            "tokens": List(Value("string")),
            "tags": List(ClassLabel(names=["X", "O"])),
            "genre": ClassLabel(names=["news"]),
        }
    )
    tagged = Dataset.from_list([{"tokens": ["a", "b"], "tags": [1, 0], "genre": 0}], features=features)
    assert list(load(Tags(tagged))[0]) == [{"id": "de:0", "tokens": ["a", "b"], "tags": ["O", "X"], "genre": "news"}]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (Dataset.from_list([]), "reviews test de: no example"),
        (
            Dataset.from_list([{"text": "a", "label": -1}], features=REVIEWS),
            "reviews test de, row 0 (id de:0): label '-1' is none of neg, pos",
        ),
        (
            Dataset.from_list([{"sentence": "a", "label": 0}]),
            "reviews test de, row 0 (id de:0): no 'text'; there are 'id', 'sentence', 'label'",
        ),
        (
            Dataset.from_list([{"text": "a", "label": 0}, {"text": None, "label": 0}]),
            "reviews test de, row 1 (id de:1): 'text' is None; text is expected",
        ),
        (
            Dataset.from_list([{"text": "a", "label": 0, "day": datetime.date(2020, 1, 1)}]),
            "reviews test de, row 0 (id de:0): column 'day' holds a date; text, numbers and lists of them are "
            "expected: leave the column out in the task's load",
        ),
        (
            DatasetDict({"test": Dataset.from_list(rows(2))}),
            "task 'reviews' (test_hf_datasets): its load failed at test set of de: it gives a DatasetDict; a sequence "
            "of examples, a datasets.Dataset or a "
            "datasets.IterableDataset is expected; name a split: load_dataset(..., split=...)",
        ),
        (
            None,
            "task 'reviews' (test_hf_datasets): its load failed at test set of de: it gives a NoneType; a sequence "
            "of examples, a datasets.Dataset or a "
            "datasets.IterableDataset is expected",
        ),
    ],
)
def test_what_cannot_be_used_is_said(data: Any, message: str) -> None:
    with pytest.raises((UserError, PluginError)) as error:
        open_split(Reviews(data), SOURCE, "test", "de", None)
    assert str(error.value) == message


PLUGIN = """
from datasets import ClassLabel, Dataset, Features, IterableDataset, Value
from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.kinds import SequenceClassification

FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
WORDS = {"en": ("big", "small"), "de": ("große", "kleine")}


class Opinions(Task):
    info = TaskInfo(name="opinions", summary="good or bad", languages=("en", "de"), license="-", citation="-")
    kind = SequenceClassification(("neg", "pos"))
    metrics = ("accuracy",)
    recipe = Recipe(epochs=2, learning_rate=1e-3, select_every=None, batch_size=4)
    columns = ("text", "label")

    def load(self, split, language, source):
        rows = [{"text": WORDS[language][row % 2], "label": row % 2} for row in range(12)]
        if split == "train":
            return IterableDataset.from_generator(lambda: iter(rows), features=FEATURES)
        return Dataset.from_list(rows, features=FEATURES)
"""


@pytest.mark.parametrize("with_folder", [True, False])
def test_a_run_of_a_task_in_one_file(tmp_path: Path, tiny_model: Path, tiny_data: Path, with_folder: bool) -> None:
    plugin = tmp_path / "opinions.py"
    plugin.write_text(PLUGIN)
    spec = RunSpec(
        task="opinions",
        plugins=(plugin,),
        model=str(tiny_model),
        data_dir=tiny_data if with_folder else None,
        output=tmp_path / "runs",
        offline=True,
        limit=8,
    )
    result = run(spec)
    assert result.scored() == {"en", "de"}
    assert {(used.split, used.language, used.rows) for used in result.data.used} == {
        ("train", "en", 8),
        ("dev", "en", 8),
        ("test", "de", 8),
        ("test", "en", 8),
    }
    predictions = load_predictions(tmp_path / "runs" / "opinions" / "vanilla" / result.run_id, "de")
    assert [row["id"] for row in predictions] == [f"de:{row}" for row in range(8)]
    assert {row["label"] for row in predictions} == {"neg", "pos"}
