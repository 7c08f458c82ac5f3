"""Randomized smoothing with data augmentation: synonyms drawn at random."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from pydantic import Field, model_validator

from xrobust.contracts import DataContext, Example, Method, MethodInfo, Task

from .shared.synonyms import find_table, read_table
from .shared.tuning import searched

PUBLISHED_COPIES = {"pawsx": 10, "xnli": 3}
OTHER_COPIES = 3


class RsAug(Method):
    """Randomized smoothing with data augmentation: min_f sum over (x, y) of E_{x' ~ S(x)}[L(f(x'), y)].

    RS-DA of Huang et al. (EMNLP 2021), as in `perturb.py` of their released code. S(x) splits a sentence at single
    spaces and draws each word that is in the table of counter-fitted neighbours (Jia et al., EMNLP 2019: at most 8 a
    word) uniformly from the word itself and its n neighbours, independently of the others; so it stays with
    probability 1 / (1 + n). The look-up is case-sensitive: capitalised words and words with punctuation glued to them
    are not in the table and stay. Both sentences of a pair are drawn; labels are kept.

    mode=copies is published: every example is replaced by `copies` draws (the original is not added, and a draw that
    changed nothing is kept): 10 for PAWS-X and 3 for XNLI; 3 for any other task is ours. Training is `copies` times as
    long: `training.max_steps` gives another method the same number of steps. mode=fresh is ours: one new draw for each
    epoch, at as many steps as plain fine-tuning.

    The published code left its draws unseeded; here they depend on (seed, epoch, example id, copy) alone. Tasks whose
    tokens come already split have each token looked up, one for one, so that tags stay aligned: ours.

    The table is looked for in `neighbors`, in `synonyms/` of the data folder and in the user's cache, and else
    downloaded from its public repository. It is of English words: another source language needs a table of its own.
    """

    info = MethodInfo(
        name="rs_aug",
        summary="randomized smoothing by augmentation: copies of the data with words replaced by synonyms",
        citation="Huang et al., EMNLP 2021; Jia et al., EMNLP 2019",
        tuning=searched(mode=("copies", "fresh"), rate=(3e-4, 5e-4, 1e-3)),
    )

    class Params(Method.Params):
        mode: Literal["copies", "fresh"] = Field(
            default="copies",
            description="copies: several fixed draws replace each example; fresh: a new one each epoch",
        )
        copies: int = Field(
            default=OTHER_COPIES,
            ge=1,
            le=1000,
            description="draws of each example: 10 for pawsx and 3 for xnli (published), 3 for other tasks (ours); "
            "always 1 with mode=fresh",
        )
        neighbors: Path | None = Field(
            default=None, exclude=True, description="JSON file with a table of synonyms: {word: [word, ...]}"
        )

        @model_validator(mode="before")
        @classmethod
        def _one_fresh_draw(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
            # So that runs that are the same have the same parameters.
            return {**values, "copies": 1} if values.get("mode") == "fresh" else values

    params: Params

    @classmethod
    def defaults(cls, task: Task) -> dict[str, Any]:
        return {"copies": PUBLISHED_COPIES.get(task.info.name, OTHER_COPIES)}

    def language_problem(self, language: str) -> str | None:
        if self.params.neighbors is not None or re.split("[-_]", language)[0] == "en":
            return None
        return "its table is of English words; give one of that language with --set method.neighbors=PATH"

    def files(self, data_dir: Path | None, offline: bool) -> dict[str, Path]:
        return {"neighbors": find_table(self.params.neighbors, data_dir, offline)}

    @property
    def every_epoch(self) -> bool:
        return self.params.mode == "fresh"

    def augment(self, train: Sequence[Example], ctx: DataContext) -> Sequence[Example]:
        return Draws(train, self.params.copies, read_table(ctx.files["neighbors"]), ctx)


class Draws(Sequence[Example]):
    """Copies of a data set, each example drawn when it is asked for: the whole set once, then once more, and so on."""

    def __init__(
        self, train: Sequence[Example], copies: int, table: Mapping[str, Sequence[str]], ctx: DataContext
    ) -> None:
        self._train = train
        self._copies = copies
        self._table = table
        self._ctx = ctx

    def __len__(self) -> int:
        return self._copies * len(self._train)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        copy, row = divmod(index % len(self), len(self._train))
        return self._draw(self._train[row], copy)

    def _draw(self, example: Example, copy: int) -> Example:
        kind = self._ctx.task.kind
        rng = self._ctx.rng("rs_aug", example["id"], copy)
        drawn: dict[str, Any] = {**example, "id": f"{example['id']}#{copy}"}
        for column in kind.text_columns:
            value = example.get(column)
            if isinstance(value, str):
                drawn[column] = self._sentence(value, rng)
            elif value is not None:
                one = self._word if kind.pre_split else self._sentence
                drawn[column] = [one(text, rng) for text in value]
        return drawn

    def _sentence(self, sentence: str, rng: random.Random) -> str:
        return " ".join(self._word(word, rng) for word in sentence.split(" "))

    def _word(self, word: str, rng: random.Random) -> str:
        neighbors = self._table.get(word)
        return rng.choice([word, *neighbors]) if neighbors else word
