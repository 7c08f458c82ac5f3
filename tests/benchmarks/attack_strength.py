"""Strength and cost of the attack by losses, restarts, steps and scale of the head: the table of docs/robustness.md.

    python -m tests.benchmarks.attack_strength RUN --languages en de --examples 200

A line for each attack and language: the main metric at each radius, and forward passes of an example at each radius,
those with a backward pass counted as three. `--scale 200` multiplies the head's last layer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from xrobust import load_model, load_result
from xrobust.data.sources import data_folder, open_source
from xrobust.data.splits import load_split
from xrobust.engine.accelerator import accelerator
from xrobust.engine.attack import attack
from xrobust.engine.attack_losses import LOSSES
from xrobust.evaluation.conditions.attack import PgdParams
from xrobust.evaluation.predictions import decoded
from xrobust.metrics.by_name import metric
from xrobust.metrics.calls import statistics_of, values_of
from xrobust.metrics.worst_case import worst_rows
from xrobust.registry.plugins import Plugins


def dlr(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Difference of logits ratio (Croce & Hein, ICML 2020, equation 6), summed over an item's labels: a yardstick."""
    known = labels != -100
    gold = labels.where(known, 0).unsqueeze(-1)
    ordered = logits.sort(dim=-1, descending=True).values
    others = logits.scatter(-1, gold, -torch.inf).amax(dim=-1)
    spread = (ordered[..., 0] - ordered[..., 2]).clamp(min=1e-12)
    values = (others - logits.gather(-1, gold).squeeze(-1)) / spread
    return values.where(known, 0).view(len(labels), -1).sum(dim=1)


def clamped_margin(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum over an item's labels of the margin of Carlini & Wagner, 0 where the label is wrong: a yardstick."""
    known = labels != -100
    gold = labels.where(known, 0).unsqueeze(-1)
    others = logits.scatter(-1, gold, -torch.inf).amax(dim=-1)
    values = (others - logits.gather(-1, gold).squeeze(-1)).clamp(max=0)
    return values.where(known, 0).view(len(labels), -1).sum(dim=1)


LOSSES.update(dlr=dlr, clamped=clamped_margin)
BOTH = ("margin", "cross_entropy")
ATTACKS: dict[str, tuple[Sequence[str], int, int]] = {
    "cross entropy": (("cross_entropy",), 10, 1),
    "DLR": (("dlr",), 10, 1),
    "margin, clamped": (("clamped",), 10, 1),
    "margin": (("margin",), 10, 1),
    "both": (BOTH, 10, 1),
    "both, 5 steps": (BOTH, 5, 1),
    "both, 20 steps": (BOTH, 20, 1),
    "both, 2 restarts": (BOTH, 10, 2),
    "both, 3 restarts": (BOTH, 10, 3),
    "margin, 2 restarts": (("margin",), 10, 2),
}
"""Name -> losses, steps, restarts."""


def scale_head(model: Any, factor: float) -> None:
    """Multiplies the weights and biases of the model's last linear layer."""
    encoder = set(model.base_model.modules())
    last = [module for module in model.modules() if isinstance(module, torch.nn.Linear) and module not in encoder][-1]
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.mul_(factor)


def curve(
    run: Path, model: Any, tokenizer: Any, language: str, examples: int, radii: Sequence[float], attacked: str
) -> list[float]:
    """The main metric on clean text and at each radius, in percent."""
    result = load_result(run)
    train, place = result.spec.train, result.require_local()
    task = Plugins().load("tasks", train.task)()
    rows, _ = load_split(task, open_source(data_folder(place.data_dir), offline=True), "test", language, examples)
    encoded = task.kind.encode(rows, tokenizer, train.training.max_length)
    losses, steps, restarts = ATTACKS[attacked]
    found = attack(
        model,
        encoded,
        [0.0, *radii],
        losses=losses,
        steps=steps,
        restarts=restarts,
        step_size=None,
        norm="l2",
        seed=0,
        accelerator=accelerator("fp32"),
        pad_id=tokenizer.pad_token_id,
    )
    scorer = metric(task.metrics[0])
    gold = [row[task.kind.gold_column] for row in rows]
    values, before = [], []
    for chains in found:
        predictions = [decoded(task.kind, outputs, encoded, rows) for outputs in chains]
        variants = [
            statistics_of(scorer, gold, [one.value for one in predicted], task.kind.labels) for predicted in predictions
        ]
        worst = worst_rows(scorer, [*variants, *before])
        before = [worst]
        values.append(100 * float(values_of(scorer, worst)[0]))
    return values


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--languages", nargs="+", default=["en", "de"])
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--epsilons", type=float, nargs="+", default=[*PgdParams().epsilons])
    parser.add_argument("--attacks", nargs="+", default=list(ATTACKS), choices=ATTACKS)
    parser.add_argument("--scale", type=float, default=1.0)
    options = parser.parse_args()

    model, tokenizer = load_model(options.run, offline=True)
    scale_head(model, options.scale)
    norm = load_result(options.run).model.embedding_norm
    assert norm is not None
    radii = PgdParams(epsilons=tuple(options.epsilons)).radii(norm)
    print("| attack | language | " + " | ".join(map(str, [0, *options.epsilons])) + " | passes |")
    print("|---" * (4 + len(radii)) + "|", flush=True)
    for name in options.attacks:
        losses, steps, restarts = ATTACKS[name]
        passes = len(losses) * restarts * (3 * steps + 1)
        for language in options.languages:
            values = curve(options.run, model, tokenizer, language, options.examples, radii, name)
            print(f"| {name} | {language} | " + " | ".join(f"{v:.2f}" for v in values) + f" | {passes} |", flush=True)


if __name__ == "__main__":
    main()
