"""Pre-trained models described without their weights: configuration, tokenizer, longest input. All of it is checked.

No code that comes with a model is ever run.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from xrobust.contracts import Kind
from xrobust.contracts.calling import blamed
from xrobust.errors import UserError, cut, first_line, one_line, shown
from xrobust.models.files import VOCABULARIES, WEIGHTS, cache_only, config_file, folder_of
from xrobust.models.tokenizer import load_tokenizer, require_fast
from xrobust.runtime.libraries import quiet
from xrobust.storage.regular_file import require_regular

SIZES = {
    "num_hidden_layers": 1000,
    "num_hidden_groups": 1000,
    "inner_group_num": 1000,
    "hidden_size": 1 << 20,
    "num_attention_heads": 1 << 20,
    "vocab_size": 1 << 28,
}
"""Sizes in a configuration, as all encoders call them, and the largest: of more, even an outline would fill memory."""
MOST_POSITIONS = 1 << 20
"""Largest max_position_embeddings: some encoders compute a sinusoid for each, even in an outline. -1 means none."""

SHORTEST = 8
"""Fewest pieces, special tokens included, that a model has to take, as the setting max_length has it."""


@dataclass(frozen=True)
class Description:
    """Properties of a model that are known without its weights."""

    path: str
    """Absolute folder, or hub id."""
    revision: str | None
    """Commit of a hub model."""
    config: Any
    stored: Mapping[str, Any]
    """config.json as it is."""
    tokenizer: Any
    limit: int


def describe(kind: Kind, path_or_id: str, revision: str | None, offline: bool) -> Description:
    """Loads configuration, tokenizer and length limit. Raises UserError for any problem with them."""
    folder = folder_of(path_or_id)
    file, commit = config_file(path_or_id, revision, offline)
    offline = cache_only(path_or_id, offline)
    path = str(folder) if folder is not None else path_or_id
    stored = stored_config(f"model {path_or_id!r}", file)
    config = _config(kind, path_or_id, stored, path, commit, offline)
    if folder is not None:
        if not any((folder / name).is_file() for name in WEIGHTS):
            raise UserError(f"model {path_or_id!r} has no weights: the folder has none of {', '.join(WEIGHTS)}")
        if not any(any(folder.glob(pattern)) for pattern in VOCABULARIES):
            require_fast(f"model {path_or_id!r}", config.model_type)
            raise UserError(
                f"model {path_or_id!r} has no tokenizer: the folder has none of {', '.join(VOCABULARIES)}; "
                "save it there with tokenizer.save_pretrained"
            )
    skeleton = outline(f"model {path_or_id!r}", kind, config)
    tokenizer = load_tokenizer(kind, path_or_id, config.model_type, path, commit, offline)
    _require_embeddings(path_or_id, skeleton, tokenizer)
    _keep_accepted_inputs(tokenizer, skeleton)
    limit = length_limit(skeleton, tokenizer)
    if limit < SHORTEST:
        raise UserError(f"model {path_or_id!r}: its config.json is not usable: it takes {max(0, limit)} pieces at most")
    return Description(path, commit, config, stored, tokenizer, limit)


def stored_config(what: str, file: Path) -> dict[str, Any]:
    """The content of a config.json. Raises UserError unless it describes an encoder that transformers knows.

    `what` begins the message: "model 'bert'", "the model in FOLDER".
    """
    try:
        require_regular(file)
        stored = json.loads(file.read_text(encoding="utf-8"))
        model_type = stored.get("model_type")
    except OSError as error:
        raise UserError(f"{what}: its config.json cannot be read: {error.strerror or error}") from error
    except (ValueError, AttributeError, RecursionError) as error:
        raise UserError(f"{what}: its config.json is not valid JSON: {first_line(error)}") from error
    if not isinstance(model_type, str) or model_type not in CONFIG_MAPPING_NAMES:
        own_code = " without running code of its own, which xrobust never does" if "auto_map" in stored else ""
        raise UserError(
            f"{what} is of type {model_type!r}, which transformers {transformers.__version__} does not know{own_code}"
        )
    _require_own_layers(what, stored)
    _require_encoder_type(what, stored)
    return dict(stored)


def _require_own_layers(what: str, stored: Any) -> None:
    """Raises UserError where a config.json, or a part of it, wants layers from the hub: compiled code of anyone."""
    for key, value in stored.items():
        if isinstance(value, dict):
            _require_own_layers(what, value)
        if key.lstrip("_") in ("attn_implementation", "experts_implementation") and "/" in str(value):
            raise UserError(f"{what}: its config.json wants {key} {shown(value)}, code of its own: xrobust runs none")


def _require_encoder_type(what: str, stored: Mapping[str, Any]) -> None:
    """Raises UserError for a type of models that are no encoders, or none that xrobust can use."""
    model_type, names = stored["model_type"], modeling_auto
    decoder = stored.get("is_encoder_decoder") or stored.get("is_decoder")
    if model_type in names.MODEL_FOR_MASKED_LM_MAPPING_NAMES and not decoder:
        return
    classifies = {
        *names.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        *names.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES,
    }
    writes = {*names.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, *names.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES}
    reason = "not an encoder"
    if model_type in classifies - writes and not decoder:
        require_fast(what, model_type)
        reason = "of which transformers has no masked language model"
    raise UserError(
        f"{what} is a {model_type} model, {reason}: use one such as bert-base-multilingual-cased or xlm-roberta-base"
    )


def _config(
    kind: Kind, path_or_id: str, stored: Mapping[str, Any], path: str, commit: str | None, offline: bool
) -> Any:
    """The configuration with the labels of `kind`. Raises UserError unless there is such a head for it."""
    what, model_type = f"model {path_or_id!r}", stored["model_type"]
    labels: dict[str, Any] = {}
    if kind.num_outputs == len(kind.labels) or kind.auto_class == "AutoModelForMultipleChoice":
        names = dict(enumerate(kind.labels))
        labels = {"num_labels": len(names), "id2label": names, "label2id": {name: i for i, name in names.items()}}
    config = read_config(what, path, revision=commit or "main", local_files_only=offline, **labels)
    # A function made for models with another configuration would be loaded for these too: mT5 for T5, for instance.
    if config.is_encoder_decoder:
        raise UserError(f"{what} is a {model_type} model, which has a decoder, not an encoder alone")
    if type(config) not in auto_class(kind)._model_mapping:
        head = kind.name.replace("_", " ")
        raise UserError(f"{what}: transformers has no {head} head for models of type {model_type}")
    return config


def read_config(what: str, path: str | Path, **options: Any) -> Any:
    """The configuration that transformers makes of a config.json. Raises UserError where it, or a size in it, is
    unusable."""
    with quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(path, trust_remote_code=False, **options)
        except Exception as error:  # transformers reads its fields with few checks
            raise UserError(f"{what}: its config.json is not usable: {_reason(error)}") from error
    _require_sizes(what, config)
    return config


def outline(what: str, kind: Kind, config: Any) -> Any:
    """The model of a configuration without memory for its weights. Raises UserError where none can be built."""
    with quiet():
        try:
            with torch.device("meta"):
                return auto_class(kind).from_config(config, trust_remote_code=False)
        except Exception as error:  # whatever a model's own arithmetic makes of a number that is none of its sizes
            raise UserError(f"{what}: its config.json is not usable: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Message about a configuration that transformers does not take; its first line may announce the second."""
    if isinstance(error, AttributeError | KeyError | TypeError):  # of transformers' own code, about a value unchecked
        return f"transformers cannot use a value in it ({cut(one_line(error))})"
    first = first_line(error)
    return cut(" ".join(str(error).split())) if first.endswith(":") else first


def _require_sizes(what: str, config: Any) -> None:
    """Raises UserError for sizes of which no encoder is made: none at all, or more layers than there ever were."""
    for name, largest in SIZES.items():
        size = getattr(config, name, 1)
        if size is not None and not (type(size) is int and 0 < size <= largest):
            raise UserError(f"{what}: its config.json is not usable: {name} is {shown(size)}")
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > MOST_POSITIONS:
        raise UserError(f"{what}: its config.json is not usable: max_position_embeddings is {shown(positions)}")


def _require_embeddings(path_or_id: str, model: Any, tokenizer: Any) -> None:
    """Raises UserError where a piece of the tokenizer has no embedding."""
    rows = model.get_input_embeddings().weight.shape[0]
    if rows < len(tokenizer):
        raise UserError(
            f"model {path_or_id!r}: its tokenizer has {len(tokenizer)} pieces, and the model by its config.json "
            f"embeddings for {rows} (vocab_size): they do not belong together"
        )


def _keep_accepted_inputs(tokenizer: Any, model: Any) -> None:
    """Limits the tokenizer's outputs to inputs of the model: a generic one gives token types to models without any."""
    accepted = inspect.signature(model.forward).parameters
    types = getattr(model.config, "type_vocab_size", 2)
    tokenizer.model_input_names = [
        name for name in tokenizer.model_input_names if name in accepted and (name != "token_type_ids" or types > 1)
    ]


def length_limit(model: nn.Module, tokenizer: Any) -> int:
    """Longest sequence in pieces. RoBERTa and its kin count positions from padding_idx + 1."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions or positions < 0:
        return int(tokenizer.model_max_length)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions = min(positions, module.num_embeddings) - module.padding_idx - 1
            break
    return int(min(tokenizer.model_max_length, positions))


def auto_class(kind: Kind) -> Any:
    """The class of transformers that puts the head of `kind` on an encoder. Raises PluginError where there is none."""
    found = getattr(transformers, str(kind.auto_class), None)
    if not hasattr(found, "_model_mapping"):
        raise blamed(
            kind,
            "declaration",
            "",
            f"its auto_class is {kind.auto_class!r}; the name of an AutoModelFor... is expected",
        )
    return found
