"""Low-rank adaptation."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from xrobust.contracts import Method, MethodInfo, ModelContext, Task

from .shared.adaptation import rate_times, two_adapt
from .shared.peft import linear_targets, wrap
from .shared.tuning import searched

RATE = 5.0
"""Learning rate as a multiple of that of full fine-tuning."""


class Lora(Method):
    """Low-rank adaptation: W <- W + (alpha / rank) B A, with W frozen, B A of rank `rank`, B zero at the start.

    Hu et al. (ICLR 2022), section 4.1, by way of the PEFT library. The paper adapts the query and value projections
    (`targets=[query,value]` for BERT and XLM-R); here every pre-trained Linear module is adapted unless `targets` names
    some, which needs no knowledge of the architecture and follows Dettmers et al. (NeurIPS 2023). The head, and what
    the checkpoint had no weights for (often a pooler), are trained and saved whole. The default values are ours, and
    so is the learning rate: 5 times that of the task's recipe, unless one is given.
    """

    info = MethodInfo(
        name="lora",
        summary="low-rank adaptation of every Linear module of a frozen encoder",
        citation="Hu et al., ICLR 2022",
        tuning=searched(rate=(1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2)),
    )

    class Params(Method.Params):
        rank: int = Field(default=8, ge=1, description="rank of the update")
        alpha: float = Field(default=16, gt=0, description="scale of the update: it is multiplied by alpha / rank")
        dropout: float = Field(default=0.1, ge=0, lt=1, description="dropout on the input of the update")
        targets: tuple[str, ...] | None = Field(
            default=None,
            min_length=1,
            description="last parts of the names of the Linear modules to adapt, such as [query, value]; null: all",
        )

    params: Params

    def training_defaults(self, task: Task) -> dict[str, Any]:
        return rate_times(RATE, task)

    def conflict(self, other: Method) -> str | None:
        return two_adapt(self, other)

    def adapt(self, model: Any, ctx: ModelContext) -> Any:
        from peft import LoraConfig

        params = self.params
        config = LoraConfig(
            r=params.rank,
            lora_alpha=params.alpha,
            lora_dropout=params.dropout,
            target_modules=linear_targets(model, ctx, params.targets),
            modules_to_save=sorted(ctx.modules_to_save),
        )
        return wrap(model, config, ctx)
