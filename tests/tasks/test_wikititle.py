"""WikiTitle: loading, a whole run on made pages, and a user's own text."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from xrobust import RunSpec, load_predictions, run
from xrobust.data.checks import checked
from xrobust.data.sources import open_source
from xrobust.errors import UserError
from xrobust.predict import predict_file
from xrobust_tasks.wikititle import WikiTitle
from xrobust_tasks.wikititle_pages import convert

WORDS = "the runs sees big small in on likes old".split()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages in two languages with one section that is long enough: its title, *cat*, is always the right one."""
    folder = tmp_path_factory.mktemp("wikititle")
    rng = random.Random(0)
    for language, pages in (("en", 140), ("af", 60)):
        with (folder / f"{language}.jsonl").open("w") as dump:
            for number in range(pages):
                long = {"title": "cat", "text": " ".join(rng.choice(WORDS) for _ in range(350))}
                short = [{"title": title, "text": "too short"} for title in ("dog", "house", "Paris", "Berlin")]
                dump.write(json.dumps({"title": f"{language} {number}", "sections": [*short, long]}) + "\n")
        convert(folder / f"{language}.jsonl", language, folder / "wikititle")
    return folder


def test_loading(data: Path) -> None:
    source = open_source(data, offline=True)
    task = WikiTitle()
    assert source.languages(task, "test") == ("af", "en")
    rows = checked(task, task.load("test", "af", source))
    lines = (data / "wikititle" / "test-af.tsv").read_text().splitlines()
    assert [[r["text"], *r["choices"], r["label"]] for r in rows] == [line.split("\t") for line in lines]
    assert rows[0]["id"] == "af:0"


def test_a_whole_run_learns_and_labels_text(data: Path, tiny_model: Path, tmp_path: Path) -> None:
    training = {"epochs": 6, "learning_rate": 1e-2, "max_length": 16}
    spec = RunSpec(task="wikititle", model=str(tiny_model), data_dir=data, output=tmp_path, training=training)
    result = run(spec)
    folder = tmp_path / "wikititle" / "vanilla" / result.run_id
    scores = {(row.language, row.metric): row.value for row in result.scores}
    assert {metric for _, metric in scores} == {"accuracy", "macro_f1", "compat_f1"}
    assert scores["af", "accuracy"] > 0.8, "a guess is right a quarter of the time"
    rows = WikiTitle().load("test", "af", open_source(data, offline=True))
    found = {row["id"]: row["prediction"] for row in load_predictions(folder, "af")}
    right = sum(found[row["id"]] == row["label"] for row in rows)
    assert scores["af", "accuracy"] == pytest.approx(right / len(rows))

    text = tmp_path / "text.tsv"
    texts = [[row["text"], *row["choices"]] for row in rows[:3]]
    for extra in ([], ["?"]):
        text.write_text("".join("\t".join([*fields, *extra]) + "\n" for fields in texts))
        labelled = [line.split("\t") for line in predict_file(folder, text)]
        assert [line[:5] for line in labelled] == texts
        assert [line[5] for line in labelled] == [found[row["id"]] for row in rows[:3]]
        assert all(0.25 <= float(line[6]) <= 1 for line in labelled)


def test_without_a_folder_it_says_what_to_do(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="wikititle is not on the hub; use --data-dir") as caught:
        run(RunSpec(task="wikititle", model=str(tiny_model), output=tmp_path))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
