"""Any method of the PEFT library."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import Field, field_validator, model_validator

from xrobust.contracts import Method, MethodInfo, ModelContext, Task
from xrobust.errors import UserError, did_you_mean

from .shared.adaptation import rate_times, two_adapt
from .shared.layers import find_layers
from .shared.peft import linear_targets, targets, wrap
from .shared.tuning import searched

FILLED = ("peft_type", "task_type", "inference_mode", "base_model_name_or_path", "revision", "auto_mapping")
"""Fields of PEFT's configurations that are not the user's to set."""
NEVER = ("megatron_config", "megatron_core", "tokenizer_name_or_path", "tokenizer_kwargs")
"""Settings that name modules to import, or files to load code from: a result document could give them."""
REFUSED = {
    "ADALORA": "it has to be told of every step, which only its own trainer does",
    "CPT": "it is for models that write text, not for encoders",
    "MULTITASK_PROMPT_TUNING": "it wants a task number with every input",
    "POLY": "it wants a task number with every input",
    "SHADOW": "it does not go with encoders",
    "TRAINABLE_TOKENS": "it trains new tokens, and there are none",
    "XLORA": "it mixes adapters trained before, and there are none",
}
BEFORE_THE_TEXT = ("PROMPT_TUNING", "P_TUNING")
"""Methods whose virtual tokens lengthen the sequence; those of PREFIX_TUNING are in the layers alone."""
RATES = {"IA3": 20.0}
"""Learning rates by type, as multiples of that of full fine-tuning."""
OTHER_RATE = 5.0
"""That of all other types, which were not searched for: that of `lora`."""


class PeftAny(Method):
    """A method of the PEFT library by its name there, such as IA3, LOHA, VERA, OFT or PREFIX_TUNING.

    See PEFT's documentation for each method's equation and source. What this adds is what PEFT does not find out for
    itself: targets are every pre-trained Linear module (of LN_TUNING: every LayerNorm; of IA3: also the feed-forward
    outputs as `feedforward_modules`), and the head and what the checkpoint had no weights for (often a pooler), which
    are trained and saved whole. The types that have virtual tokens want `num_virtual_tokens` in `config`; with
    tagging only those go whose tokens are in the layers (PREFIX_TUNING), not before the text. The learning rate is 20
    times that of the task's recipe for IA3 and 5 times for other types, unless one is given.
    """

    info = MethodInfo(
        name="peft",
        summary="any method of the PEFT library, by its name there: IA3, LOHA, VERA, OFT, PREFIX_TUNING, ...",
        citation="Mangrulkar et al., PEFT, 2022",
        tuning=searched(rate=(2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1)),
    )

    class Params(Method.Params):
        type: str = Field(default="IA3", description="PEFT's name of the method, in any case")
        config: dict[str, Any] = Field(
            default_factory=dict, description="settings of the method: the arguments of PEFT's configuration class"
        )

        @field_validator("type")
        @classmethod
        def _as_peft_spells_it(cls, value: str) -> str:
            return value.upper().replace("-", "_")

        @model_validator(mode="after")
        def _known(self) -> PeftAny.Params:
            """Raises UserError for a type or a setting that PEFT does not have."""
            known = _settings(self.type)
            for key in self.config:
                if key not in known:
                    raise UserError(f"peft {self.type} has no setting {key!r}: {did_you_mean(key, known)}")
            return self

    params: Params

    def training_defaults(self, task: Task) -> dict[str, Any]:
        return rate_times(RATES.get(self.params.type, OTHER_RATE), task)

    def conflict(self, other: Method) -> str | None:
        return two_adapt(self, other)

    def adapt(self, model: Any, ctx: ModelContext) -> Any:
        from torch import nn

        name, given = self.params.type, self.params.config
        self._check_virtual_tokens(ctx)
        filled: dict[str, Any] = {"modules_to_save": sorted(ctx.modules_to_save)}
        if name == "LN_TUNING":
            filled["target_modules"] = targets(model, ctx, nn.LayerNorm)
        else:
            filled["target_modules"] = linear_targets(model, ctx)
        if "feedforward_modules" in _settings(name) and "target_modules" not in given:
            filled["feedforward_modules"] = [layer.feed_forward for layer in find_layers(model)]
        settings = {key: value for key, value in filled.items() if key in _settings(name)}
        try:
            config = _config_class(name)(**{**settings, **given})
        except (ValueError, TypeError) as error:
            raise UserError(f"peft {name}: {str(error).splitlines()[0]}") from error
        return wrap(model, config, ctx)

    def _check_virtual_tokens(self, ctx: ModelContext) -> None:
        """Raises UserError for virtual tokens that do not go with the task, or whose number is missing.

        PEFT has no default for the number, and no words for that.
        """
        name = self.params.type
        if ctx.task.kind.pre_split and name in BEFORE_THE_TEXT:
            raise UserError(
                f"peft {name} puts virtual tokens before the text, where tags would no longer belong to their words: "
                "PREFIX_TUNING does not"
            )
        if "num_virtual_tokens" in _settings(name) and self.params.config.get("num_virtual_tokens") is None:
            raise UserError(
                f"peft {name} needs num_virtual_tokens, for which it has no default: "
                "--set 'method.config={num_virtual_tokens: 20}'"
            )


def _config_class(name: str) -> Any:
    """PEFT's configuration class for a method. Raises UserError, with 'did you mean', for an unknown one."""
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    classes = {key.value: value for key, value in PEFT_TYPE_TO_CONFIG_MAPPING.items() if key.value not in REFUSED}
    if name in REFUSED:
        raise UserError(f"peft {name} cannot be used: {REFUSED[name]}")
    if name not in classes:
        raise UserError(f"peft has no method {name!r}: {did_you_mean(name, classes)}")
    return classes[name]


def _settings(name: str) -> set[str]:
    """Names of a method's settings."""
    return {field.name for field in dataclasses.fields(_config_class(name)) if field.name not in (*FILLED, *NEVER)}
