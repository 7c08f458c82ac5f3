"""Pre-trained encoders: checked, then loaded with a head. No code that comes with a model is ever run."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from xrobust.contracts import Kind
from xrobust.contracts.encoded import Encoded
from xrobust.engine.modules import is_below, not_finite
from xrobust.engine.seeds import seeded_torch
from xrobust.errors import UserError, first_line
from xrobust.models.description import Description, auto_class, describe
from xrobust.models.files import cache_only
from xrobust.models.head import Head, head_modules, map_head, obstacle
from xrobust.runtime.libraries import quiet


@dataclass
class Encoder:
    """A pre-trained encoder with a head, and its tokenizer."""

    model: Any
    tokenizer: Any
    max_length_limit: int
    """Longest sequence that the model takes, in pieces with special tokens."""
    head: Head
    modules_to_save: frozenset[str]
    """Qualified names of the modules to train and save whole: the head, and those that the checkpoint had no weights
    for; the outermost ones, so that no name lies below another."""
    unused: str | None = None
    """Statement that the checkpoint has weights of the encoder that are not in the model; None where it has none."""

    def embedding_norm(self, encoded: Encoded | None = None) -> float:
        """Mean L2 norm of the pre-trained input embeddings, in the model's own units.

        Of the ordinary tokens of `encoded`, each as often as it occurs: most rows of a multilingual vocabulary never
        do. Without `encoded`, of all rows. To be called before a method changes the model.
        """
        norms = self.model.get_input_embeddings().weight.detach().double().norm(dim=1)
        if encoded is None or encoded.special.all():
            return float(norms.mean())
        counts = np.bincount(encoded.input_ids[~encoded.special], minlength=len(norms))
        return float(norms.cpu() @ torch.from_numpy(counts).double() / counts.sum())


def check_model(kind: Kind, path_or_id: str, revision: str | None, offline: bool) -> int:
    """Checks that `load_encoder` would succeed, from the configuration and the tokenizer alone.

    Returns the longest sequence that the model takes, in pieces with special tokens. Raises UserError.
    """
    return describe(kind, path_or_id, revision, offline).limit


def load_encoder(kind: Kind, path_or_id: str, *, revision: str | None, seed: int, offline: bool = False) -> Encoder:
    """A pre-trained encoder in float32 with the head of `kind`, initialised from `seed` alone.

    `path_or_id` is a folder or a hub id; no code from either is run. Raises UserError.
    """
    description = describe(kind, path_or_id, revision, offline)
    model, info = _load(kind, path_or_id, description, seed, cache_only(path_or_id, offline))
    missing = set(info["missing_keys"])
    new = missing | {key for key, *_ in info["mismatched_keys"]}
    require_encoder(path_or_id, model, new)
    unused = unused_weights(model, info["unexpected_keys"])
    modules = head_modules(model, new)
    parameters = {name for name, _ in model.named_parameters() if is_below(name, modules)}
    if parameters <= missing:
        head = Head("new", f"the model's head is new: the checkpoint has none for {kind.name.replace('_', ' ')}")
    elif (reason := obstacle(kind, description.stored, parameters & new)) is not None:
        new |= parameters
        model = _initialised_anew(model, new, seed)
        head = Head("new", f"the model's head is new: {reason}")
    else:
        head = map_head(kind, description.stored, model, modules)
    model.config._commit_hash = description.revision
    return Encoder(
        model=model,
        tokenizer=description.tokenizer,
        max_length_limit=description.limit,
        head=head,
        modules_to_save=_outermost({*modules, *_new_modules(model, new)}),
        unused=None if unused is None else f"model {path_or_id!r}: {unused}",
    )


def _load(
    kind: Kind, path_or_id: str, description: Description, seed: int, offline: bool
) -> tuple[Any, dict[str, Any]]:
    """The model, and transformers' account of its loading: `missing_keys`, `mismatched_keys`, `unexpected_keys`.

    What is missing or of another shape is initialised from `seed` alone. Raises UserError.
    """
    with quiet(), seeded_torch(seed):
        try:
            model, info = auto_class(kind).from_pretrained(
                description.path,
                config=description.config,
                revision=description.revision or "main",
                local_files_only=offline,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # a head of another size is replaced like one that is missing
            )
        except Exception as error:  # each file format has errors of its own for a damaged file
            raise UserError(f"model {path_or_id!r}: its weights cannot be loaded: {_reason(error)}") from error
    return model, info


def _reason(error: Exception) -> str:
    """Reason that weights cannot be loaded; that of torch for a damaged or foreign pickle is advice to execute it."""
    line = first_line(error)
    return "the file is damaged, or holds more than tensors" if line.startswith("Weights only load failed") else line


def _initialised_anew(model: Any, parameters: set[str], seed: int) -> Any:
    """The model with some parameters initialised from `seed`, as if the checkpoint had not had them."""
    kept = {name: tensor for name, tensor in model.state_dict().items() if name not in parameters}
    with quiet(), seeded_torch(seed):
        anew = type(model).from_pretrained(
            None, config=model.config, state_dict=kept, trust_remote_code=False, dtype=torch.float32
        )
    anew.name_or_path = anew.config.name_or_path = model.name_or_path  # by which PEFT finds the base model again
    return anew


def require_encoder(path_or_id: str, model: Any, new: set[str]) -> None:
    """Raises UserError unless the checkpoint had all weights of the encoder, a pooler apart, and all are finite.

    `new` are the parameters that it did not have in this shape.
    """
    inside = {id(parameter) for parameter in model.base_model.parameters()}
    encoder = {name for name, parameter in model.named_parameters() if id(parameter) in inside}
    if lacking := sorted(name for name in encoder & new if "pooler" not in name.split(".")):
        raise UserError(
            f"model {path_or_id!r}: its weights are not those of the {model.config.model_type} encoder that its "
            f"config.json describes: {len(lacking)} of {len(encoder)} tensors are missing or of another shape, the "
            f"first is {lacking[0]}"
        )
    if damaged := not_finite(model.named_parameters()):
        raise UserError(
            f"model {path_or_id!r}: its weights are damaged: {len(damaged)} tensors hold values that are not finite, "
            f"the first is {damaged[0]}"
        )


def unused_weights(model: Any, unexpected: Collection[str]) -> str | None:
    """Statement that a checkpoint has more of the encoder than the model; None where it has not.

    `unexpected` are the names of the tensors that the model has no place for. Those of another head, a pooler and
    buffers are no loss.
    """
    prefix = f"{model.base_model_prefix}."
    parts = {name for name, _ in model.base_model.named_children()} - {"pooler"}
    buffers = {name.rpartition(".")[2] for name, _ in model.base_model.named_buffers()}
    names = sorted(
        name
        for name in unexpected
        if name.removeprefix(prefix).partition(".")[0] in parts and name.rpartition(".")[2] not in buffers
    )
    if not names:
        return None
    return (
        f"{len(names)} tensors of the encoder in its weights are not in the {model.config.model_type} encoder that its "
        f"config.json describes and are not used, the first is {names[0]}: has it more layers than config.json says?"
    )


def checkpoint_gradients(model: Any, path_or_id: str) -> None:
    """Turns on gradient checkpointing: only the inputs of layers are kept, the rest is computed again.

    Not in torch's older, reentrant way, which needs inputs with gradients and a graph to themselves: neither frozen
    weights (PEFT) nor an attack's gradient of the embeddings would go with it. Raises UserError where the architecture
    cannot do it.
    """
    try:
        with quiet():
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            model.disable_input_require_grads()  # a hook for the reentrant way
            model.config.use_cache = False  # else a warning: of decoders' caches, which do not go with it
    except (ValueError, AttributeError) as error:
        raise UserError(f"model {path_or_id!r} does not go with gradient_checkpointing: {first_line(error)}") from error


def _new_modules(model: nn.Module, new: set[str]) -> set[str]:
    """Names of the modules all of whose parameters are in `new`, and of those that have a part of their own in it."""
    whole = {
        name
        for name, module in model.named_modules()
        if name and (own := [f"{name}.{key}" for key, _ in module.named_parameters()]) and new.issuperset(own)
    }
    return whole | {module for key in new if (module := key.rpartition(".")[0])}


def _outermost(names: set[str]) -> frozenset[str]:
    """The names that do not lie below another one."""
    return frozenset(name for name in names if not is_below(name, names - {name}))
