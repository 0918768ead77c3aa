"""What a model may know of data: the contract between `datamodules/` and everything else.

Shapes use one glossary: B batch, T positions, D features a position, V vocabulary, L labels an
example, R positions read out, C classes.
"""

import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self, TypedDict, Unpack

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from datamodules.constants import constant_scores
from datamodules.floors import labels_of
from datamodules.metrics import best_of
from datamodules.randomness import random_permutation
from datamodules.sources.downloads import WAYS_TO_SET_ROOT, MissingDataError, RemoteFile, data_root
from datamodules.sources.quotes import shorten
from datamodules.task_spec import TaskSpec as TaskSpec

if TYPE_CHECKING:
    from datamodules.learners import SimpleLearner

DataKind = Literal["real", "embedded"]
TRAIN, VALIDATION, TEST = "train", "validation", "test"


class Batch(NamedTuple):
    """Examples as every model takes them. Made of three tensors; how long each example is, is counted from the mask.

    Example:
        >>> mask = torch.tensor([[True, True], [True, False]])
        >>> Batch(torch.zeros(2, 2, 1), mask, torch.zeros(2, 1, dtype=torch.int64)).counted().lengths
        (2, 1)
    """

    inputs: Tensor
    """(B, T, D) float32, or (B, T) int64 in [0, V)."""
    mask: Tensor
    """(B, T) bool, True at real positions; padding on the right."""
    labels: Tensor
    """(B, L): int64 in [0, C) for classes, 0 or 1 for multi-label, float32 for numbers. Ragged: also IGNORED, or NaN
    among numbers."""
    lengths: tuple[int, ...] | None = None
    """Real positions of each example, known to the program; None: not counted yet."""

    def counted(self) -> "Batch":
        """Return the batch with its lengths; where the mask is on a GPU and they are not counted yet, it waits."""
        return self if self.lengths is not None else self._replace(lengths=tuple(self.mask.sum(dim=1).tolist()))

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device, its lengths counted before it leaves; pinned memory is not waited for."""
        inputs, mask, labels = (tensor.to(device, non_blocking=device.type == "cuda") for tensor in self[:3])
        return Batch(inputs, mask, labels, self.counted().lengths)

    def part(self, start: int, stop: int) -> "Batch":
        """Return the examples from `start` to before `stop`."""
        lengths = None if self.lengths is None else self.lengths[start:stop]
        return Batch(self.inputs[start:stop], self.mask[start:stop], self.labels[start:stop], lengths)


@dataclass(frozen=True)
class RecordCounts:
    """How many records a file, or the files of a split, hold, and why some of them are in no split.

    Example:
        >>> RecordCounts(12_312, {"longer than 1,024 residues": 7}).read
        12305
    """

    held: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Records that were not read, by reason; 0 where a reason came up for none."""

    @property
    def read(self) -> int:
        """Records that stand in a split."""
        return self.held - sum(self.left_out.values())


class Examples(Protocol):
    """A split held in memory: a fixed, ordered set of examples."""

    def __len__(self) -> int: ...

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        """Return the examples at `indices`, (B,) int64, in that order."""

    def fingerprint(self) -> str:
        """Return a hash of inputs and labels, in hexadecimal."""


class SharedArguments(TypedDict, total=False):
    """Constructor arguments of every datamodule."""

    data: DataKind
    """Where examples come from; by default the kind that needs neither network nor files."""
    seed: int
    """Seed of the order of training examples, of generated ones and of augmentation; by default 0."""
    batch_size: int
    """B of training batches; by default 16."""
    eval_batch_size: int
    """B of validation and test batches; by default 64."""
    root: Path | None
    """Folder to look in for real data and to keep caches in; by default that of `sources.data_root`."""
    offline: bool
    """Never touch the network; by default true."""


class TaskDataModule(pl.LightningDataModule, ABC):
    """One task's data. A subclass defines `task`, `source`, `examples` and, where it must, `training_batch`.

    Training batches are addressed by their optimizer step: batch `step` is the same whatever ran before,
    in every process, for every model. That is what makes a resumed run equal to an uninterrupted one and
    the arms of a comparison see the same examples. Validation and test sets do not depend on the seed.

    All take :class:`SharedArguments`; a subclass adds its own as keywords.

    Raises:
        TypeError: the class does not define `task` or `examples`.
    """

    kinds: ClassVar[tuple[DataKind, ...]] = ("real", "embedded")
    """Where this task's examples can come from, besides its generator."""
    test_splits: ClassVar[tuple[str, ...]] = (TEST,)
    """Names of the test sets; the first is the headline."""
    remote_files: ClassVar[tuple[RemoteFile, ...]] = ()
    """What `fetch_real` downloads."""
    source: str
    """One sentence: where the examples come from; for embedded data, what the stand-in is."""
    as_published: bool | None = None
    """Whether checksums say that the files are those of which papers publish scores; None where no file is read."""
    made_with: tuple[tuple[Any, ...], dict[str, Any]]
    """Positional and keyword arguments that it was made with."""

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        module = super().__new__(cls)
        module.made_with = arguments, keywords
        return module

    def __init__(self, **shared: Unpack[SharedArguments]) -> None:
        super().__init__()
        # Where a task is generated there is one kind of data; else the kind that needs nothing is the default.
        self.data: DataKind = shared.get("data", self.kinds[-1])
        if self.data not in self.kinds:
            raise ValueError(f"expected data to be one of {', '.join(self.kinds)}, got {self.data!r}")
        self.seed = shared.get("seed", 0)
        self.batch_size = shared.get("batch_size", 16)
        self.eval_batch_size = shared.get("eval_batch_size", 64)
        self.root = shared.get("root")
        self.offline = shared.get("offline", True)
        self.first_step = 0
        """Optimizer step of the first training batch: set it before resuming."""
        self.rank, self.world_size = 0, 1
        """Which of how many processes this is: each takes its slice of a training batch and its validation batches."""
        self._last_order = (-1, np.empty(0, dtype=np.int64))

    @property
    @abstractmethod
    def task(self) -> TaskSpec:
        """What a model must know; reading it touches no file."""

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the fixed splits: train unless it is drawn fresh, validation and the test sets."""
        return (TRAIN, VALIDATION, *self.test_splits)

    @property
    def trains_on_fixed_examples(self) -> bool:
        """Whether a training example is the same each time it is seen: neither drawn fresh nor augmented.

        By default not where `training_batch` is the task's own.
        """
        return TRAIN in self.splits and type(self).training_batch is TaskDataModule.training_batch

    @classmethod
    def real_data_at(cls, root: Path | None) -> Path | None:
        """Return the local folder or file that holds this task's real data under `root`, or None."""
        return None

    @classmethod
    def fetch_real(cls, root: Path | None, offline: bool) -> Path:
        """Return the folder or file of the real data, downloaded where it is missing.

        Raises:
            FileNotFoundError: it is not available; the message says where to put it by hand.
        """
        raise FileNotFoundError(
            f"{cls.__name__}: no real data in {data_root(root)}, and none to download. "
            f"Put it there, or name another folder by {WAYS_TO_SET_ROOT}."
        )

    @classmethod
    def real_data(cls, root: Path | None, offline: bool) -> Path:
        """Return the folder or file of the real data: the local copy, else the download, as `fetch_real`."""
        local = cls.real_data_at(root)
        return cls.fetch_real(root, offline) if local is None else local

    @classmethod
    def why_not_read(cls, root: Path | None, arguments: Mapping[str, object]) -> str | None:
        """Return why real data under `root` are not read by a run with these data arguments; None where they are."""
        return None if cls.kinds == ("real",) else what_lies_in(data_root(root))

    @property
    def reads_files(self) -> bool:
        """Whether the examples are records of files, of which each must be accounted for."""
        return self.data == "real" and self.record_counts() is not None

    @classmethod
    def require_embedded(cls) -> None:
        """Raise a MissingPackageError where a package that carries the embedded data is not installed."""

    @classmethod
    def choose_kind(
        cls,
        data: Literal["auto", "real", "embedded"],
        root: Path | None,
        offline: bool,
        arguments: Mapping[str, object] | None = None,
    ) -> tuple[DataKind, str | None]:
        """Return the kind of data to use, and a warning where it is not what was hoped for.

        `real` is what lies there, else the download, else an error that says what lies there and why it is not read.
        `auto` falls back to the embedded stand-in, with a warning. A task that has no embedded data generates its
        examples, and its kind is always `real`; where it has files as well, `real` asks for them.

        Raises:
            MissingDataError: `real` was asked for and is not available.
            MissingPackageError: a package that carries the stand-in is not installed.
            ValueError: another word was asked for.
        """
        if data not in ("auto", "real", "embedded"):
            raise ValueError(f"data: expected 'auto', 'real' or 'embedded', got {data!r}")
        if cls.kinds == ("real",):
            reason = None if data == "embedded" else cls.why_not_read(root, arguments or {})
            if reason is not None and data == "real":
                raise MissingDataError(f"{reason} Pass --data auto to have examples generated by the task's rules.")
            return "real", reason and f"files are not read, so examples are generated: {reason}"
        if data == "embedded":
            cls.require_embedded()
            return "embedded", None
        try:
            cls.real_data(root, offline)
        except FileNotFoundError as error:
            why = cls.why_not_read(root, arguments or {})
            message = str(error) if why is None else f"{error}\n  {why}"
            if data == "real":
                raise MissingDataError(message) from error
            cls.require_embedded()
            reason = " ".join(message.split())
            return "embedded", f"real data is not available, so the embedded stand-in is used: {reason}"
        return "real", None

    @abstractmethod
    def examples(self, split: str) -> Examples:
        """Return one split; made or read at the first call."""

    def training_batch(self, step: int) -> Batch:
        """Return the batch of optimizer step `step`, counted from 0.

        Examples are visited in a fresh seeded order each time all have been seen; a batch may span two orders.
        """
        return self.examples(TRAIN).batch(self.training_indices(step))

    def training_indices(self, step: int) -> NDArray[np.int64]:
        """Return the indices in the training set of the examples of step `step`, (B,) int64."""
        visited = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        rounds, offsets = np.divmod(visited, len(self.examples(TRAIN)))
        indices = np.empty_like(visited)
        for visit in np.unique(rounds):
            indices[rounds == visit] = self._order(int(visit))[offsets[rounds == visit]]
        return indices

    def words(self, inputs: Tensor) -> list[str]:
        """Return T words for people: a token's id, a vector's one number, else the position from 1.

        `inputs` are one example's, (T, D) float32 or (T,) int64, without padding.
        """
        if inputs.dim() == 1:
            return [str(token) for token in inputs.tolist()]
        if inputs.shape[1] == 1:
            return [f"{value:.2g}" for value in inputs[:, 0].tolist()]
        return [str(position) for position in range(1, len(inputs) + 1)]

    def picture(self, inputs: Tensor) -> NDArray[np.uint8] | None:
        """Return one example, as in `words`, as a picture, (height, width, 3), or None where it is none."""
        return None

    def record_counts(self) -> Mapping[str, RecordCounts] | None:
        """Return how many records the data hold and were read, by file or by split; None where the task does not say.

        What is generated example by example has no records to leave out, and does not say.
        """
        return None

    def floors(self) -> Mapping[str, float]:
        """Return what rules that need no learning score on the headline test set, by name; measured there.

        By default constants: of classes the commonest of training, where there is a training set, of numbers its mean
        and median; and the one that is best on test. A task that has a better rule adds it:
        `{**super().floors(), "copy": ...}`. What `task.trivial` says stands beside them, and the best of all is
        the task's floor: a model that is not above it has shown nothing.
        """
        return self.floors_without_order()

    def floors_without_order(self) -> Mapping[str, float]:
        """Return those of rules that need no order of tokens, which hold of a task with `shuffled=true`, too."""
        train = labels_of(self.examples(TRAIN)) if TRAIN in self.splits else None
        return constant_scores(self.task, labels_of(self.examples(self.test_splits[0])), train)

    def all_floors(self) -> dict[str, float]:
        """Return what `task.trivial` says and what `floors` measures, by name; the best of them is the task's floor.

        Raises:
            ValueError: there is none.
        """
        scores = {**self.task.trivial, **self.floors()}
        if not scores:
            raise ValueError(
                f"task {self.task.name!r}: expected at least one rule that needs no learning, got none. "
                "Return {**super().floors(), ...} from `floors`"
            )
        return scores

    def floor(self) -> float:
        """Return the best of `all_floors`: what a model must beat to have learned anything."""
        scores = self.all_floors()
        return scores[best_of(scores, self.task.measure.higher_is_better)]

    def simple_learners(self) -> "Mapping[str, SimpleLearner]":
        """Return what is to be fitted beside models without any body, by name; by default nothing."""
        return {}

    def fingerprint(self) -> str:
        """Return a hash of all fixed examples: 64 hexadecimal digits."""
        joined = ":".join(f"{split}={self.examples(split).fingerprint()}" for split in self.splits)
        return hashlib.sha256(joined.encode()).hexdigest()

    def train_dataloader(self) -> "DataLoader[Batch]":
        batches, steps = _TrainingBatches(self), _Steps(self.first_step)
        return DataLoader(batches, batch_size=None, sampler=steps, pin_memory=torch.cuda.is_available())

    def val_dataloader(self) -> "DataLoader[Batch]":
        return self._evaluation(VALIDATION, self.rank, self.world_size)

    def test_dataloader(self) -> "list[DataLoader[Batch]]":
        return [self._evaluation(split, 0, 1) for split in self.test_splits]

    def _evaluation(self, split: str, rank: int, world_size: int) -> "DataLoader[Batch]":
        """Load a split in its own order; the last batch may be smaller, none is dropped.

        Of several processes each takes one batch in turn; all take all where there are too few to go round.
        """
        examples, size = self.examples(split), self.eval_batch_size
        firsts = range(0, len(examples), size)
        firsts = firsts[rank::world_size] if len(firsts) >= world_size else firsts
        indices = [np.arange(first, min(first + size, len(examples))) for first in firsts]
        pin = torch.cuda.is_available()
        return DataLoader(indices, batch_size=None, collate_fn=examples.batch, pin_memory=pin)  # type: ignore[arg-type]

    def _order(self, visit: int) -> NDArray[np.int64]:
        if self._last_order[0] != visit:
            self._last_order = (visit, random_permutation(len(self.examples(TRAIN)), self.seed, "order", visit))
        return self._last_order[1]


class DerivedDataModule(TaskDataModule):
    """Another form of a task's examples, in the order in which the task gives them."""

    def __init__(self, inner: TaskDataModule) -> None:
        self.kinds, self.test_splits = inner.kinds, inner.test_splits  # type: ignore[misc]
        super().__init__(
            data=inner.data, seed=inner.seed, batch_size=inner.batch_size, eval_batch_size=inner.eval_batch_size
        )
        self.inner, self.source, self.as_published = inner, inner.source, inner.as_published

    @property
    def task(self) -> TaskSpec:
        return self.inner.task

    def training_indices(self, step: int) -> NDArray[np.int64]:
        return self.inner.training_indices(step)

    def floors(self) -> Mapping[str, float]:
        return self.inner.floors()

    def simple_learners(self) -> "Mapping[str, SimpleLearner]":
        return self.inner.simple_learners()

    def record_counts(self) -> Mapping[str, RecordCounts] | None:
        return self.inner.record_counts()


def what_lies_in(folder: Path) -> str:
    """Say in a sentence what a folder holds, two levels deep, or that it does not.

    Example:
        >>> what_lies_in(Path("/nowhere"))
        'The folder /nowhere is not there.'
    """
    if not folder.is_dir():
        return f"The folder {folder} is not there."
    shown = (path for path in [*folder.glob("*"), *folder.glob("*/*")] if not path.name.startswith("."))
    names = sorted(path.relative_to(folder).as_posix() for path in itertools.islice(shown, 1000))
    return f"In {folder} lie: {shorten(', '.join(names))}." if names else f"The folder {folder} is empty."


class _TrainingBatches(Dataset[Batch]):
    """Whole training batches, indexed by optimizer step."""

    def __init__(self, module: TaskDataModule) -> None:
        self.module = module

    def __getitem__(self, step: int) -> Batch:
        rank, batch = self.module.rank, self.module.training_batch(step)
        share = len(batch.labels) // self.module.world_size
        return batch.part(rank * share, (rank + 1) * share)


class _Steps(Sampler[int]):
    """Optimizer steps from `first` on, without end: the Trainer's `max_steps` ends them."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.first)
