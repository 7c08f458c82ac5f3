"""A trained run, and perturbations that tests can see through."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from xrobust import RunSpec, run

PLUGIN = '''
from pydantic import Field

from xrobust.contracts import NotCovered, Perturbation, PerturbationInfo

KINDS = ("token_classification", "sequence_classification")


class Shout(Perturbation):
    """Some words in capitals."""

    info = PerturbationInfo("shout", "some words in capitals", kinds=KINDS)

    class Params(Perturbation.Params):
        rate: float = Field(default=0.3, ge=0, le=1, description="share of the words")

    def language_problem(self, language):
        return "nobody shouts in it" if language == "fr" else None

    def apply(self, example, language, rng):
        def change(words):
            return [w.upper() if rng.random() < self.params.rate else w for w in words]

        if "tokens" in example:
            return {**example, "tokens": change(example["tokens"])}
        return {**example, "text": " ".join(change(example["text"].split(" ")))}


class Reverse(Perturbation):
    """Words backwards."""

    info = PerturbationInfo("reverse", "words backwards", kinds=KINDS)

    def apply(self, example, language, rng):
        if "tokens" in example:
            return {**example, "tokens": [token[::-1] for token in example["tokens"]]}
        return {**example, "text": example["text"][::-1]}


class Breaks(Perturbation):
    """Gives other labels than there were."""

    info = PerturbationInfo("breaks", "gives other labels", kinds=KINDS)

    def apply(self, example, language, rng):
        return {**example, "tokens": ["x"] * len(example["tokens"]), "tags": ["NOUN"] * len(example["tokens"])}


class Nowhere(Perturbation):
    """Finds nothing to change."""

    info = PerturbationInfo("nowhere", "finds nothing to change", kinds=KINDS)

    def apply(self, example, language, rng):
        return None if language == "en" else dict(example)


class Peeks(Perturbation):
    """Asks for what it does not declare."""

    info = PerturbationInfo("peeks", "looks at what it did not declare", kinds=KINDS)
    needs = frozenset({"target_test"})

    def prepare(self, ctx):
        ctx.source_train()

    def apply(self, example, language, rng):
        return None


class Finetuned(Perturbation):
    """Swaps each word for the nearest other one of the test set."""

    info = PerturbationInfo("nearest", "the nearest other word", kinds=KINDS)
    needs = frozenset({"target_test", "encoder"})

    def prepare(self, ctx):
        words = sorted({token for example in ctx.target_test() for token in example["tokens"]})
        vectors = ctx.word_vectors(words)
        products = vectors @ vectors.T
        for i in range(len(words)):
            products[i, i] = -1e9
        self.nearest = dict(zip(words, (words[k] for k in products.argmax(axis=1))))

    def apply(self, example, language, rng):
        return {**example, "tokens": [self.nearest[token] for token in example["tokens"]]}
'''


@pytest.fixture(scope="session")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with perturbations."""
    path = tmp_path_factory.mktemp("plugin") / "perturbations.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture(scope="session")
def trained_pair_run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tiny_data: Path) -> Path:
    """A complete run of a pair task in three languages: copy it to change it."""
    output = tmp_path_factory.mktemp("pairs")
    training = {"epochs": 8, "learning_rate": 1e-2, "batch_size": 8}
    spec = RunSpec(task="pawsx", model=str(tiny_model), data_dir=tiny_data, output=output, training=training)
    return output / "pawsx" / "vanilla" / run(spec).run_id


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """A copy of a run, to be changed."""

    def copy(original: Path) -> Path:
        target = tmp_path / "runs" / original.name
        shutil.copytree(original, target)
        return target

    return copy
