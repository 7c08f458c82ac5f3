"""Trained models: saved, and loaded again with the very same outputs."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from xrobust.config.resolved_spec import MethodSpec
from xrobust.config.validation import validated
from xrobust.contracts import Method, ModelContext, Task
from xrobust.contracts.calling import calling
from xrobust.errors import UserError, first_line, shown
from xrobust.models.adapted import adapted
from xrobust.models.description import auto_class, outline, read_config, stored_config
from xrobust.models.files import model_identity
from xrobust.models.head import stored_labels
from xrobust.models.pretrained import load_encoder
from xrobust.registry import bundles
from xrobust.registry.plugins import Plugins
from xrobust.results.model_files import check_model_files, require_model
from xrobust.results.run_plugins import run_plugins
from xrobust.results.schema import RunResult
from xrobust.results.store import MODEL, load_result, run_folder_of
from xrobust.runtime.libraries import quiet

TRAINABLE = "trainable.safetensors"
"""Weights of a model with modules that neither transformers nor PEFT knows: those that were trained."""
ADAPTER_CONFIG = "adapter_config.json"
"""File that marks a folder written by PEFT."""
ADAPTER_WEIGHTS = "adapter_model.safetensors"
OF_NO_MODEL = {"auto_mapping", "base_model_name_or_path", "inference_mode", "peft_version", "revision"}
"""Entries of a configuration of PEFT that say where the base model is from and how it is loaded: none of them is used,
since the run's document has both."""


def trainable_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Copies on the CPU of the parameters that are trained, by name."""
    return {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}


def load_trainable_state(model: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Restores the parameters that `trainable_state` copied. Raises ValueError unless names and shapes are the same."""
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
    with quiet():
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
    embedding_norm: float | None = None,
    offline: bool = False,
) -> tuple[Any, Any]:
    """Loads the model and tokenizer that `save_model` wrote, in eval mode.

    `base`, `revision`, `seed`, `methods` and `embedding_norm` are those of training; `base` is looked for only where
    the folder does not hold the whole model. Raises UserError.
    """
    if not needs_base(folder):
        _require_sizes(folder, task)
    tokenizer = _saved_tokenizer(folder)
    _require_labels(folder, task)
    if not needs_base(folder):
        return _whole_model(folder, task).eval(), tokenizer

    encoder = load_encoder(task.kind, base, revision=revision, seed=seed, offline=offline)
    context = ModelContext(task, seed, encoder.modules_to_save, embedding_norm or encoder.embedding_norm())
    if (folder / ADAPTER_CONFIG).exists():
        # The methods change the model that they are given: a copy of it is only to show PEFT's configuration.
        config = _peft_config(folder, _adapted(copy.deepcopy(encoder.model), methods, context))
        return _with_peft(encoder.model, folder, config).eval(), tokenizer
    model = _adapted(encoder.model, methods, context)
    try:
        with _loading(folder, TRAINABLE):
            state = load_file(folder / TRAINABLE)
        load_trainable_state(model, state)
    except ValueError as error:
        raise UserError(f"{folder}: its methods build another model than the one that was saved: {error}") from error
    return model.eval(), tokenizer


def _adapted(model: Any, methods: Iterable[Method], context: ModelContext) -> Any:
    for method in methods:
        model = adapted(method, model, context)
    return model


def _require_sizes(folder: Path, task: Task) -> None:
    """Raises UserError where config.json asks for far more parameters than were saved, before memory is taken for them.

    Of up to twice as many, loading says which are missing or of another shape.
    """
    what = f"the model in {folder}"
    stored_config(what, folder / "config.json")
    wanted = outline(what, task.kind, read_config(what, folder, local_files_only=True)).parameters()
    with _loading(folder, "the saved model"):
        sizes = [_stored_parameters(file) for file in folder.glob("*.safetensors")]
    asked, there = sum(parameter.numel() for parameter in wanted), sum(sizes)
    if sizes and asked > 2 * there:
        raise UserError(f"{what}: its config.json asks for {asked:,} parameters, and {there:,} are saved")


def _stored_parameters(file: Path) -> int:
    """The number of parameters in a file of safetensors, by its header."""
    with safe_open(file, framework="pt") as stored:
        return sum(math.prod(stored.get_slice(name).get_shape()) for name in stored.keys())  # noqa: SIM118


def _whole_model(folder: Path, task: Task) -> Any:
    """A model that transformers saved. Raises UserError where weights are missing, or are not what config.json says."""
    with _loading(folder, "the saved model"):
        model, info = auto_class(task.kind).from_pretrained(
            folder,
            trust_remote_code=False,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    if info["missing_keys"]:
        raise UserError(f"{folder}: the saved model lacks weights: {min(info['missing_keys'])}")
    return model


def _peft_config(folder: Path, model: Any) -> Any:
    """The configuration that the run's methods give PEFT. Raises UserError where the saved one is another.

    The saved one is compared and not used: PEFT's configurations can name modules to import and files to read.
    """
    with _loading(folder, ADAPTER_CONFIG):
        stored = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise UserError(f"{folder / ADAPTER_CONFIG}: not a configuration of PEFT")
    config = getattr(model, "peft_config", {}).get("default")
    if config is None:
        raise UserError(f"{folder}: PEFT saved its model, and the run's methods do not use PEFT")
    own = json.loads(json.dumps(config.to_dict(), default=_plain))
    for name in sorted(own.keys() & stored.keys() - OF_NO_MODEL):
        if _unordered(own[name]) != _unordered(stored[name]):
            raise UserError(
                f"{folder / ADAPTER_CONFIG}: {name} is {shown(stored[name])} where the run's methods with this version "
                f"of peft have {shown(own[name])}: the file was changed, or peft was (saved by peft "
                f"{stored.get('peft_version')})"
            )
    return config


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else str(value)


def _unordered(value: Any) -> Any:
    return sorted(value, key=str) if isinstance(value, list) else value


def _with_peft(model: Any, folder: Path, config: Any) -> Any:
    """The base model with the weights that PEFT saved. Raises UserError where some are missing: PEFT lets that pass."""
    from peft import PeftModel, get_peft_model_state_dict

    if not (folder / ADAPTER_WEIGHTS).is_file():  # PEFT would look for a pickle, and on the hub
        raise UserError(f"{folder}: the saved model lacks its weights: there is no {ADAPTER_WEIGHTS}")
    with _loading(folder, ADAPTER_WEIGHTS):
        try:
            wrapped = PeftModel.from_pretrained(model, folder, config=config)
        except KeyError as error:
            raise UserError(f"{folder}: the saved model lacks weights: {first_line(error)}") from error
        wanted = get_peft_model_state_dict(wrapped, save_embedding_layers=False).keys()
    with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as stored:
        lacking = sorted(wanted - stored.keys())
    if lacking:
        raise UserError(f"{folder}: the saved model lacks weights: {lacking[0]}")
    return wrapped


@contextlib.contextmanager
def _loading(folder: Path, what: str) -> Iterator[None]:
    """A quiet context in which any error of a library becomes a UserError: each file format has errors of its own."""
    with quiet():
        try:
            yield
        except (UserError, MemoryError):
            raise
        except Exception as error:
            raise UserError(f"{folder}: {what} cannot be loaded: {first_line(error)}") from error


def _require_labels(folder: Path, task: Task) -> None:
    """Raises UserError where the outputs of a saved model are for other labels than the task now has.

    A folder that PEFT wrote does not say what they are for.
    """
    config = folder / "config.json"
    labels = list(task.kind.labels)
    if config.exists() and task.kind.num_outputs == len(labels):
        with _loading(folder, "config.json"):
            trained = stored_labels(json.loads(config.read_text(encoding="utf-8")))
        if trained not in ([], labels):
            raise UserError(
                f"{folder}: its model was trained on the labels {', '.join(trained)}, and those of task "
                f"{task.info.name} are now {', '.join(labels)}"
            )


def needs_base(folder: Path) -> bool:
    """True if a saved model has only the trained parameters, and needs the base model's weights too."""
    return (folder / ADAPTER_CONFIG).exists() or (folder / TRAINABLE).exists()


def load_model(run: str | Path, *, plugin_files: Sequence[str | Path] = (), offline: bool = False) -> tuple[Any, Any]:
    """The trained model of a run, in eval mode, and its tokenizer. Every method's models can be loaded.

    Args:
        run: a run's folder, or the `result.json` in it.
        plugin_files: files of plugins that the run needs; files that its document names are loaded only if this user
            has named them before, with the content that they had in training.
        offline: if the run holds only trained parameters, use only a base model that is on this machine.

    Raises:
        UserError: there is no such run, its model was not kept or is another than it was after training, a plugin file
            is needed, or the base model that it needs is gone or changed.
    """
    result = load_result(run)
    folder = run_folder_of(run)
    require_model(folder)
    return load_run_model(folder, result, run_plugins(result, plugin_files).plugins, offline=offline)


def load_run_model(folder: Path, result: RunResult, plugins: Plugins, *, offline: bool) -> tuple[Any, Any]:
    """`load_model` with the run's document and plugins. The files of the model are checked first. Raises UserError."""
    train, place, model = result.spec.train, result.require_local(), folder / MODEL
    require_model(folder)
    check_model_files(folder, result)
    if needs_base(model):
        check_unchanged(place.model_path, train.model)
    task = plugins.task(train.task, train.task_plugin_version)
    return load_trained(
        model,
        task,
        place.model_path,
        revision=train.model.get("revision"),
        seed=train.seed,
        methods=_methods(plugins, train.method),
        embedding_norm=result.model.embedding_norm,
        offline=offline,
    )


def _methods(plugins: Plugins, parts: Sequence[MethodSpec]) -> list[Method]:
    return [_method(plugins.load("methods", part.name, part.plugin_version), part.params) for part in parts]


def _method(cls: type[Method], params: Mapping[str, Any]) -> Method:
    with calling(cls, "Params"):
        return cls(validated(cls.Params, params, f"method.{cls.info.name}"))


def check_unchanged(base: str, identity: Mapping[str, str | None]) -> None:
    """Raises UserError when the folder that a model was trained from now holds another model."""
    expected = identity.get("sha256")
    if expected is None:
        return
    if not Path(base).is_dir() and bundles.find_asset("models", base) is None:
        raise UserError(f"the base model {base!r} of this run is not there; only what was trained is in the run")
    if model_identity(base, None, offline=True)["sha256"] != expected:
        raise UserError(f"the base model {base!r} has changed since this run (sha256 is not {expected[:12]}...)")


def _saved_tokenizer(folder: Path) -> Any:
    with _loading(folder, "the saved tokenizer"):
        return transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _is_peft(model: Any) -> bool:
    return hasattr(model, "peft_config") and hasattr(model, "base_model")


def _is_stock(model: Any) -> bool:
    """True if a model has exactly the parameters that its class builds from its configuration."""
    with quiet(), torch.device("meta"):
        built = type(model)(model.config)
    shapes = {name: tensor.shape for name, tensor in built.state_dict().items()}
    return shapes == {name: tensor.shape for name, tensor in model.state_dict().items()}
