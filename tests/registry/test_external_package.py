"""Plugins in a package of their own: installed with pip, run by name, nothing in the core changed."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fork_server import Pythons

Command = Callable[..., subprocess.CompletedProcess[str]]

PACKAGE = Path(__file__).resolve().parents[2] / "plugins" / "xrobust-example"

POSITIVE = {"en": ["cat", "house", "Anna"], "de": ["Katze", "Haus", "Anna"]}
NEGATIVE = {"en": ["dog", "old", "Otto"], "de": ["Hund", "alt", "Otto"]}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip installed the package into, without a network."""
    folder = tmp_path_factory.mktemp("external")
    source = shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *options, "--target", str(folder / "site"), str(source)],
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.rmtree(source)
    return folder / "site"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts whose first word tells the label, in two languages."""
    folder = tmp_path_factory.mktemp("sentiment-data")
    (folder / "sentiment").mkdir()
    rng = random.Random(0)
    for split, language, rows in (("train", "en", 32), ("dev", "en", 16), ("test", "en", 16), ("test", "de", 16)):
        lines = []
        for row in range(rows):
            words = (NEGATIVE, POSITIVE)[row % 2][language]
            lines.append(f"{rng.choice(words)} {rng.choice(words)}\t{('negative', 'positive')[row % 2]}\n")
        (folder / "sentiment" / f"{split}-{language}.tsv").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def xrobust(pythons: Pythons) -> Command:
    """The command with `site` on the path, in the folder around it."""

    def command(
        site: Path, *arguments: object, fresh: bool = False, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PYTHONPATH": str(site), **environment}
        return pythons.run("-m", "xrobust", *arguments, cwd=site.parent, env=env, fresh=fresh)

    return command


def test_it_uses_the_public_interface_only():
    for path in PACKAGE.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "import" in line.split()[:3] and "xrobust" in line:
                assert line.split()[1] in {"xrobust", "xrobust.contracts", "xrobust.contracts.method", "xrobust.kinds"}


def test_it_is_listed_and_shown(xrobust: Command, installed: Path):
    checked = json.loads(xrobust(installed, "list", "plugins", "--json", fresh=True).stdout)["plugins"]
    mine = {(r["group"], r["name"]): r["problem"] for r in checked if r["distribution"] == "xrobust-example"}
    assert mine == {("tasks", "sentiment"): None, ("methods", "r_drop"): None, ("observers", "step_log"): None}
    assert "alpha" in xrobust(installed, "show", "method", "r_drop").stdout
    assert "positive" in xrobust(installed, "show", "task", "xrobust-example/sentiment").stdout
    assert xrobust(installed.parent, "show", "method", "r_drop").returncode == 2  # not on the path: not known


def test_it_is_run_by_name(xrobust: Command, installed: Path, data: Path, tiny_model: Path, tmp_path: Path):
    steps = tmp_path / "steps.jsonl"
    done = xrobust(
        installed,
        *("run", "--task", "sentiment", "--method", "r_drop", "--model", tiny_model, "--data-dir", data),
        *("--output", tmp_path / "runs", "--set", "method.r_drop.alpha=0.5", "--set", "training.learning_rate=1e-2"),
        *("--set", "training.batch_size=8", "--set", "training.epochs=5"),
        fresh=True,
        XROBUST_STEP_LOG=str(steps),
    )
    assert done.returncode == 0, done.stderr

    (path,) = (tmp_path / "runs" / "xrobust-example.sentiment" / "xrobust-example.r_drop").glob("*/result.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["status"] == "complete"
    (method,) = result["spec"]["train"]["method"]
    assert (method["name"], method["params"]) == ("xrobust-example/r_drop", {"alpha": 0.5})
    assert method["plugin_version"] == result["spec"]["train"]["task_plugin_version"] == "0.1.0"
    scores = {row["language"]: row["value"] for row in result["scores"] if row["metric"] == "accuracy"}
    assert set(scores) == {"en", "de"}
    assert scores["en"] >= 0.9, "the first word tells the label"

    logged = [json.loads(line) for line in steps.read_text(encoding="utf-8").splitlines()]
    assert logged
    assert logged[-1]["step"] == result["training"]["budget"]["steps"] == 20
    assert all(set(line) == {"step", "loss", "learning_rate"} for line in logged)

    # A run whose plugins are called `distribution/name` finds them again.
    copied = shutil.copytree(data / "sentiment", tmp_path / "more" / "sentiment")
    shutil.copy(copied / "test-de.tsv", copied / "test-fr.tsv")
    done = xrobust(installed, "eval", path.parent, "--languages", "fr", "--data-dir", tmp_path / "more")
    assert done.returncode == 0, done.stderr
    done = xrobust(installed, "predict", path.parent, copied / "test-fr.tsv")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 16


def test_it_composes_with_built_in_methods(
    xrobust: Command, installed: Path, data: Path, tiny_model: Path, tmp_path: Path
):
    done = xrobust(
        installed,
        *("run", "--task", "sentiment", "--method", "adversarial+r_drop+lora", "--model", tiny_model),
        *("--data-dir", data, "--output", tmp_path / "runs", "--limit", "8", "--languages", "de"),
        *("--set", "training.epochs=1", "--set", "method.lora.rank=2"),
    )
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "runs").rglob("result.json")
    assert json.loads(path.read_text(encoding="utf-8"))["status"] == "complete"


def test_r_drop_is_its_equation(installed: Path, monkeypatch: pytest.MonkeyPatch):
    """Against PyTorch's own KL divergence and cross entropy, on two passes that differ; equal passes cost nothing."""
    import torch
    from torch.nn import functional as F

    from xrobust.contracts import Output

    monkeypatch.syspath_prepend(str(installed))
    from xrobust_example.r_drop import RDrop

    generator = torch.Generator().manual_seed(0)
    labels = torch.tensor([[1, -100, 2], [0, 0, -100]])
    passes = [torch.randn(2, 3, 4, generator=generator) for _ in range(2)]

    class Forward:
        def __init__(self, logits: list[torch.Tensor]) -> None:
            self.logits = iter(logits)

        def __call__(self, batch: object, noise: object = None) -> Output:
            logits = next(self.logits)
            return Output(F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum"), logits)

    class Batch:
        pass

    Batch.labels = labels  # type: ignore[attr-defined]
    objective = RDrop(RDrop.Params(alpha=0.7)).objective(lambda forward, batch: forward(batch).loss, None)
    counted = labels != -100
    p, q = (logits[counted].log_softmax(-1) for logits in passes)
    likelihoods = sum(F.nll_loss(log, labels[counted], reduction="sum") for log in (p, q))
    kl = F.kl_div(q, p, log_target=True, reduction="sum") + F.kl_div(p, q, log_target=True, reduction="sum")
    expected = likelihoods + 0.7 / 2 * kl
    torch.testing.assert_close(objective(Forward(passes), Batch()), expected)
    same = objective(Forward([passes[0], passes[0]]), Batch())
    torch.testing.assert_close(same, 2 * F.nll_loss(p, labels[counted], reduction="sum"))
