"""Labels for a user's own text."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from xrobust.contracts import Cleaner, Example, Prediction, Task
from xrobust.data import conllu, tsv
from xrobust.data.lines import plain_name
from xrobust.data.records import Record
from xrobust.data.rows import Account, cleaner_of
from xrobust.encoding.kind_calls import encoded_by
from xrobust.encoding.truncation import Truncation, count_truncation, truncation_line
from xrobust.engine.accelerator import accelerator
from xrobust.errors import UserError
from xrobust.evaluation.predictions import predict_examples
from xrobust.models.description import length_limit
from xrobust.models.trained import load_run_model
from xrobust.results.plugin_changes import plugin_changes
from xrobust.results.run_plugins import run_plugins
from xrobust.results.store import load_result, run_folder_of
from xrobust.storage.regular_file import descriptor, kind

BLOCK = 4096
"""Examples predicted at a time: no more of them are in memory."""


def predict_file(
    run: str | Path,
    file: str | Path,
    *,
    plugin_files: Sequence[str | Path] = (),
    offline: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    note: Callable[[str], None] = lambda text: None,
) -> Iterator[str]:
    """Labels the lines of `file` with the run's model; yields a line for each line of the file.

    The text is read and cleaned as a test set of the task is. Classification and multiple choice: the text columns, the
    label and its probability, separated by TAB. Tagging: token, tag and probability; of a treebank (`.conllu`) the line
    with the tag in its place and `Prob=` in the last column. An empty line, or one of blanks, gives an empty one; text
    that the task leaves out of its test sets has an empty label and probability. Labels in the file are ignored. The
    whole file is checked before the first line is labelled, and never in memory as a whole.

    `plugin_files` are those that the run needs, as for `load_model`. With `offline` a base model that the run needs
    must be on this machine. `progress` is called with the number of lines done and that of all, `note` with a
    line on how the text was cleaned and on how much of it was too long for the model. Raises UserError.
    """
    file = Path(file)
    result = load_result(run)
    train = result.spec.train
    plugins = run_plugins(result, plugin_files).plugins
    task = plugins.task(train.task, train.task_plugin_version)
    for change in plugin_changes(result, plugins):
        note(change)
    with _rereadable(file) as path:
        text = _text(path, task)
        total = _checked_lines(text, file, task)
        cleaner = cleaner_of(task, _rows(text.records()))
        model, tokenizer = load_run_model(run_folder_of(run), result, plugins, offline=offline)
        limit = length_limit(model, tokenizer)
        accelerate = accelerator(result.spec.train.precision)
        model, max_length = model.to(accelerate.device), result.spec.train.training.max_length
        account, cut, done = Account(), None, 0
        for block in _blocks(text.records()):
            cleaned = dict(_cleaned(block, task, cleaner, account))
            examples = list(cleaned.values())
            predictions: dict[int, Prediction] = {}
            if examples:
                encoded, _ = encoded_by(task.kind, examples, tokenizer, max_length)
                cut = _together(cut, count_truncation(encoded, len(examples)))
                found = predict_examples(task, model, encoded, examples, accelerate, tokenizer.pad_token_id)
                predictions = dict(zip(cleaned, found, strict=True))
            for i, record in enumerate(block):
                yield from text.labelled(record, predictions.get(i))
            done += sum(len(record.lines) for record in block)
            progress(done, total)
        for line in account.notes():
            note(f"{file}: {line}")
        if cut is not None and cut.examples:
            note(truncation_line(str(file), cut, max_length, limit))


def _together(one: Truncation | None, other: Truncation | None) -> Truncation | None:
    return other if one is None or other is None else one + other


@contextmanager
def _rereadable(file: Path) -> Iterator[Path]:
    """The file itself, or a copy of what can be read only once, such as a pipe."""
    if (what := kind(file)) in (None, "a folder"):
        yield file
        return
    if what == "a device" and descriptor(file) is None:
        raise UserError(f"{file} is a device, where a file of text belongs")
    with tempfile.NamedTemporaryFile(suffix=file.suffix) as copy, file.open("rb") as source:
        shutil.copyfileobj(source, copy)
        copy.flush()
        try:
            yield Path(copy.name)
        except UserError as error:
            raise UserError(str(error).replace(copy.name, str(file))) from error


@dataclass(frozen=True)
class _Text:
    """A file of text: its records, and how a labelled one is written."""

    records: Callable[[], Iterator[Record]]
    labelled: Callable[[Record, Prediction | None], Iterator[str]]


def _text(path: Path, task: Task) -> _Text:
    if conllu.reads(task) and plain_name(path).endswith(".conllu"):
        return _Text(lambda: conllu.records(path, task), _labelled_treebank)
    return _Text(lambda: tsv.records(path, task, text_only=True), _labelled_table)


def _checked_lines(text: _Text, file: Path, task: Task) -> int:
    """The number of lines of the whole file. Raises UserError for a bad one, and where none has an example."""
    total, some = 0, False
    for record in text.records():
        total += len(record.lines)
        some = some or record.row is not None
    if not some:
        raise tsv.empty_file(file, task)
    return total


def _rows(found: Iterable[Record]) -> Iterator[Example]:
    """The examples of records, each with the number of its first line as its id."""
    return ({"id": str(record.number), **record.row} for record in found if record.row is not None)


def _blocks(found: Iterable[Record]) -> Iterator[list[Record]]:
    """Lists of records that hold BLOCK examples."""
    block: list[Record] = []
    rows = 0
    for record in found:
        block.append(record)
        rows += record.row is not None
        if rows == BLOCK:
            yield block
            block, rows = [], 0
    if block:
        yield block


def _cleaned(
    block: list[Record], task: Task, cleaner: Cleaner | None, account: Account
) -> Iterator[tuple[int, Example]]:
    """The index of each record with an example to label, and that example as the task cleans it."""
    for i, record in enumerate(block):
        for row in _rows([record]):
            made = account.cleaned(task, cleaner, row)
            if made is not None:
                yield i, made


def _labelled_table(record: Record, prediction: Prediction | None) -> Iterator[str]:
    if prediction is None:
        yield from (f"{line}\t\t" if line else "" for line in record.lines)
    elif isinstance(prediction.value, str):
        yield f"{record.lines[0]}\t{prediction.value}\t{max(prediction.scores):.4f}"
    else:
        for line, tag, probability in zip(record.lines, prediction.value, prediction.scores, strict=True):
            yield f"{line}\t{tag}\t{probability:.4f}"


def _labelled_treebank(record: Record, prediction: Prediction | None) -> Iterator[str]:
    lines = list(record.lines)
    if prediction is not None:
        for index, tag, probability in zip(record.words, prediction.value, prediction.scores, strict=True):
            lines[index] = conllu.labelled_word(lines[index], tag, probability)
    yield from lines
