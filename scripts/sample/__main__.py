"""`python -m scripts.sample OUTPUT_FOLDER`: writes the sample data, the same bytes on every machine."""

from __future__ import annotations

import argparse
from pathlib import Path

from .build import files


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.sample", description=__doc__)
    parser.add_argument("folder", type=Path, help="where <task>/<split>-<language>.tsv go; existing files are replaced")
    folder: Path = parser.parse_args().folder
    for name, content in files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())


if __name__ == "__main__":
    main()
