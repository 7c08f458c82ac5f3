"""Writes the sample data, the same bytes on every machine, or checks the data that are committed.

python -m scripts.sample bundle/data/mini   writes every file but README.md and about.yaml
python -m scripts.sample --check            runs the suites in scripts/sample/checks, which needs pytest

`make test` checks that the generator makes the committed bytes, and counts, labels and parallelism. Grammar, tags,
structures and synonyms are left to `--check`, since they cannot change while the bytes do not. So when the bytes are to
change: write them, run `--check`, then `python -m scripts.checksums bundle`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .build import files


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.sample", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "folder", type=Path, nargs="?", help="where <task>/<split>-<language>.tsv go; existing files are replaced"
    )
    what.add_argument(
        "--check", action="store_true", help="check bundle/data/mini instead; exit status 0 if all is well"
    )
    chosen = parser.parse_args()
    if chosen.check:
        return check()
    write(chosen.folder)
    return 0


def write(folder: Path) -> None:
    """Writes every file of the sample."""
    for name, content in files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())


def check() -> int:
    """Runs the checks of the committed sample and says in a line what came of them; pytest's exit status."""
    import pytest  # the generator needs nothing but Python

    class Result:
        line = "no check was run"

        def pytest_sessionfinish(self, session: pytest.Session) -> None:
            self.line = f"{session.testscollected} checks of bundle/data/mini, {session.testsfailed} failed"

    result = Result()
    status = pytest.main([str(Path(__file__).parent / "checks"), "-q"], plugins=[result])
    print(result.line)
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
