"""Files that are kept between runs, named by what they were made from: deleting them costs time and nothing else."""

from __future__ import annotations

import gzip
import json
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

logger = logging.getLogger("xrobust")


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/xrobust`, by default `~/.cache/xrobust`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xrobust"


def read_lines(shelf: str, key: str) -> list[Any] | None:
    """What `write_lines` kept under `key`, or None where there is nothing, or nothing that can be read."""
    path = cache_folder() / shelf / f"{key}.jsonl.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:  # which checks its CRC
            lines = [json.loads(line) for line in file]
        if lines and lines[-1] == {"lines": len(lines) - 1}:
            return lines[:-1]
    except FileNotFoundError:
        return None
    except (OSError, EOFError, ValueError) as error:
        logger.warning("%s is damaged and is made anew (%s)", path, " ".join(str(error).split()))
        return None
    logger.warning("%s is damaged and is made anew (it ends early)", path)
    return None


def write_lines(shelf: str, key: str, lines: Iterator[Any]) -> None:
    """Keeps JSON values under `key`, whole or not at all. A disk that does not take them is no failure."""
    path = cache_folder() / shelf / f"{key}.jsonl.gz"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as raw:
            try:
                with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=3, mtime=0) as file:
                    count = 0
                    for line in lines:
                        file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
                        count += 1
                    file.write(json.dumps({"lines": count}).encode() + b"\n")
                Path(raw.name).replace(path)
            except BaseException:
                Path(raw.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        logger.debug("%s is not kept: %s", path, error)
