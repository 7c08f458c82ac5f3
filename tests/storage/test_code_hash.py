"""Hashes of code: edits of what a class runs on change them, and no other edit does."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from xrobust.evaluation.apply_perturbation import perturb
from xrobust.registry.plugin_file import plugins_in, read_source
from xrobust.registry.plugins import Plugins
from xrobust.storage import code_hash as module
from xrobust.storage import file_memo
from xrobust.storage.code_hash import code_hash, own_code_hash

ROOT = Path(__file__).resolve().parents[2]

PACKAGE = {
    "__init__.py": "from .shared import Shared\nfrom acme.other import other\n",
    "thing.py": """
from typing import TYPE_CHECKING
import base.kinds
from acme import Shared
from . import words
if TYPE_CHECKING:
    from acme.typed import Typed
else:
    from acme import runtime

class Thing(base.kinds.Base):
    def apply(self):
        from acme.late import late
        try:
            import optional_acme
        except ImportError:
            from acme import fallback
""",
    "words.py": "from pathlib import Path\nWORDS = (Path(__file__).parent / 'lists' / 'words.txt').read_text()\n",
    "lists/words.txt": "one two",
    "base/kinds.py": "class Base: ...\n",
    "base/__init__.py": "",
    "far.py": "FAR = 1\n",
    **{f"{name}.py": f"{name} = 1\n" for name in ("typed", "runtime", "fallback", "other")},
    "late.py": "from acme.far import *\nlate = 1\n",
    "shared/__init__.py": "from .tables import Shared\nfrom .others import More\n",
    "shared/tables.py": "class Shared: ...\n",
    "shared/others.py": "class More: ...\n",
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules that can be imported, and are forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    known = set(sys.modules)
    yield folder
    for name in set(sys.modules) - known:
        del sys.modules[name]


@pytest.fixture
def thing(site: Path) -> type:
    for name, source in PACKAGE.items():
        path = site / name if name.startswith("base/") else site / "acme" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return importlib.import_module("acme.thing").Thing


def anew(*things: Any) -> str | None:
    """The hash as another process would compute it."""
    for cached in (module._code_hash, module._owners, module._all_owners):
        cached.cache_clear()
    importlib.invalidate_caches()
    return code_hash(*things)


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock by which every file is old enough to be remembered."""
    monkeypatch.setattr(file_memo, "time", SimpleNamespace(time=lambda: time.time() + 60))


@pytest.mark.parametrize("remembered", [False, True])
def test_what_a_class_runs_on_is_in_its_hash_and_nothing_else(
    thing: type, site: Path, remembered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if remembered:
        later(monkeypatch)
    changing = set()
    before = anew(thing)
    assert before is not None and anew(thing) == before
    for name in PACKAGE:
        path = site / name if name.startswith("base/") else site / "acme" / name
        path.write_text(path.read_text() + "# edited\n")
        after = anew(thing)
        if after != before:
            changing.add(name)
        before = after
    assert changing == {
        "thing.py",
        "words.py",
        "lists/words.txt",
        "base/kinds.py",
        "runtime.py",
        "late.py",
        "far.py",
        "fallback.py",
        "shared/tables.py",
    }
    (site / "acme" / "lists" / "more.txt").write_text("three")
    assert anew(thing) != before, "a file more beside a module that reads some"


def test_a_name_that_moves_to_another_module_counts_from_there(thing: type, site: Path) -> None:
    before = anew(thing)
    shared = site / "acme" / "shared" / "__init__.py"
    shared.write_text("class Shared: ...\n")
    assert anew(thing) != before
    before = anew(thing)
    shared.write_text("class Shared: ...\n\nprint()\n")
    assert anew(thing) != before, "now the package defines it"


def distribution(site: Path, version: str, more: str = "") -> None:
    """Installs `optional_acme`."""
    for old in site.glob("*.dist-info"):
        old.rename(old.with_name(f"Optional_Acme-{version}.dist-info"))
    info = site / f"Optional_Acme-{version}.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: Optional-Acme\nVersion: {version}\n")
    (info / "top_level.txt").write_text("optional_acme\n")
    (info / "direct_url.json").write_text(more)
    (site / "optional_acme.py").touch()


def test_a_distribution_counts_by_its_version(thing: type, site: Path) -> None:
    hashes = [anew(thing)]
    distribution(site, "1.0")
    hashes.append(anew(thing))
    (site / "optional_acme.py").write_text("edited = True\n")
    assert anew(thing) == hashes[-1]
    distribution(site, "1.1")
    hashes.append(anew(thing))
    assert None not in hashes and len(set(hashes)) == 3


def test_one_that_is_installed_to_be_edited_counts_by_its_source(thing: type, site: Path) -> None:
    distribution(site, "1.0", json.dumps({"url": "file:///acme", "dir_info": {"editable": True}}))
    before = anew(thing)
    (site / "optional_acme.py").write_text("edited = True\n")
    assert anew(thing) not in (None, before)


def test_unicode_counts(thing: type, monkeypatch: pytest.MonkeyPatch) -> None:
    before = anew(thing)
    monkeypatch.setattr(unicodedata, "unidata_version", "1.1.5")
    assert anew(thing) != before


def test_what_a_single_file_imports_counts(site: Path, tmp_path: Path) -> None:
    (site / "beside.py").write_text("WORD = 'a'\n")
    (site / "other.py").write_text("WORD = 'a'\n")
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN)
    ((_, cls),) = plugins_in(read_source(plugin))
    before = anew(cls)
    (site / "other.py").write_text("WORD = 'b'\n")
    assert anew(cls) == before is not None
    (site / "beside.py").write_text("WORD = 'b'\n")
    assert anew(cls) not in (None, before)


PLUGIN = """
from xrobust.contracts import Perturbation, PerturbationInfo
import beside


class Mine(Perturbation):
    info = PerturbationInfo("mine", "", kinds=("token_classification",))

    def apply(self, example, language, rng):
        return None
"""


@pytest.mark.parametrize(
    "first_line", ["from importlib import import_module\nOTHER = import_module('oth' + 'er')", "FILE = __file__"]
)
def test_what_source_does_not_show_has_no_hash(first_line: str, site: Path, tmp_path: Path) -> None:
    (site / "beside.py").touch()
    (site / "other.py").touch()
    plugin = tmp_path / "plugin.py"
    plugin.write_text(f"{first_line}\n{PLUGIN}")
    ((_, cls),) = plugins_in(read_source(plugin))
    assert anew(cls) is None


def test_the_hash_of_its_own_code_is_of_its_package_alone(
    thing: type, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = own_code_hash(thing)
    distribution(site, "1.0")
    monkeypatch.setattr(unicodedata, "unidata_version", "1.1.5")
    anew()
    assert own_code_hash(thing) == before is not None
    (site / "acme" / "thing.py").write_text(PACKAGE["thing.py"] + "# edited\n")
    anew()
    assert own_code_hash(thing) not in (None, before)


def test_the_own_code_of_a_single_file_is_the_file(tmp_path: Path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text(PLUGIN.replace("import beside", ""))
    ((_, cls),) = plugins_in(read_source(plugin))
    assert own_code_hash(cls) is not None


def test_a_class_without_source_has_no_hash() -> None:
    class Inside:
        pass

    assert anew(Inside) is None and own_code_hash(Inside) is None
    assert anew(type("Unknown", (), {"__module__": "nowhere"})) is None
    assert anew(type("Main", (), {"__module__": "__main__"})) is None


@pytest.mark.parametrize("record", Plugins().records("perturbations"), ids=lambda record: record.name)
def test_every_built_in_perturbation_has_one(record: Any) -> None:
    assert code_hash(Plugins().load("perturbations", record.name), perturb, "xrobust.models.word_vectors") is not None


SCRIPT = """
import json, sys
from pathlib import Path
from xrobust.encoding.files import EncodedWriter
from xrobust.evaluation.apply_perturbation import perturb
from xrobust.kinds import SequenceClassification, TokenClassification
from xrobust.storage import code_hash as module
from xrobust_tasks.perturbations.casing import Casing
from xrobust_tasks.perturbations.typos import Typos

def hashes():
    module._code_hash.cache_clear()
    return [module.code_hash(*things) for things in THINGS]

THINGS = [(cls, perturb) for cls in (Typos, Casing)]
THINGS += [(cls, EncodedWriter) for cls in (TokenClassification, SequenceClassification)]
before = hashes()
assert None not in before
found = {}
for name in sys.argv[1:]:
    path = Path(name)
    path.write_text(path.read_text() + "# edited\\n")
    after = hashes()
    found[name] = [a != b for a, b in zip(before, after)]
    before = after
print(json.dumps(found))
"""


def test_edits_of_xrobust_itself(tmp_path: Path) -> None:
    for folder, name in (("xrobust", "xrobust"), ("tasks", "xrobust_tasks")):
        shutil.copytree(ROOT / folder, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    changed = {
        "xrobust_tasks/perturbations/typos.py": "t...",
        "xrobust_tasks/perturbations/shared/keyboards.py": "t...",
        "xrobust_tasks/perturbations/shared/letters.py": "tc..",
        "xrobust_tasks/perturbations/shared/gazetteer.py": "....",
        "xrobust_tasks/perturbations/golden/typos.jsonl": "....",
        "xrobust/evaluation/apply_perturbation.py": "tc..",
        "xrobust/contracts/parameters.py": "tc..",
        "xrobust/contracts/__init__.py": "....",
        "xrobust/contracts/method.py": "....",
        "xrobust/contracts/task.py": "....",
        "xrobust/training/loop.py": "....",
        "xrobust/evaluation/scorer.py": "....",
        "xrobust/encoding/words.py": "..k.",
        "xrobust/encoding/pairs.py": "...s",
        "xrobust/encoding/files.py": "..ks",
        "xrobust/kinds/__init__.py": "....",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *changed],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = {
        name: "".join(c if x else "." for c, x in zip("tcks", row, strict=True))
        for name, row in json.loads(done.stdout).items()
    }
    assert found == changed
