"""Rise of the loss under the noise methods by radius, start and dropout: behind the defaults of their parameters.

    xrobust run --task wikiann --method vanilla --model MODEL ... --output runs
    python -m tests.benchmarks.loss_rises runs/wikiann/vanilla/ID --data-dir DATA

The objective of each method is evaluated, as in training, on the source dev set with the weights of a trained run: mean
loss of a labelled item over that of plain fine-tuning with the same dropout. The model's own dropout is in force;
`--dropout` sets another, for encoders that were pre-trained without.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tests.benchmarks.measuring import table
from xrobust.config.composition import compose
from xrobust.contracts import ModelContext, Objective, Task
from xrobust.data.sources import data_folder, open_source
from xrobust.data.splits import load_split
from xrobust.engine.batches import micro_batch
from xrobust.engine.forward import ModelForward
from xrobust.engine.seeds import derive_seed
from xrobust.models.trained import load_model
from xrobust.registry.plugins import Plugins
from xrobust.results.store import load_result
from xrobust.training.objective import plain_objective

RANDOM = (0.03, 0.1, 0.3, 0.6, 1.0, 2.0)
ADVERSARIAL = (0.001, 0.003, 0.01, 0.03, 0.1)
BATCH = 32


def random_rows() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """(radius, columns) of rs_random."""
    for epsilon in RANDOM:
        its = [(name, {"epsilon": epsilon, "distribution": name}) for name in ("uniform", "gaussian")]
        yield f"{epsilon:g}", [(name, params) for name, params in its]


def adversarial_rows() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """(radius, columns) of adversarial."""
    for epsilon in ADVERSARIAL:
        columns = [
            (
                f"{steps} {init}, {'one mask' if one else 'fresh masks'}",
                {"epsilon": epsilon, "steps": steps, "init": init, "one_mask": one},
            )
            for steps in (1, 3)
            for init in ("zero", "uniform")
            for one in (True, False)
        ]
        yield f"{epsilon:g}", columns


class Losses:
    """Mean loss of a labelled item of the source dev set, by the objective of a method."""

    def __init__(self, run: Path, data: str, limit: int, dropout: float | None) -> None:
        result = load_result(run)
        self.model, tokenizer = load_model(run)
        train = result.spec.train
        self.task: Task = Plugins([]).task(train.task)
        source = open_source(data_folder(Path(data) if Path(data).is_dir() else data), True)
        examples = [*load_split(self.task, source, "dev", train.source, limit)[0]]
        self.encoded = self.task.kind.encode(examples, tokenizer, train.training.max_length)
        self.pad_id = tokenizer.pad_token_id
        assert result.model.embedding_norm is not None
        self.norm = result.model.embedding_norm
        self.context = ModelContext(self.task, 0, frozenset(), self.norm)
        if dropout is not None:
            for module in self.model.modules():
                if isinstance(module, nn.Dropout):
                    module.p = dropout
        self._plain: dict[int, float] = {}
        """Passes before -> loss without noise."""
        self.model.train()

    def rise(self, method: str, params: dict[str, Any]) -> str:
        """How much higher the loss is than without noise, with the dropout of the pass that it is taken from."""
        passes = params["steps"] if "steps" in params and not params["one_mask"] else 0
        if passes not in self._plain:
            self._plain[passes] = self.of("vanilla", {}, passes)
        return f"{self.of(method, params) - self._plain[passes]:+.4f}"

    def of(self, method: str, params: dict[str, Any], passes: int = 0) -> float:
        """The mean loss; dropout and noise are drawn by the number of the batch, as in training by that of the step.

        `passes` are done before, and draw dropout.
        """
        objective: Objective = plain_objective
        for part in compose(method, params, self.task, Plugins([])):
            objective = part.objective(objective, self.context)
        order = self.encoded.lengths.argsort(kind="stable")
        total = 0.0
        forward = ModelForward(self.model, self.model, autocast=torch.no_grad if method != "adversarial" else _as_is)
        try:
            for first in range(0, len(order), BATCH):
                items = order[first : first + BATCH].tolist()
                torch.manual_seed(derive_seed(0, "dropout", first))
                seed = derive_seed(0, "noise", first)
                batch = micro_batch(
                    self.encoded,
                    items,
                    self.pad_id,
                    torch.device("cpu"),
                    seed=seed,
                    embedding_dim=forward.embedding_dim,
                )
                for _ in range(passes):
                    plain_objective(forward, batch)
                total += float(objective(forward, batch).detach())
        finally:
            forward.close()
        return total / int(self.encoded.labelled.sum())


def _as_is() -> torch.enable_grad:
    return torch.enable_grad()


def main() -> None:
    """Prints a table for each method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--limit", type=int, default=320)
    parser.add_argument("--dropout", type=float, default=None)
    options = parser.parse_args()
    losses = Losses(options.run, options.data_dir, options.limit, options.dropout)
    rows = losses.model.get_input_embeddings().weight.detach().norm(dim=1).mean()
    print(f"unit of the radius {losses.norm:.3f}; mean norm of all rows, as trained, {float(rows):.3f}")
    print(f"loss without noise {losses.of('vanilla', {}):.4f}")
    for method, radii in (("rs_random", random_rows()), ("adversarial", adversarial_rows())):
        lines = []
        for radius, columns in radii:
            names = [name for name, _ in columns]
            lines.append([radius, *(losses.rise(method, params) for _, params in columns)])
        print(f"\n{method}: rise of the loss\n\n" + table(["radius", *names], lines), flush=True)


if __name__ == "__main__":
    main()
