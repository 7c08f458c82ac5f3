"""Fetches the files of a run, for machines without a network, with the same code that a run loads them with."""

from __future__ import annotations

from collections.abc import Iterator

from xrobust.config.run_spec import RunSpec
from xrobust.contracts import Split
from xrobust.data.sources import data_folder, open_source
from xrobust.data.splits import evaluation_languages, load_split
from xrobust.errors import OutOfReach, UserError
from xrobust.plan import load_plugins, method_files


def fetch(request: RunSpec) -> Iterator[str]:
    """Fetches the data, the model and the methods' files of a run onto this machine; yields a line for each.

    Files that are here already, in a folder or a package, are only named. Raises UserError for an unknown name, before
    anything is fetched, and where the hub cannot be reached.
    """
    try:
        yield from _fetch(request)
    except OutOfReach as error:
        raise UserError(f"{error.what}: try again where the network can be reached; what came is kept") from error


def _fetch(request: RunSpec) -> Iterator[str]:
    from xrobust.models.files import folder_of
    from xrobust.models.pretrained import check_model, load_encoder

    _, task, methods, train_language = load_plugins(request)
    folder = folder_of(request.model)
    check_model(task.kind, request.model, request.model_revision, offline=False)

    data_dir = data_folder(request.data_dir)
    for method in methods:
        for name, path in method_files(method, data_dir, offline=False).items():
            yield f"{method.info.name}: {name} in {path}"
    source = open_source(data_dir, offline=False)
    wanted: list[tuple[Split, str]] = [("train", train_language), ("dev", train_language)]
    wanted += [("test", language) for language in evaluation_languages(task, source, request.languages)]
    for split, language in wanted:
        rows = load_split(task, source, split, language, None)[1]
        yield f"{task.info.name} {split} {language}: {rows.rows} rows"
    if folder is not None:
        yield f"model {request.model}: in {folder}"
        return
    model = load_encoder(task.kind, request.model, revision=request.model_revision, seed=0).model
    parameters = sum(p.numel() for p in model.parameters())
    yield f"model {request.model}: {parameters / 1e6:.1f} million parameters, commit {model.config._commit_hash}"
