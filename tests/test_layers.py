"""Imports run one way: down the ladder of packages, inside a package in no circle, and torch only where it is needed.

Files are parsed, not imported. docs/architecture.md has the ladder with what each package is for.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

LADDER = (
    ("errors",),
    ("contracts",),
    ("metrics", "storage", "runtime"),
    ("engine", "encoding", "registry"),
    ("kinds", "config"),
    ("data",),
    ("results",),
    ("models",),
    ("evaluation", "analysis"),
    ("plan", "testing", "training"),
    ("pipeline", "evaluate_trained", "predict", "fetch"),
    ("__init__",),
    ("experiments",),
    ("report",),
    ("cli",),
    ("__main__",),
)
"""Rooms of `xrobust/`, the lowest rung first. A room imports from the rungs below its own, and from nowhere else."""
RUNG = {room: rung for rung, rooms in enumerate(LADDER) for room in rooms}

FILES_AT_THE_ROOT = {"__init__", "__main__", "errors", "evaluate_trained", "fetch", "pipeline", "plan", "predict"}

OUTSIDE = {
    "tasks": ("contracts", "kinds", "data", "storage", "errors"),
    "tasks/perturbations": ("contracts", "metrics.entities", "data", "errors"),
    "methods": ("contracts", "engine.seeds", "engine.modules", "storage", "errors"),
    "plugins": ("contracts", "kinds", "errors", "testing", "metrics", "data.text", "data.tsv", "storage.cache"),
}
"""What the folders beside the core import of it. Plugins may also import the names of `xrobust` itself."""
INSIDE_FUNCTIONS = {"tasks": ("metrics",)}
"""What they may import of it inside functions too."""

HEAVY = {"torch", "transformers", "peft", "accelerate"}
MAY_IMPORT_HEAVY = ("engine", "models", "training", "evaluation/predictions.py", "predict.py")


@dataclass(frozen=True)
class Import:
    """One name that a file imports."""

    file: Path
    line: int
    module: str
    """What is imported, as far as it is a module or a name in one: `xrobust.errors.UserError`."""
    lazy: bool
    """True inside a function, or for types alone."""

    @property
    def place(self) -> str:
        """`file:line`."""
        return f"{self.file.relative_to(ROOT)}:{self.line}"


def python_files(folder: str) -> list[Path]:
    """All Python files of a folder and below."""
    return sorted((ROOT / folder).rglob("*.py"))


@cache
def imports(file: Path) -> list[Import]:
    """Every import of a file, at any depth."""
    found: list[Import] = []

    def visit(node: ast.AST, lazy: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend(Import(file, child.lineno, alias.name, lazy) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                module = absolute(file, child)
                found.extend(Import(file, child.lineno, f"{module}.{alias.name}", lazy) for alias in child.names)
            functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
            typing_only = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            visit(child, lazy or isinstance(child, functions) or typing_only)

    visit(ast.parse(file.read_text(encoding="utf-8")), False)
    return found


def absolute(file: Path, node: ast.ImportFrom) -> str:
    """The module that an import names, written out where it is relative."""
    if not node.level:
        return node.module or ""
    package = ("xrobust_" + file.relative_to(ROOT).as_posix()).split("/")[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def target(module: str) -> Path | None:
    """The file of the core that an imported name lies in; None for what is not the core's."""
    parts = module.split(".")
    if parts[0] != "xrobust":
        return None
    for end in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:end])
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
        if (path / "__init__.py").is_file():
            return path / "__init__.py"
    return None


def room(file: Path) -> str:
    """The package, or the module at the root, that a file of the core belongs to."""
    return file.relative_to(ROOT / "xrobust").parts[0].removesuffix(".py")


def core_imports() -> Iterator[tuple[Import, Path]]:
    """Every import of one file of the core by another."""
    for file in python_files("xrobust"):
        for found in imports(file):
            if (imported := target(found.module)) is not None and imported != file:
                yield found, imported


def test_every_room_has_its_rung() -> None:
    assert {room(file) for file in python_files("xrobust")} == set(RUNG)
    assert {path.stem for path in (ROOT / "xrobust").glob("*.py")} == FILES_AT_THE_ROOT


def test_a_room_imports_from_lower_rungs_alone() -> None:
    upward = [
        f"{found.place}: {room(found.file)} (rung {RUNG[room(found.file)]}) imports {found.module} of "
        f"{room(imported)} (rung {RUNG[room(imported)]})"
        for found, imported in core_imports()
        if room(found.file) != room(imported) and RUNG[room(imported)] >= RUNG[room(found.file)]
    ]
    assert upward == []


def test_files_form_no_circle() -> None:
    arrows: dict[Path, set[Path]] = {file: set() for file in python_files("xrobust")}
    for found, imported in core_imports():
        arrows[found.file].add(imported)
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail("a circle: " + " <- ".join(str(Path(file).relative_to(ROOT)) for file in error.args[1]))


@pytest.mark.parametrize("folder", OUTSIDE)
def test_folders_beside_the_core_import_what_is_on_their_list(folder: str) -> None:
    wrong = []
    for file in python_files(folder):
        if folder == "tasks" and "perturbations" in file.parts:
            continue
        for found in imports(file):
            module = found.module
            if module.startswith("xrobust_") and folder == "tasks/perturbations":
                if not module.startswith("xrobust_tasks.perturbations."):
                    wrong.append(f"{found.place}: {module}")
                continue
            if module.partition(".")[0] != "xrobust":
                continue
            allowed = OUTSIDE[folder] + (INSIDE_FUNCTIONS.get(folder, ()) if found.lazy else ())
            name = module.removeprefix("xrobust.")
            of_the_face = folder == "plugins" and "." not in name and target(module) == ROOT / "xrobust/__init__.py"
            if not of_the_face and not any(name == entry or name.startswith(f"{entry}.") for entry in allowed):
                wrong.append(f"{found.place}: {module}")
    assert wrong == []


def test_the_core_imports_no_plugin() -> None:
    plugins = ("xrobust_tasks", "xrobust_methods", "xrobust_bundle")
    files = python_files("xrobust")
    assert [f.place for file in files for f in imports(file) if f.module.partition(".")[0] in plugins] == []


def test_torch_is_imported_where_it_is_needed_alone() -> None:
    def heavy(file: Path) -> str | None:
        """The chain of module-level imports from a file to a heavy library, or None."""
        chains, todo = {file: ""}, [file]
        while todo:
            here = todo.pop()
            for found in imports(here):
                if found.lazy:
                    continue
                chain = f"{chains[here]} {found.place} imports {found.module}"
                if found.module.partition(".")[0] in HEAVY:
                    return chain.strip()
                imported = target(found.module)
                # Importing a module runs the faces of the packages above it too.
                places = [] if imported is None else [imported, *(above / "__init__.py" for above in imported.parents)]
                for place in places:
                    if place not in chains and place.is_relative_to(ROOT / "xrobust") and place.is_file():
                        chains[place] = chain
                        todo.append(place)
        return None

    def may(file: Path) -> bool:
        inside = file.relative_to(ROOT / "xrobust").as_posix()
        return any(inside == entry or inside.startswith(f"{entry}/") for entry in MAY_IMPORT_HEAVY)

    assert [chain for file in python_files("xrobust") if not may(file) and (chain := heavy(file))] == []


def test_contracts_load_no_numpy() -> None:
    face = ROOT / "xrobust/contracts/__init__.py"
    seen, todo = set(), [face]
    while todo:
        file = todo.pop()
        if file not in seen:
            seen.add(file)
            todo += [t for f in imports(file) if not f.lazy and (t := target(f.module)) is not None]
    assert [f.place for file in seen for f in imports(file) if not f.lazy and f.module.startswith("numpy")] == []


def test_the_names_of_the_package_are_where_it_says() -> None:
    import xrobust

    assert set(xrobust._HOME) == set(xrobust.__all__)
    assert [name for name, module in xrobust._HOME.items() if find_spec(module) is None] == []
