"""`xrobust data fetch` against a server that speaks the hub's protocol, and the run without it afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fork_server import Pythons
from hub_server import Hub
from test_hub_source import parquet

from xrobust import load_result
from xrobust.cli.main import main
from xrobust_tasks.pos import Pos

Command = Callable[..., subprocess.CompletedProcess[str]]

SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tiny_model: Path, tiny_data: Path) -> Hub:
    """The tiny model as `somebody/tiny`, and the tiny data as the files of `pos` that its declaration names."""
    info = Pos.info.hub
    assert info is not None
    files = {}
    for language, split in (("en", "train"), ("en", "dev"), ("en", "test"), ("de", "test")):
        text = (tiny_data / "pos" / f"{split}-{language}.tsv").read_text(encoding="utf-8")
        rows = [[line.split("\t") for line in block.split("\n")] for block in text.strip().split("\n\n")]
        columns = {
            "tokens": [[t for t, _ in row] for row in rows],
            "pos_tags": [[tag for _, tag in row] for row in rows],
        }
        place = info.files.format(language=info.configs.get(language, language), split=info.splits[split])
        files[place.replace("*", "00000-of-00001")] = parquet(columns)
    model = {path.name: path.read_bytes() for path in tiny_model.iterdir()}
    return Hub({(info.repo, info.revision): files}, {("somebody/tiny", SHA): model})


@pytest.fixture
def xrobust(pythons: Pythons) -> Command:
    """The command in an empty folder with a cache of its own; `endpoint` is all that it can reach."""

    def command(home: Path, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and "proxy" not in k.lower()}
        home.mkdir(exist_ok=True)
        return pythons.run(
            *("-m", "xrobust", *arguments),
            env={
                **clean,
                "HF_ENDPOINT": endpoint,
                "HF_HOME": str(home / "hf"),
                "XDG_CACHE_HOME": str(home / "cache"),
                "https_proxy": "http://127.0.0.1:9",  # nobody is there: no way to the world
            },
            cwd=home,
        )

    return command


RUN = ("--task", "pos", "--model", "somebody/tiny", "--languages", "en,de")


def test_what_was_fetched_is_all_that_a_run_needs(hub: Hub, tmp_path: Path, xrobust: Command) -> None:
    fetched = xrobust(tmp_path / "home", hub.endpoint, "data", "fetch", *RUN)
    assert fetched.returncode == 0, fetched.stderr
    assert [line.partition(":")[0] for line in fetched.stdout.splitlines()] == [
        "pos train en",
        "pos dev en",
        "pos test en",
        "pos test de",
        "model somebody/tiny",
    ]
    assert f"commit {SHA}" in fetched.stdout
    hub.close()
    few = ("--set", "training.max_steps=2")
    offline = xrobust(tmp_path / "home", hub.endpoint, "run", *RUN, "--offline", *few)
    assert offline.returncode == 0, offline.stderr
    result = load_result(tmp_path / "home" / offline.stdout.splitlines()[-1])
    assert result.scored() == {"en", "de"}
    assert (result.model.id, result.model.revision) == ("somebody/tiny", SHA)
    without = xrobust(tmp_path / "home", hub.endpoint, "run", *RUN, *few, "--output", "again")
    assert without.returncode == 0, "the cache serves where nobody answers, --offline or not"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "somebody/else"), "model 'somebody/else': no such folder here and no such model"),
        (("--model", "mimi"), "(did you mean 'mini'?)"),
        (("--model", "somebody/tiny", "-l", "xx"), "pos has no test data for language 'xx': "),
    ],
)
def test_what_the_hub_does_not_have_is_said_before_data_come(
    hub: Hub, tmp_path: Path, xrobust: Command, arguments: tuple[str, ...], message: str
) -> None:
    refused = xrobust(tmp_path / "home", hub.endpoint, "data", "fetch", "--task", "pos", *arguments)
    hub.close()
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not hub.files()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "poss"), "unknown task 'poss': did you mean 'pos'?"),
        (("--task", "pos", "-m", "lor"), "unknown method 'lor': did you mean 'lora'?"),
        (("--task", "pos", "-m", "rs_aug", "--source", "de"), "cannot train on source language 'de'"),
        (("--task", "pos", "--model", "./nowhere"), "model './nowhere': there is no such folder"),
        (("--preset", "minu"), "unknown preset 'minu': did you mean 'mini'?"),
        ((), "no task: give --task NAME"),
    ],
)
def test_wrong_names(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["data", "fetch", *arguments])
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert message in said.err and said.err.count("\n") == 1


def test_what_is_here_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["data", "fetch", "--preset", "mini", "--task", "pos", "--method", "rs_aug", "--languages", "de"])
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "rs_aug",
        "pos train en",
        "pos dev en",
        "pos test de",
        "model mini",
    ]


@pytest.mark.parametrize(("method", "offline"), [("vanilla", ()), ("rs_aug", ()), ("rs_aug", ("--offline",))])
def test_out_of_reach_says_what_to_do(
    hub: Hub, tmp_path: Path, xrobust: Command, method: str, offline: tuple[str, ...]
) -> None:
    """The first thing that a newcomer types, where there is no network."""
    hub.close()
    command = ("run", "--task", "wikiann", "--method", method, *offline)
    refused = xrobust(tmp_path / "home", hub.endpoint, *command)
    assert refused.returncode == 2
    assert "use --preset mini, which needs no network" in refused.stderr
    fetch = f"`xrobust data fetch --task wikiann --method {method} --model bert-base-multilingual-cased`"
    assert f"run {fetch} where there is one" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "home" / "runs").exists()


def test_fetching_where_there_is_no_network(hub: Hub, tmp_path: Path, xrobust: Command) -> None:
    hub.close()
    refused = xrobust(tmp_path / "home", hub.endpoint, "data", "fetch", *RUN)
    assert refused.returncode == 2
    assert "somebody/tiny" in refused.stderr and "try again where the network can be reached" in refused.stderr
    assert "data fetch" not in refused.stderr
