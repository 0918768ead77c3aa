"""What is kept beside a result to be looked at: what a model says to a few test examples, and who attends to whom."""

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, model_validator

from datamodules.metrics import IGNORED
from fpt_bench.results.atomic import write_atomically
from fpt_bench.results.folder import PREDICTIONS_FILE, TEST_PREDICTIONS_FILE
from fpt_bench.results.result_files import MAX_ANSWERS, read_of_run

MAX_LETTERS = 240
"""Letters of an input that are kept, half of them from its end."""


class Prediction(BaseModel):
    """One test example and what a model says to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    example: int
    """Index in the headline test set, from 0."""
    input: str
    """What goes in, position by position, for people; long ones without their middle."""
    picture: str | None = None
    """The input as a PNG in base64, where it is a picture."""
    labels: tuple[int | float | None, ...]
    """L classes, numbers, or 0 and 1; None where there is no label."""
    predicted: tuple[int | float | None, ...]
    """As many; None where there is no label."""

    @model_validator(mode="after")
    def _says_as_many_as_there_are(self) -> Self:
        if not self.labels or len(self.labels) != len(self.predicted):
            raise ValueError(f"expected an answer for each label, got {len(self.predicted)} for {len(self.labels)}")
        if [label is None for label in self.labels] != [said is None for said in self.predicted]:
            raise ValueError("expected answers where there are labels, got some without")
        return self

    @property
    def known(self) -> list[tuple[float, float]]:
        """Labels that there are, with what is said."""
        both = zip(self.labels, self.predicted, strict=True)
        return [(label, said) for label, said in both if label is not None and said is not None]

    @property
    def right(self) -> int:
        """How many of the labels are said."""
        return sum(label == said for label, said in self.known)

    @property
    def outcome(self) -> str:
        """How many labels are right, in words; of numbers, how far off they are on average."""
        if not any(isinstance(label, float) for label in self.labels):
            return f"{self.right} of {len(self.known)}"
        return f"off by {sum(abs(label - said) for label, said in self.known) / len(self.known):.3g}"


@dataclass(frozen=True)
class AttentionMaps:
    """The attention of one model on one example of t positions."""

    title: str
    """Whose body, and where its weights come from."""
    words: tuple[str, ...]
    """What stands at each position, t texts."""
    weights: NDArray[np.float32]
    """(layers, heads, t, t), from position to position; rows sum to 1."""


@dataclass(frozen=True)
class Answers:
    """What a model says to the whole headline test set of N examples with L labels each."""

    labels: NDArray[Any]
    """(N, L): the right classes, integers; 0 or 1 of multi-label tasks; or numbers, float32. IGNORED, or NaN among
    numbers, where there is no label."""
    said: NDArray[Any]
    """(N, L), likewise: the likeliest classes, what is likelier than not, or numbers."""
    confidence: NDArray[np.float32] | None
    """(N, L), the probabilities of those, in [0, 1]; kept in steps of 1/255. None of numbers."""

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which labels are said, those that are there, in a row."""
        there = self.labels != IGNORED
        found: NDArray[np.bool_] = (self.labels == self.said)[there]
        return found

    @property
    def accuracy(self) -> float:
        """Share of the labels that are said."""
        return float(self.right.mean())


_Predictions = TypeAdapter(tuple[Prediction, ...])


def shorten(text: str, letters: int = MAX_LETTERS) -> str:
    """Return a text of at most about `letters` letters: a longer one loses its middle, as its end is what is read out.

    Example:
        >>> shorten("0123456789", 4)
        '01 … 89'
    """
    half = letters // 2
    return text if len(text) <= letters else f"{text[:half].rstrip()} … {text[-half:].lstrip()}"


def spell(labels: tuple[float | None, ...]) -> str:
    """Write classes in a row, without spaces where each is one digit; numbers shortly; a dot where there is no label.

    Example:
        >>> spell((1, 0, 1)), spell((17,)), spell((3, 12))
        ('101', '17', '3 12')
        >>> spell((1, None, 0)), spell((0.123456, None))
        ('1·0', '0.123 ·')
    """
    words = ["·" if label is None else f"{label:.3g}" if isinstance(label, float) else str(label) for label in labels]
    return ("" if all(len(word) == 1 for word in words) else " ").join(words)


def write_predictions(
    predictions: tuple[Prediction, ...], folder: Path, require_owner: Callable[[], None] = lambda: None
) -> None:
    """Put predictions into a run's folder, atomically; `require_owner` as in `replaced_when_whole`."""
    write_atomically(folder / PREDICTIONS_FILE, _Predictions.dump_json(predictions).decode() + "\n", require_owner)


def write_answers(said: Answers, folder: Path, require_owner: Callable[[], None] = lambda: None) -> None:
    """Put what a model says to the whole test set into a run's folder, atomically: about two bytes a label.

    `require_owner` as in `replaced_when_whole`.
    Answers of classes and of multi-label tasks are called `classes` there and have `confidence`, numbers are `numbers`.
    """
    there = ~np.isnan(said.labels) if said.confidence is None else said.labels != IGNORED
    if said.confidence is None:
        arrays: dict[str, NDArray[Any]] = {
            "labels": said.labels.astype(np.float32),
            "numbers": np.where(there, said.said, np.nan).astype(np.float32),
        }
    else:
        classes = np.where(there, said.said, IGNORED)
        ends = [np.min_scalar_type(end(each)) for each in (said.labels, classes) for end in (np.min, np.max)]
        kind = np.result_type(*ends)
        confidence = np.where(there, np.rint(said.confidence * 255), 0).astype(np.uint8)
        arrays = {"labels": said.labels.astype(kind), "classes": classes.astype(kind), "confidence": confidence}
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]  # of arrays
    write_atomically(folder / TEST_PREDICTIONS_FILE, content.getvalue(), require_owner)


def read_answers(folder: Path) -> Answers | None:
    """Return what a run's model says to its whole test set; None where there is no file, as with older runs.

    Raises:
        ValueError: the file is there but holds no such thing; the message names it.
    """
    path = folder / TEST_PREDICTIONS_FILE
    try:
        content = io.BytesIO(read_of_run(folder, TEST_PREDICTIONS_FILE))
        with zipfile.ZipFile(content) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_ANSWERS:
            raise ValueError(f"it unpacks to {size:,} bytes, over {MAX_ANSWERS:,}")
        with np.load(content, allow_pickle=False) as arrays:
            labels, is_numbers = arrays["labels"], "numbers" in arrays
            said = arrays["numbers" if is_numbers else "classes"]
            confidence = None if is_numbers else arrays["confidence"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ValueError(f"{path}: expected labels, classes and confidence of a test set, got: {error}") from error
    shapes = [each.shape for each in (labels, said, confidence) if each is not None]
    if len(set(shapes)) > 1 or labels.ndim != 2:
        raise ValueError(f"{path}: expected arrays of one shape (N, L), got {', '.join(map(str, shapes))}")
    return Answers(labels, said, None if confidence is None else confidence.astype(np.float32) / 255)


def read_predictions(folder: Path) -> tuple[Prediction, ...]:
    """Return the predictions of a run, packed or in its folder; none where there is no file, as with older runs.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is there but holds no predictions; the message names it.
    """
    path = folder / PREDICTIONS_FILE
    try:
        return _Predictions.validate_json(read_of_run(folder, PREDICTIONS_FILE))
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        raise ValueError(
            f"{path}: expected predictions in JSON, got {error.errors()[0]['msg']}. "
            f"`python -m fpt_bench examples {folder}` writes it anew."
        ) from error
