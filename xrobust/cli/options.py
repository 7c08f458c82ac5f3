"""The options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from xrobust.errors import UserError


class Budget(StrEnum):
    """Training budgets that may be compared: equal ones, or any, which is marked."""

    equal = "equal"
    any = "any"


Task = Annotated[
    str | None, typer.Option("--task", "-t", metavar="TASK", help="Task plugin: see `xrobust list tasks`.")
]

Method = Annotated[
    str | None,
    typer.Option(
        "--method", "-m", metavar="METHOD", help="Method plugin, or several joined with '+'. [default: vanilla]"
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="MODEL",
        help="Hub id, folder or name (xrobust list models) of an encoder. [default: bert-base-multilingual-cased]",
    ),
]

DataDir = Annotated[
    str | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="Folder with data in the XTREME layout, or a name (xrobust list data). [default: the hub]",
    ),
]

Source = Annotated[
    str | None, typer.Option("--source", metavar="LANGUAGE", help="Language to train on. [default: the task's, en]")
]

Languages = Annotated[
    str | None,
    typer.Option(
        "--languages", "-l", metavar="LANGUAGES", help="Languages to score, as in de,fr,zh. [default: all there are]"
    ),
]

Perturb = Annotated[
    list[str] | None,
    typer.Option(
        "--perturb",
        metavar="NAMES",
        help="Score on perturbed text too, as in typos,casing: see `xrobust list perturbations`; parameters by --set "
        "perturb.typos.rate=0.2.",
    ),
]

Attack = Annotated[
    str | None,
    typer.Option(
        "--attack",
        metavar="NAME",
        help="Score under an attack on the embeddings too: pgd, at each radius of --set attack.epsilons=[0.01,0.03].",
    ),
]

Pairs = Annotated[
    list[str] | None,
    typer.Option(
        "--pairs",
        metavar="PAIRS",
        help="Score pairs of languages too, first text in one and second in the other: en:de,fr:zh, or all.",
    ),
]

TransferPairs = Annotated[
    str | None,
    typer.Option(
        "--transfer-pairs",
        metavar="SET",
        help="Train on source and on target of each pair, score on the target: manafi13, or pairs such as ar:hi,nl:af.",
    ),
]

LogWith = Annotated[
    list[str] | None,
    typer.Option(
        "--log-with",
        metavar="TRACKERS",
        help="Log to experiment trackers, as in tensorboard,mlflow,wandb, which need xrobust[trackers]; "
        "--set experiment=NAME groups runs there.",
    ),
]

Seeds = Annotated[
    str | None, typer.Option("--seeds", metavar="SEEDS", help="Seeds, one run each, as in 1,2,3. [default: 0]")
]

Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", help="Use the first N rows of every split: for quick tries.")
]

PrecisionOption = Annotated[
    str | None, typer.Option("--precision", metavar="PRECISION", help="fp32, bf16 or fp16. [default: fp32]")
]

Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FOLDER", help="Folder that runs go to. [default: runs]")
]

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="NAME=VALUE",
        help="Any other setting: training.learning_rate=3e-5, method.epsilon=0.1, perturb.typos.rate=0.2; "
        "robustness.min_examples=10 (changed examples from which a language is in the means); checkpoint_steps=500, "
        "checkpoint_minutes=5, micro_batch_size=8, gradient_checkpointing=true. Repeatable.",
    ),
]

Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="YAML file with settings; flags win over it.")
]

Preset = Annotated[
    str | None,
    typer.Option("--preset", "-p", metavar="NAME|FILE", help="Settings for a purpose: see `xrobust list presets`."),
]

Plugin = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin", metavar="FILE", help="Python file with a task, a method, a perturbation or an observer. Repeatable."
    ),
]

Processes = Annotated[
    int, typer.Option("--num-processes", metavar="N", min=1, help="Processes on this machine, one a GPU.")
]

Keep = Annotated[
    str | None,
    typer.Option("--keep-checkpoints", metavar="WHICH", help="After the run: none, best or all. [default: best]"),
]

Offline = Annotated[bool, typer.Option("--offline", help="Use only what is on this machine.")]
Force = Annotated[bool, typer.Option("--force", help="Do a run that is complete again; one that was stopped goes on.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved run and stop; nothing is written.")]


def requested(
    config: Path | None, settings: list[str] | None, flags: Mapping[str, Any], preset: str | None
) -> dict[str, Any]:
    """The values of a request for a run. Raises UserError where it names no task."""
    from xrobust.config.request import request_values  # pydantic: `--help` does without

    values = request_values(config, settings or [], flags, preset)
    if "task" not in values:
        raise UserError("no task: give --task NAME (xrobust list tasks shows them) or a --config file with one")
    return values


def without_processes(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command without `--num-processes` and its number."""
    kept: list[str] = []
    skip = False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--num-processes":
            skip = True
        elif not argument.startswith("--num-processes="):
            kept.append(argument)
    return kept
