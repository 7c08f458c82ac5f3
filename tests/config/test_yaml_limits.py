"""Files of settings and `--set`: what would hang, fill memory or crash the reader is refused by one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from xrobust.config.request import request_values
from xrobust.config.values import parse_assignment, read_mapping
from xrobust.data.about import read_about
from xrobust.data.lines import lines
from xrobust.errors import UserError
from xrobust.registry.plugin_file import read_source
from xrobust.results.leaderboard import load_leaderboard
from xrobust.results.run_filter import RunFilter
from xrobust.results.store import load_result
from xrobust.storage.yaml_text import load_yaml

BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 9)}]\n" for name in "bcdefghi"
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{chr(ord(name) - 1)}'] * 9)}]}}\n" for name in "bcdefghi"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "its aliases make more than 100,000 values"),
        (MERGES, "its aliases make more than 100,000 values"),
        ("task: &a [*a]", "line 1: a value that holds itself"),
        ("task: pos\nseed: " + "[" * 3000 + "]" * 3000, "line 2: more than 50 values inside one another"),
        ("seed: " + "{a: " * 3000, "line 1: more than 50 values inside one another"),
        ("\n".join(" " * i + "a:" for i in range(300)), "line 50: more than 50 values inside one another"),
        ("task: pos\nseed: " + "1" * 5000, "line 2: no value of type int"),
        (f"seed: {2**70}", "line 1: a whole number of more than 64 bits"),
        ("seed: 1:" + ":".join(["1"] * 40), "line 1: a whole number of more than 64 bits"),
        ("a: 2001-99-99", "line 1: no value of type timestamp"),
        ("a: !!bool maybe", "line 1: no value of type bool"),
        ("a: !!int x", "line 1: no value of type int"),
        ('a: "\\uD800"', "line 1: no value of type str"),
        ("a: " + "x" * 100_000, "100,003 characters, where at most 100,000 belong"),
        ("? [a, b]\n: 1", "found unhashable key"),
    ],
    ids=range(15),
)
def test_a_document_over_the_limits_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as error:
        request_values(file, [], {}, None)
    assert said in str(error.value) and str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_aliases_within_the_limits_are_read_as_yaml_has_them() -> None:
    text = "base: &base {a: 1, b: [x, y]}\nother: {<<: *base, a: 2}\nlist: [*base, *base]\n"
    assert load_yaml(text) == yaml.safe_load(text)
    nested = "[" * 49 + "]" * 49
    assert load_yaml(nested) == yaml.safe_load(nested)


def test_an_assignment_over_the_limits_is_refused() -> None:
    for value in (f"{2**70}", "[" * 3000):
        with pytest.raises(UserError, match=r"^--set 'seed=.*: line 1: "):
            parse_assignment(f"seed={value}")
    assert parse_assignment("a=*.tsv") == ("a", "*.tsv")


def test_a_filter_takes_what_yaml_does_not() -> None:
    assert RunFilter(f"seed={'1' * 5000}").terms[0].text == "1" * 5000
    assert RunFilter("seed=2001-99-99").terms[0].scalar == "2001-99-99"


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    with file.open("wb") as handle:
        handle.truncate(1 << 34)
    with pytest.raises(UserError, match="17,179,869,184 bytes, where at most 400,000 belong"):
        read_mapping(file, "a: 1")


def test_pipes_and_devices_are_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "about.yaml"
    os.mkfifo(pipe)
    readers = [
        lambda path: read_mapping(path, "a: 1"),
        lambda path: read_about(path.parent),
        lines,
        read_source,
        load_result,
        load_leaderboard,
    ]
    for read in readers:
        with pytest.raises(UserError, match=r"about.yaml is a pipe, where a file belongs$"):
            read(pipe)  # type: ignore[operator]
    with pytest.raises(UserError, match=r"^/dev/zero is a device, where a file belongs$"):
        read_mapping(Path("/dev/zero"), "a: 1")


def test_a_descriptor_that_the_shell_opened_is_read(tmp_path: Path) -> None:
    """As `--config <(make-settings)` gives it."""
    out, into = os.pipe()
    os.write(into, b"task: pos\n")
    os.close(into)
    assert read_mapping(Path(f"/dev/fd/{out}"), "a: 1") == {"task": "pos"}
    os.close(out)
