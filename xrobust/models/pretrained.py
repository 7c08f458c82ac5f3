"""Pre-trained encoders: checked, then loaded with a head. No code that comes with a model is ever run."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from xrobust.contracts import Kind
from xrobust.engine.modules import is_below
from xrobust.engine.seeds import seeded_torch
from xrobust.errors import UserError, first_line
from xrobust.models.files import VOCABULARIES, WEIGHTS, cache_only, config_file, folder_of
from xrobust.runtime.libraries import quiet


@dataclass
class Encoder:
    """A pre-trained encoder with a new head, and its tokenizer."""

    model: Any
    tokenizer: Any
    max_length_limit: int
    """Longest sequence that the model takes, in pieces with special tokens."""
    new_modules: frozenset[str]
    """Qualified names of the modules that the checkpoint had no weights for; the outermost ones, so that no name lies
    below another."""
    embedding_norm: float
    """Mean L2 norm of the rows of the pre-trained input embedding matrix."""


@dataclass(frozen=True)
class _Description:
    """Properties of a model that are known without its weights."""

    path: str
    """Absolute folder, or hub id."""
    revision: str | None
    """Commit of a hub model."""
    config: Any
    tokenizer: Any
    limit: int


def check_model(kind: Kind, path_or_id: str, revision: str | None, offline: bool) -> int:
    """Checks that `load_encoder` would succeed, from the configuration and the tokenizer alone.

    Returns the longest sequence that the model takes, in pieces with special tokens. Raises UserError.
    """
    return _describe(kind, path_or_id, revision, offline).limit


def load_encoder(kind: Kind, path_or_id: str, *, revision: str | None, seed: int, offline: bool = False) -> Encoder:
    """A pre-trained encoder in float32 with the head of `kind`, initialised from `seed` alone.

    `path_or_id` is a folder or a hub id; no code from either is run. Raises UserError.
    """
    description = _describe(kind, path_or_id, revision, offline)
    with quiet(), seeded_torch(seed):
        try:
            model, info = auto_class(kind).from_pretrained(
                description.path,
                config=description.config,
                revision=description.revision or "main",
                local_files_only=cache_only(path_or_id, offline),
                dtype=torch.float32,
                output_loading_info=True,
                # A head of another size (a model already tuned on some task) is replaced like one that is missing.
                ignore_mismatched_sizes=True,
            )
        except Exception as error:  # each file format has errors of its own for a damaged file
            raise UserError(f"model {path_or_id!r}: its weights cannot be loaded: {first_line(error)}") from error
    model.config._commit_hash = description.revision
    mismatched = {key for key, *_ in info["mismatched_keys"]}
    new_modules = _outermost_new(model, set(info["missing_keys"]) | mismatched)
    embeddings = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embeddings)
    if is_below(name, new_modules):
        raise UserError(
            f"model {path_or_id!r}: its weights are not those of the {description.config.model_type} encoder that its "
            "config.json describes"
        )
    return Encoder(
        model=model,
        tokenizer=description.tokenizer,
        max_length_limit=description.limit,
        new_modules=new_modules,
        embedding_norm=float(embeddings.weight.detach().norm(dim=1).mean()),
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


def _describe(kind: Kind, path_or_id: str, revision: str | None, offline: bool) -> _Description:
    """Loads configuration, tokenizer and length limit. Raises UserError for any problem with them."""
    folder = folder_of(path_or_id)
    file, commit = config_file(path_or_id, revision, offline)
    offline = cache_only(path_or_id, offline)
    path = str(folder) if folder is not None else path_or_id
    config = _config(kind, path_or_id, file, path, commit, offline)
    if folder is not None:
        if not any((folder / name).is_file() for name in WEIGHTS):
            raise UserError(f"model {path_or_id!r} has no weights: the folder has none of {', '.join(WEIGHTS)}")
        if not any(any(folder.glob(pattern)) for pattern in VOCABULARIES):
            raise UserError(
                f"model {path_or_id!r} has no tokenizer: the folder has none of {', '.join(VOCABULARIES)}; "
                "save it there with tokenizer.save_pretrained"
            )
    with quiet():
        try:
            with torch.device("meta"):
                skeleton = auto_class(kind).from_config(config)
        except (ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise UserError(f"model {path_or_id!r}: config.json is not usable: {first_line(error)}") from error
    tokenizer = _tokenizer(kind, path_or_id, path, commit, offline)
    _keep_accepted_inputs(tokenizer, skeleton)
    return _Description(path, commit, config, tokenizer, length_limit(skeleton, tokenizer))


def _config(kind: Kind, path_or_id: str, file: Path, path: str, commit: str | None, offline: bool) -> Any:
    """The configuration with the labels of `kind`. Raises UserError unless it is an encoder's with such a head."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    what = f"model {path_or_id!r}"
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        model_type = stored.get("model_type")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{what}: its config.json is not valid JSON: {first_line(error)}") from error
    if model_type not in CONFIG_MAPPING_NAMES:
        own_code = " without running code of its own, which xrobust never does" if "auto_map" in stored else ""
        raise UserError(
            f"{what} is of type {model_type!r}, which transformers {transformers.__version__} does not know{own_code}"
        )
    decoder = stored.get("is_encoder_decoder") or stored.get("is_decoder")
    if decoder or model_type not in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise UserError(
            f"{what} is a {model_type} model, not an encoder: use one such as bert-base-multilingual-cased or "
            "xlm-roberta-base"
        )
    labels: dict[str, Any] = {}
    if kind.num_outputs == len(kind.labels):
        names = dict(enumerate(kind.labels))
        labels = {"num_labels": len(names), "id2label": names, "label2id": {name: i for i, name in names.items()}}
    with quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(
                path, revision=commit or "main", local_files_only=offline, trust_remote_code=False, **labels
            )
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{what}: its config.json is not usable: {first_line(error)}") from error
    # A function made for models with another configuration would be loaded for these too: mT5 for T5, for instance.
    if config.is_encoder_decoder:
        raise UserError(f"{what} is a {model_type} model, which has a decoder, not an encoder alone")
    if type(config) not in auto_class(kind)._model_mapping:
        head = kind.name.replace("_", " ")
        raise UserError(f"{what}: transformers has no {head} head for models of type {model_type}")
    return config


def _tokenizer(kind: Kind, path_or_id: str, path: str, commit: str | None, offline: bool) -> Any:
    """The fast tokenizer. For tokens that come already split it puts a space before each where words begin with one."""
    options: dict[str, Any] = {"revision": commit or "main", "local_files_only": offline, "trust_remote_code": False}
    with quiet():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(path, **options)
            if kind.pre_split and not _spaces_words(tokenizer):
                # RoBERTa's class builds its pipeline anew from this option, also when the saved tokenizer is loaded.
                tokenizer = transformers.AutoTokenizer.from_pretrained(path, add_prefix_space=True, **options)
        except Exception as error:  # the tokenizers library raises bare Exception
            raise UserError(f"model {path_or_id!r}: its tokenizer cannot be loaded: {_damage(error)}") from error
    if not tokenizer.is_fast:
        raise UserError(f"model {path_or_id!r}: its tokenizer has no fast version (tokenizer.json)")
    if tokenizer.pad_token_id is None:
        raise UserError(f"model {path_or_id!r}: its tokenizer has no padding token")
    if kind.pre_split and tokenizer.unk_token_id is None and tokenizer.mask_token_id is None:
        raise UserError(
            f"model {path_or_id!r}: its tokenizer has no unknown token and no mask token, and tagging needs one for "
            "tokens that it makes nothing of"
        )
    if kind.pre_split and not _spaces_words(tokenizer):
        from tokenizers.normalizers import Prepend, Sequence

        backend = tokenizer.backend_tokenizer
        backend.normalizer = Sequence([Prepend(" "), *([backend.normalizer] if backend.normalizer else [])])
    return tokenizer


def _damage(error: Exception) -> str:
    """Message about a tokenizer's damaged files. The libraries index into their content without checks."""
    if type(error) is Exception or isinstance(
        error, KeyError | TypeError | AttributeError | json.JSONDecodeError | UnicodeDecodeError
    ):
        reason = f"{type(error).__name__}: {first_line(error)}"
        return f"tokenizer.json, or another of its files, is damaged or not a tokenizer's ({reason})"
    return first_line(error)


def _spaces_words(tokenizer: Any) -> bool:
    """True if a sentence split into words becomes the same pieces as the sentence itself.

    Byte-level BPE (RoBERTa, ModernBERT) codes the space before a word as part of it and would take words that come
    alone for continuations.
    """
    if not tokenizer.is_fast:
        return True
    split = tokenizer(["a", "a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return bool(split == tokenizer(" a a", add_special_tokens=False)["input_ids"])


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
    return getattr(transformers, kind.auto_class)


def _outermost_new(model: nn.Module, missing: set[str]) -> frozenset[str]:
    """The modules all of whose parameters are in `missing`, without those that lie inside another."""
    whole = {
        name
        for name, module in model.named_modules()
        if name and (own := [f"{name}.{key}" for key, _ in module.named_parameters()]) and missing.issuperset(own)
    }
    # A module of which the checkpoint had a part counts by what it lacked.
    partial = {key.rpartition(".")[0] for key in missing if key.rpartition(".")[0]}
    names = whole | {p for p in partial if not is_below(p, whole)}
    return frozenset(n for n in names if not is_below(n, whole - {n}))
