"""Runs on a Ray cluster: two nodes, one of which is lost in mid-run; and what a task asks a cluster for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from xrobust import RunSpec, load_result
from xrobust import run as carry_out_run
from xrobust.config.request import read_config
from xrobust.errors import UserError
from xrobust.experiments.experiment_file import read_experiment
from xrobust.experiments.job import Job, Outcome, Place
from xrobust.experiments.ray_executor import RayExecutor
from xrobust.experiments.ray_resources import lacking, place_of, task_options
from xrobust.experiments.sweep import Sweep
from xrobust.experiments.sweep_plan import plan_sweep
from xrobust.results.run_folder import LOCK, at_work

WriteExperiment = Callable[..., Path]


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A Ray cluster of two nodes with a core each."""
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason='Ray needs: pip install "xrobust[ray]"')
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    small = {"num_cpus": 1, "object_store_memory": 80 << 20}
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"include_dashboard": False, **small})
    cluster.add_node(**small)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    cluster.shutdown()


class Accident:
    """A view that ends the second node while its run, which has a checkpoint, stands still."""

    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster
        self.hit: Job | None = None
        self.ended_in: list[tuple[str, str]] = []

    def begun(self, sweep: Sweep) -> None: ...
    def started(self, job: Job, *, queued: bool) -> None: ...
    def say(self, text: str) -> None: ...

    def ended(self, job: Job, outcome: Outcome) -> None:
        self.ended_in.append((job.name, outcome.state))

    def tick(self, sweep: Sweep) -> None:
        if self.hit is not None:
            return
        for job in (entry.job for entry in sweep.running()):
            if at_work(job.folder) and any(job.folder.glob("checkpoints/*")):
                process = int((job.folder / LOCK).read_text().split()[0])
                if (node := self._node_of(process)) is not self.cluster.head_node:
                    self.hit = job
                    self._end(node, process)

    def _end(self, node: Any, process: int) -> None:
        os.kill(process, signal.SIGSTOP)
        self.cluster.remove_node(node, allow_graceful=False)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)

    def _node_of(self, process: int) -> Any:
        """The node that a process descends from."""
        while process > 1:
            for node in self.cluster.list_all_nodes():
                if any(info.process.pid == process for info in node.all_processes.get("raylet", [])):
                    return node
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        raise AssertionError("the run is on no node of the cluster")


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the node of a process in /proc")
def test_runs_of_a_lost_node_go_on_elsewhere_from_their_checkpoints(
    write_experiment: WriteExperiment, two_nodes: Any, tmp_path: Path
) -> None:
    too_large = read_experiment(write_experiment(resources={"cpus": 2}))
    with pytest.raises(UserError, match=r"asks for 2 cores, and no node .* has that \(they have 1 core\)"):
        RayExecutor(too_large)
    training = {"epochs": 1, "max_steps": 40, "batch_size": 4, "dev_looks": 1, "learning_rate": 5e-3}
    few = {"training": training, "languages": ["en"], "checkpoint_steps": 1}
    file = write_experiment(base=few, seeds=2, output="disturbed")
    view = Accident(two_nodes)
    sweep = Sweep(plan_sweep(file), lambda: RayExecutor(read_experiment(file)), view)
    assert sweep.run()
    assert view.hit is not None and [state for _, state in view.ended_in] == ["complete", "complete"]
    assert "goes on from the checkpoint of step " in (view.hit.folder / "run.log").read_text()
    for entry in sweep.entries.values():
        alone = carry_out_run(RunSpec.parse({**read_config(entry.job.spec), "output": tmp_path / "alone"}))
        (folder,) = (tmp_path / "alone").glob(f"*/*/{entry.job.folder.name}")
        assert sha256(folder / "model" / "model.safetensors") == sha256(entry.job.folder / "model/model.safetensors")
        disturbed = load_result(entry.job.folder / "result.json")
        assert [row.model_copy(update={"seconds": None}) for row in disturbed.scores] == [
            row.model_copy(update={"seconds": None}) for row in alone.scores
        ]


def test_a_task_asks_for_the_resources_of_a_run_and_for_no_retries(write_experiment: WriteExperiment) -> None:
    plain = read_experiment(write_experiment(processes=2))
    assert task_options(plain, cluster_has_gpus=False) == {"num_cpus": 1, "num_gpus": 0, "max_retries": 0}
    assert task_options(plain, cluster_has_gpus=True) == {"num_cpus": 1, "num_gpus": 2, "max_retries": 0}
    on_cpu = task_options(read_experiment(write_experiment(resources={"cpus": 4, "gpus": 0})), cluster_has_gpus=True)
    assert on_cpu == {"num_cpus": 4, "num_gpus": 0, "max_retries": 0}
    assert place_of(on_cpu) == Place(threads=4, gpus=())
    assert place_of(task_options(plain, cluster_has_gpus=True)) == Place()  # Ray tells the worker its GPUs


def test_what_no_node_has_is_said_with_what_they_have() -> None:
    options = {"num_cpus": 4, "num_gpus": 1}
    assert lacking(options, [{"CPU": 2.0}, {"CPU": 4.0, "GPU": 1.0}]) is None
    problem = lacking(options, [{"CPU": 4.0}, {"CPU": 1.0, "GPU": 1.0}, {"CPU": 4.0}])
    assert problem is not None and "asks for 4 cores and 1 GPU," in problem
    assert "(they have 1 core and 1 GPU; 4 cores)" in problem
    assert "it has none at all" in str(lacking(options, []))


def test_an_address_that_nobody_answers_at_is_one_line(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason='Ray needs: pip install "xrobust[ray]"')
    monkeypatch.setenv("RAY_ADDRESS", "nonsense")  # no wait for a machine that does not answer
    with pytest.raises(UserError, match=r"^RAY_ADDRESS=nonsense: ") as caught:
        RayExecutor(read_experiment(write_experiment()))
    assert "\n" not in str(caught.value)


def test_without_ray_one_line_says_what_to_install(
    write_experiment: WriteExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'xrobust\[ray\]'"):
        RayExecutor(read_experiment(write_experiment()))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
