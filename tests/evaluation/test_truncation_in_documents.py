"""Truncation in the document, the log and the tables of a run: the numbers are the tokenizer's own."""

from __future__ import annotations

import logging
import os
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from xrobust import RunSpec, hookimpl, run
from xrobust.cli.result_tables import print_results
from xrobust.config.run_spec import EvaluationRequest
from xrobust.contracts import Prediction
from xrobust.encoding.truncation import Truncation
from xrobust.errors import RunError
from xrobust.evaluate_trained import evaluate
from xrobust.kinds import TokenClassification
from xrobust.plan import make_plan
from xrobust.results.schema import RunResult
from xrobust.results.store import load_result, save_result
from xrobust.runtime.signals import Terminated

LENGTH = 10


def cut(tokenizer: Any, rows: Sequence[Sequence[str]]) -> Truncation:
    """What the tokenizer leaves out of each text or pair, when it cuts at LENGTH."""
    lost = []
    for texts in rows:
        whole, kept = (
            tokenizer(*([text] for text in texts), verbose=False, **more)["input_ids"][0]
            for more in ({}, {"truncation": True, "max_length": LENGTH})
        )
        lost.append(len(whole) - len(kept))
    return Truncation(encoded=len(rows), examples=sum(n > 0 for n in lost), pieces=sum(lost))


def pairs(data: Path, split: str, language: str) -> list[list[str]]:
    lines = (data / "pawsx" / f"{split}-{language}.tsv").read_text().splitlines()
    return [line.split("\t")[:2] for line in lines]


@pytest.fixture
def spec(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> RunSpec:
    return RunSpec(
        task="pawsx",
        model=str(tiny_model),
        data_dir=tiny_data,
        output=tmp_path / "runs",
        languages=("en", "de"),
        training={"epochs": 1, "learning_rate": 1e-3, "max_length": LENGTH},
    )


def noted(result: RunResult) -> dict[str, Truncation | None]:
    """Every count of a document, by the rows that it is of."""
    data = result.data
    return {
        **{f"{row.split} {row.language}": row.truncation for row in data.used},
        **{f"{row.language} {row.perturbation}": row.truncation for row in data.perturbed},
        **{":".join(row.pair): row.truncation for row in data.pairs},
    }


def folder_of(spec: RunSpec) -> Path:
    return make_plan(spec).folder


def test_of_every_split_language_perturbation_and_pair(
    spec: RunSpec, plugin: Path, tiny_data: Path, tiny_model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "xrobust")
    spec = spec.model_copy(update={"perturb": ("reverse",), "plugins": (plugin,), "pairs": ("en:de", "de:en")})
    result = run(spec)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tests = {code: pairs(tiny_data, "test", code) for code in ("en", "de")}
    expected = {
        "train en": cut(tokenizer, pairs(tiny_data, "train", "en")),
        "dev en": cut(tokenizer, pairs(tiny_data, "dev", "en")),
        **{f"test {code}": cut(tokenizer, rows) for code, rows in tests.items()},
        **{
            f"{code} reverse": cut(tokenizer, [[a[::-1], b] for a, b in rows if a != a[::-1]])
            for code, rows in tests.items()
        },
        **{
            f"{one}:{other}": cut(tokenizer, [[a, b] for (a, _), (_, b) in zip(tests[one], tests[other], strict=True)])
            for one, other in (("en", "de"), ("de", "en"))
        },
    }
    assert noted(result) == expected
    assert all(found.examples > found.encoded / 2 for found in expected.values()), "much is cut"

    said = [record.getMessage() for record in caplog.records if "max_length" in record.getMessage()]
    assert Counter(line.partition(":")[0] for line in said) == Counter(
        ["pawsx train en", "pawsx dev en", "pawsx test en", "pawsx test de"]
    ), "each language once, not again for each perturbation and pair"
    assert all(line.endswith("a run with --set training.max_length=N takes more, up to 64") for line in said)
    assert load_result(folder_of(spec)) == result


def test_a_later_evaluation_counts_as_the_run_does(spec: RunSpec, plugin: Path) -> None:
    """With nothing in the cache and with all of it there; what was counted before stays."""
    whole = spec.model_copy(update={"perturb": ("reverse",), "plugins": (plugin,), "pairs": ("en:de",)})
    expected = noted(run(whole.model_copy(update={"output": spec.output / "whole"})))
    run(spec.model_copy(update={"languages": ("en",)}))
    request = EvaluationRequest(languages=("en", "de"), perturb=("reverse",), pairs="en:de")
    assert noted(evaluate(folder_of(spec), request=request, plugin_files=[plugin])) == expected


GROWING = """
from xrobust.contracts import Method, MethodInfo


class Growing(Method):
    \'\'\'Each example twice, with more words each epoch.\'\'\'

    info = MethodInfo(name="growing", summary="longer texts each epoch")
    every_epoch = True

    def augment(self, train, ctx):
        more = " cat" * ctx.epoch
        return [{**e, "id": f"{e['id']}#{i}", "text": e["text"] + more} for e in train for i in range(2)]
"""


class StopsAtACheckpoint:
    @hookimpl
    def checkpoint_saved(self, step: int, path: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def test_the_examples_of_the_first_epoch_count_also_in_a_run_that_was_stopped(
    spec: RunSpec, tmp_path: Path, tiny_data: Path, tiny_model: Path
) -> None:
    """They are those that the method made; the run goes on with the second epoch."""
    plugin = tmp_path / "growing.py"
    plugin.write_text(GROWING)
    training = {**spec.training, "epochs": 2}
    spec = spec.model_copy(
        update={
            "method": "growing",
            "plugins": (plugin,),
            "languages": ("en",),
            "training": training,
            "checkpoint_steps": 3,  # an epoch
        }
    )
    once = cut(AutoTokenizer.from_pretrained(tiny_model), pairs(tiny_data, "train", "en"))
    with pytest.raises(Terminated):
        run(spec, observers=[StopsAtACheckpoint()])
    assert load_result(folder_of(spec)).status == "interrupted"
    assert noted(run(spec))["train en"] == Truncation(
        encoded=2 * once.encoded, examples=2 * once.examples, pieces=2 * once.pieces
    )


def test_a_token_longer_than_a_model_input_and_what_the_tables_say(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "x" * 30
    for split, language, rows in (
        ("train", "en", [["cat", "x"]] * 8),
        ("dev", "en", [["cat"]] * 200 + [[long, "a"]]),
        ("test", "en", [["cat", long], [long, long, "cat"], ["cat"]]),
    ):
        file = tmp_path / "data" / "pos" / f"{split}-{language}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n\n".join("\n".join(f"{token}\tNOUN" for token in row) for row in rows) + "\n")
    result = run(
        RunSpec(
            task="pos",
            model=str(tiny_model),
            data_dir=tmp_path / "data",
            output=tmp_path / "runs",
            training={"epochs": 1, "max_length": LENGTH},
        )
    )
    lost = 30 - (LENGTH - 2)
    assert noted(result) == {
        "train en": Truncation(encoded=8, examples=0, pieces=0),
        "dev en": Truncation(encoded=201, examples=1, pieces=lost, tokens=0),
        "test en": Truncation(encoded=3, examples=2, pieces=3 * lost, tokens=0),
    }
    print_results(result)
    assert "\nexamples cut at 10 word pieces (max_length): test en 66.7%\n" in capsys.readouterr().out


def test_a_document_from_before_is_read_as_it_was(finished_run: Path, copied: Callable[[Path], Path]) -> None:
    folder = copied(finished_run)
    result = load_result(folder)
    result.data.used = [row.model_copy(update={"truncation": None}) for row in result.data.used]
    save_result(folder, result)
    assert set(noted(load_result(folder)).values()) == {None}


KIND = '''
from dataclasses import replace

from xrobust.contracts import Recipe, Task, TaskInfo
from xrobust.kinds import TokenClassification


class Beheading(TokenClassification):
    """Cuts sentences at max_length."""

    def encode(self, examples, tokenizer, max_length):
        examples = [{**e, "tokens": e["tokens"][:4], "tags": e["tags"][:4]} for e in examples]
        return replace(super().encode(examples, tokenizer, max_length), cut=None)


class PosBeheaded(Task):
    """Tags of the first words."""

    info = TaskInfo(name="beheaded", summary="", languages=(), license="", citation="")
    kind = Beheading(("A", "B"))
    metrics = ("accuracy",)
    columns = ("tokens", "tags")
    recipe = Recipe(epochs=1, learning_rate=1e-3, select_every=None)
'''


def test_a_kind_that_gives_no_tag_to_what_it_cut_is_named(tmp_path: Path, tiny_model: Path) -> None:
    file, data = tmp_path / "beheading.py", tmp_path / "data" / "beheaded"
    file.write_text(KIND)
    data.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        (data / f"{split}-en.tsv").write_text("\n\n".join("\n".join(["the\tA"] * n) for n in (1, 4, 6)) + "\n")
    spec = RunSpec(
        task="beheaded", plugins=(file,), model=str(tiny_model), data_dir=tmp_path / "data", output=tmp_path / "runs"
    )
    with pytest.raises(RunError) as error:
        run(spec)
    assert str(error.value) == (
        "kind of task 'token_classification' (beheading.py): its decode failed at example en:2: it gives 4 tags for 6 "
        "tokens: each needs one, also a token that max_length cut away"
    )


@pytest.mark.parametrize("request_", [{"perturb": ("reverse",)}, {"attack": "pgd"}], ids=["perturbed", "attacked"])
def test_a_tag_that_is_missing_under_another_condition_is_no_shorter_gold(
    request_: dict[str, Any],
    finished_run: Path,
    plugin: Path,
    copied: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = TokenClassification.decode

    def shortened(self: Any, *given: Any) -> list[Prediction]:
        return [Prediction(p.value[:-1], p.scores[:-1]) for p in whole(self, *given)]

    monkeypatch.setattr(TokenClassification, "decode", shortened)
    with pytest.raises(
        RunError, match=r"decode failed at example de:\d+: it gives \d+ tags for \d+ tokens: each needs one"
    ):
        request = EvaluationRequest(languages=("de",), **request_)
        evaluate(copied(finished_run), request=request, plugin_files=[plugin])


def test_an_example_without_a_prediction_is_named(
    finished_run: Path, copied: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TokenClassification, "decode", lambda self, *given: [])
    folder = copied(finished_run)
    (folder / "predictions" / "de.parquet").unlink()
    with pytest.raises(RunError, match="its decode failed: it gives 0 predictions for 24 examples"):
        evaluate(folder, request=EvaluationRequest(languages=("de",), attack="pgd"))
