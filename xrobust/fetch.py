"""Fetching what a run needs, for machines without a network: by the very code that a run loads it with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xrobust.composition import compose
from xrobust.contracts import Split
from xrobust.data import open_source
from xrobust.plan import evaluation_languages, load_split
from xrobust.plugins import Plugins


def fetch(
    task: str,
    *,
    model: str | None = None,
    method: str | None = None,
    languages: Sequence[str] | None = None,
    source: str | None = None,
) -> Iterator[str]:
    """Brings a task's data, a model and a method's files onto this machine; yields a line for each thing that is there.

    Raises UserError for an unknown name, and where the hub cannot be reached.
    """
    from xrobust.engine.pretrained import load_encoder

    plugins = Plugins()
    chosen = plugins.load("tasks", task)()
    methods = compose(method or "vanilla", {}, chosen, plugins)
    hub = open_source(None, offline=False)
    train_language = source or chosen.info.source_language
    wanted: list[tuple[Split, str]] = [("train", train_language), ("dev", train_language)]
    wanted += [("test", language) for language in evaluation_languages(chosen, hub, languages)]
    for split, language in wanted:
        rows = load_split(chosen, hub, split, language, None)[1]
        yield f"{task} {split} {language}: {rows.rows} rows"
    if model is not None:
        encoder = load_encoder(chosen.kind, model, revision=None, seed=0)
        parameters = sum(p.numel() for p in encoder.model.parameters())
        yield f"{model}: {parameters / 1e6:.1f} million parameters, commit {encoder.model.config._commit_hash}"
    for part in methods:
        for name, path in part.files(None, False).items():
            yield f"{part.info.name}: {name} in {path}"
