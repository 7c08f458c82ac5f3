"""Composition: which spellings are one run, whose parameter is meant, and what a run's identity is made of."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from xrobust import RunSpec
from xrobust.cli.main import main
from xrobust.config.composition import canonical_order, compose
from xrobust.config.training_settings import TrainingSettings
from xrobust.contracts import Method, MethodInfo
from xrobust.contracts.method import STAGES
from xrobust.errors import PluginError, UserError
from xrobust.plan import RunPlan, make_plan
from xrobust.registry.plugins import Plugins

Prepare = Callable[..., RunPlan]


@pytest.fixture
def plan(tiny_model: Path, tiny_data: Path) -> Prepare:
    """A plan of a run of the tiny model on the tiny data, with changes."""

    def resolve(method: str = "vanilla", **settings: Any) -> RunPlan:
        given = {"task": "pawsx", "model": str(tiny_model), "data_dir": tiny_data, "languages": ("de",), **settings}
        return make_plan(RunSpec(method=method, **given))

    return resolve


def names(method: str, **params: Any) -> list[str]:
    """The parts in canonical order."""
    plugins = Plugins()
    return [part.info.name for part in compose(method, params, plugins.load("tasks", "pos")(), plugins)]


# ------------------------------------------------------------------------------------------------------------ order


def test_parts_without_a_common_stage_are_stored_in_stage_order() -> None:
    for spelling in permutations(["rs_aug", "rs_random", "lora"]):
        assert names("+".join(spelling)) == ["rs_aug", "rs_random", "lora"]
    assert names(" lora + rs_random ") == ["rs_random", "lora"]


def test_parts_with_a_common_stage_keep_the_order_they_were_written_in() -> None:
    found = {
        tuple(names("+".join(spelling))) for spelling in permutations(["rs_aug", "adversarial", "rs_random", "adapter"])
    }
    assert found == {
        ("rs_aug", "adversarial", "rs_random", "adapter"),
        ("rs_aug", "rs_random", "adversarial", "adapter"),
    }


def part(name: str, stages: frozenset[str]) -> Method:
    """A method that changes these stages."""
    changed = {stage: lambda self, *arguments: arguments[0] for stage in stages}
    cls = type(name, (Method,), {"info": MethodInfo(name=name, summary=""), **changed})
    return cls(None)


STAGE_SETS = [frozenset(chosen) for size in range(4) for chosen in combinations(STAGES, size)]


@given(st.lists(st.sampled_from(STAGE_SETS), min_size=1, max_size=5))
@example([frozenset({"adapt"}), frozenset({"objective"}), frozenset({"augment", "adapt"})])
def test_order_is_a_normal_form(stage_sets: list[frozenset[str]]) -> None:
    """Spellings have the same order exactly where the parts that share a stage are in the same order in them."""
    parts = [part(chr(ord("a") + i), stages) for i, stages in enumerate(stage_sets)]
    orders: dict[tuple[bool, ...], list[Method]] = {}
    for spelling in permutations(parts):
        what_matters = tuple(
            spelling.index(a) < spelling.index(b)
            for a, b in combinations(parts, 2)
            if set(a.stages()) & set(b.stages())
        )
        ordered = canonical_order(spelling)
        assert set(ordered) == set(parts) and len(ordered) == len(parts), "no part is lost"
        assert orders.setdefault(what_matters, ordered) == ordered
        for a, b in combinations(spelling, 2):
            if set(a.stages()) & set(b.stages()):
                assert ordered.index(a) < ordered.index(b), "parts that share a stage act in the order written"


def test_both_spellings_are_one_run_where_order_does_not_matter(plan: Prepare) -> None:
    one, other = plan("rs_random+lora"), plan("lora+rs_random")
    assert one.run_id == other.run_id and one.folder == other.folder
    assert one.method_name == "rs_random+lora"
    inner, outer = plan("rs_random+adversarial"), plan("adversarial+rs_random")
    assert inner.run_id != outer.run_id
    assert inner.group_id != outer.group_id


# ------------------------------------------------------------------------------------------------------- parameters


def test_the_long_name_of_a_built_in_plugin_is_the_same_plugin(plan: Prepare) -> None:
    long = plan("xrobust/rs_random", task="xrobust/pos", method_params={"rs_random": {"epsilon": 0.2}})
    short = plan("rs_random", task="pos", method_params={"epsilon": 0.2})
    assert long.run_id == short.run_id and long.folder == short.folder


def params_of(method: str, **params: Any) -> dict[str, dict[str, Any]]:
    plugins = Plugins()
    parts = compose(method, params, plugins.load("tasks", "pos")(), plugins)
    return {part.info.name: part.params.model_dump() for part in parts}


def test_parameters_by_part_and_in_short() -> None:
    full = params_of("lora+rs_random", rs_random={"epsilon": 0.3}, lora={"rank": 4})
    assert full == params_of("lora+rs_random", epsilon=0.3, rank=4)
    assert (full["rs_random"]["epsilon"], full["lora"]["rank"]) == (0.3, 4)
    assert params_of("rs_random", rs_random={"epsilon": 0.3}) == params_of("rs_random", epsilon=0.3)
    mixed = params_of("adversarial+rs_random", adversarial={"epsilon": 0.5}, samples=3)
    assert (mixed["adversarial"]["epsilon"], mixed["rs_random"]["samples"]) == (0.5, 3)
    assert mixed["rs_random"]["epsilon"] == params_of("rs_random")["rs_random"]["epsilon"]


def test_task_defaults_yield_to_the_user() -> None:
    plugins = Plugins()
    task = plugins.load("tasks", "pawsx")()
    (published,) = compose("rs_aug", {}, task, plugins)
    (ours,) = compose("rs_aug", {"copies": 2}, task, plugins)
    assert (published.params.copies, ours.params.copies) == (10, 2)


@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        (
            "adversarial+lora+rs_random",
            {"epsilon": 1},
            r"'method.epsilon' belongs to adversarial and rs_random: "
            r"write method.adversarial.epsilon or method.rs_random.epsilon$",
        ),
        ("rs_random", {"epsilom": 1}, r"unknown setting 'method.epsilom' of rs_random: did you mean 'epsilon'\?$"),
        ("rs_random+lora", {"rs_random": {"rank": 1}}, r"unknown setting 'method.rs_random.rank': known: "),
        ("rs_random", {"lora": {"rank": 1}}, r"unknown setting 'method.lora' of rs_random: "),
        ("rs_random+lora", {"rank": 0}, r"setting 'method.lora.rank' is 0: input should be greater than or equal to 1"),
        ("vanilla", {"epsilon": 1}, r"unknown setting 'method.epsilon': vanilla has no parameters$"),
        ("vanilla", {"vanilla": {"a": 1}}, r"unknown setting 'method.vanilla.a': vanilla has no parameters$"),
        ("rs_random+lora+rs_random", {}, r"has rs_random twice: each part occurs once$"),
        ("rs_random+xrobust/rs_random", {}, r"has rs_random twice: each part occurs once$"),
        ("rs_random+", {}, r"has an empty part"),
        ("", {}, r"has an empty part"),
        ("rs_random+lara", {}, r"did you mean 'lora'\?"),
        ("vanilla+rs_random", {}, r"vanilla and rs_random cannot be combined: .*leave it out"),
        ("rs_random+vanilla", {}, r"rs_random and vanilla cannot be combined: .*leave it out"),
    ],
)
def test_what_cannot_be_composed_is_one_line(method: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        params_of(method, **params)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("pair", permutations(["lora", "adapter", "peft"], 2), ids="+".join)
def test_one_model_is_adapted_once(pair: Sequence[str]) -> None:
    with pytest.raises(UserError, match=f"{pair[0]} and {pair[1]} cannot be combined: each freezes"):
        names("+".join(["rs_aug", *pair]))


# --------------------------------------------------------------------------------------------------------- identity


def test_group_id_ignores_the_seed_alone(plan: Prepare) -> None:
    first, second = plan(seed=1), plan(seed=2)
    assert first.group_id == second.group_id
    assert first.run_id != second.run_id
    assert len({first.run_id, second.run_id, first.group_id}) == 3


def test_where_and_how_a_run_runs_is_not_its_identity(
    plan: Prepare, tiny_model: Path, tiny_data: Path, tmp_path: Path
) -> None:
    known = plan("rs_aug")
    model, data = tmp_path / "another-name", tmp_path / "elsewhere"
    shutil.copytree(tiny_model, model)
    (model / "README.md").write_text("not part of the model")
    shutil.copytree(tiny_data, data)
    for file in (data / "pawsx").glob("test-*"):  # what a run is scored on is no part of it either
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:5]))
    for change in (
        {"languages": ("fr", "en")},
        {"languages": None},
        {"output": tmp_path},
        {"model": str(model)},
        {"data_dir": data},
        {"micro_batch_size": 3},
        {"gradient_checkpointing": True},
        {"checkpoint_steps": 5},
        {"keep_checkpoints": "all"},
        {"offline": True},
        {"force": True},
        {"source": "en"},
        {"training": {"max_length": 64}},  # what the tiny model takes, and the recipe's length is cut to
        {"method_params": {"neighbors": data / "synonyms" / "counterfitted_neighbors.json"}},
        {"method_params": {"rs_aug": {"copies": 10}}},  # what it is anyway
    ):
        same = plan("rs_aug", **change)
        assert same.spec.train == known.spec.train, change
        assert same.run_id == known.run_id and same.group_id == known.group_id


def test_the_number_of_processes_is_not_its_identity(
    plan: Prepare,
    tiny_model: Path,
    tiny_data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "--task", "pawsx", "--model", str(tiny_model), "--data-dir", str(tiny_data)]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--num-processes", "2", "--dry-run"])
    assert stopped.value.code == 0
    assert yaml.safe_load(capsys.readouterr().out)["run_id"] == plan().run_id


@pytest.fixture
def changed(tiny_model: Path, tiny_data: Path, tmp_path: Path) -> Callable[[str, bytes, bytes], dict[str, Any]]:
    """The settings for copies of model and data in which a file has another content."""

    def change(file: str, old: bytes, new: bytes) -> dict[str, Any]:
        folders = {"model": tmp_path / "model", "data_dir": tmp_path / "data"}
        shutil.copytree(tiny_model, folders["model"])
        shutil.copytree(tiny_data, folders["data_dir"])
        path = tmp_path / file
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))
        return {"model": str(folders["model"]), "data_dir": folders["data_dir"]}

    return change


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("data/pawsx/train-en.tsv", b"cat", b"dog"),
        ("data/pawsx/train-en.ids", b"48\n", b"49\n"),
        ("data/pawsx/dev-en.tsv", b"cat", b"dog"),
        ("data/synonyms/counterfitted_neighbors.json", b"small", b"large"),
        ("model/config.json", b'"hidden_dropout_prob": 0.1', b'"hidden_dropout_prob": 0.2'),
        ("model/tokenizer.json", b'"NFC"', b'"NFD"'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_content_of_files_is(
    plan: Prepare, changed: Callable[..., dict[str, Any]], file: str, old: bytes, new: bytes
) -> None:
    assert plan("rs_aug", **changed(file, old, new)).run_id != plan("rs_aug").run_id


def test_a_weight_is(plan: Prepare, changed: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    settings = changed("model/config.json", b"", b"")
    weights = load_file(tmp_path / "model" / "model.safetensors")
    next(iter(weights.values())).view(-1)[0] += 1
    save_file(weights, tmp_path / "model" / "model.safetensors", metadata={"format": "pt"})
    assert plan(**settings).run_id != plan().run_id


OTHER_SETTINGS: dict[str, Any] = {
    "epochs": 7,
    "max_steps": 7,
    "learning_rate": 7e-3,
    "batch_size": 7,
    "max_length": 17,
    "dev_looks": 7,
    "select_every": 7,
    "warmup_ratio": 0.7,
    "weight_decay": 0.7,
    "adam_epsilon": 7e-7,
    "max_grad_norm": 0.7,
}
SAME_WEIGHTS = {"embedding_rows": "all"}
"""Settings that the weights do not depend on."""


def test_every_training_setting_is(plan: Prepare) -> None:
    assert {*OTHER_SETTINGS, *SAME_WEIGHTS} == set(TrainingSettings.model_fields), "a setting is missing here"
    assert plan(training=SAME_WEIGHTS).run_id == plan().run_id
    found = [plan(training={key: value}).run_id for key, value in OTHER_SETTINGS.items()]
    assert len({plan().run_id, *found}) == len(OTHER_SETTINGS) + 1


@pytest.mark.parametrize(
    "settings",
    [{"limit": 20}, {"limit": 48}, {"precision": "bf16"}, {"task": "xnli"}, {"seed": 3}, {"method": "adapter"}],
    ids=str,
)
def test_what_else_is(plan: Prepare, settings: dict[str, Any]) -> None:
    assert plan(**settings).run_id != plan().run_id


OTHER_PARAMS: dict[str, dict[str, Any]] = {
    "vanilla": {},
    "adversarial": {
        **{"epsilon": 0.7, "steps": 7, "step_size": 0.07, "init": "uniform"},
        **{"norm": "linf", "relative": False, "one_mask": False},
    },
    "rs_random": {"epsilon": 0.7, "distribution": "gaussian", "samples": 7, "norm": "linf", "relative": False},
    "rs_aug": {"copies": 7, "mode": "fresh"},
    "lora": {"rank": 7, "alpha": 7, "dropout": 0.7, "targets": ["query", "value"]},
    "adapter": {"placement": "houlsby", "reduction": 4, "activation": "gelu"},
    "peft": {"type": "LOHA", "config": {"fan_in_fan_out": True}},
}


def test_every_built_in_method_is_known_here() -> None:
    assert set(OTHER_PARAMS) == {r.name for r in Plugins().records("methods") if r.distribution == "xrobust"}


@pytest.mark.parametrize("method", [name for name, others in OTHER_PARAMS.items() if others])
def test_every_parameter_of_a_method_is(plan: Prepare, method: str) -> None:
    fields = Plugins().load("methods", method).Params.model_fields
    others = OTHER_PARAMS[method]
    assert set(others) == {name for name, field in fields.items() if not field.exclude}, "a parameter is missing here"
    found = [plan(method, method_params={key: value}).run_id for key, value in others.items()]
    assert len({plan(method).run_id, *found}) == len(others) + 1


PLUGIN = """
from xrobust.contracts import Method, MethodInfo
from xrobust_tasks.pawsx import PawsX
from dataclasses import replace


class Mine(Method):
    info = MethodInfo(name="mine", summary="nothing")


class MyPairs(PawsX):
    info = replace(PawsX.info, name="mypairs")
"""


def test_the_content_of_a_plugin_file_is_and_its_place_is_not(plan: Prepare, tiny_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_data / "pawsx", data / "mypairs")
    (data / "pawsx").symlink_to(data / "mypairs")
    first, moved, edited = tmp_path / "first.py", tmp_path / "moved" / "second.py", tmp_path / "edited.py"
    moved.parent.mkdir()
    first.write_text(PLUGIN)
    moved.write_text(PLUGIN)
    edited.write_text(PLUGIN + "# more\n")
    for settings in ({"method": "mine"}, {"task": "mypairs"}):
        here, there, other = (plan(data_dir=data, plugins=(path,), **settings) for path in (first, moved, edited))
        assert here.run_id == there.run_id
        assert here.run_id != other.run_id
    # A file that the run takes nothing from but has been given (an observer, say) is not part of it.
    assert plan(plugins=(first,)).run_id == plan(plugins=(edited,)).run_id == plan().run_id


# ---------------------------------------------------------------------------------------- settings that methods bring


def rate(made: Any) -> float:
    return float(made.spec.train.training.learning_rate)


def test_a_method_brings_its_own_learning_rate(plan: Prepare) -> None:
    recipe = Plugins().task("pawsx").recipe.learning_rate
    assert rate(plan(training={})) == recipe
    own = rate(plan("lora", training={}))
    assert own > recipe
    assert rate(plan("rs_random+lora", training={})) == own
    assert rate(plan("lora", training={"learning_rate": 3e-3})) == 3e-3  # what the user says wins


RATE_PLUGIN = """
from xrobust.contracts import Method, MethodInfo

class Rate(Method):
    info = MethodInfo(name="rate", summary="brings a setting")

    def training_defaults(self, task):
        return {settings}

    def objective(self, inner, ctx):
        return inner
"""


def test_two_methods_that_want_different_rates_need_one_from_the_user(plan: Prepare, tmp_path: Path) -> None:
    file = tmp_path / "rate.py"
    file.write_text(RATE_PLUGIN.format(settings={"learning_rate": 7e-3}))
    with pytest.raises(UserError, match=r"rate and lora want training.learning_rate at 0.007 and .*--set training"):
        plan("rate+lora", plugins=(file,), training={})
    assert rate(plan("rate+lora", plugins=(file,), training={"learning_rate": 1e-3})) == 1e-3


@pytest.mark.parametrize("settings", [{"learning_rat": 1.0}, {"learning_rate": -1.0}], ids=str)
def test_what_is_no_setting_is_the_methods_fault(plan: Prepare, tmp_path: Path, settings: dict[str, float]) -> None:
    file = tmp_path / "rate.py"
    file.write_text(RATE_PLUGIN.format(settings=settings))
    with pytest.raises(PluginError, match=r"rate.*training_defaults.*learning_rat"):
        plan("rate", plugins=(file,))


@pytest.mark.parametrize(
    ("given", "looks"), [({"dev_looks": 5}, (5, None)), ({"select_every": 9}, (None, 9)), ({}, (None, 4))], ids=str
)
def test_the_schedule_that_a_method_brings_yields_to_either_way_of_giving_one(
    plan: Prepare, tmp_path: Path, given: dict[str, int], looks: tuple[int | None, int | None]
) -> None:
    file = tmp_path / "rate.py"
    file.write_text(RATE_PLUGIN.format(settings={"select_every": 4}))
    settings = plan("rate", plugins=(file,), training=given).spec.train.training
    assert (settings.dev_looks, settings.select_every) == looks
