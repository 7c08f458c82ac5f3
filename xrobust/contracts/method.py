"""A method: a change to training. Methods compose with `+`, as in `rs_random+lora`."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from xrobust.contracts.example import Example
from xrobust.contracts.keyed_random import keyed_random
from xrobust.contracts.parameters import Parameters
from xrobust.contracts.task import Task

if TYPE_CHECKING:
    import torch

Stage = Literal["augment", "objective", "adapt"]
STAGES: tuple[Stage, ...] = ("augment", "objective", "adapt")
Supervision = Literal["source", "target_unlabelled", "bitext", "target_few_shot"]


@dataclass(frozen=True)
class Tuning:
    """Provenance of a method's defaults: a search on the *source* dev set, which has seen no target language.

    Methods whose numbers are compared should have had equally many trials.
    """

    trials: int
    """Settings that were tried."""
    searched: Mapping[str, Sequence[Any]]
    """Parameter, or `training.<setting>`, -> the values that were tried."""
    data: str
    """Tasks, language and size of the training and dev sets."""
    model: str
    seeds: int
    budget: str
    """Training budget of a trial."""
    command: str
    """Command that makes the table of the trials, or the place where it stands."""

    def __str__(self) -> str:
        values = "; ".join(f"{name} {', '.join(map(str, tried))}" for name, tried in self.searched.items())
        return (
            f"{self.trials} trials ({values}) on {self.data}, {self.model}, {self.budget}, seeds: {self.seeds}; "
            f"{self.command}"
        )


@dataclass(frozen=True)
class MethodInfo:
    """Facts about a method."""

    name: str
    """Name of its entry point."""
    summary: str
    """One line, shown by `xrobust list methods`."""
    citation: str = ""
    supervision: Supervision = "source"
    """Data that the method sees beyond labelled source data; written into every result."""
    tuning: Tuning | None = None
    """Provenance of the default values; None for values that were not searched for."""


@dataclass
class Batch:
    """One micro-batch on the device."""

    inputs: dict[str, torch.Tensor]
    """`input_ids`, `attention_mask` and, where the model takes them, `token_type_ids`: int64 (items, length), or
    (items, choices, length) for multiple choice."""
    labels: torch.Tensor
    """int64: (items,), or (items, length) for tagging with -100 where no label is."""
    noise_mask: torch.Tensor
    """float (rows, length, 1): 1 at ordinary tokens, 0 at padding and special tokens. `rows` is items, or items *
    choices: what the embedding layer sees."""
    generator: torch.Generator
    """The only source of random numbers an objective may use: seeded anew for every micro-batch from (run seed, step,
    micro-batch, process), so that a resumed run draws the same."""
    embedding_dim: int
    """Last dimension of the input embedding layer's output."""

    def noise_shape(self) -> tuple[int, int, int]:
        """(rows, length, embedding_dim): the shape of an embedding offset."""
        rows, length, _ = self.noise_mask.shape
        return rows, length, self.embedding_dim


class Output(NamedTuple):
    """One forward pass."""

    loss: torch.Tensor
    """Scalar: cross entropy *summed* over the labelled items of the micro-batch. The engine divides by the number of
    labelled items in the whole effective batch, over accumulation steps and processes."""
    logits: torch.Tensor
    """float32 (items, labels), or (items, length, labels) for tagging."""


class Forward(Protocol):
    """The model, as an objective sees it. The engine owns the embedding hook, autocast and the process group."""

    def __call__(self, batch: Batch, noise: torch.Tensor | None = None) -> Output:
        """Runs one pass. `noise` (`batch.noise_shape()`) is added to the output of the input embedding layer, never at
        padding or special tokens."""

    def shifted(self, offset: torch.Tensor) -> Forward:
        """This forward with `offset` added to the noise of every pass."""

    def one_mask(self) -> Forward:
        """This forward with one draw of dropout for all of its passes, those of forwards made from it too: the masks
        that a pass would have drawn when this was called."""

    def local(self) -> Forward:
        """This forward on the unwrapped module: for passes whose gradients are taken by `torch.autograd.grad`
        and never reach the parameters, so that no gradient is exchanged between processes."""


Objective = Callable[[Forward, Batch], "torch.Tensor"]
"""Function to minimise: returns the loss *summed* over the labelled items of a micro-batch."""


@dataclass(frozen=True)
class DataContext:
    """Inputs of `Method.augment`."""

    task: Task
    seed: int
    epoch: int
    """0, unless `Method.every_epoch` asks for a new augmentation each epoch."""
    files: Mapping[str, Path]
    """Files that `Method.files` returned."""

    def rng(self, *key: object) -> random.Random:
        """Random numbers keyed by (run seed, epoch, *key). Pass the method's purpose and the example's id."""
        return keyed_random(self.seed, self.epoch, *key)


@dataclass(frozen=True)
class ModelContext:
    """Inputs of `Method.adapt` and `Method.objective`."""

    task: Task
    seed: int
    modules_to_save: frozenset[str]
    """Qualified names of the modules to train and save whole: the head, whether it is new or the base checkpoint's, and
    what that had no weights for, often a pooler. No name lies below another."""
    embedding_norm: float
    """Mean L2 norm of the *pre-trained* input embeddings of the ordinary tokens of the source dev set: the unit of a
    relative radius."""


class Method:
    """Base of all methods. Override one or two of `augment`, `objective` and `adapt`, and name the class in
    entry-point group `xrobust.methods`. A method that overrides none is plain fine-tuning."""

    info: ClassVar[MethodInfo]

    class Params(Parameters):
        """No parameters."""

    def __init__(self, params: Any) -> None:
        self.params = params

    @classmethod
    def defaults(cls, task: Task) -> dict[str, Any]:
        """Defaults that depend on the task; what the user sets wins."""
        return {}

    def training_defaults(self, task: Task) -> dict[str, Any]:
        """Training settings that the method has in place of the task's recipe; what a user or a preset sets wins.

        For methods that want a learning rate of their own: `{"learning_rate": 10 * task.recipe.learning_rate}`.
        """
        return {}

    @classmethod
    def stages(cls) -> tuple[Stage, ...]:
        """The stages of training that this method changes: those it overrides."""
        return tuple(stage for stage in STAGES if getattr(cls, stage) is not getattr(Method, stage))

    def conflict(self, other: Method) -> str | None:
        """Reason that this method cannot be combined with `other`, in a few words, or None. Asked before loading."""
        return None

    def language_problem(self, language: str) -> str | None:
        """Reason that this method cannot train on text in `language` (the run's source), in a few words, or None.

        Asked before anything is loaded.
        """
        return None

    def files(self, data_dir: Path | None, offline: bool) -> dict[str, Path]:
        """Files that the method reads, by a name of its choice. Their sha256 become part of the run's identity.

        Raises UserError, naming what is missing and how to get it.
        """
        return {}

    @property
    def every_epoch(self) -> bool:
        """True when `augment` is to be called anew for each epoch (with `ctx.epoch`)."""
        return False

    @property
    def uses_embedding_table(self) -> bool:
        """True for a method that in training reads or writes the table of word embeddings itself, or makes word pieces
        that no training text has: all rows of the table are in the model then, else only those that occur.

        By default where `adapt` is overridden, which is given the model.
        """
        return "adapt" in self.stages()

    def augment(self, train: Sequence[Example], ctx: DataContext) -> Sequence[Example]:
        """The examples to train on. May be lazy: anything with `__len__` and `__getitem__(int)`."""
        return train

    def objective(self, inner: Objective, ctx: ModelContext) -> Objective:
        """A new objective around `inner`; of several methods the rightmost is outermost."""
        return inner

    def adapt(self, model: Any, ctx: ModelContext) -> Any:
        """Changes the model before training (new modules, frozen parameters) and returns it.

        Must build the same structure from the same configuration each time: a saved run is reloaded by another call.
        """
        return model
