"""What the tasks declare, against what is published and against each other."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import xrobust_tasks
from xrobust.contracts import Example, Split, Task
from xrobust.data import conllu
from xrobust.data.rows import Account, cleaned
from xrobust_tasks.pawsx import PawsX
from xrobust_tasks.pos import Pos
from xrobust_tasks.wikiann import WikiAnn
from xrobust_tasks.wikititle import WikiTitle
from xrobust_tasks.xnli import Xnli

TASKS = [PawsX(), Xnli(), WikiAnn(), Pos()]


class Fixed:
    """A source of given rows."""

    def __init__(self, rows: Sequence[Example]) -> None:
        self.rows = rows

    def load(self, task: Task, split: Split, language: str) -> Sequence[Example]:
        return self.rows

    def languages(self, task: Task, split: Split) -> tuple[str, ...]:
        return ("en",)

    def describe(self, task: Task) -> dict[str, str | None]:
        return {}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.info.name)
def test_a_declaration_is_complete(task: Task) -> None:
    info, hub = task.info, task.info.hub
    assert hub is not None
    assert re.fullmatch("[0-9a-f]{40}", hub.revision)
    assert info.summary and info.license and info.citation and task.recipe.source
    assert info.source_language in info.languages
    assert list(info.languages) == sorted(set(info.languages))
    canonical = {"id", *task.kind.text_columns, task.kind.gold_column}
    assert set(hub.columns) <= canonical
    assert set(task.columns) <= canonical
    assert task.columns[-1] == task.kind.gold_column
    assert set(hub.configs) <= set(info.languages)
    assert len(set(task.kind.labels)) == len(task.kind.labels)
    assert all(0 < e.low < e.high < 1 and e.metric in task.metrics and e.source for e in task.recipe.expected)


def test_the_entry_points_are_these_classes() -> None:
    found = {point.name: point.load() for point in entry_points(group="xrobust.tasks") if point.dist.name == "xrobust"}
    assert found == {task.info.name: type(task) for task in (*TASKS, WikiTitle())}


def test_languages_are_those_of_xtreme() -> None:
    assert [len(task.info.languages) for task in TASKS] == [7, 15, 40, 33]
    assert set(Pos.info.languages) - set(WikiAnn.info.languages) == set()
    assert set(WikiAnn.info.languages) - set(Pos.info.languages) == {"bn", "jv", "ka", "ml", "ms", "my", "sw"}
    assert set(PawsX.info.languages) < set(Pos.info.languages)
    assert Pos.info.hub is not None
    assert {code: Pos.info.hub.configs[code] for code in conllu.CODES.values() if code in Pos.info.hub.configs} == {
        code: name for name, code in conllu.CODES.items() if code in Pos.info.languages
    }


def test_recipes_are_those_of_xtreme() -> None:
    assert [(t.info.name, t.recipe.epochs) for t in TASKS] == [("pawsx", 5), ("xnli", 2), ("wikiann", 10), ("pos", 10)]
    assert {t.recipe.select_every for t in TASKS} == {None}, "else methods that train for longer look more often"
    assert {(t.recipe.learning_rate, t.recipe.batch_size, t.recipe.max_length) for t in TASKS} == {(2e-5, 32, 128)}
    assert [t.metrics for t in TASKS] == [
        ("accuracy", "ece"),
        ("accuracy", "ece"),
        ("span_f1", "span_f1_strict"),
        ("accuracy", "xtreme_f1", "ece"),
    ]


def test_tags() -> None:
    assert set(Pos.kind.labels) == set(conllu.UPOS_TAGS)
    assert len(Pos.kind.labels) == 17
    assert WikiAnn.kind.labels[0] == "O"


def test_pairs_that_were_never_translated_are_left_out() -> None:
    texts = [("a", "b"), ("NS", "b"), ("a", "NS"), ("", ""), ("a", " "), ("NS .", "c")]
    rows = [{"id": str(i), "text": a, "text_pair": b, "label": "0"} for i, (a, b) in enumerate(texts)]
    account = Account()
    assert [e["id"] for e in cleaned(PawsX(), rows, account)] == ["0", "5"]
    assert account.left_out == {"never translated (NS, or empty)": 4}


def test_a_language_prefix_is_cut_where_nearly_all_tokens_have_it() -> None:
    def tokens(*sentences: list[str]) -> tuple[list[list[str]], dict[str, int]]:
        rows = [{"id": str(i), "tokens": s, "tags": ["O"] * len(s)} for i, s in enumerate(sentences)]
        account = Account()
        return [list(e["tokens"]) for e in cleaned(WikiAnn(), rows, account)], account.changed

    assert tokens(["de:Bad", "de:Ems"] * 5, ["de:", "de:de:"]) == (
        [["Bad", "Ems"] * 5, ["", "de:"]],
        {"prefix 'de:' cut from tokens": 2},
    )
    assert tokens(["no:"] * 19, ["zh-min-nan:"])[1] == {"prefix 'no:' cut from tokens (1 of 20 tokens have none)": 2}
    assert tokens(["zh-min-nan:a"] * 10)[0] == [["a"] * 10]
    for genuine in (["de:Bad", "de:Ems"] * 5 + ["Ems"], ["en:Paris"], ["en:Paris"] + ["a"] * 9, [":", "a:b"] * 9):
        assert tokens(genuine) == ([genuine], {})


def test_the_declarations_import_nothing_heavy() -> None:
    code = (
        "import sys, xrobust_tasks.pawsx, xrobust_tasks.xnli, xrobust_tasks.wikiann, xrobust_tasks.pos, xrobust.data\n"
        "import xrobust.data.local\n"
        "print(sorted({'torch', 'transformers', 'numpy', 'datasets', 'peft', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_the_declarations_use_the_public_contracts_only() -> None:
    allowed = {"__future__", "collections.abc", "pathlib", "xrobust.contracts", "xrobust.kinds"}
    more = {
        "pos": {"xrobust.data.conllu"},  # its tags are those of the format
        "wikiann": {"re", "collections", "functools"},  # the prefixes of its files
        "wikititle": {"typing", "numpy", "xrobust.metrics.ratio", ".wikititle_pages"},  # a metric and a converter too
    }
    declarations = ("__init__", "pawsx", "pos", "wikiann", "wikititle", "xnli")
    for path in Path(xrobust_tasks.__file__).parent.glob("*.py"):
        if path.stem == "wikititle_pages":
            continue
        assert path.stem in declarations
        imported = set(re.findall(r"^\s*(?:from|import) (\S+)", path.read_text(), re.MULTILINE))
        assert imported <= allowed | more.get(path.stem, set()), path
