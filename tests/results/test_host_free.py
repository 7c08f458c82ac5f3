"""No path, user or host outside of the section `local`, which what is exported leaves out."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xrobust import RunSpec, load_result, run
from xrobust.results.host_free import host_free

PLUGIN = """
from xrobust.contracts import Method, MethodInfo, Perturbation, PerturbationInfo, NotCovered

class Quiet(Method):
    info = MethodInfo(name="quiet", summary="plain fine-tuning")

class Lost(Perturbation):
    info = PerturbationInfo(name="lost", summary="never there", kinds=("token_classification",))

    def prepare(self, ctx):
        raise NotCovered(f"there is no file {__file__}")

    def apply(self, example, language, rng):
        return None
"""


@pytest.mark.parametrize(
    ("text", "free"),
    [
        ("cannot write /home/anna/runs/pos/result.json: No space left", "cannot write result.json: No space left"),
        ("there is no dictionary ~/data/en-de.tsv", "there is no dictionary en-de.tsv"),
        ("look at ../anna/x.py, line 3", "look at x.py, line 3"),
        ("no dictionary /home/anna smith/my data/dictionaries/en-de.tsv", "no dictionary en-de.tsv"),
        ("path:/home/anna/x and file:///home/anna/y.json", "path:x and y.json"),
        ("cannot copy /home/anna/a to /home/anna/b c", "cannot copy a to b c"),
        ("see https://example.org/a/b and hub id google-bert/bert-base", None),
        ("accuracy 0.5/1 and/or F1; training.epochs=3", None),
        ("process 7 on node-17 has ended; node-170 has not", "process 7 on this host has ended; node-170 has not"),
    ],
)
def test_text(text: str, free: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "node-17")
    assert host_free(text) == (text if free is None else free)


def test_a_document_that_is_read_stays_as_it_is(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_result(finished_run)
    monkeypatch.setattr(socket, "gethostname", lambda: "xrobust")
    again = load_result(finished_run)
    assert again == first and again.computed_sha256() == again.sha256


@given(st.text(alphabet="abc/ .~:-", max_size=30))
def test_nothing_is_left_to_take_out(text: str) -> None:
    assert host_free(host_free(text)) == host_free(text)


def test_a_run_with_paths_everywhere(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "node-17")
    secret = tmp_path / "users" / "anna-secret"
    secret.mkdir(parents=True)
    plugin = secret / "mine.py"
    plugin.write_text(PLUGIN)
    data = secret / "data"
    data.symlink_to(tiny_data)
    result = run(
        RunSpec(
            task="pos",
            method="quiet",
            model=str(tiny_model),
            data_dir=data,
            languages=("en", "de"),
            perturb=("lost",),
            output=secret / "runs",
            plugins=(plugin,),
            training={"max_steps": 1},
        )
    )
    stored = load_result(next((secret / "runs").rglob("result.json")))
    assert stored == result
    exported = json.dumps(stored.exported())
    for trace in ("anna-secret", str(tmp_path), str(Path.home()), "node-17"):
        assert trace not in exported, trace
    assert stored.local is not None and str(plugin) in stored.local.plugin_files
    assert stored.environment.plugins["quiet"].startswith("mine.py sha256:")
    assert stored.data.perturbed[0].reason == "there is no file mine.py"
    assert stored.sha256 == stored.computed_sha256()
