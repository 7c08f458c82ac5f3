"""A cell is planned once for all of its seeds: ids, folders and specs are those of the runs themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from xrobust import RunSpec, run
from xrobust.config.request import read_config
from xrobust.experiments import planned_cell
from xrobust.experiments.cells import expand
from xrobust.experiments.experiment_file import read_experiment
from xrobust.experiments.folder import spec_text
from xrobust.experiments.planned_cell import PlannedCell, plan_cell
from xrobust.experiments.sweep_plan import plan_sweep
from xrobust.plan import make_plan

WriteExperiment = Callable[..., Path]


def test_ids_and_folders_are_those_of_the_runs(write_experiment: WriteExperiment, tmp_path: Path) -> None:
    file = write_experiment(
        tasks=["pos", "xnli"],
        methods=["vanilla", {"name": "rs_aug+lora", "copies": 2, "rank": 4}],
        seeds=2,
        base={"perturb": ["typos"], "perturb_params": {"rate": 0.2, "seed": 3}},
    )
    for cell in expand(read_experiment(file)):
        planned = plan_cell(cell)
        for seed in cell.seeds:
            plan = make_plan(RunSpec.parse({**cell.values, "seed": seed}))
            assert (planned.run_id(seed), planned.folder(seed)) == (plan.run_id, plan.folder)
            spec = tmp_path / "elsewhere" / "spec.yaml"
            spec.parent.mkdir(exist_ok=True)
            spec.write_text(spec_text({**planned.spec, "seed": seed}))
            again = make_plan(RunSpec.parse(read_config(spec)))
            assert (again.run_id, again.evaluation.spec) == (plan.run_id, plan.evaluation.spec)


def test_paths_in_parameters_of_a_method_hold_in_the_spec_too(
    write_experiment: WriteExperiment, tmp_path: Path
) -> None:
    (tmp_path / "words.json").write_text(json.dumps({"cat": ["dog"]}))
    (cell,) = expand(read_experiment(write_experiment(methods=[{"name": "rs_aug", "neighbors": "words.json"}])))
    assert plan_cell(cell).spec["method_params"] == {"rs_aug": {"neighbors": str(tmp_path / "words.json")}}


def test_a_finished_run_is_found_and_one_with_less_than_is_asked_for_is_not(write_experiment: WriteExperiment) -> None:
    plan = plan_sweep(write_experiment())
    (planned,) = plan.cells
    (job,) = plan.jobs_of(planned)
    assert not plan.is_finished(job, planned)
    run(RunSpec.parse({**planned.cell.values, "seed": 1}))
    assert plan.is_finished(job, planned)
    more = plan_sweep(write_experiment(base={"languages": ["en", "de", "fr"]}))
    assert more.cells[0].folder(1) == job.folder
    assert not more.is_finished(more.jobs_of(more.cells[0])[0], more.cells[0])


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[PlannedCell]:
    """The cells that are planned in earnest, while the test goes on."""
    planned: list[PlannedCell] = []
    real = planned_cell._planned
    monkeypatch.setattr(planned_cell, "_planned", lambda cell: planned.append(cell) or real(cell))
    return planned


def test_a_plan_is_kept_until_a_file_that_it_depends_on_changes(
    tmp_path: Path, tiny_model: Path, tiny_data: Path, plans: list[PlannedCell], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xrobust.storage.file_memo.YOUNG", -1.0)  # the files of a test are of this very second
    data = tmp_path / "data"
    for language, split in (("en", "train"), ("en", "dev"), ("en", "test")):
        file = data / "pos" / f"{split}-{language}.tsv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((tiny_data / "pos" / file.name).read_bytes())
    experiment = tmp_path / "experiment.yaml"
    base = {"model": str(tiny_model), "data_dir": "data", "training": {"learning_rate": 5e-3}}
    experiment.write_text(yaml.safe_dump({"name": "x", "tasks": ["pos"], "base": base}))

    def run_id() -> str:
        (cell,) = expand(read_experiment(experiment))
        return plan_cell(cell).run_id(1)

    first = run_id()
    assert (run_id(), len(plans)) == (first, 1)
    train = data / "pos" / "train-en.tsv"
    train.write_text(train.read_text() + "\nthe\tDET\n")
    assert run_id() != first and len(plans) == 2
    (data / "pos" / "test-de.tsv").write_bytes((tiny_data / "pos" / "test-de.tsv").read_bytes())
    run_id()
    assert len(plans) == 3  # another language to score
