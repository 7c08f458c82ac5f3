"""The file of an experiment: what it stands for, and the mistakes in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from xrobust.errors import UserError
from xrobust.experiments.cells import expand
from xrobust.experiments.experiment_file import Experiment, read_experiment
from xrobust.experiments.sweep_plan import plan_sweep


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "experiment.yaml"
    file.write_text(text)
    return file


def test_a_number_of_seeds_stands_for_the_first_ones(tmp_path: Path) -> None:
    assert read_experiment(written(tmp_path, "{name: x, tasks: [pos], seeds: 3}")).seeds == (1, 2, 3)
    assert read_experiment(written(tmp_path, "{name: x, tasks: [pos], seeds: [7, 0]}")).seeds == (7, 0)


def test_paths_are_relative_to_the_file(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").symlink_to(tiny_data)
    (tmp_path / "model").symlink_to(tiny_model)
    written(tmp_path, "{name: x, output: out, tasks: [pos], base: {model: model, data_dir: data, plugins: [my.py]}}")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    experiment = read_experiment(Path("../experiment.yaml"))
    (cell,) = expand(experiment)
    assert Path(experiment.output).resolve() == tmp_path / "out"
    for key in ("model", "data_dir"):
        assert Path(cell.values[key]).resolve() == (tmp_path / key.removesuffix("_dir")).resolve()
    assert [Path(path).resolve() for path in cell.values["plugins"]] == [tmp_path / "my.py"]


@given(
    tasks=st.integers(1, 4),
    methods=st.integers(1, 5),
    seeds=st.integers(1, 9),
    excluded=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=4),
)
def test_the_grid_is_the_product_without_what_is_excluded(
    tmp_path_factory: pytest.TempPathFactory, tasks: int, methods: int, seeds: int, excluded: set[tuple[int, int]]
) -> None:
    inside = {(task, method) for task, method in excluded if task < tasks and method < methods}
    content = {
        "name": "x",
        "tasks": [f"task{i}" for i in range(tasks)],
        "methods": [f"method{i}" for i in range(methods)],
        "seeds": seeds,
        "exclude": [{"task": f"task{task}", "method": f"method{method}"} for task, method in sorted(inside)],
    }
    file = tmp_path_factory.mktemp("grid") / "experiment.yaml"
    file.write_text(yaml.safe_dump(content))
    experiment = read_experiment(file)
    if len(inside) == tasks * methods:
        with pytest.raises(UserError, match="leaves no run"):
            expand(experiment)
        return
    runs = {(cell.task, cell.method, seed) for cell in expand(experiment) for seed in cell.seeds}
    assert len(runs) == (tasks * methods - len(inside)) * seeds
    assert not {(task, method) for task, method, _ in runs} & {(f"task{t}", f"method{m}") for t, m in inside}


def test_a_method_goes_before_its_task_and_that_before_the_base(tmp_path: Path) -> None:
    text = """
name: x
base: {limit: 10, training: {epochs: 1, learning_rate: 1.0e-3}}
tasks: [pos, {task: wikiann, limit: 20, training: {epochs: 2}}]
methods: [vanilla, {name: rs_aug, copies: 2}, {method: rs_random, limit: 30, training: {epochs: 3}}]
exclude: [{method: vanilla, seed: 1}]
seeds: 2
"""
    cells = {(cell.task, cell.method): cell for cell in expand(read_experiment(written(tmp_path, text)))}
    assert cells["pos", "vanilla"].seeds == (2,)
    assert cells["wikiann", "rs_aug"].values["training"] == {"epochs": 2, "learning_rate": 1e-3}
    assert cells["wikiann", "rs_aug"].values["method_params"] == {"copies": 2}
    assert cells["wikiann", "rs_random"].values["limit"] == 30
    assert cells["wikiann", "rs_random"].values["training"] == {"epochs": 3, "learning_rate": 1e-3}


MISTAKES = {
    "{name: x, task: [pos]}": "unknown setting 'task': did you mean 'tasks'?",
    "{name: x, tasks: []}": "'tasks' is empty",
    "{name: a/b, tasks: [pos]}": "make a name",
    "{name: x, tasks: [pos], base: {learning_rate: 1}}": "base: unknown setting 'learning_rate'",
    "{name: x, tasks: [pos], base: {languagse: [de]}}": "did you mean 'languages'?",
    "{name: x, tasks: [pos], base: {seed: 3}}": "'seed' is the experiment's to decide: use 'seeds'",
    "{name: x, tasks: [pos], base: {force: true}}": "finished runs are not done again",
    "{name: x, tasks: [pos], base: {method: rs_aug}}": "'method' stands in 'methods' of an experiment",
    "{name: x, tasks: [pos], methods: [{copies: 3}]}": "has no 'method'",
    "{name: x, tasks: [pos, pos]}": "pos is there twice",
    "{name: x, tasks: [pos], seeds: [1, 2, 1]}": "1 is there twice",
    "{name: x, tasks: [pos], seeds: [-1]}": "not negative",
    "{name: x, tasks: [pos], seeds: 1.5}": "a number of seeds or a list of them is expected",
    "{name: x, tasks: [pos], methods: [{method: rs_aug, copies: 3}]}": "beside its name: {name: rs_aug, copies: ...}",
    "{name: x, tasks: [pos], seeds: 0}": "from 1 to 1000",
    "{name: x, tasks: [pos], budget: {match: tokens}}": "budget.match",
    "{name: x, tasks: [pos], tune: {trials: 8, metric: f1, space: {training.learning_rate: [1, 2]}}}": "tune.metric",
}
"""Mistakes that reading the file finds."""

MISTAKES_OF_PLANS = {
    "methods: [vanila]": "unknown method 'vanila': did you mean 'vanilla'?",
    "tasks: [poss]": "unknown task 'poss'",
    "exclude: [{task: xnli}]": "no run has task 'xnli'",
    "exclude: [{seed: 1, method: vanilla, task: pos}]": "leaves no run",
    "exclude: [{seed: '1'}]": "no run has seed '1': there are 1",
    "exclude: [{}]": "which would leave out everything",
    "exclude: [{language: de}]": "unknown key 'language'",
    "methods: [vanilla, {method: vanilla, source: en}]": "two entries of the file are this one run",
    "budget: {match: steps, of: rs_aug}": "'of' is 'rs_aug', which is none of 'methods'",
    "{methods: [rs_aug, vanilla], budget: {of: rs_aug}}": "known only once it has augmented",
    "{methods: [vanilla, {method: rs_random, training: {max_steps: 7}}], budget: {}}": "leave one of them out",
    "{methods: [vanilla, rs_aug], seeds: 501}": "has 1002 runs: give --yes",
    "{seeds: 900, tune: {trials: 101, space: {training.learning_rate: [0.1, 0.2]}}}": "900 runs and 101 trials",
    "tune: {trials: 2, space: {languages: [de, fr]}}": "on the source dev set alone",
    "tune: {trials: 2, space: {perturb.typos.rate: [0, 1]}}": "on the source dev set alone",
    "tune: {trials: 2, space: {training.learning_rat: [0.1, 1]}}": "did you mean 'learning_rate'?",
    "tune: {trials: 2, space: {training.max_steps: [1, 100]}}": "this is training budget",
    "tune: {trials: 2, space: {training.learning_rate: [1, 0.1]}}": "the lower end comes first",
    "tune: {trials: 2, space: {training.learning_rate: [0, 0.1, log]}}": "begins above 0",
    "tune: {trials: 2, space: {training.learning_rate: 0.1}}": "where a range or values belong",
    "tune: {trials: 2, space: {training.learning_rate: [a, b]}}": "the ends of a range are numbers",
    "{methods: [adversarial], tune: {trials: 2, space: {method.epsilonn: [0.1, 1]}}}": "did you mean 'method.epsilon'",
    "tune: {trials: 2, space: {method.epsilon: [0.1, 1]}}": "none of them has any",
    "tune: {trials: 2, space: {training.batch_size: [8, 64]}}": "this is training budget",
    "tune: {trials: 2, space: {training.learning_rate: {values: [1e-4, fast]}}}": "should be a valid number",
    "{methods: [adversarial], tune: {trials: 2, space: {method.epsilon: [-1, 1]}}}": "method.epsilon: task pos",
    "{methods: [lora], tune: {trials: 2, space: {method.rank: [2.5, 8]}}}": "it takes whole numbers only",
    "output: tiny.yaml": "is no folder",
}
"""Mistakes that planning finds, in lines over a good file."""


@pytest.mark.parametrize("text", MISTAKES)
def test_mistakes_in_the_file_are_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as error:
        read_experiment(written(tmp_path, text))
    assert MISTAKES[text] in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "experiment.yaml")) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", MISTAKES_OF_PLANS)
def test_mistakes_in_the_grid_are_one_line(write_experiment: object, text: str) -> None:
    file = write_experiment(**yaml.safe_load(text))  # type: ignore[operator]
    with pytest.raises(UserError) as error:
        plan_sweep(file)
    assert MISTAKES_OF_PLANS[text] in str(error.value)
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)
    assert not (file.parent / "runs").exists()


def test_the_experiment_of_the_docs_is_one(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "experiments.md").read_text(encoding="utf-8")
    content = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    content["base"] |= {"model": str(tiny_model), "data_dir": str(tiny_data)}
    file = tmp_path / "experiment.yaml"
    file.write_text(yaml.safe_dump(content))
    plan = plan_sweep(file)
    assert (plan.runs, plan.trials) == (14 * 5, 14 * 8)
    described = page.partition("## The file")[2].partition("##")[0]
    assert all(f"`{key}`" in described for key in Experiment.model_fields)
