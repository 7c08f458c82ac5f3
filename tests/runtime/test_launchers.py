"""Processes that another launcher starts: Accelerate's and torch's."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from xrobust import RunSpec, run
from xrobust.cli.main import main
from xrobust.engine import accelerator
from xrobust.errors import UserError


def arguments(output: Path, tiny_model: Path, tiny_data: Path) -> list[str]:
    return [
        *("xrobust", "run", "--task", "pos", "--model", str(tiny_model), "--data-dir", str(tiny_data)),
        *("--output", str(output), "--languages", "en,de", "--set", "training.epochs=1"),
    ]


def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "ACCELERATE_USE_CPU": "true", "HF_HOME": str(tmp_path / "home")}


def finished(output: Path, processes: int) -> dict[str, Any]:
    (document,) = output.rglob("result.json")
    result: dict[str, Any] = json.loads(document.read_text())
    assert result["status"] == "complete"
    assert result["environment"]["world_size"] == processes
    assert [row["language"] for row in result["scores"] if row["metric"] == "accuracy"] == ["en", "de"]
    return result


def test_accelerate_launch(tmp_path: Path, tiny_model: Path, tiny_data: Path) -> None:
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "accelerate.commands.accelerate_cli",
                "launch",
                "--cpu",
                "--num_processes",
                "1",
                "-m",
            ),
            *arguments(tmp_path / "runs", tiny_model, tiny_data),
        ],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("average ") == 1
    finished(tmp_path / "runs", 1)


def test_torchrun_on_two_nodes(tmp_path: Path, no_dropout: Path, tiny_data: Path) -> None:
    """A launcher for each node, here on one machine; the nodes share the folder of the run."""
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    nodes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"),
                *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{port}", "--rdzv-id", "xrobust", "-m"),
                *arguments(tmp_path / "two", no_dropout, tiny_data),
            ],
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [node.communicate(timeout=300) for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    assert sum(out.count("average ") for out, _ in said) == 1, "one process prints"
    one = run(
        RunSpec(
            task="pos",
            model=str(no_dropout),
            data_dir=tiny_data,
            output=tmp_path / "one",
            languages=("en", "de"),
            training={"epochs": 1},
        )
    )
    two = finished(tmp_path / "two", 2)
    assert [(row["language"], row["metric"], row["value"]) for row in two["scores"]] == [
        (row.language, row.metric, row.value) for row in one.scores
    ]


def test_sharding_that_accelerate_turns_off_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    tiny_model: Path,
    tiny_data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")  # as `accelerate launch --use_fsdp` does
    with pytest.raises(SystemExit) as ended:
        main(arguments(tmp_path / "runs", tiny_model, tiny_data)[1:])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("xrobust: FSDP was asked for, and Accelerate does not shard here: ")
    assert not (tmp_path / "runs").exists()


class Node:
    """What `check_shared` needs of an accelerator: the second of two processes, where the first sees the file."""

    device = "cpu"

    def wait_for_everyone(self) -> None: ...

    def gather(self, seen: Any) -> Any:
        import torch

        return torch.cat([torch.tensor([1]), seen])


def test_nodes_that_do_not_share_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "PATIENCE", 0.0)
    with pytest.raises(UserError, match="process 1 does not see what the main process wrote there: on several nodes"):
        accelerator.check_shared(tmp_path / ".lock", Node())
    (tmp_path / ".lock").touch()
    accelerator.check_shared(tmp_path / ".lock", Node())


def test_accelerate_reads_the_documented_configuration_of_two_nodes(tmp_path: Path) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    page = Path(__file__).resolve().parents[2] / "docs" / "processes.md"
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "two_nodes.yaml").write_text(block)
    config = load_config_from_file(str(tmp_path / "two_nodes.yaml"))
    assert (config.num_machines, config.num_processes, config.machine_rank) == (2, 8, 0)
    assert config.mixed_precision == "no", "a bare no is false in YAML"
