"""Source of one module, read without importing it: its imports, and the names that it takes from other modules."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_DATA_FILES = re.compile(rb"(?<![.\w])__file__\b|\bimportlib[. ](?:import )?resources\b|\bpkgutil\b")
"""Names by which a module finds files that lie beside it."""
_DYNAMIC_IMPORTS = re.compile(rb"\b(?:import_module|__import__)\b")


@dataclass(frozen=True)
class Imported:
    """An import: a whole module, or one name of it."""

    module: str
    name: str | None = None


@dataclass(frozen=True)
class ModuleSource:
    """The facts about a module that its source shows."""

    sha256: str
    imports: tuple[Imported, ...]
    """What it may import when it runs, inside functions too: imports for type checkers alone are none, unless the
    module has a `__getattr__`, which imports names at their first use."""
    homes: dict[str, Imported]
    """Name -> the import that binds it, for the names that nothing else in the module binds."""
    reads_files: bool
    """True if it may read data files that lie beside it."""
    imports_dynamically: bool
    """True if it may import modules whose names its source does not show."""


def read_module(path: Path, package: str) -> ModuleSource:
    """Reads the source of a module, whose relative imports begin at `package`.

    Of a compiled module nothing but the sha256 is known. Raises OSError, and SyntaxError for what is not Python.
    """
    source = path.read_bytes()
    sha256 = hashlib.sha256(source).hexdigest()
    if path.suffix != ".py":
        return ModuleSource(sha256, (), {}, False, False)
    tree = ast.parse(source)
    runtime, typing_only = _imports(tree.body, package)
    bound, defined = _bindings(tree.body, package)
    lazy = typing_only if "__getattr__" in defined else []
    homes = {name: home for name, home in bound.items() if name not in defined}
    return ModuleSource(
        sha256,
        tuple(dict.fromkeys([*runtime, *lazy])),
        homes,
        bool(_DATA_FILES.search(source)),
        bool(_DYNAMIC_IMPORTS.search(source)),
    )


def _imports(body: Iterable[ast.stmt], package: str) -> tuple[list[Imported], list[Imported]]:
    """The imports of statements at any depth, and those for type checkers alone."""
    runtime: list[Imported] = []
    typing_only: list[Imported] = []
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            runtime += [imported for _, imported in _names(statement, package)]
        elif isinstance(statement, ast.If) and _is_typing(statement):
            typing_only += [imported for part in _imports(statement.body, package) for imported in part]
            runtime += _imports(statement.orelse, package)[0]
        else:
            inside, hidden = _imports(_statements(statement), package)
            runtime += inside
            typing_only += hidden
    return runtime, typing_only


def _bindings(body: Iterable[ast.stmt], package: str) -> tuple[dict[str, Imported], set[str]]:
    """The names that a module binds by an import, and those that it binds otherwise, or by two imports."""
    bound: dict[str, Imported] = {}
    defined: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name, imported in _names(statement, package):
                if bound.setdefault(name, imported) != imported:
                    defined.add(name)
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(statement.name)
        else:
            inner_bound, inner_defined = _bindings(_statements(statement), package)
            defined |= inner_defined | {
                name for name in inner_bound if bound.get(name, inner_bound[name]) != inner_bound[name]
            }
            bound |= inner_bound
            defined |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and _is_stored(node)}
    return bound, defined


def _names(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Imported]]:
    """The names that an import binds, and what to."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield alias.asname or alias.name.partition(".")[0], Imported(alias.name)
        return
    module = statement.module or ""
    if statement.level:
        above = package.split(".")[: len(package.split(".")) - statement.level + 1]
        module = ".".join([*above, *([module] if module else [])])
    for alias in statement.names:
        yield alias.asname or alias.name, Imported(module, None if alias.name == "*" else alias.name)


def _statements(statement: ast.stmt) -> list[ast.stmt]:
    """The statements inside a statement: bodies, other branches, handlers and cases."""
    blocks = [statement, *getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
    return [
        inner
        for block in blocks
        for field in ("body", "orelse", "finalbody")
        for inner in getattr(block, field, ())
        if isinstance(inner, ast.stmt)
    ]


def _is_typing(statement: ast.If) -> bool:
    test = statement.test
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _is_stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)
