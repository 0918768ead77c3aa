"""What a model may know of data: the contract between `datamodules/` and everything else.

Shapes use one glossary: B batch, T positions, D features a position, V vocabulary, L labels an
example, R positions read out, C classes.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypedDict, Unpack

import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.batch import Batch as Batch
from datamodules.batch import Examples as Examples
from datamodules.constants import constant_scores
from datamodules.floors import labels_of
from datamodules.loaders import split_loader, training_loader
from datamodules.metrics import best_of
from datamodules.randomness import random_permutation
from datamodules.records import RecordCounts as RecordCounts
from datamodules.records import what_lies_in
from datamodules.sources.downloads import WAYS_TO_SET_ROOT, MissingDataError, RemoteFile, data_root
from datamodules.task_spec import TaskSpec as TaskSpec

if TYPE_CHECKING:
    from datamodules.learners import SimpleLearner

DataKind = Literal["real", "embedded"]
TRAIN, VALIDATION, TEST = "train", "validation", "test"


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
        return training_loader(self)

    def val_dataloader(self) -> "DataLoader[Batch]":
        return split_loader(self.examples(VALIDATION), self.eval_batch_size, self.rank, self.world_size)

    def test_dataloader(self) -> "list[DataLoader[Batch]]":
        return [split_loader(self.examples(split), self.eval_batch_size) for split in self.test_splits]

    def _order(self, visit: int) -> NDArray[np.int64]:
        if self._last_order[0] != visit:
            self._last_order = (visit, random_permutation(len(self.examples(TRAIN)), self.seed, "order", visit))
        return self._last_order[1]
