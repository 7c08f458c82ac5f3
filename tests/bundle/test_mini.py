"""The bundle `mini`: its files, its checksums, and the preset with every method, without a network."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.checksums import checksums
from xrobust import RunSpec, load_predictions, load_result, run
from xrobust.config.presets import preset_values
from xrobust.config.run_spec import check_values
from xrobust.data.sources import data_folder, open_source
from xrobust.models.files import model_identity
from xrobust.registry.plugins import Plugins

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "bundle"
LANGUAGES = ("de", "en", "es", "fr", "ja", "ru", "tr", "zh")
TASKS = ("pawsx", "xnli", "wikiann", "pos")


def test_the_checksums_are_those_of_the_files() -> None:
    assert (BUNDLE / "SHA256SUMS").read_text() == checksums(BUNDLE), "python -m scripts.checksums bundle"


def test_the_data_are_small_and_say_what_they_are() -> None:
    assert sum(p.stat().st_size for p in (BUNDLE / "data").rglob("*") if p.is_file()) < 3_000_000
    about = yaml.safe_load((BUNDLE / "data" / "mini" / "about.yaml").read_text())
    assert about["licence"] == "CC0-1.0" and about["sample"] is True


@pytest.mark.parametrize("name", TASKS)
def test_every_language_of_every_task(name: str) -> None:
    task = Plugins().load("tasks", name)()
    source = open_source(data_folder(Path("mini")), offline=True)
    assert source.languages(task, "test") == LANGUAGES
    ids = {code: [row["id"] for row in source.load(task, "test", code)] for code in LANGUAGES}
    assert 200 <= len(ids["en"]) <= 300
    if name in ("pawsx", "xnli"):
        assert all(found == ids["en"] for found in ids.values()), "parallel, and the ids say so"
    assert len(source.load(task, "train", "en")) >= 1900


def test_the_model_is_the_one_in_the_card() -> None:
    from xrobust.models.pretrained import load_encoder

    encoder = load_encoder(Plugins().load("tasks", "xnli").kind, "mini", revision=None, seed=0)
    assert 7.3e6 < sum(p.numel() for p in encoder.model.parameters()) < 7.7e6
    assert str(encoder.model.dtype) == "torch.float32", "stored as fp16, computed as fp32"
    assert encoder.max_length_limit == 256
    assert model_identity("mini", None, offline=True)["id"] == "mini"
    card = (BUNDLE / "models" / "mini" / "README.md").read_text()
    assert "CC BY-SA 4.0" in card and "8,135 steps" in card


@pytest.mark.parametrize("method", ["vanilla", "adversarial", "rs_random", "rs_aug", "lora", "adapter"])
def test_the_preset_runs_every_method(method: str, tmp_path: Path) -> None:
    task = TASKS[len(method) % len(TASKS)]
    values = preset_values("mini", check_values, task, method)
    values["training"] = {**values["training"], "epochs": 1}
    spec = RunSpec.parse(
        {**values, "task": task, "method": method, "output": tmp_path, "limit": 20, "languages": ("en", "tr")}
    )
    result = run(spec)
    assert result.status == "complete" and result.sample
    assert result.data.id == "xrobust-mini"


NO_NETWORK = """
import socket, sys

def refuse(*arguments, **keywords):
    raise AssertionError(f"a connection was tried: {arguments}")

socket.socket.connect = socket.socket.connect_ex = socket.create_connection = socket.getaddrinfo = refuse
from xrobust.cli.main import main
main(sys.argv[1:])
"""


def test_no_connection_is_tried(tmp_path: Path) -> None:
    """With every way to open one closed, an empty cache and no word about being offline."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")} | {"HF_HOME": str(tmp_path / "hf")}
    command = ["run", "--preset", "mini", "--task", "wikiann", "--method", "rs_aug", "--limit", "40"]
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, *command, "--languages", "en,de"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (document,) = (tmp_path / "runs").rglob("result.json")
    assert len(load_predictions(document.parent, "de")) == 40
    assert load_result(document).sample
    with socket.socket():  # in this process all is as it was
        pass


def test_the_neighbours_of_the_sample_are_found(tmp_path: Path) -> None:
    from xrobust.plan import make_plan

    values = preset_values("mini", check_values, "xnli", "rs_aug")
    plan = make_plan(RunSpec.parse({**values, "task": "xnli", "method": "rs_aug", "output": tmp_path}))
    assert plan.files["rs_aug"]["neighbors"].is_relative_to(BUNDLE)


def test_the_paper_preset_is_the_published_recipe() -> None:
    pawsx, xnli = (preset_values("paper", check_values, task, "rs_aug") for task in ("pawsx", "xnli"))
    assert (pawsx["training"]["epochs"], pawsx["training"]["select_every"]) == (3, 500)
    assert (xnli["training"]["epochs"], xnli["training"]["select_every"]) == (1, 1000)
    for values in (pawsx, xnli):
        assert values["model"] == "bert-base-multilingual-cased"
        assert values["training"]["learning_rate"] == 2e-5 and values["training"]["batch_size"] == 32
