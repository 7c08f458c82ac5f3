"""PEFT, applied to an encoder: the modules to adapt, and the model wrapped and tried."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from xrobust.contracts import ModelContext
from xrobust.engine.modules import is_below
from xrobust.engine.seeds import seeded_torch
from xrobust.errors import UserError, did_you_mean

from .adaptation import seed_of

TASK_TYPES = {"sequence_classification": "SEQ_CLS", "token_classification": "TOKEN_CLS"}
"""Kind of task -> PEFT's name for it, which lets the `AutoPeftModelFor...` classes load what was saved."""
TRIED = 4
"""Tokens in the input of the trial pass of a wrapped model."""


def linear_targets(model: Any, ctx: ModelContext, suffixes: Sequence[str] | None = None) -> list[str]:
    """Qualified names of the pre-trained Linear modules; with `suffixes`, of those whose names end in one.

    Raises UserError for a suffix that none ends in.
    """
    from torch import nn

    names = targets(model, ctx, nn.Linear)
    if suffixes is None:
        return names
    for suffix in suffixes:
        if not any(_ends_in(name, suffix) for name in names):
            known = {name.rpartition(".")[2] for name in names}
            raise UserError(
                f"no pre-trained Linear module of {type(model).__name__} is called {suffix!r}: "
                f"{did_you_mean(suffix, known)}"
            )
    return [name for name in names if any(_ends_in(name, suffix) for suffix in suffixes)]


def targets(model: Any, ctx: ModelContext, module_class: type) -> list[str]:
    """Qualified names of the pre-trained modules of a class."""
    saved = ctx.modules_to_save
    return [n for n, m in model.named_modules() if isinstance(m, module_class) and not is_below(n, saved)]


def _ends_in(name: str, suffix: str) -> bool:
    return name == suffix or name.endswith(f".{suffix}")


def wrap(model: Any, config: Any, ctx: ModelContext) -> Any:
    """Wraps the model with PEFT and tries it on one input. Raises UserError if PEFT refuses it."""
    from peft import get_peft_model

    kind, name = ctx.task.kind.name, config.peft_type.value
    config.task_type = TASK_TYPES.get(kind)
    try:
        with seeded_torch(seed_of(ctx.seed, f"peft {name}")), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrapped = get_peft_model(model, config)
            rows = _try(wrapped, choices=ctx.task.kind.auto_class == "AutoModelForMultipleChoice")
    except (ValueError, TypeError, AttributeError, RuntimeError, KeyError, NotImplementedError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"peft cannot apply {name} to {type(model).__name__}: {reason}") from error
    if ctx.task.kind.pre_split and rows != TRIED:
        raise UserError(f"peft {name} puts virtual tokens before the text: tags would no longer belong to their words")
    return wrapped


def _try(model: Any, choices: bool) -> int:
    """Makes one pass over a few tokens; returns the length of the output's second dimension.

    Some methods of PEFT find out only then that they do not go with an architecture.
    """
    import torch

    ids = torch.ones((1, 2, TRIED) if choices else (1, TRIED), dtype=torch.long)
    training = model.training
    with torch.no_grad():
        logits = model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    model.train(training)
    return int(logits.shape[1])
