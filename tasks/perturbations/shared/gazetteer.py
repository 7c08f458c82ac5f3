"""Names of a gazetteer in the place of others: where the list is found, what is in it, and how one is drawn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from xrobust.contracts import Example, NotCovered, Perturbation, PerturbationContext, Task
from xrobust.data.lines import lines
from xrobust.errors import UserError

from .entities import entity_problem
from .scripts import script_of_language

Entry = tuple[str, ...]
"""The tokens of a name."""
LANGUAGE = "{language}"


class GazetteerSwap(Perturbation):
    """Base of the perturbations that put names of a list in the place of entities of one type."""

    needs = frozenset({"source_train", "target_train"})
    entity_type: ClassVar[str]
    list_name: ClassVar[str]
    """Of the files in the data folder: `gazetteers/<list_name>-<language>.txt`."""
    usable_is: ClassVar[str]
    """Description of a valid line of a list, in a few words."""
    taken_from: ClassVar[str]
    """Description of the names that are used where there is no list, in a few words."""

    class Params(Perturbation.Params):
        gazetteer: Path | None = Field(
            default=None,
            exclude=True,
            description="file with a name a line; {language} in its path stands for the language's code",
        )

    params: Params

    @classmethod
    def task_problem(cls, task: Task) -> str | None:
        return entity_problem(task, cls.entity_type)

    def files(self, language: str, data_dir: Path | None, offline: bool) -> dict[str, Path]:
        path = find_gazetteer(self.list_name, self.params.gazetteer, data_dir, language)
        if path is None:
            return {}
        read_gazetteer(path, self.usable, self.usable_is)
        return {"gazetteer": path}

    def prepare(self, ctx: PerturbationContext) -> None:
        path = ctx.files.get("gazetteer")
        if path is not None:
            self._entries = read_gazetteer(path, self.usable, self.usable_is)
        else:
            self._entries = names_from_training(ctx, self.info.name, self.names_in, self.taken_from)
        self._place = {entry: i for i, entry in enumerate(self._entries)}

    def usable(self, entry: Entry) -> bool:
        """True if a line of a list can be put in place: it holds a letter."""
        return True

    def names_in(self, examples: Sequence[Example]) -> Iterator[Entry]:
        """The names in a training set."""
        raise NotImplementedError(f"{type(self).__name__} does not define names_in")

    def another(self, original: Entry, rng: random.Random) -> Entry:
        """A name drawn uniformly, which is not `original` where there is another."""
        own = self._place.get(original)
        if own is None:
            return rng.choice(self._entries)
        if len(self._entries) == 1:
            return original
        drawn = rng.randrange(len(self._entries) - 1)
        return self._entries[drawn + (drawn >= own)]


def find_gazetteer(what: str, given: Path | None, data_dir: Path | None, language: str) -> Path | None:
    """The file with the names of a language: the one given, else `gazetteers/<what>-<language>.txt` in the data folder.

    None where there is neither. Raises NotCovered where the path given has a place for the language, and no file for
    this one; UserError where the one file given is not there, or where a path for all languages leads nowhere.
    """
    if given is None:
        path = data_dir / "gazetteers" / f"{what}-{language}.txt" if data_dir is not None else None
        return path if path is not None and path.is_file() else None
    path = Path(str(given).replace(LANGUAGE, language))
    if path == given or path.is_file():
        return path
    folder = Path(str(given).partition(LANGUAGE)[0] + "_").parent
    if not folder.is_dir():
        raise UserError(f"gazetteer {given}: there is no folder {folder}; correct the path")
    raise NotCovered(f"there is no gazetteer {path}")


def read_gazetteer(path: Path, usable: Callable[[Entry], bool], rule: str) -> list[Entry]:
    """The different usable entries, sorted. A line is a name, its tokens separated by white space.

    Raises UserError where the file cannot be read or has no usable line; `rule` says what one is, in a few words.
    """
    entries = names(tuple(line.split()) for line in lines(path))
    found = [entry for entry in entries if usable(entry)]
    if not found:
        what = f"none of its {len(entries)} names is {rule}" if entries else "it holds no name"
        raise UserError(f"gazetteer {path}: {what}; write one a line, each {rule}, or leave out the file")
    return found


def names_from_training(
    ctx: PerturbationContext, name: str, entries: Callable[[Sequence[Example]], Iterable[Entry]], what: str
) -> list[Entry]:
    """The different names in the language's own training set, or in the source's where the data have none, sorted.

    `entries` gives all names of a set. Raises NotCovered where the source's names are in another script: a name that
    the model was trained on, in letters that stand out, makes a test set easier, not harder. Raises UserError where
    there is no name; `what` says of what, in a few words.
    """
    train = ctx.target_train()
    if train is None and script_of_language(ctx.source) != script_of_language(ctx.language):
        raise NotCovered(
            f"it has neither a gazetteer nor a training set, and {ctx.source} is written in another script: "
            f"give a list with --set perturb.{name}.gazetteer=PATH"
        )
    if train is None:
        found, language = (
            ctx.once((name, "from source training"), lambda: names(entries(ctx.source_train()))),
            ctx.source,
        )
    else:
        found, language = names(entries(train)), ctx.language
    if not found:
        raise UserError(
            f"{name}: the training set in {language!r} has no {what} to take names from; "
            f"give a list with --set perturb.{name}.gazetteer=PATH"
        )
    return found


def names(entries: Iterable[Entry]) -> list[Entry]:
    """The different ones that hold a letter, sorted."""
    return sorted({entry for entry in entries if any(c.isalpha() for token in entry for c in token)})
