"""Word embeddings of the training set alone: a small table in place of the whole one, while a model is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from xrobust.config.training_settings import TrainingSettings
from xrobust.contracts import Method
from xrobust.contracts.calling import calling
from xrobust.contracts.encoded import Encoded
from xrobust.errors import RunError

BLOCK = 2**20
"""Word pieces looked at at a time for those that occur."""


class EmbeddingRows:
    """Rows of a model's table of word embeddings that occur in its training set; only they are in the model.

    A row of a word piece that no training text has gets a gradient of zero in every step. Without weight decay AdamW
    never changes it, and it adds nothing to the norm of the gradients: training the rows that occur is training all
    of them. Gradients, the optimiser's moments, checkpoints and what processes exchange are then of their size.

    The embedding layers stay in the model, with a smaller weight and their hooks. A hook translates word pieces to
    rows, so that nothing else sees other numbers than before. The whole table is on the CPU meanwhile, where it is the
    memory-mapped file that it was loaded from; `whole` puts it back for scoring, `restore` for good.
    """

    def __init__(self, model: nn.Module, rows: np.ndarray) -> None:
        """
        Args:
            model: a model without an `obstacle`; it is changed.
            rows: word pieces that occur, ascending and without repetition: int64 (rows,).
        """
        self._layers = table_layers(model)
        self._table: nn.Parameter = self._layers[0].weight
        device = self._table.device
        self._table.data = self._table.data.cpu()
        self._rows = torch.from_numpy(rows)
        self.weight = nn.Parameter(self._table.detach()[self._rows].to(device))
        """Trained rows: float32 (rows, dimensions)."""
        place = torch.full((len(self._table),), -1, dtype=torch.int64)
        place[self._rows] = torch.arange(len(rows))
        self._place = place.to(device)
        """Row of each word piece in `weight`, -1 for those that do not occur: int64 (vocabulary,)."""
        self._unknown: torch.Tensor | None = None
        """On a GPU, where a look at a value waits for it: True if a word piece was asked for that does not occur."""
        self._padding = [layer.padding_idx for layer in self._layers]
        self._hooks: list[Any] = []
        self._shrink()

    @property
    def sha256(self) -> str:
        """Hash of the rows' numbers."""
        return hashlib.sha256(self._rows.numpy().tobytes()).hexdigest()

    def _shrink(self) -> None:
        for layer, padding in zip(self._layers, self._padding, strict=True):
            layer.weight = self.weight
            place = -1 if padding is None else int(self._place[padding])
            layer.padding_idx = None if place < 0 else place
            self._hooks.append(layer.register_forward_pre_hook(self._translate))

    def _put_back(self) -> None:
        for layer, padding in zip(self._layers, self._padding, strict=True):
            layer.weight = self._table
            layer.padding_idx = padding
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _translate(self, layer: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Rows in place of the word pieces that the layer is called with. Raises ValueError for one that has none."""
        pieces, *others = args
        self._place = self._place.to(pieces.device)
        places = self._place[pieces]
        unknown = (places < 0).any()
        if places.device.type == "cpu":
            if unknown:
                raise ValueError(UNKNOWN.format(int(pieces[places < 0][0])))
        else:
            self._unknown = unknown if self._unknown is None else self._unknown | unknown
            places = places.clamp(min=0)
        return (places, *others)

    def require_known(self) -> None:
        """Raises RunError where, since the last call, a word piece was looked up on a GPU that does not occur."""
        unknown, self._unknown = self._unknown, None
        if unknown is not None and bool(unknown):
            raise RunError(UNKNOWN.format("in a batch"))

    def _write(self) -> torch.Tensor:
        """The whole table with the trained rows, where the model is: (vocabulary, dimensions)."""
        table = self._table.detach().to(self.weight.device)
        return table.index_copy_(0, self._rows.to(table.device), self.weight.detach())

    @contextmanager
    def whole(self) -> Iterator[None]:
        """A context in which the model has the whole table, with the rows as they are trained by now."""
        kept = self._table.data
        self._put_back()
        self._table.data = self._write()
        try:
            yield
        finally:
            self._table.data = kept
            self._shrink()

    def restore(self) -> None:
        """Gives the model its whole table back, with the trained rows in it, to be trained or saved like any other."""
        self._put_back()
        self._table.data = self._write()


UNKNOWN = (
    "word piece {} is not in the training set, and its embedding not in the model: a method that makes word pieces of "
    "its own says so by uses_embedding_table, until then --set training.embedding_rows=all"
)


def table_layers(model: nn.Module) -> list[Any]:
    """The modules that hold the table of word embeddings as their weight: several where it is shared."""
    table = model.get_input_embeddings().weight  # type: ignore[operator]
    return [module for module in model.modules() if any(p is table for p in module.parameters(recurse=False))]


def obstacle(model: nn.Module, methods: Sequence[Method], settings: TrainingSettings) -> str | None:
    """Reason that all rows of the word embeddings have to be trained, in a few words, or None.

    Empty where there is nothing to say: the table is not trained, as by PEFT, or the user asked for all rows.
    """
    layer = model.get_input_embeddings()  # type: ignore[operator]
    table = getattr(layer, "weight", None)
    if settings.embedding_rows == "all" or (table is not None and not table.requires_grad):
        return ""
    if not isinstance(layer, nn.Embedding) or layer.sparse:
        return f"they are in a module of another kind, {type(layer).__name__}"
    if others := [module for module in table_layers(model) if not isinstance(module, nn.Embedding)]:
        return f"{type(others[0]).__name__}, an output layer, has the same weights"
    if settings.weight_decay:
        return f"training.weight_decay ({settings.weight_decay:g}) changes those that do not occur too"
    for method in methods:
        with calling(method, "uses_embedding_table"):
            if method.uses_embedding_table:
                return f"method {method.info.name} may use others than those that occur"
    return None


def rows_that_occur(epochs: Iterable[Encoded], pad_id: int, vocabulary: int) -> np.ndarray:
    """Word pieces that occur in the encoded sets of some epochs, padding too, ascending: int64 (rows,)."""
    occurs = np.zeros(vocabulary, dtype=bool)
    occurs[pad_id] = True
    for encoded in epochs:
        for start in range(0, len(encoded.input_ids), BLOCK):  # they may be a file larger than memory
            occurs[encoded.input_ids[start : start + BLOCK]] = True
    return np.flatnonzero(occurs)
