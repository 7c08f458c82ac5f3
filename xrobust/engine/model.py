"""Pre-trained encoders: checked, loaded with a head, saved when trained, and loaded again."""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import constants
from huggingface_hub import errors as hub
from safetensors.torch import load_file, save_file
from torch import nn

from xrobust.contracts import Kind, Method, ModelContext, Task
from xrobust.errors import UserError, did_you_mean

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
WEIGHT_PATTERNS = ("model*.safetensors", "pytorch_model*.bin", "*.index.json")
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
TOKENIZER_FILES = (
    *VOCABULARIES,
    "merges.txt",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
TRAINABLE = "trainable.safetensors"
"""Weights of a model with modules that neither transformers nor PEFT knows: those that were trained."""
ADAPTER_CONFIG = "adapter_config.json"
"""What marks a folder written by PEFT."""


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
    """What can be known of a model without its weights."""

    path: str
    """Absolute folder, or hub id."""
    revision: str | None
    """Commit of a hub model."""
    config: Any
    tokenizer: Any
    limit: int


# ---------------------------------------------------------------------------------------------------------- loading


def check_model(kind: Kind, path_or_id: str, revision: str | None, offline: bool) -> int:
    """Whether `load_encoder` would succeed, found out from the configuration and the tokenizer alone.

    Returns the longest sequence that the model takes, in pieces with special tokens. Raises UserError.
    """
    return _describe(kind, path_or_id, revision, offline).limit


def load_encoder(kind: Kind, path_or_id: str, *, revision: str | None, seed: int, offline: bool = False) -> Encoder:
    """A pre-trained encoder in float32 with the head of `kind`, initialised from `seed` alone.

    `path_or_id` is a folder or a hub id; no code from either is run. Raises UserError.
    """
    description = _describe(kind, path_or_id, revision, offline)
    with _quiet(), _seeded(seed):
        try:
            model, info = _auto_class(kind).from_pretrained(
                description.path,
                config=description.config,
                revision=description.revision or "main",
                local_files_only=offline,
                dtype=torch.float32,
                output_loading_info=True,
                # A head of another size (a model already tuned on some task) is replaced like one that is missing.
                ignore_mismatched_sizes=True,
            )
        except Exception as error:  # each file format has errors of its own for a damaged file
            raise UserError(f"model {path_or_id!r}: its weights cannot be loaded: {_first_line(error)}") from error
    model.config._commit_hash = description.revision
    mismatched = {key for key, *_ in info["mismatched_keys"]}
    new_modules = _outermost_new(model, set(info["missing_keys"]) | mismatched)
    embeddings = model.get_input_embeddings()
    name = next(name for name, module in model.named_modules() if module is embeddings)
    if any(_is_below(name, new) for new in new_modules):
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


def model_identity(path_or_id: str, revision: str | None, offline: bool) -> dict[str, str | None]:
    """What a result says of the base model: `id`, `revision` (a hub model's commit), `sha256` (a folder's content)."""
    folder = _folder(path_or_id)
    if folder is not None:
        return {"id": folder.name, "revision": None, "sha256": _folder_sha256(folder)}
    commit = _config_file(path_or_id, revision, offline)[1]
    return {"id": path_or_id, "revision": commit, "sha256": None}


def _folder_sha256(folder: Path) -> str:
    """sha256 over the names and contents of the files that make the model: configuration, weights, tokenizer."""
    total = hashlib.sha256()
    names = {p.name for pattern in (*WEIGHT_PATTERNS, *TOKENIZER_FILES) for p in folder.glob(pattern)}
    for name in sorted(names | {"config.json"}):
        with (folder / name).open("rb") as file:
            total.update(f"{name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _describe(kind: Kind, path_or_id: str, revision: str | None, offline: bool) -> _Description:
    """Configuration, tokenizer and length limit. Raises UserError for whatever is wrong with them."""
    folder = _folder(path_or_id)
    config_file, commit = _config_file(path_or_id, revision, offline)
    path = str(folder) if folder is not None else path_or_id
    config = _config(kind, path_or_id, config_file, path, commit, offline)
    if folder is not None:
        if not any((folder / name).is_file() for name in WEIGHTS):
            raise UserError(f"model {path_or_id!r} has no weights: the folder has none of {', '.join(WEIGHTS)}")
        if not any(any(folder.glob(pattern)) for pattern in VOCABULARIES):
            raise UserError(
                f"model {path_or_id!r} has no tokenizer: the folder has none of {', '.join(VOCABULARIES)}; "
                "save it there with tokenizer.save_pretrained"
            )
    with _quiet():
        try:
            with torch.device("meta"):
                skeleton = _auto_class(kind).from_config(config)
        except (ValueError, RuntimeError, TypeError, AttributeError) as error:
            raise UserError(f"model {path_or_id!r}: config.json is not usable: {_first_line(error)}") from error
    tokenizer = _tokenizer(kind, path_or_id, path, commit, offline)
    _keep_accepted_inputs(tokenizer, skeleton)
    return _Description(path, commit, config, tokenizer, _length_limit(skeleton, tokenizer))


def _folder(path_or_id: str) -> Path | None:
    """The folder that is meant, or None for a hub id. Raises UserError for a folder that is not there."""
    path = Path(path_or_id).expanduser()
    if path.is_dir():
        path = path.resolve()
        if not (path / "config.json").is_file():
            raise UserError(f"model {path_or_id!r}: the folder has no config.json, so it holds no transformers model")
        return path
    if path_or_id.startswith((".", "/", "~")) or path_or_id.count("/") > 1 or path.exists():
        parent = path.parent
        near = (p.name for p in parent.iterdir() if p.is_dir()) if parent.is_dir() else ()
        hint = f"; in {parent}: {did_you_mean(path.name, near)}" if parent.is_dir() else ""
        raise UserError(f"model {path_or_id!r}: there is no such folder{hint}")
    return None


def _config_file(path_or_id: str, revision: str | None, offline: bool) -> tuple[Path, str | None]:
    """Where config.json lies on this machine, and the commit of a hub model. Fetches it where it has to."""
    folder = _folder(path_or_id)
    if folder is not None:
        if revision is not None:
            raise UserError(f"model {path_or_id!r} is a folder: a revision is for hub models, leave it out")
        return folder / "config.json", None
    from huggingface_hub import hf_hub_download

    what = f"model {path_or_id!r}"
    advice = "give a folder with the model, or run once with a connection, which fills the cache"
    with _quiet():
        try:
            found = Path(hf_hub_download(path_or_id, "config.json", revision=revision, local_files_only=offline))
        except hub.HFValidationError as error:
            raise UserError(f"{what} is neither a folder that exists nor a hub id (owner/name)") from error
        except hub.GatedRepoError as error:
            raise UserError(
                f"{what} is gated: accept its terms on its hub page and log in with `hf auth login`"
            ) from error
        except hub.RepositoryNotFoundError as error:
            raise UserError(f"{what}: no such folder here and no such model on the hub (or it is private)") from error
        except hub.RevisionNotFoundError as error:
            raise UserError(f"{what} has no revision {revision!r} on the hub") from error
        except (hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled) as error:
            told = offline or constants.HF_HUB_OFFLINE
            why = "is not in the cache of this machine" + ("" if told else " and the hub cannot be reached")
            raise UserError(f"{what} {why}: {advice}") from error
        except hub.EntryNotFoundError as error:
            raise UserError(f"{what} has no config.json on the hub, so it is no transformers model") from error
        except (OSError, ConnectionError) as error:
            raise UserError(f"{what} cannot be fetched from the hub ({_first_line(error)}): {advice}") from error
    return found, found.parent.name  # the cache keeps a file under the commit that it belongs to


def _config(kind: Kind, path_or_id: str, config_file: Path, path: str, commit: str | None, offline: bool) -> Any:
    """The configuration with the labels of `kind`. Raises UserError unless it is an encoder's with such a head."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    what = f"model {path_or_id!r}"
    try:
        stored = json.loads(config_file.read_text(encoding="utf-8"))
        model_type = stored.get("model_type")
    except (ValueError, AttributeError) as error:
        raise UserError(f"{what}: its config.json is not valid JSON: {_first_line(error)}") from error
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
    with _quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(
                path, revision=commit or "main", local_files_only=offline, trust_remote_code=False, **labels
            )
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{what}: its config.json is not usable: {_first_line(error)}") from error
    # A function made for models with another configuration would be loaded for these too: mT5 for T5, for instance.
    if config.is_encoder_decoder:
        raise UserError(f"{what} is a {model_type} model, which has a decoder, not an encoder alone")
    if type(config) not in _auto_class(kind)._model_mapping:
        head = kind.name.replace("_", " ")
        raise UserError(f"{what}: transformers has no {head} head for models of type {model_type}")
    return config


def _tokenizer(kind: Kind, path_or_id: str, path: str, commit: str | None, offline: bool) -> Any:
    """The fast tokenizer. For tokens that come already split it puts a space before each where words begin with one."""
    options: dict[str, Any] = {"revision": commit or "main", "local_files_only": offline, "trust_remote_code": False}
    with _quiet():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(path, **options)
            if kind.pre_split and not _spaces_words(tokenizer):
                # RoBERTa's class builds its pipeline anew from this option, also when the saved tokenizer is loaded.
                tokenizer = transformers.AutoTokenizer.from_pretrained(path, add_prefix_space=True, **options)
        except Exception as error:  # the tokenizers library raises bare Exception
            raise UserError(f"model {path_or_id!r}: its tokenizer cannot be loaded: {_first_line(error)}") from error
    if not tokenizer.is_fast:
        raise UserError(f"model {path_or_id!r}: its tokenizer has no fast version (tokenizer.json)")
    if tokenizer.pad_token_id is None:
        raise UserError(f"model {path_or_id!r}: its tokenizer has no padding token")
    if kind.pre_split and not _spaces_words(tokenizer):
        from tokenizers.normalizers import Prepend, Sequence

        backend = tokenizer.backend_tokenizer
        backend.normalizer = Sequence([Prepend(" "), *([backend.normalizer] if backend.normalizer else [])])
    return tokenizer


def _spaces_words(tokenizer: Any) -> bool:
    """Whether a sentence split into words becomes the same pieces as the sentence itself.

    Byte-level BPE (RoBERTa, ModernBERT) codes the space before a word as part of it and would take words that come
    alone for continuations.
    """
    if not tokenizer.is_fast:
        return True
    split = tokenizer(["a", "a"], is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return bool(split == tokenizer(" a a", add_special_tokens=False)["input_ids"])


def _keep_accepted_inputs(tokenizer: Any, model: Any) -> None:
    """Makes the tokenizer give what the model takes: a generic one gives token types to models that have none."""
    accepted = inspect.signature(model.forward).parameters
    types = getattr(model.config, "type_vocab_size", 2)
    tokenizer.model_input_names = [
        name for name in tokenizer.model_input_names if name in accepted and (name != "token_type_ids" or types > 1)
    ]


def _length_limit(model: nn.Module, tokenizer: Any) -> int:
    """Longest sequence in pieces. RoBERTa and its kin count positions from padding_idx + 1."""
    positions = getattr(model.config, "max_position_embeddings", None)
    if not positions or positions < 0:
        return int(tokenizer.model_max_length)
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions = min(positions, module.num_embeddings) - module.padding_idx - 1
            break
    return int(min(tokenizer.model_max_length, positions))


def _auto_class(kind: Kind) -> Any:
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
    names = whole | {p for p in partial if not any(_is_below(p, w) for w in whole)}
    return frozenset(n for n in names if not any(n != other and _is_below(n, other) for other in whole))


def _is_below(name: str, ancestor: str) -> bool:
    return name == ancestor or name.startswith(f"{ancestor}.")


# ------------------------------------------------------------------------------------------------ saving, reloading


def trainable_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copies on the CPU of the parameters that are trained, by name."""
    return {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}


def load_trainable_state(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Puts back what `trainable_state` took. Raises ValueError unless names and shapes are the same."""
    own = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if own.keys() != state.keys():
        differing = sorted(own.keys() ^ state.keys())
        raise ValueError(f"{len(differing)} trained parameters differ in name, the first is {differing[0]}")
    with torch.no_grad():
        for name, parameter in own.items():
            if parameter.shape != state[name].shape:
                raise ValueError(f"{name} has shape {tuple(parameter.shape)}, its copy {tuple(state[name].shape)}")
            parameter.copy_(state[name])


def save_model(model: Any, tokenizer: Any, folder: Path) -> None:
    """Writes a trained model and its tokenizer into an existing, empty folder.

    A PEFT model is written by PEFT, a model of a structure that transformers knows by transformers: each can be loaded
    with that library alone. Of any other model (methods with modules of their own) the trained parameters are written,
    to be loaded by `load_trained`.
    """
    with _quiet():
        if _is_peft(model):
            for adapter in model.peft_config.values():  # so that PEFT alone finds the very base model again
                adapter.revision = getattr(model.config, "_commit_hash", None)
            # "auto" would look for the base model's config on the hub; no method of ours resizes the embeddings.
            model.save_pretrained(folder, save_embedding_layers=False)
        elif _is_stock(model):
            model.save_pretrained(folder)
        else:
            save_file({n: t.contiguous() for n, t in trainable_state(model).items()}, folder / TRAINABLE)
            model.config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def load_trained(
    folder: Path,
    task: Task,
    base: str,
    *,
    revision: str | None,
    seed: int,
    methods: Iterable[Method],
    offline: bool = False,
) -> tuple[Any, Any]:
    """The model and tokenizer that `save_model` wrote, in eval mode.

    `base`, `revision`, `seed` and `methods` are those of training; `base` is looked for only where the folder does not
    hold the whole model. Raises UserError.
    """
    tokenizer = _saved_tokenizer(folder)
    if not needs_base(folder):
        with _quiet():
            model, info = _auto_class(task.kind).from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
        if info["missing_keys"]:
            raise UserError(f"{folder}: the saved model lacks {len(info['missing_keys'])} of its weights")
        return model.eval(), tokenizer

    encoder = load_encoder(task.kind, base, revision=revision, seed=seed, offline=offline)
    model = encoder.model
    if (folder / ADAPTER_CONFIG).exists():
        from peft import PeftModel

        with _quiet():
            model = PeftModel.from_pretrained(model, folder)
        return model.eval(), tokenizer
    context = ModelContext(task=task, seed=seed, new_modules=encoder.new_modules, embedding_norm=encoder.embedding_norm)
    for method in methods:
        model = method.adapt(model, context)
    try:
        load_trainable_state(model, load_file(folder / TRAINABLE))
    except ValueError as error:
        raise UserError(f"{folder}: its methods build another model than the one that was saved: {error}") from error
    return model.eval(), tokenizer


def needs_base(folder: Path) -> bool:
    """Whether a saved model is only what was trained, and wants the base model's weights too."""
    return (folder / ADAPTER_CONFIG).exists() or (folder / TRAINABLE).exists()


def load_model(run: str | Path) -> tuple[Any, Any]:
    """The trained model of a run, in eval mode, and its tokenizer. Every method's models can be loaded.

    Args:
        run: a run's folder, or the `result.json` in it.

    Raises:
        UserError: there is no such run, its model was not kept, or the base model that it needs is gone or changed.
    """
    from xrobust.plugins import Plugins

    result = Path(run)
    if result.is_dir():
        result /= "result.json"
    folder = result.parent / "model"
    try:
        document = json.loads(result.read_text(encoding="utf-8"))
        train, environment = document["spec"]["train"], document["environment"]
    except OSError as error:
        raise UserError(f"{run} is no run: there is no {result}") from error
    except (ValueError, KeyError) as error:
        raise UserError(f"{result} is no result document") from error
    if not folder.is_dir():
        raise UserError(f"{run}: its model was not kept, or training has not ended: there is no {folder}")
    base, identity = environment["model_path"], train["model"]
    if needs_base(folder):
        _check_unchanged(base, identity)
    plugins = Plugins([Path(file) for file in environment["plugin_files"]])
    task = plugins.load("tasks", train["task"])()
    return load_trained(
        folder,
        task,
        base,
        revision=identity.get("revision"),
        seed=train["seed"],
        methods=_methods(plugins, train["method"]),
    )


def _methods(plugins: Any, parts: Sequence[Mapping[str, Any]]) -> list[Method]:
    classes = [plugins.load("methods", part["name"]) for part in parts]
    return [cls(cls.Params(**part["params"])) for cls, part in zip(classes, parts, strict=True)]


def _check_unchanged(base: str, identity: Mapping[str, str | None]) -> None:
    """Raises UserError when the folder that a model was trained from now holds another model."""
    expected = identity.get("sha256")
    if expected is None:
        return
    if not Path(base).is_dir():
        raise UserError(f"the base model {base!r} of this run is not there; only what was trained is in the run")
    if model_identity(base, None, offline=True)["sha256"] != expected:
        raise UserError(f"the base model {base!r} has changed since this run (sha256 is not {expected[:12]}...)")


def _saved_tokenizer(folder: Path) -> Any:
    with _quiet():
        return transformers.AutoTokenizer.from_pretrained(folder)


def _is_peft(model: Any) -> bool:
    return hasattr(model, "peft_config") and hasattr(model, "base_model")


def _is_stock(model: Any) -> bool:
    """Whether a model has the parameters that its class builds from its configuration, no more and no fewer."""
    with _quiet(), torch.device("meta"):
        built = type(model)(model.config)
    shapes = {name: tensor.shape for name, tensor in built.state_dict().items()}
    return shapes == {name: tensor.shape for name, tensor in model.state_dict().items()}


# ----------------------------------------------------------------------------------------------------------- helpers


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random numbers of the CPU come from `seed` inside, and go on as if nothing had happened after."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the load reports, progress bars and warnings of transformers, and the hub client but for downloads."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, enable_progress_bars
    from transformers.utils import logging as reports

    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub", "peft")]
    levels = [logger.level for logger in loggers]
    bars, downloads = reports.is_progress_bar_enabled(), not are_progress_bars_disabled()
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        reports.disable_progress_bar()
        if downloads:  # which the line above switched off too: a gigabyte should not arrive in silence
            enable_progress_bars()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            reports.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    """The first line of an error's message; libraries like to add paragraphs."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
