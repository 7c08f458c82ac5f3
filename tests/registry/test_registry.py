"""The registry: plugins of installed distributions are found by metadata, imported one by one, and isolated."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from handmade import GOOD, write_distribution

from xrobust import RunSpec
from xrobust.contracts import Method, Task
from xrobust.errors import UserError
from xrobust.plan import RunPlan, make_plan
from xrobust.registry.plugins import GROUPS, PluginRecord, Plugins


def found(plugins: Plugins, distribution: str) -> PluginRecord:
    """The one record of a distribution, after everything was imported."""
    (record,) = [r for r in plugins.check_all() if r.distribution == distribution]
    return record


def refused(plugins: Plugins, group: str, name: str) -> str:
    with pytest.raises(UserError) as error:
        plugins.load(group, name)  # type: ignore[call-overload]
    message = str(error.value)
    assert "\n" not in message
    return message


def test_every_built_in_plugin_works_and_says_what_it_is():
    plugins = Plugins()
    for group in GROUPS:
        records = plugins.records(group)
        assert [r.name for r in records] == sorted(r.name for r in records)
        for record in records:
            if record.distribution == "xrobust":
                assert record.problem is None
                assert record.usable_as == record.name
                assert record.summary
                assert "\n" not in record.summary
    assert {"wikiann", "pos", "xnli", "pawsx"} <= {r.name for r in plugins.records("tasks")}
    assert issubclass(plugins.load("tasks", "wikiann"), Task)
    assert plugins.load("tasks", "xrobust/wikiann") is plugins.load("tasks", "wikiann")


def test_an_unknown_name_gets_did_you_mean():
    plugins = Plugins()
    assert refused(plugins, "tasks", "wikian") == "unknown task 'wikian': did you mean 'wikiann'?"
    assert "did you mean 'xrobust/wikiann'" in refused(plugins, "tasks", "xrobust/wikian")
    assert "unknown method 'wikiann'" in refused(plugins, "methods", "wikiann")


def test_a_plugin_is_imported_when_asked_for_and_no_other(distribution):
    points = {"xrobust.methods": {"lazy_a": "lazy_a_module:Good", "lazy_b": "lazy_b_module:Good"}}
    distribution("lazy", points, lazy_a_module=GOOD.format(name="lazy_a"), lazy_b_module=GOOD.format(name="lazy_b"))
    plugins = Plugins()
    assert {"lazy_a", "lazy_b"} <= plugins.names("methods")
    assert not {"lazy_a_module", "lazy_b_module"} & set(sys.modules)
    assert plugins.record("methods", "lazy_a") == PluginRecord(
        group="methods",
        name="lazy_a",
        distribution="lazy",
        version="1.2",
        target="lazy_a_module:Good",
        summary="what the distribution is",
        usable_as="lazy_a",
    )
    assert issubclass(plugins.load("methods", "lazy_a"), Method)
    assert "lazy_a_module" in sys.modules
    assert "lazy_b_module" not in sys.modules
    assert plugins.record("methods", "lazy_a").summary == "a method that works"


BROKEN = {
    "import": ("import no_such_module_anywhere", "importing it raised ModuleNotFoundError: No module named"),
    "syntax": ("def f(:", "importing it raised SyntaxError: invalid syntax"),
    "exit": ("import sys; sys.exit(3)", "importing it raised SystemExit: 3"),
    "exception": ("class E(BaseException): pass\nraise E('two\\nlines')", "importing it raised E: two lines"),
    "nothing_there": ("", "importing it raised AttributeError: module 'broken_module' has no attribute 'Plugin'"),
    "function": ("def Plugin(): pass", "it is not a subclass of xrobust.contracts.Method"),
    "wrong_base": (
        "from xrobust.contracts import Task\nclass Plugin(Task): pass",
        "it is not a subclass of xrobust.contracts.Method",
    ),
    "no_info": (
        "from xrobust.contracts import Method\nclass Plugin(Method): pass",
        "class Plugin has no `info = MethodInfo(...)`",
    ),
    "wrong_info": (
        "from xrobust.contracts import Method\nclass Plugin(Method): info = 'a method'",
        "class Plugin has no `info = MethodInfo(...)`",
    ),
    "other_name": (
        GOOD.format(name="another").replace("Good", "Plugin"),
        "its info.name is 'another' but its entry point 'broken'",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_plugin_is_isolated_and_named(distribution, case):
    source, reason = BROKEN[case]
    distribution("broken-dist", {"xrobust.methods": {"broken": "broken_module:Plugin"}}, broken_module=source)
    plugins = Plugins()

    record = found(plugins, "broken-dist")
    assert (record.problem or "").startswith(reason)
    assert record.usable_as is None
    assert all(r.problem is None for r in plugins.check_all() if r.distribution == "xrobust")

    message = refused(Plugins(), "methods", "broken")
    assert reason in message
    assert "broken-dist 1.2" in message


@pytest.mark.parametrize(
    ("name", "target", "reason"),
    [
        ("no_class", "broken_module", "not of the form module:Class"),
        ("two words", "broken_module:Plugin", "lower-case letters, digits and underscores only"),
        ("UPPER", "broken_module:Plugin", "lower-case letters, digits and underscores only"),
        ("a+b", "broken_module:Plugin", "lower-case letters, digits and underscores only"),
    ],
)
def test_an_entry_point_that_cannot_be_one_fails_without_an_import(distribution, name, target, reason):
    distribution("broken-dist", {"xrobust.methods": {name: target}}, broken_module="")
    assert reason in (found(Plugins(), "broken-dist").problem or "")
    assert reason in refused(Plugins(), "methods", name)
    assert "broken_module" not in sys.modules


def test_control_c_is_not_taken_for_a_broken_plugin(distribution):
    distribution("stop", {"xrobust.methods": {"stop": "stop_module:X"}}, stop_module="raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Plugins().check_all()


def test_a_built_in_plugin_keeps_its_short_name(distribution):
    distribution("grabber", {"xrobust.methods": {"vanilla": "grab:Good"}}, grab=GOOD.format(name="vanilla"))
    plugins = Plugins()
    record = found(plugins, "grabber")
    assert record.problem == "name taken by xrobust; ask for it as grabber/vanilla"
    assert record.usable_as == "grabber/vanilla"
    assert plugins.record("methods", "vanilla").distribution == "xrobust"
    assert plugins.record("methods", "vanilla").problem is None
    theirs = plugins.load("methods", "grabber/vanilla")
    assert theirs.info.summary == "a method that works"
    assert plugins.load("methods", "vanilla") is not theirs


def test_of_two_equal_names_neither_is_chosen(distribution):
    for n in ("one", "two"):
        points = {"xrobust.methods": {"same": f"same_{n}:Good"}}
        distribution(f"dist-{n}", points, **{f"same_{n}": GOOD.format(name="same")})
    plugins = Plugins()
    assert refused(plugins, "methods", "same") == (
        "method 'same' is in 2 distributions: ask for 'dist-one/same' or 'dist-two/same'"
    )
    assert found(plugins, "dist-one").problem == "name taken by dist-two; ask for it as dist-one/same"
    assert found(plugins, "dist-two").usable_as == "dist-two/same"
    assert plugins.load("methods", "dist-one/same").__module__ == "same_one"
    assert plugins.load("methods", "Dist_Two/same").__module__ == "same_two"  # names are compared as PyPI does


def test_a_plugin_has_one_identity_however_it_is_asked_for(distribution):
    distribution("My.Dist", {"xrobust.methods": {"mine": "mine_module:Good"}}, mine_module=GOOD.format(name="mine"))
    plugins = Plugins()
    for spelling in ("mine", "My.Dist/mine", "my-dist/mine"):
        assert plugins.identity("methods", spelling) == ("My.Dist/mine", "1.2", None)
    assert plugins.identity("methods", "xrobust/lora") == plugins.identity("methods", "lora") == ("lora", None, None)


def test_a_run_of_a_third_partys_plugins(
    distribution, site: Path, tiny_model: Path, tiny_data: Path, tmp_path: Path
) -> None:
    """Each spelling is the same run, and an upgraded distribution another."""
    task = (
        "from dataclasses import replace\nfrom xrobust_tasks.pawsx import PawsX\n"
        "class T(PawsX):\n  info = replace(PawsX.info, name='pairs')"
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pairs").symlink_to(tiny_data / "pawsx")
    points = {"xrobust.methods": {"mine": "mine_m:Good"}, "xrobust.tasks": {"pairs": "mine_t:T"}}

    def install(version: str) -> None:
        for old in site.glob("*.dist-info"):
            shutil.rmtree(old)
        distribution("mine", points, version=version, mine_m=GOOD.format(name="mine"), mine_t=task)

    def planned(method: str = "vanilla", task: str = "pawsx") -> RunPlan:
        data = tiny_data if task == "pawsx" else tmp_path / "data"
        return make_plan(RunSpec(task=task, method=method, model=str(tiny_model), data_dir=data, languages=("de",)))

    def runs() -> list[RunPlan]:
        return [planned("mine+lora"), planned(task="pairs"), planned()]

    install("1.0")
    first = runs()
    assert [p.folder.parts[1:3] for p in first] == [
        ("pawsx", "lora+mine.mine"),
        ("mine.pairs", "vanilla"),
        ("pawsx", "vanilla"),
    ]
    assert planned("lora+mine/mine").run_id == first[0].run_id
    assert planned(task="mine/pairs").run_id == first[1].run_id
    install("1.1")
    assert [a.run_id == b.run_id for a, b in zip(first, runs(), strict=True)] == [False, False, True]


def test_the_same_name_in_two_groups_is_no_conflict(distribution):
    task = "from xrobust.contracts import Task, TaskInfo\nclass T(Task):\n  info = TaskInfo('twin', '', (), '', '')"
    task += "\n  kind, metrics, recipe, columns = kind, ('accuracy',), Recipe(1, 1.0, None), ('text', 'label')"
    task = f"from xrobust.contracts import Recipe\nfrom xrobust.kinds import SequenceClassification\n{task}"
    task = task.replace("= kind,", "= SequenceClassification(('a', 'b')),")
    points = {"xrobust.methods": {"twin": "twin_m:Good"}, "xrobust.tasks": {"twin": "twin_t:T"}}
    distribution("twins", points, twin_m=GOOD.format(name="twin"), twin_t=task)
    plugins = Plugins()
    assert issubclass(plugins.load("methods", "twin"), Method)
    assert issubclass(plugins.load("tasks", "twin"), Task)


def test_a_distribution_found_twice_counts_once(distribution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    points = {"xrobust.methods": {"once": "once_module:Good"}}
    distribution("once-dist", points, version="2.0", once_module=GOOD.format(name="once"))
    (tmp_path / "again").mkdir()
    write_distribution(tmp_path / "again", "once_dist", points, version="1.0")
    monkeypatch.syspath_prepend(str(tmp_path / "again"))
    sys.path.append(sys.path.pop(0))  # found later, so shadowed
    plugins = Plugins()
    (record,) = [r for r in plugins.records("methods") if r.name == "once"]
    assert record.version == "2.0"
    assert plugins.record("methods", "once").problem is None


def test_garbled_metadata_of_one_distribution_harms_no_other(site: Path, distribution):
    distribution("fine", {"xrobust.methods": {"fine": "fine_module:Good"}}, fine_module=GOOD.format(name="fine"))
    distribution("garbled", "[xrobust.methods]\nno equals sign here\n")
    distribution("bare", {"xrobust.methods": {"bare": "bare_module:Good"}}, metadata=False)
    distribution("binary", "")
    (site / "binary-1.2.dist-info" / "entry_points.txt").write_bytes(b"[xrobust.methods]\n\xff\xfe = x:y\n")
    plugins = Plugins()
    assert "entry_points.txt cannot be read" in (found(plugins, "garbled").problem or "")
    assert issubclass(plugins.load("methods", "fine"), Method)
    assert plugins.record("methods", "bare").distribution == "unknown"
    assert plugins.records("tasks")


def test_a_misspelt_group_is_pointed_out(distribution):
    distribution("typo", {"xrobust.method": {"typo": "typo_module:Good"}}, typo_module=GOOD.format(name="typo"))
    assert found(Plugins(), "typo").problem == (
        "unknown entry-point group 'xrobust.method': did you mean 'xrobust.methods' or 'xrobust.tasks'?"
    )


def test_two_registries_in_one_process_give_the_same_class(distribution):
    distribution("shared", {"xrobust.methods": {"shared": "shared_m:Good"}}, shared_m=GOOD.format(name="shared"))
    assert Plugins().load("methods", "shared") is Plugins().load("methods", "shared")
