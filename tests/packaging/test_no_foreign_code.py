"""The source has no way for a model folder, a document, a preset or a data file to have code executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from xrobust.storage import yaml_text

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("xrobust", "tasks", "methods", "plugins", "bundle")
EXECUTES_PLUGIN_FILES = "xrobust/registry/plugin_file.py"
READS_YAML = "xrobust/storage/yaml_text.py"
SAFE_LOADERS = {"yaml.SafeLoader", "yaml.CSafeLoader", "yaml.BaseLoader"}
ERROR_OF_TORCH_LOAD = "from pickle import UnpicklingError"
UNSAFE_MODULES = {"pickle", "shelve", "marshal", "joblib", "dill", "cloudpickle", "jsonpickle", "dbm"}
UNSAFE_METHODS = {
    "load_dataset",
    "read_pickle",
    "system",
    "popen",
    "unsafe_load",
    "full_load",
    "load_all",
    "load_module",
}
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    """Each call: the expression, what it is called on, and its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node, ast.unparse(node.func.value), node.func.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node, "", node.func.id


def says(call: ast.Call, keyword: str, value: bool) -> bool:
    """True if a call has that very keyword argument, written out."""
    return any(
        item.arg == keyword and isinstance(item.value, ast.Constant) and item.value.value is value
        for item in call.keywords
    )


def problems(source: str, file: str) -> list[str]:
    """What in a file may execute code that is not its own."""
    tree, found = ast.parse(source), []
    for call, owner, name in calls(tree):
        line = f"{file}:{call.lineno}"
        if name in ("from_pretrained", "from_config", "pipeline") and owner != "PeftModel":
            if not says(call, "trust_remote_code", False):
                found.append(f"{line}: {name} without trust_remote_code=False")
        elif (owner, name) == ("torch", "load") and not says(call, "weights_only", True):
            found.append(f"{line}: torch.load without weights_only=True")
        elif owner in ("np", "numpy") and name == "load" and not says(call, "allow_pickle", False):
            found.append(f"{line}: numpy.load without allow_pickle=False")
        elif (
            owner == "yaml" and name == "load" and file != READS_YAML and ast.unparse(call.args[-1]) not in SAFE_LOADERS
        ):
            found.append(f"{line}: yaml.load")
        elif not owner and (name in ("eval", "input") or (name == "exec" and file != EXECUTES_PLUGIN_FILES)):
            found.append(f"{line}: {name}()")
        elif owner and name in UNSAFE_METHODS:
            found.append(f"{line}: {name}")
        elif any(item.arg == "shell" for item in call.keywords):
            found.append(f"{line}: a shell")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and ast.unparse(node) != ERROR_OF_TORCH_LOAD:
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            unsafe = {name.partition(".")[0] for name in names} & UNSAFE_MODULES
            found += [f"{file}:{node.lineno}: imports {name}" for name in unsafe]
    return found


@pytest.mark.parametrize("folder", FOLDERS)
def test_nothing_executes_what_a_file_holds(folder: str) -> None:
    files = [path for path in FILES if path.is_relative_to(ROOT / folder)]
    assert folder == "bundle" or files
    assert [
        text for path in files for text in problems(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())
    ] == []


def test_plugin_files_are_executed_in_one_place() -> None:
    source = (ROOT / EXECUTES_PLUGIN_FILES).read_text("utf-8")
    assert [name for _, owner, name in calls(ast.parse(source)) if not owner and name == "exec"] == ["exec"]


def test_the_loader_of_yaml_is_the_safe_one() -> None:
    source = (ROOT / READS_YAML).read_text("utf-8")
    found = [call for call, owner, name in calls(ast.parse(source)) if (owner, name) == ("yaml", "load")]
    assert [ast.unparse(call.args[1]) for call in found] == ["_Bounded"]
    assert issubclass(yaml_text._Bounded, yaml.SafeLoader)


@pytest.mark.parametrize(
    "source",
    [
        "AutoModel.from_pretrained(folder)",
        "AutoModel.from_pretrained(folder, trust_remote_code=True)",
        "AutoModel.from_pretrained(folder, **options)",
        "model.from_config(config, trust_remote_code=None)",
        "transformers.pipeline('ner', folder)",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "np.load(file)",
        "yaml.load(text, yaml.Loader)",
        "yaml.full_load(text)",
        "eval(text)",
        "exec(text)",
        "input('run it? ')",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "import pickle",
        "from joblib import load",
        "import a, marshal",
        "datasets.load_dataset(folder)",
    ],
)
def test_what_the_scan_finds(source: str) -> None:
    assert len(problems(source, "file.py")) == 1


def test_what_the_scan_lets_pass() -> None:
    assert (
        problems("model.eval(); re.compile(text); torch.load(file, weights_only=True); yaml.safe_load(text)", "") == []
    )
