"""The golden cases of every installed perturbation."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import pytest

from xrobust.registry.plugins import Plugins
from xrobust.testing import check_perturbation

NAMES = [record.name for record in Plugins().records("perturbations") if record.distribution == "xrobust"]
FEWER_SCRIPTS = {"casing": "only Latin, Cyrillic, Greek and Armenian have case in ordinary writing"}
"""Perturbations with golden cases in fewer than six scripts -> why."""


@pytest.mark.parametrize("name", NAMES)
def test_the_golden_cases(name: str) -> None:
    assert check_perturbation(Plugins().load("perturbations", name)) > 0


@pytest.mark.parametrize("name", NAMES)
def test_at_least_six_scripts_change_and_every_kind_is_there(name: str) -> None:
    cls = Plugins().load("perturbations", name)
    changed = [case for case in cls.golden() if case.expected is not None]
    scripts = {script for case in changed for script in _scripts(case.example)}
    assert len(scripts) >= 6 or name in FEWER_SCRIPTS, f"{name}: {', '.join(sorted(scripts))}"
    kinds = {"token_classification" if "tokens" in case.example else "" for case in changed}
    if "token_classification" in cls.info.kinds:
        assert "token_classification" in kinds
    if cls.info.kinds != ("token_classification",):
        assert "" in kinds
    assert any(case.expected is None for case in cls.golden()), "there is no case where nothing must change"


def _scripts(example: Mapping[str, Any]) -> set[str]:
    """First words of the names of its letters: LATIN, CYRILLIC, CJK, ..."""
    text = " ".join(example["tokens"]) if "tokens" in example else example["text"]
    return {unicodedata.name(c, "").split(" ")[0] for c in text if c.isalpha()} - {"MODIFIER", "KATAKANA-HIRAGANA"}
