"""What came out: a run's outcome as a frozen value, kept in one JSON file."""

import contextlib
import errno
import gc
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fpt_bench.contents_cache import read_contents
from fpt_bench.spec import RunSpec

RESULT_FILE = "result.json"
CLAIM_FILE = "run.claim"
"""In a run's folder while a process works on it."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GroupCount(_Frozen):
    """Parameters of one group."""

    trained: int
    total: int


class DataRecord(_Frozen):
    """Which data a run used."""

    kind: Literal["real", "embedded"]
    source: str
    """One sentence: where the examples come from."""
    fingerprint: str
    """SHA-256 over all fixed examples."""
    trivial: dict[str, float]
    """Accuracy in [0, 1] of baselines that need no learning, by name."""
    floor: float
    """The largest of them."""


class BodyRecord(_Frozen):
    """Which body a run used."""

    source: str
    """One sentence: where architecture and weights come from."""
    fingerprint: str
    """SHA-256 of the weights' file, or of the architecture where no file was read."""
    execution: str
    """Whose forward pass ran."""
    notes: tuple[str, ...] = ()
    """What was changed to fit the task, such as a stretched position table."""


class Provenance(_Frozen):
    """On what, and by which code, a run was made."""

    version: str
    commit: str | None
    versions: dict[str, str]
    device: str
    threads: int
    platform: str
    processes: int = 1
    """That trained it together; dropout depends on it."""


class RunResult(_Frozen):
    """Outcome of one run. Accuracies are fractions in [0, 1]; only tables turn them into percent."""

    spec: RunSpec
    status: Literal["ok", "diverged", "failed"]
    error: str | None = None
    """What went wrong, when something did."""
    curve: tuple[tuple[int, float], ...] = ()
    """Validation accuracy by optimizer step."""
    best_step: int | None = None
    """Step of the first best validation; the weights of that step are tested."""
    validation_accuracy: float | None = None
    test_accuracy: float | None = None
    """On the whole headline test set, read once."""
    test_accuracies: dict[str, float] = Field(default_factory=dict)
    """By test split, the headline one included."""
    test_examples: int | None = None
    train_accuracy: float | None = None
    """On training examples, without dropout, at the best step."""
    parameters: dict[str, GroupCount] = Field(default_factory=dict)
    seconds: float = 0.0
    """Wall-clock time of training, validation included, over all attempts."""
    tokens_per_second: float | None = None
    """Training positions a second, padding left out."""
    peak_memory_mb: float | None = None
    """Largest resident memory of the process so far, or of the GPU's memory during the run, in MiB."""
    data: DataRecord | None = None
    body: BodyRecord | None = None
    provenance: Provenance | None = None

    @property
    def floor(self) -> float | None:
        return self.data.floor if self.data else None

    @property
    def score(self) -> float | None:
        """Accuracy that tables average: a diverged run scores its floor; a failed one has none."""
        return self.floor if self.status == "diverged" else self.test_accuracy

    def trained_parameters(self) -> int:
        return sum(count.trained for count in self.parameters.values())


def explain_full_disk(error: BaseException, path: Path) -> None:
    """Raise an OSError that says what to do, where `error` or what led to it came of a full disk; else do nothing."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            message = "no space left while writing; free some, and the same command goes on where this one was"
            raise OSError(cause.errno, message, str(path)) from error
        cause = cause.__cause__ or cause.__context__


@contextlib.contextmanager
def replaced_when_whole(path: Path, unfinished: Path) -> Iterator[BinaryIO]:
    """Give a stream whose content becomes the file at `path` when the block is over; where it fails, nothing is left.

    Args:
        path: a reader finds its old content or the new, never a part.
        unfinished: where the content is until then; in the same folder, and no other writer's.

    Raises:
        OSError: it could not be written; of a full disk the message says what to do.
    """
    try:
        with unfinished.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(path)
    except BaseException as error:
        unfinished.unlink(missing_ok=True)
        explain_full_disk(error, path)
        raise


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader finds the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The host too: process ids of two machines on one file system may be equal.
    unfinished = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}")
    with replaced_when_whole(path, unfinished) as stream:
        stream.write(text.encode())


def write_result(result: RunResult, folder: Path) -> None:
    """Put a finished run's result into its folder, atomically."""
    write_atomically(folder / RESULT_FILE, result.model_dump_json(indent=1) + "\n")


def read_result(folder: Path) -> RunResult | None:
    """Give the result in a run's folder, or None where the run is not over.

    Raises:
        ValueError: the file is there but is no result; the message names it.
    """
    path = folder / RESULT_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return parse_result(content, path)


def parse_result(content: bytes, path: Path) -> RunResult:
    """Give the result that a file holds.

    Raises:
        ValueError: it holds none; the message names `path`.
    """
    try:
        return RunResult.model_validate_json(content.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a result in JSON, got bytes that are not text") from error
    except ValidationError as error:
        finding = error.errors()[0]
        raise ValueError(
            f"{path}: expected a result in JSON, got a file that is truncated or garbled ({finding['msg']}). "
            "Ask for the run again to make it anew."
        ) from error


def collect_results(runs: Path) -> tuple[list[RunResult], list[str]]:
    """Give all results under a folder of runs, by run id, and a sentence for each file that is none."""
    results, problems = [], []
    with _without_collector():
        for name, content in read_contents(runs, RESULT_FILE):
            try:
                results.append(parse_result(content, runs / name / RESULT_FILE))
            except ValueError as error:
                problems.append(str(error))
    return results, problems


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Keep the garbage collector from going over 100,000 new values again and again: a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
