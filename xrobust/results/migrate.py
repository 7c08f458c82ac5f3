"""Migration of documents of older schema versions to the newest: the only code that knows older versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xrobust.results.host_free import host_free

OLDER_VERSIONS = (1,)


def migrated(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Turns a document of schema version 1 into version 2. Raises KeyError, TypeError or ValueError for any other.

    Version 1 told conditions and pairs apart by how a string was spelt: a colon for a pair, `worst_case`, a radius for
    an attack. Values that it lacks (tokens, sums of the weights, the processor) are null, not made up. Its metrics all
    had version 1.
    """
    local = ("model_path", "data_dir", "plugin_files", "method_files")
    environment = dict(raw["environment"])
    new = {key: value for key, value in raw.items() if key not in ("artifacts", "summary")}
    attacks = {row["perturbation"] for row in raw["scores"] if row.get("epsilon") is not None}
    return {
        **new,
        "schema_version": 2,
        "spec": _spec(raw["spec"]),
        "error": _host_free(raw.get("error")),
        "warnings": [_host_free(text) for text in raw.get("warnings", [])],
        "data": _data(raw["data"]),
        "environment": {
            **{key: value for key, value in environment.items() if key not in local},
            "plugins": {name: origin.rpartition("/")[2] for name, origin in environment["plugins"].items()},
        },
        "local": {key: environment[key] for key in local if key in environment},
        "training": None if raw.get("training") is None else _training(raw["training"]),
        "scores": [_score(row) for row in raw["scores"]],
        "artifacts": [
            {"path": row["path"], "role": "predictions", "sha256": row["sha256"], "of": _of(key, attacks)}
            for key, row in raw.get("artifacts", {}).items()
        ],
    }


def _spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    evaluation = spec["evaluation"]
    pairs = [_pair(pair) for pair in evaluation.get("pairs", [])]
    return {**spec, "evaluation": {**evaluation, "pairs": pairs}}


def _data(data: Mapping[str, Any]) -> dict[str, Any]:
    pairs = [{**row, "pair": _pair(row["pair"])} for row in data.get("pairs", [])]
    perturbed = [{**row, "reason": _host_free(row.get("reason"))} for row in data.get("perturbed", [])]
    return {**data, "pairs": pairs, "perturbed": perturbed}


def _host_free(text: str | None) -> str | None:
    return None if text is None else host_free(text)


def _pair(text: str) -> list[str]:
    first, second = text.split(":")
    return [first, second]


def _training(training: Mapping[str, Any]) -> dict[str, Any]:
    unchanged = {key: value for key, value in training.items() if key not in ("steps", "examples")}
    budget = {
        "steps": training["steps"],
        "examples": training["examples"],
        "tokens": None,
        "dev_evaluations": len(training["dev"]),
    }
    return {**unchanged, "budget": budget, "weights": None}


def _score(row: Mapping[str, Any]) -> dict[str, Any]:
    attacks = {row["perturbation"]} if row.get("epsilon") is not None else set()
    under = _under(row["language"], row.get("perturbation"), attacks)
    return {**row, **under, "metric_version": 1}


def _of(key: str, attacks: set[Any]) -> dict[str, Any]:
    """The columns of an artifact's key: `predictions/<language>`, or `predictions/<label>/<language>`."""
    _, *label, language = key.split("/")
    return _under(language, "/".join(label) or None, attacks)


def _under(language: str, label: str | None, attacks: set[Any]) -> dict[str, Any]:
    pair = _pair(language) if ":" in language else None
    condition = "clean"
    if label is not None:
        condition = "worst_case" if label == "worst_case" else "attack" if label in attacks else "perturbed"
    return {
        "condition": condition,
        "language": None if pair else language,
        "pair": pair,
        "perturbation": label if condition == "perturbed" else None,
        "attack": label if condition == "attack" else None,
    }
