"""'did you mean': another case of a name, and the language of a code with a region."""

from __future__ import annotations

import pytest

from xrobust.errors import did_you_mean

LANGUAGES = ("de", "en", "es", "pt", "zh")


@pytest.mark.parametrize(
    ("given", "known", "meant"),
    [
        ("EN", LANGUAGES, "en"),
        ("De", LANGUAGES, "de"),
        ("pt-BR", LANGUAGES, "pt"),
        ("zh_Hant", LANGUAGES, "zh"),
        ("ZH-cn", LANGUAGES, "zh"),
        ("PAWSX", ("pawsx", "pos"), "pawsx"),
        ("rs_agu", ("rs_aug", "lora"), "rs_aug"),
    ],
)
def test_what_is_meant(given: str, known: tuple[str, ...], meant: str) -> None:
    assert did_you_mean(given, known) == f"did you mean {meant!r}?"


def test_nothing_alike_is_a_list() -> None:
    assert did_you_mean("fi-FI", LANGUAGES) == "known: de, en, es, pt, zh"
