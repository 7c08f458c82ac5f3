"""Cuts a folder of data in the XTREME layout to the sizes that the experiments here are run with.

    python experiments/cut_data.py DATA OUT --task wikiann=8000 --task pos=6000 --task xnli=8000 --dev 500 --test 500

The training set is shuffled before it is cut, for its files are often sorted by treebank or genre; dev and test sets
keep their order, by which the rows of a task such as XNLI are parallel over languages.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path


def examples_of(file: Path) -> list[str]:
    """Examples of a TSV file, each with its line end: lines, or blocks of lines where blank lines part sentences."""
    text = file.read_text(encoding="utf-8")
    if "\n\n" not in text.strip("\n"):
        return [line + "\n" for line in text.split("\n") if line]
    return [block.strip("\n") + "\n\n" for block in text.split("\n\n") if block.strip("\n")]


def cut(file: Path, rows: int, seed: int | None) -> str:
    """Text of the first `rows` examples of a file, after a shuffle by `seed` unless it is None."""
    examples = examples_of(file)
    if seed is not None:
        random.Random(seed).shuffle(examples)
    return "".join(examples[:rows])


def main() -> None:
    """Reads the command line and writes OUT/TASK/SPLIT-LANGUAGE.tsv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with one folder a task, of files such as train-en.tsv")
    parser.add_argument("out", type=Path, help="folder to write the same layout to")
    parser.add_argument(
        "--task", action="append", required=True, metavar="NAME=ROWS", help="rows to train on; repeatable"
    )
    parser.add_argument("--dev", type=int, default=500, help="rows of each dev set")
    parser.add_argument("--test", type=int, default=500, help="rows of each test set")
    parser.add_argument("--seed", type=int, default=0, help="of the shuffle of the training sets")
    given = parser.parse_args()
    for wanted in given.task:
        task, _, rows = wanted.partition("=")
        if not rows.isdecimal() or not (given.data / task / "train-en.tsv").is_file():
            parser.error(f"--task {wanted}: TASK=ROWS is expected, with {given.data / task}/train-en.tsv there")
        sizes = {"train": int(rows), "dev": given.dev, "test": given.test}
        (given.out / task).mkdir(parents=True, exist_ok=True)
        for split, size in sizes.items():
            for file in sorted((given.data / task).glob(f"{split}-*.tsv")):
                text = cut(file, size, given.seed if split == "train" else None)
                (given.out / task / file.name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
