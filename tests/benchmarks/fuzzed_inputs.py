"""Inputs of the fuzz run: a true one of each kind, mutated, and the public entry that reads it."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import hashlib
import io
import json
import os
import random
import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from xrobust.cli.main import main
from xrobust.cli.result_tables import print_results
from xrobust.config.request import request_values
from xrobust.config.resolved_spec import group_id, run_id
from xrobust.config.run_spec import RunSpec
from xrobust.data import tsv
from xrobust.data.local import LocalSource
from xrobust.data.splits import load_split
from xrobust.encoding.files import Damaged, open_encoded
from xrobust.errors import RunError, UserError
from xrobust.plan import make_plan
from xrobust.registry.plugins import Plugins
from xrobust.results.frame import load_results
from xrobust.results.store import load_result
from xrobust.storage.checksums import read_sums
from xrobust.storage.hashing import canonical_json

from .mutations import VALUES, bytes_mutated, tree_mutated, tree_text

Read = Callable[[], object]
TASKS = ("pos", "pawsx", "wikiann", "xnli")
RUN = [
    *("run", "--preset", "mini", "--task", "pos", "--limit", "16", "--languages", "en,de"),
    *("--perturb", "typos", "--set", "training.max_steps=2", "--offline"),
]
CONFIG = """\
task: pos
method: {name: rs_random, sigma: 0.1}
model: mini
data_dir: mini
languages: [en, de]
perturb: [typos]
perturb_params: {typos: {rate: 0.2, seed: 3}}
attack: pgd
attack_params: {epsilons: [0.01, 0.1], steps: 2}
pairs: []
training: {epochs: 2, learning_rate: 5e-4, batch_size: 8, max_length: 64}
seed: 4
limit: 8
checkpoint_minutes: null
"""
SETTINGS = [
    *("seed=3", "training.epochs=2", "training.learning_rate=5e-4", "training.max_length=64", "method.sigma=0.1"),
    *("perturb.typos.rate=0.2", "perturb=[typos]", "attack=pgd", "attack.epsilons=[0.01,0.1]", "limit=4", "model=mini"),
    *("languages=[en,de]", "method=rs_random", "checkpoint_minutes=null", "micro_batch_size=2", "precision=bf16"),
]


class Wrong(Exception):
    """Something else than a result or one line of an error."""


def prepare(folder: Path) -> None:
    """Makes the true inputs: two runs, a leaderboard of them, and the cache that they left."""
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    for method in ("vanilla", "rs_random"):
        command([*RUN, "--method", method, "--output", str(folder / "runs")])
    command(["leaderboard", str(folder / "runs"), "--sample", "--output", str(folder / "board.json")])


def warm(true: Path, place: Path) -> None:
    """Reads a true input of each kind: what a process reads once is no part of what an input takes."""
    shutil.copytree(runs(true)[0], place / "run")
    command(["eval", str(place / "run"), "--languages", "en,fr", "--perturb", "typos", "--offline"])
    for kind, (_, make) in KINDS.items():
        (place / kind).mkdir()
        with contextlib.suppress(Exception):
            make(random.Random(kind), place / kind, true)()


def command(arguments: list[str]) -> None:
    """Runs the command line. Raises Wrong where it fails in another way than with one line."""
    out, error = io.StringIO(), io.StringIO()
    code: Any = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            main(arguments)
        except SystemExit as end:
            code = end.code
    said = [line for line in error.getvalue().splitlines() if line.startswith("xrobust: ")]
    if code not in (0, 1, 2) or (code == 2 and len(said) != 1) or any("(traceback in " in line for line in said):
        raise Wrong(f"exit code {code}: {error.getvalue()[-2000:]}")
    if code:
        raise (UserError if code == 2 else RunError)(error.getvalue())


def runs(true: Path) -> list[Path]:
    """The folders of the true runs."""
    return sorted(path.parent for path in (true / "runs").rglob("result.json"))


def document(rng: random.Random, place: Path, true: Path) -> Read:
    """A run's document; half of the time its hashes are computed anew, so that what lies behind them is reached."""
    base, other = rng.sample(runs(true), 2)
    whole = (base / "result.json").read_bytes()
    folder = place / "run"
    folder.mkdir()
    shutil.copytree(base / "predictions", folder / "predictions")
    if rng.random() < 0.3:
        (folder / "result.json").write_bytes(bytes_mutated(rng, whole, (other / "result.json").read_bytes()))
    else:
        tree = tree_mutated(rng, json.loads(whole))
        if rng.random() < 0.6:
            with contextlib.suppress(Exception):
                _hash_anew(tree)
        (folder / "result.json").write_bytes(tree_text(tree).encode("utf-8", "surrogatepass"))
    return rng.choice(
        [
            lambda: _printed(folder),
            lambda: load_results(place),
            lambda: command(["runs", str(place), "--json"]),
            lambda: command(["runs", str(place), "--group"]),
            lambda: command(["runs", str(place), "--filter", "task=pos,training.epochs=3", "--sort", "-average"]),
            lambda: command(["compare", str(other), str(folder), "--common", "--budget", "any"]),
            lambda: command(["compare", str(folder), str(other), "--json"]),
            lambda: command(["leaderboard", str(place), "--verify", "documents", "--sample", "--budget", "any"]),
            lambda: command(["leaderboard", str(place), str(other), "--sample", "-o", str(place / "board.json")]),
            lambda: command(["analyze", "overlap", str(place), "--offline"]),
        ]
    )


def _hash_anew(tree: Any) -> None:
    train = tree["spec"]["train"]
    tree["run_id"], tree["group_id"] = run_id(train), group_id(train)
    tree["sha256"] = _sha256({key: value for key, value in tree.items() if key not in ("local", "sha256")})


def _sha256(tree: Any) -> str:
    return hashlib.sha256(canonical_json(tree).encode()).hexdigest()


def _printed(folder: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        print_results(load_result(folder))


def leaderboard(rng: random.Random, place: Path, true: Path) -> Read:
    """A leaderboard document."""
    whole, file = (true / "board.json").read_bytes(), place / "board.json"
    if rng.random() < 0.3:
        file.write_bytes(bytes_mutated(rng, whole))
    else:
        tree = tree_mutated(rng, json.loads(whole))
        if rng.random() < 0.6:
            with contextlib.suppress(Exception):
                tree["sha256"] = _sha256({key: value for key, value in tree.items() if key != "sha256"})
        file.write_bytes(tree_text(tree).encode("utf-8", "surrogatepass"))
    form = rng.choice(["table", "markdown", "latex", "csv", "json"])
    to = rng.choice(["every_eval_ever", "model-card"])
    return rng.choice(
        [
            lambda: command(["leaderboard", "show", str(file), "--format", form]),
            lambda: command(["leaderboard", "verify", str(file)]),
            lambda: command(["leaderboard", "merge", str(file), str(true / "board.json")]),
            lambda: command(["leaderboard", "export", str(file), "-o", str(place / "export"), "--to", to]),
        ]
    )


def preset(rng: random.Random, place: Path, true: Path) -> Read:
    """A preset or a file of settings; its plan too, now and then, where it is read."""
    bundled = resources.files("xrobust_bundle").joinpath("presets")
    whole = rng.choice(
        [*(bundled.joinpath(f"{name}.yaml").read_bytes() for name in ("mini", "paper")), CONFIG.encode()]
    )
    file = place / "settings.yaml"
    if rng.random() < 0.5:
        file.write_bytes(bytes_mutated(rng, whole, CONFIG.encode()))
    else:  # JSON is YAML
        file.write_bytes(tree_text(tree_mutated(rng, yaml.safe_load(whole))).encode("utf-8", "surrogatepass"))
    task, planned = rng.choice(TASKS), rng.random() < 0.3

    def read() -> None:
        given = {"task": task, "offline": True}
        if whole == CONFIG.encode():
            spec = RunSpec.parse(request_values(file, [], given, "mini"))
        else:
            spec = RunSpec.from_preset(str(file), **given)
        if planned:
            make_plan(spec)

    return read


def setting(rng: random.Random, place: Path, true: Path) -> Read:
    """Values of `--set`; half of the time with the plan that they give."""
    texts = ["method=rs_random", "perturb=[typos]", "attack=pgd", rng.choice(SETTINGS)]
    name, _, value = rng.choice(SETTINGS).partition("=")
    if rng.random() < 0.2:
        texts.append(bytes_mutated(rng, f"{name}={value}".encode()).decode("utf-8", "replace"))
    elif rng.random() < 0.5:
        texts.append(f"{name}={bytes_mutated(rng, value.encode()).decode('utf-8', 'replace')}")
    else:
        texts.append(f"{name}={tree_text(rng.choice(VALUES))}")
    (place / "settings.json").write_text(json.dumps(texts))
    planned = rng.random() < 0.5

    def read() -> None:
        spec = RunSpec.parse(request_values(None, texts, {"task": "pos", "offline": True}, "mini"))
        if planned:
            make_plan(spec)

    return read


def table(rng: random.Random, place: Path, true: Path) -> Read:
    """A table of a task, or its ids; plain, or compressed before or after the mutation."""
    name = rng.choice(TASKS)
    data = resources.files("xrobust_bundle").joinpath("data", "mini", name)
    end = "\n\n" if name in ("pos", "wikiann") else "\n"
    whole = end.join(data.joinpath("test-de.tsv").read_text(encoding="utf-8").split(end)[:20]).encode() + b"\n"
    folder = place / name
    folder.mkdir()
    if name == "pawsx" and rng.random() < 0.3:
        ids = b"\n".join(data.joinpath("test-de.ids").read_bytes().split(b"\n")[:20]) + b"\n"
        (folder / "test-de.ids").write_bytes(bytes_mutated(rng, ids, whole))
    else:
        whole = bytes_mutated(rng, whole, whole)
    suffix, compress = rng.choice([("", None), ("", None), (".gz", gzip.compress), (".bz2", bz2.compress)])
    if compress is not None:
        whole = compress(whole)
        whole = bytes_mutated(rng, whole) if rng.random() < 0.5 else whole
    file = folder / f"test-de.tsv{suffix}"
    file.write_bytes(whole)
    text_only = rng.random() < 0.2
    return lambda: _loaded(place, name, file if text_only else None)


def _loaded(place: Path, name: str, text: Path | None) -> None:
    task = Plugins([]).load("tasks", name)()
    if text is not None:
        list(tsv.records(text, task, text_only=True))
    else:
        load_split(task, LocalSource(place), "test", "de", None)


def treebank(rng: random.Random, place: Path, true: Path) -> Read:
    """A CoNLL-U treebank."""
    data = resources.files("xrobust_bundle").joinpath("data", "mini", "pos", "test-de.tsv")
    sentences = [part.split("\n") for part in data.read_text(encoding="utf-8").split("\n\n")[:12]]
    lines = []
    for number, sentence in enumerate(sentences):
        lines += [f"# sent_id = s{number}", f"# text = {number}"]
        for i, line in enumerate(filter(None, sentence), start=1):
            word, tag = line.split("\t")
            lines += [f"{i}-{i + 1}\t{word}\t" + "\t".join("_" * 8)] if rng.random() < 0.05 else []
            lines.append(f"{i}\t{word}\t{word}\t{tag}\t_\tCase=Nom\t0\troot\t_\t_")
        lines.append("")
    whole = "\n".join(lines).encode() + b"\n"
    folder = place / "pos"
    folder.mkdir()
    (folder / "de_gsd-ud-test.conllu").write_bytes(bytes_mutated(rng, whole, whole))
    return lambda: _loaded(place, "pos", None)


def about(rng: random.Random, place: Path, true: Path) -> Read:
    """The facts about a folder of data, or checksums."""
    bundle = Path(str(resources.files("xrobust_bundle")))
    if rng.random() < 0.5:
        (place / "SHA256SUMS").write_bytes(bytes_mutated(rng, (bundle / "SHA256SUMS").read_bytes()))

        def read() -> None:
            with contextlib.suppress(OSError, UnicodeDecodeError):
                read_sums(place / "SHA256SUMS")

        return read
    (place / "about.yaml").write_bytes(bytes_mutated(rng, (bundle / "data/mini/about.yaml").read_bytes()))
    return lambda: LocalSource(place)


def model(rng: random.Random, place: Path, true: Path) -> Read:
    """A file of JSON in the folder of an encoder: configuration or tokenizer."""
    source = Path(str(resources.files("xrobust_bundle"))) / "models" / "mini"
    folder = place / "model"
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).symlink_to(path)
    name = rng.choice(sorted(path.name for path in source.glob("*config.json")))
    whole = (source / name).read_bytes()
    changed = tree_text(tree_mutated(rng, json.loads(whole))).encode("utf-8", "surrogatepass")
    (folder / name).unlink()
    (folder / name).write_bytes(changed if rng.random() < 0.7 else bytes_mutated(rng, whole))
    given = {"task": "pos", "model": str(folder), "offline": True, "limit": 8, "languages": ("en",)}
    return lambda: make_plan(RunSpec.from_preset("mini", **given))


def kept(rng: random.Random, place: Path, true: Path) -> Read:
    """A file of the cache: its bytes, or what is in it under a checksum that fits."""
    cache = place / "cache" / "xrobust"
    half_written = shutil.ignore_patterns("*.tmp")  # by another worker, just now
    shutil.copytree(
        true / "cache" / "xrobust", cache, ignore=half_written, copy_function=lambda old, new: Path(new).symlink_to(old)
    )
    section = rng.choice(sorted(path.name for path in cache.iterdir()))
    file = rng.choice(sorted(path for path in (cache / section).rglob("*") if path.is_file()))
    whole = file.read_bytes()
    file.unlink()
    if file.suffix == ".gz" and rng.random() < 0.7:
        lines = [tree_mutated(rng, json.loads(line)) for line in gzip.decompress(whole).splitlines()[:-1]]
        texts = [json.dumps(line) for line in lines] + [json.dumps({"lines": len(lines)})]
        file.write_bytes(gzip.compress("\n".join(texts).encode() + b"\n"))
    else:
        file.write_bytes(bytes_mutated(rng, whole))
    scored, run = rng.random() < 0.1, place / "run"

    def read() -> None:
        os.environ["XDG_CACHE_HOME"] = str(place / "cache")
        try:
            if section == "leaderboard":
                command(["leaderboard", str(true / "runs"), "--sample"])
            elif file.suffix in (".bin", ".json"):
                with contextlib.suppress(Damaged, OSError):
                    open_encoded(file.parent, file.parent.name)
            elif section == "perturbed" or scored:
                shutil.copytree(runs(true)[0], run)
                command(["eval", str(run), "--languages", "en,de,fr", "--perturb", "typos", "--offline"])
            else:
                make_plan(RunSpec.from_preset("mini", task="pos", limit=16, languages="en,de", offline=True))
        finally:
            os.environ["XDG_CACHE_HOME"] = str(true / "cache")

    return read


KINDS: dict[str, tuple[int, Callable[[random.Random, Path, Path], Read]]] = {
    "document": (34, document),
    "leaderboard": (10, leaderboard),
    "preset": (16, preset),
    "setting": (10, setting),
    "table": (14, table),
    "treebank": (5, treebank),
    "about": (3, about),
    "model": (3, model),
    "kept": (5, kept),
}
"""Name -> its share, and the function that writes an input of the kind and returns what reads it."""
