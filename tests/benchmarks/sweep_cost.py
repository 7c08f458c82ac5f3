"""Cost of `xrobust sweep` itself: beside a loop of the shell over the same runs, and where all runs are finished.

    python -m tests.benchmarks.sweep_cost --runs 100 --jobs 2
    python -m tests.benchmarks.sweep_cost --finished 1000

Runs are of the bundled encoder on a few rows, one step each: they do little but start. The loop and the sweep have as
many at once, and as many threads a run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from xrobust import RunSpec, load_result, run
from xrobust.experiments.cells import expand
from xrobust.experiments.experiment_file import read_experiment
from xrobust.results.store import save_result

XROBUST = [sys.executable, "-P", "-m", "xrobust"]
BASE = {"preset": "mini", "languages": ["en"], "limit": 8, "training": {"max_steps": 1}, "offline": True}


def experiment(folder: Path, name: str, seeds: int, methods: list[object]) -> Path:
    """Writes an experiment of small runs."""
    file = folder / f"{name}.yaml"
    values = {"name": name, "output": name, "base": BASE, "tasks": ["pos"], "methods": methods, "seeds": seeds}
    file.write_text(yaml.safe_dump(values))
    return file


def seconds(command: list[str], folder: Path, jobs: int) -> float:
    """Seconds of a command, which must go well."""
    env = {**os.environ, "OMP_NUM_THREADS": str(max(1, len(os.sched_getaffinity(0)) // jobs))}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def beside_a_loop(folder: Path, runs: int, jobs: int, rounds: int) -> None:
    """Prints the seconds of a loop and of a sweep over as many runs, and their ratio, for each round."""
    for number in range(rounds):
        specs = folder / f"specs{number}"
        specs.mkdir()
        output = str(folder / f"loop{number}")
        for cell in expand(read_experiment(experiment(folder, f"loop{number}", runs, ["vanilla"]))):
            for seed in cell.seeds:
                spec = RunSpec.parse({**cell.values, "seed": seed, "output": output})
                text = yaml.safe_dump(spec.model_dump(mode="json", exclude_defaults=True))
                (specs / f"{seed:04}.yaml").write_text(text)
        each = " ".join(XROBUST)
        loop = ["bash", "-c", f"ls {specs}/*.yaml | xargs -P {jobs} -I@ {each} run --config @"]
        sweep = [*XROBUST, "sweep", str(experiment(folder, f"sweep{number}", runs, ["vanilla"])), "--jobs", str(jobs)]
        commands = {"loop": loop, "sweep": sweep}
        took = {name: seconds(commands[name], folder, jobs) for name in sorted(commands, reverse=bool(number % 2))}
        ratio = took["sweep"] / took["loop"]
        print(f"{runs} runs, {jobs} at once: loop {took['loop']:.1f} s, sweep {took['sweep']:.1f} s, ratio {ratio:.3f}")


def finished(folder: Path, runs: int) -> None:
    """Prints the seconds of a sweep whose runs are all finished: the first time, and once it knows them."""
    methods: list[object] = [{"name": "rs_random", "epsilon": round(0.1 + 0.01 * i, 2)} for i in range(10)]
    file = experiment(folder, "finished", runs // len(methods), methods)
    for cell in expand(read_experiment(file)):
        first = run(RunSpec.parse({**cell.values, "seed": cell.seeds[0]}))
        parent = folder / "finished" / "pos" / "rs_random"
        for seed in cell.seeds[1:]:
            copy_with_seed(parent / first.run_id, parent, seed)
    print(f"documents: {len(list((folder / 'finished').rglob('result.json')))}")
    for what in ("unknown to it", "known to it", "known to it"):
        print(f"{runs} finished runs, {what}: {seconds([*XROBUST, 'sweep', str(file)], folder, 1):.2f} s")


def copy_with_seed(source: Path, parent: Path, seed: int) -> None:
    """Writes the document of a run once more, as that of another seed."""
    from xrobust.config.resolved_spec import run_id

    result = load_result(source)
    train = result.spec.train.model_copy(update={"seed": seed})
    result.spec = result.spec.model_copy(update={"train": train})
    result.run_id = run_id(train.model_dump(mode="json"))
    (parent / result.run_id).mkdir()
    save_result(parent / result.run_id, result)


def main() -> None:
    """Measures what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--finished", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.runs:
            beside_a_loop(Path(folder), given.runs, given.jobs, given.rounds)
        if given.finished:
            finished(Path(folder), given.finished)


if __name__ == "__main__":
    main()
