"""Hash of the source that classes and functions run on: edited code gets another hash, and so another cache key."""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from importlib import metadata
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from xrobust.storage.file_memo import cached_with_files
from xrobust.storage.hashing import canonical_json, file_sha256
from xrobust.storage.module_source import Imported, ModuleSource, read_module

CORE = "xrobust"
"""Name of the package, and of the distribution, whose own modules are always followed."""
Thing = type | Callable[..., Any] | str
"""A class, a function, or the name of a module."""


def code_hash(*things: Thing) -> str | None:
    """sha256 over the code that classes, functions and modules (by name) depend on.

    It covers the source of their modules, of the modules of a class's bases, and of what these import at any depth,
    inside functions too, as far as that is in the same packages, in xrobust or in no installed distribution; name and
    version of the distributions that they import; the files beside a module that reads some; and the versions of Python
    and its Unicode data. A name that a module passes on, as the `__init__` of a package does, counts as an import of
    the module that defines it.

    Nothing is imported. None where source does not show what is run: for a class made inside a function, a module
    without source, and a plugin that imports a module by a computed name. Computed once in a process.
    """
    return _code_hash(things)


def own_code_hash(thing: type) -> str | None:
    """sha256 over the source of a class's own package, as far as it depends on it, and of what is not installed.

    Unlike `code_hash` it stays the same with other versions of Python, of xrobust and of other distributions, and on
    another machine. None where source does not show what is run.
    """
    found = None if "<locals>" in thing.__qualname__ else _closure((thing,))
    return None if found is None else str(found["own"])


@cache
def _code_hash(things: tuple[Thing, ...]) -> str | None:
    found = None if any("<locals>" in getattr(thing, "__qualname__", "") for thing in things) else _closure(things)
    if found is None:
        return None
    whole = {
        "things": [thing if isinstance(thing, str) else thing.__qualname__ for thing in things],
        "source": found["source"],
        "distributions": {name: _version(name) for name in found["distributions"]},
        "python": list(sys.version_info[:2]),
        "unicode": unicodedata.unidata_version,
    }
    return hashlib.sha256(canonical_json(whole).encode()).hexdigest()


def _closure(things: tuple[Thing, ...]) -> dict[str, Any] | None:
    """The code that `_Closure.of` finds for things; None where source does not show what is run."""
    roots = sorted({module for thing in things for module in _modules(thing)})
    own = {thing if isinstance(thing, str) else thing.__module__ for thing in things}
    followed = frozenset(module.partition(".")[0] for module in own) | {CORE}
    try:
        places = {module: str(_locate(module).file) for module in [*roots, CORE]}
        what = {"places": places, "python": sys.version, "by": [file_sha256(Path(f)) for f in (__file__, _READER)]}
        return cached_with_files({"code": what}, lambda: _Closure(followed).of(roots), _found)
    except (_Unknown, OSError, SyntaxError):
        return None


def _found(value: Any) -> dict[str, Any]:
    """The outcome of `_Closure.of` out of the cache. Raises ValueError and others for anything else."""
    source, own, distributions = value["source"], value["own"], value["distributions"]
    if not all(isinstance(text, str) for text in (source, own, *distributions)):
        raise ValueError("it is no sha256 with names of distributions")
    return {"source": source, "own": own, "distributions": list(distributions)}


_READER = str(sys.modules[read_module.__module__].__file__)


class _Unknown(Exception):
    """Source does not show what the code does."""


class _Place(NamedTuple):
    """Place of a module."""

    file: Path | None
    """None for a folder of modules without an `__init__`."""
    folders: tuple[str, ...]
    """The folders of a package; empty for any other module."""
    single: bool = False
    """True for a plugin file, which is no module that could be imported."""


class _Closure:
    """The modules that others depend on, found by reading their source."""

    def __init__(self, followed: frozenset[str]) -> None:
        """`followed`: packages whose modules are read though they are installed."""
        self._followed = followed
        self._seen: set[Imported] = set()
        self._places: dict[str, _Place | None] = {}
        self._sources: dict[str, ModuleSource] = {}
        self._whole: set[str] = set()
        self._distributions: set[str] = set()
        self._files: dict[Path, None] = {}
        """Files that were read, and folders that were looked in."""

    def of(self, roots: list[str]) -> tuple[dict[str, Any], list[Path]]:
        """The sha256 over their source and the distributions they import; and the files and folders that decide it."""
        for root in roots:
            self._follow(Imported(root))
        parts = [[self._label(module), self._sources[module].sha256] for module in self._whole]
        own = sorted(part for part in parts if not part[0] or not self._is_ours(part[0].partition(".")[0]))
        parts += [[str(path), file_sha256(path)] for path in self._data_files()]
        value = {
            "source": hashlib.sha256(canonical_json(sorted(parts)).encode()).hexdigest(),
            "distributions": sorted(self._distributions),
            "own": hashlib.sha256(canonical_json(own).encode()).hexdigest(),
        }
        return value, list(self._files)

    def _follow(self, imported: Imported) -> None:
        top = imported.module.partition(".")[0]
        if imported in self._seen or top in sys.stdlib_module_names:
            return
        self._seen.add(imported)
        if top not in self._followed and (names := _distributions(top)):
            self._distributions.update(names)
            return
        place = self._place(imported.module)
        if place is None:
            self._distributions.add(top)  # optional, and not installed: it has no version yet
            return
        source = None if place.file is None else self._source(imported.module, place)
        if imported.name is not None:
            home = source.homes.get(imported.name) if source is not None else None
            submodule = f"{imported.module}.{imported.name}"
            if home is not None and home != imported:
                return self._follow(home)
            if place.folders and self._place(submodule) is not None:
                return self._follow(Imported(submodule))
        if source is not None and imported.module not in self._whole:
            self._whole.add(imported.module)
            if source.imports_dynamically and not self._is_ours(top):
                raise _Unknown
            for other in source.imports:
                self._follow(other)

    def _place(self, module: str) -> _Place | None:
        if module not in self._places:
            try:
                self._places[module] = place = _locate(module)
            except _Unknown:
                self._places[module] = None
            else:
                self._files.update(dict.fromkeys(map(Path, place.folders)))
        return self._places[module]

    def _source(self, module: str, place: _Place) -> ModuleSource:
        assert place.file is not None
        if module not in self._sources:
            package = module if place.folders else module.rpartition(".")[0]
            self._sources[module] = read_module(place.file, package)
            self._files[place.file] = None
        return self._sources[module]

    def _data_files(self) -> Iterator[Path]:
        """The files beside modules that read some, as far as these are no modules."""
        folders = set()
        for module in self._whole:
            if self._sources[module].reads_files and (place := self._places[module]) and place.file is not None:
                if place.single:
                    raise _Unknown  # it may lie anywhere, beside anything
                folders.add(place.file.parent)
        for folder in sorted(folders):
            for path in sorted(folder.rglob("*")):
                if path.is_dir():
                    self._files[path] = None
                elif path.suffix not in (".py", ".pyc"):
                    self._files[path] = None
                    yield path

    def _label(self, module: str) -> str:
        place = self._places[module]
        return "" if place is not None and place.single else module

    def _is_ours(self, top: str) -> bool:
        return top == CORE or CORE in _owners(top)


def _modules(thing: Thing) -> Iterator[str]:
    """The modules that define a thing: of a class, those of its bases too."""
    if isinstance(thing, str):
        yield thing
        return
    for owner in thing.__mro__ if isinstance(thing, type) else (thing,):
        if owner.__module__.partition(".")[0] not in sys.stdlib_module_names:
            yield owner.__module__


def _locate(module: str) -> _Place:
    """Finds the place of a module. Imports nothing. Raises _Unknown where there is none."""
    loaded = sys.modules.get(module)
    if loaded is not None and loaded.__spec__ is None and getattr(loaded, "__file__", None) and module != "__main__":
        return _Place(Path(str(loaded.__file__)), (), single=True)
    parent = module.rpartition(".")[0]
    try:
        spec = PathFinder.find_spec(module, _locate(parent).folders) if parent else find_spec(module)
    except (ValueError, ImportError):
        spec = None
    if spec is None or module == "__main__":
        raise _Unknown
    folders = tuple(spec.submodule_search_locations or ())
    if not spec.has_location or spec.origin is None:
        return _Place(None, folders)
    return _Place(Path(spec.origin), folders)


def _distributions(top: str) -> tuple[str, ...]:
    """The distributions that a top-level module is installed by; none for xrobust's own modules, and for what is
    installed to be edited: their source is followed."""
    owners = _owners(top)
    editable = any("editable" in (metadata.distribution(name).read_text("direct_url.json") or "") for name in owners)
    return () if CORE in owners or editable else owners


@cache
def _owners(top: str) -> tuple[str, ...]:
    """The distributions that have a top-level module, in an editable install too."""
    try:
        return (metadata.distribution(top).name,)  # most have the name of their module; asking for all takes 0.1 s
    except metadata.PackageNotFoundError:
        return tuple(sorted(set(_all_owners().get(top, ()))))


@cache
def _all_owners() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def _version(distribution: str) -> str:
    """Version of a distribution; empty where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
